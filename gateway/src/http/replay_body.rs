//! Bodies that start jobs.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use utoipa::ToSchema;

use super::message_body::{MessageEditBody, MessageFilterBody};
use super::{document, start_at};
use crate::refusal::Refusal;
use crate::topics::{RedriveSpec, ReplaySpec, ReplayTarget, StartAt};

/// What to publish again, and where.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"source": {"topic": "events", "from": "earliest", "to": "latest"}, "destination": {"topic": "orders"}}))]
pub struct ReplayBody {
    /// The stretch of a log.
    source: ReplaySource,
    /// A topic, or an exchange.
    #[schema(value_type = ReplayDestination)]
    destination: Destination,
    /// Most messages a second.
    #[serde(default, deserialize_with = "document::maybe_whole::<1, 4294967295, u32, _>")]
    #[schema(required = false, value_type = u32, minimum = 1, maximum = 4294967295u32)]
    rate_per_s: Option<u32>,
}

/// A stretch of a log.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaySource {
    /// The log.
    #[schema(min_length = 1, max_length = 255)]
    topic: String,
    /// Which partitions; all unless said.
    #[serde(default)]
    #[schema(required = false, max_items = 10000)]
    partitions: Vec<PartitionNumber>,
    /// The first record: `earliest`, `latest`, an offset, or `@` and a time.
    #[serde(default = "earliest")]
    #[schema(required = false, value_type = ReplayPlace)]
    from: Place,
    /// Up to, and without, this record.
    #[serde(default = "latest")]
    #[schema(required = false, value_type = ReplayPlace)]
    to: Place,
}

