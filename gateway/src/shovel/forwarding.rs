use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldArray, FieldTable};

use super::definition::{Destination, Intake, Shovel, Source, Target};
use crate::topics::ShovelName;

/// The header that says which way a message came, the last shovel first.
const WAY: &str = "x-shovelled";
/// The header that says when, in seconds since the epoch.
const MOMENT: &str = "x-shovelled-timestamp";

/// What becomes of a message between source and destination.
#[derive(Debug)]
pub struct Forwarding {
    destination: Destination,
    /// What is added to [`WAY`], if anything is.
    way: Option<FieldTable>,
}

impl Forwarding {
    /// By a shovel's definition, once it is known which of its brokers it talks to.
    #[must_use]
    pub fn new(
        name: &ShovelName,
        shovel: &Shovel,
        by: &str,
        (source, destination): (&str, &str),
    ) -> Forwarding {
        let Shovel { source: Source { from, .. }, destination: to, .. } = shovel;
        let way = to.forward_headers.then(|| {
            let mut way = FieldTable::default();
            let mut say = |what: &str, value: &str| {
                way.insert(what.into(), AMQPValue::LongString(value.into()));
            };
            say("shovelled-by", by);
            say("shovel-type", "dynamic");
            say("shovel-name", &name.name);
            say("shovel-vhost", &name.vhost);
            say("src-uri", source);
            say("dest-uri", destination);
            match from {
                Intake::Queue(queue, _) => say("src-queue", queue),
                Intake::Exchange(exchange, key) => {
                    say("src-exchange", exchange);
                    say("src-exchange-key", key);
                }
            }
            match &to.to {
                Target::Queue(queue, _) => say("dest-queue", queue),
                Target::Exchange(exchange, key) => {
                    exchange.iter().for_each(|exchange| say("dest-exchange", exchange));
                    key.iter().for_each(|key| say("dest-exchange-key", key));
                }
            }
            way
        });
        Forwarding { destination: to.clone(), way }
    }

    /// Exchange and routing key of a message that had these.
    #[must_use]
    pub fn target<'a>(&'a self, exchange: &'a str, key: &'a str) -> (&'a str, &'a str) {
        match &self.destination.to {
            Target::Queue(queue, _) => ("", queue),
            Target::Exchange(to, with) => (to.as_deref().unwrap_or(exchange), with.as_deref().unwrap_or(key)),
        }
    }

    /// The properties of a message that had these, at that many seconds since the epoch.
    #[must_use]
    pub fn properties(&self, properties: &BasicProperties, seconds: i64) -> BasicProperties {
        let changed = self.destination.properties.apply(properties.clone());
        if self.way.is_none() && !self.destination.timestamp_header {
            return changed;
        }
        let mut headers = changed.headers().clone().unwrap_or_default();
        if let Some(way) = &self.way {
            let before = match headers.inner().get(WAY) {
                Some(AMQPValue::FieldArray(before)) => before.as_slice(),
                _ => &[],
            };
            let all = [&[AMQPValue::FieldTable(way.clone())], before].concat();
            headers.insert(WAY.into(), AMQPValue::FieldArray(FieldArray::from(all)));
        }
        if self.destination.timestamp_header {
            headers.insert(MOMENT.into(), AMQPValue::LongLongInt(seconds));
        }
        changed.with_headers(headers)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn forwarding(more: Value) -> Forwarding {
        let mut value = json!({"src-uri": "amqp://u:secret@a", "src-queue": "q", "dest-uri": "amqp://"});
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let shovel = Shovel::read("s", value.as_object().unwrap()).unwrap();
        let name = ShovelName { vhost: "v".into(), name: "s".into() };
        Forwarding::new(&name, &shovel, "here", ("amqp://a", "amqp://"))
    }

    #[test]
    fn what_is_not_said_stays_as_it_was() {
        let plain = forwarding(json!({}));
        let properties =
            BasicProperties::default().with_headers(FieldTable::default()).with_user_id("u".into());
        assert_eq!(plain.properties(&properties, 1), properties);
        assert_eq!(plain.target("x", "k"), ("x", "k"));
        assert_eq!(forwarding(json!({"dest-exchange-key": "n"})).target("x", "k"), ("x", "n"));
        assert_eq!(forwarding(json!({"dest-queue": "n"})).target("x", "k"), ("", "n"));
    }

    #[test]
    fn headers_say_which_way_and_when_and_the_last_shovel_is_first() {
        let both = forwarding(json!({
            "dest-queue": "d", "dest-add-forward-headers": true, "dest-add-timestamp-header": true,
            "dest-publish-properties": {"delivery_mode": 2, "app_id": "a"},
        }));
        let once = both.properties(&BasicProperties::default(), 7);
        assert_eq!(
            (*once.delivery_mode(), once.app_id().as_ref().map(|id| id.as_str())),
            (Some(2), Some("a"))
        );
        let twice = both.properties(&once, 8);
        let headers = twice.headers().clone().unwrap();
        assert_eq!(headers.inner().get(MOMENT), Some(&AMQPValue::LongLongInt(8)));
        let Some(AMQPValue::FieldArray(ways)) = headers.inner().get(WAY) else { panic!("no way") };
        assert_eq!(ways.as_slice().len(), 2);
        let AMQPValue::FieldTable(way) = &ways.as_slice()[0] else { panic!("no table") };
        let said = |what: &str| match way.inner().get(what) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            other => panic!("{what}: {other:?}"),
        };
        let told = [
            "shovelled-by",
            "shovel-type",
            "shovel-name",
            "shovel-vhost",
            "src-uri",
            "dest-uri",
            "src-queue",
        ];
        assert_eq!(told.map(said), ["here", "dynamic", "s", "v", "amqp://a", "amqp://", "q"]);
        assert_eq!((said("dest-queue").as_str(), way.inner().len()), ("d", 8));
    }
}