/// A partition, counted from 0.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(value_type = u32, minimum = 0, maximum = 2147483647)]
pub struct PartitionNumber(#[serde(deserialize_with = "document::whole::<0, 2147483647, u32, _>")] u32);

fn earliest() -> Place {
    Place(StartAt::Earliest)
}

fn latest() -> Place {
    Place(StartAt::Latest)
}

/// A place in a log.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "described, never built")]
pub enum ReplayPlace {
    /// An offset.
    Offset(#[schema(inline)] OffsetNumber),
    /// An end, or `@` and a time.
    Name(#[schema(inline)] PlaceName),
}

/// An offset.
#[derive(ToSchema)]
#[schema(value_type = i64, minimum = 0, maximum = 9007199254740991i64)]
#[allow(dead_code, reason = "described, never built")]
pub struct OffsetNumber(i64);

/// An end, an offset as text, or `@` and a time.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^(earliest|latest|[0-9]{1,15}|@[0-9]{1,13})$")]
#[allow(dead_code, reason = "described, never built")]
pub struct PlaceName(String);

/// Where to.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "described, never built")]
pub enum ReplayDestination {
    /// A topic of either model.
    Topic(TopicDestination),
    /// An exchange.
    Exchange(ExchangeDestination),
}

/// A topic of either model.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never built")]
pub struct TopicDestination {
    #[schema(min_length = 1, max_length = 255)]
    topic: String,
}

/// An exchange.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "described, never built")]
pub struct ExchangeDestination {
    /// Its name; empty is the default exchange.
    #[schema(max_length = 255)]
    exchange: String,
    /// The key of all messages; each record's own key unless said.
    #[schema(required = false, max_length = 255, pattern = "^([ -~]{0,255}|[\\s\\S]{0,63})$")]
    routing_key: String,
}

/// Where to, as it is read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    #[serde(default, deserialize_with = "document::given")]
    topic: Option<String>,
    #[serde(default, deserialize_with = "document::given")]
    exchange: Option<String>,
    #[serde(default, deserialize_with = "document::given")]
    routing_key: Option<String>,
}

impl TryFrom<Destination> for ReplayTarget {
    type Error = Refusal;

    fn try_from(destination: Destination) -> Result<ReplayTarget, Refusal> {
        match destination {
            Destination { topic: Some(topic), exchange: None, routing_key: None } => {
                Ok(ReplayTarget::Topic(topic))
            }
            Destination { topic: None, exchange: Some(exchange), routing_key } => {
                if routing_key.as_ref().is_some_and(|key| key.len() > 255) {
                    let field = "/destination/routing_key";
                    return Err(Refusal::invalid(field, "a routing key has at most 255 bytes"));
                }
                let exchange = if exchange == "amq.default" { String::new() } else { exchange };
                Ok(ReplayTarget::Exchange { exchange, routing_key })
            }
            _ => Err(Refusal::invalid(
                "/destination",
                "give either `topic`, or `exchange` and maybe `routing_key`",
            )),
        }
    }
}

impl TryFrom<ReplayBody> for ReplaySpec {
    type Error = Refusal;

    fn try_from(body: ReplayBody) -> Result<ReplaySpec, Refusal> {
        let ReplayBody { source, destination, rate_per_s } = body;
        let mut partitions: Vec<u32> = source.partitions.iter().map(|number| number.0).collect();
        partitions.sort_unstable();
        partitions.dedup();
        Ok(ReplaySpec {
            source: source.topic,
            partitions,
            from: source.from.0,
            to: source.to.0,
            target: destination.try_into()?,
            rate_per_s,
        })
    }
}

/// What to send back, where to, and how fast.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedriveBody {
    /// Where to send all, instead of where each came from: a queue's name, or a queue or an exchange as an object.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, value_type = RedriveDestination)]
    destination: Option<Whither>,
    /// Only these messages, by id.
    #[serde(default)]
    #[schema(required = false, max_items = 10000)]
    ids: Vec<IdNumber>,
    /// Only those that died in this queue last.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, value_type = String, min_length = 1, max_length = 255)]
    died_in: Option<String>,
    /// Only those that fit.
    #[serde(default)]
    #[schema(required = false)]
    filter: MessageFilterBody,
    /// What changes in each.
    #[serde(default)]
    #[schema(required = false)]
    edit: MessageEditBody,
    /// Most messages to move.
    #[serde(default, deserialize_with = "document::maybe_whole::<1, 9007199254740991, u64, _>")]
    #[schema(required = false, value_type = u64, minimum = 1, maximum = 9007199254740991u64)]
    max: Option<u64>,
    /// Most messages a second.
    #[serde(default, deserialize_with = "document::maybe_whole::<1, 4294967295, u32, _>")]
    #[schema(required = false, value_type = u32, minimum = 1, maximum = 4294967295u32)]
    rate_per_s: Option<u32>,
}

/// Most ids that a redrive names.
const MOST_IDS: usize = 10_000;

/// Where to: a queue's name, or a topic or an exchange.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "described, never built")]
pub enum RedriveDestination {
    /// A queue.
    Name(#[schema(inline)] QueueName),
    /// A queue, or an exchange.
    Target(ReplayDestination),
}

/// A queue's name.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 255)]
#[allow(dead_code, reason = "described, never built")]
pub struct QueueName(String);

/// The same as it is read.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Whither {
    Name(String),
    Target(Destination),
}

/// A message's id.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(value_type = u64, minimum = 0, maximum = 9007199254740991u64)]
pub struct IdNumber(#[serde(deserialize_with = "document::whole::<0, 9007199254740991, u64, _>")] u64);

impl TryFrom<RedriveBody> for RedriveSpec {
    type Error = Refusal;

    fn try_from(body: RedriveBody) -> Result<RedriveSpec, Refusal> {
        if body.ids.len() > MOST_IDS {
            return Err(Refusal::invalid("/ids", format!("name at most {MOST_IDS} messages")));
        }
        let destination = match body.destination {
            None => None,
            Some(Whither::Name(name)) => Some(ReplayTarget::Topic(name)),
            Some(Whither::Target(target)) => Some(target.try_into()?),
        };
        Ok(RedriveSpec {
            destination,
            ids: body.ids.iter().map(|id| id.0).collect(),
            died_in: body.died_in,
            filter: body.filter.into(),
            edits: body.edit.try_into()?,
            max: body.max,
            rate_per_s: body.rate_per_s,
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Place(StartAt);

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Place, D::Error> {
        struct PlaceVisitor;
        impl Visitor<'_> for PlaceVisitor {
            type Value = Place;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`earliest`, `latest`, an offset, or `@` and a time")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Place, E> {
                start_at::parse(text).map(Place).map_err(|refusal| E::custom(refusal.detail))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Place, E> {
                let offset = i64::try_from(number).map_err(|_| E::custom("the offset is too large"))?;
                Ok(Place(StartAt::Offset(offset)))
            }
        }
        from.deserialize_any(PlaceVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<ReplaySpec, Refusal> {
        document::parse::<ReplayBody>(body.as_bytes())?.try_into()
    }

    #[test]
    fn a_replay_is_read_with_its_defaults() {
        let spec = read(r#"{"source":{"topic":"a"},"destination":{"topic":"b"}}"#).unwrap();
        assert_eq!((spec.from, spec.to), (StartAt::Earliest, StartAt::Latest));
        assert_eq!(spec.target, ReplayTarget::Topic("b".into()));
        let spec = read(
            r#"{"source":{"topic":"a","from":10,"to":"@5","partitions":[2,0,2]},"destination":{"exchange":"x","routing_key":"k"},"rate_per_s":3}"#,
        )
        .unwrap();
        assert_eq!(
            (spec.from, spec.to, spec.partitions),
            (StartAt::Offset(10), StartAt::Time(5), vec![0, 2])
        );
        assert_eq!(spec.rate_per_s, Some(3));
    }

    #[test]
    fn faults_are_pointed_at() {
        let field = |body: &str| read(body).unwrap_err().field.unwrap();
        assert_eq!(field(r#"{"destination":{"topic":"b"}}"#), "/source");
        assert_eq!(field(r#"{"source":{"topic":"a"}}"#), "/destination");
        assert_eq!(
            field(r#"{"source":{"topic":"a","from":"noon"},"destination":{"topic":"b"}}"#),
            "/source/from"
        );
        assert_eq!(field(r#"{"source":{"topic":"a"},"destination":{}}"#), "/destination");
        assert_eq!(
            field(r#"{"source":{"topic":"a"},"destination":{"topic":"b","exchange":"c"}}"#),
            "/destination"
        );
    }
}
