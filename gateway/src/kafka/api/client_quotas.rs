//! Quotas, described and altered (KIP-546): a view of those that every door has.

use kafka_wire::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, EntityData as AlteredEntity,
    EntryData as Alteration, OpData, ResponseEntityData, ResponseEntryData,
};
use kafka_wire::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse, EntityData, EntryData,
    ValueData,
};

use super::Call;
use crate::auth::quota::{DEFAULT, Measure, Part, QuotaEntity, QuotaLimits};
use crate::kafka::error::{KafkaError, Wrong};
use crate::topics::{Act, QuotaChange};

/// A part of an entity: Kafka's name for it, and how it is found.
type EntityPart =
    (&'static str, fn(&QuotaEntity) -> &Option<Part>, fn(&mut QuotaEntity) -> &mut Option<Part>);

const PARTS: [EntityPart; 3] = [
    ("user", |entity| &entity.user, |entity| &mut entity.user),
    ("client-id", |entity| &entity.client_id, |entity| &mut entity.client_id),
    ("ip", |entity| &entity.address, |entity| &mut entity.address),
];

const PRODUCER_BYTE_RATE: &str = "producer_byte_rate";
const CONSUMER_BYTE_RATE: &str = "consumer_byte_rate";

/// Largest rate that a quota has.
const RATE_MAX: f64 = (1u64 << 50) as f64;

/// What Kafka limits and nothing here does, and what does something like it.
const NOT_HERE: [(&str, &str); 3] = [
    (
        "request_percentage",
        "the time that threads spend on a client is not measured; `requests_per_s` of /v1/quotas bounds its requests",
    ),
    (
        "controller_mutation_rate",
        "changes of topics are not measured; `topics` of /v1/quotas bounds how many there are",
    ),
    (
        "connection_creation_rate",
        "new connections are not measured; `connections` of /v1/quotas bounds how many are open at a time",
    ),
];

fn wrong(why: impl Into<String>) -> Wrong {
    Wrong::new(KafkaError::INVALID_REQUEST, why)
}

fn part_called(name: &str) -> Result<EntityPart, Wrong> {
    if name.is_empty() {
        return Err(wrong("Unexpected empty filter component entity type"));
    }
    let found = PARTS.into_iter().find(|(known, ..)| *known == name);
    found.ok_or_else(|| {
        Wrong::new(KafkaError::UNSUPPORTED_VERSION, format!("Custom entity type '{name}' not supported"))
    })
}

pub async fn describe(call: &Call, request: DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    let found = filter(&request).and_then(|takes| {
        let identities = call.door.topics().identities().map_err(Wrong::from)?;
        let taken = identities.quotas().filter(|(entity, _)| takes(entity));
        let mut entries: Vec<(&QuotaEntity, EntryData)> =
            taken.filter_map(|(entity, limits)| Some((entity, entry(entity, limits)?))).collect();
        entries.sort_by_key(|(entity, _)| *entity);
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    });
    match found {
        Ok(entries) => DescribeClientQuotasResponse { entries: Some(entries), ..Default::default() },
        Err(Wrong { error, why }) => DescribeClientQuotasResponse {
            error_code: error.0,
            error_message: Some(why),
            entries: None,
            ..Default::default()
        },
    }
}

/// A quota as Kafka shows it; nothing where it limits nothing that Kafka has a word for.
fn entry(entity: &QuotaEntity, limits: &QuotaLimits) -> Option<EntryData> {
    let value = |key: &str, limit: Option<u64>| Some(ValueData { key: key.to_owned(), value: limit? as f64 });
    let values = [
        value(PRODUCER_BYTE_RATE, limits.of(Measure::Produce)),
        value(CONSUMER_BYTE_RATE, limits.of(Measure::Consume)),
    ];
    let values: Vec<ValueData> = values.into_iter().flatten().collect();
    // To Kafka an address has other limits only.
    if values.is_empty() || entity.address.is_some() {
        return None;
    }
    let part = |(entity_type, get, _): EntityPart| {
        let entity_name = match get(entity).as_ref()? {
            Part::Default => None,
            Part::Named(name) => Some(name.to_string()),
        };
        Some(EntityData { entity_type: entity_type.to_owned(), entity_name })
    };
    Some(EntryData { entity: PARTS.into_iter().filter_map(part).collect(), values })
}

/// Which entities a request asks for.
fn filter(request: &DescribeClientQuotasRequest) -> Result<impl Fn(&QuotaEntity) -> bool + use<>, Wrong> {
    let mut wanted: Vec<(EntityPart, Wanted)> = Vec::new();
    for ComponentData { entity_type, match_type, matching } in &request.components {
        let part = part_called(entity_type)?;
        if wanted.iter().any(|((name, ..), _)| *name == part.0) {
            return Err(wrong(format!("Duplicate {entity_type} filter component entity type")));
        }
        wanted.push((
            part,
            match (match_type, matching) {
                (0, Some(name)) => Wanted::Exactly(Part::Named(name.as_str().into())),
                (0, None) => return Err(wrong("Request specified MATCH_TYPE_EXACT with null match string")),
                (1, None) => Wanted::Exactly(Part::Default),
                (2, None) => Wanted::Any,
                (1 | 2, Some(_)) => {
                    return Err(wrong("Request specified a match string that its match type has no use for"));
                }
                _ => return Err(wrong(format!("Unknown match type {match_type}"))),
            },
        ));
    }
    let names: Vec<&str> = wanted.iter().map(|((name, ..), _)| *name).collect();
    if names.contains(&"ip") && names.len() > 1 {
        return Err(wrong(
            "Invalid entity filter component combination, IP filter component should not be used with user or clientId filter component.",
        ));
    }
    let strict = request.strict;
    Ok(move |entity: &QuotaEntity| {
        let has_all = wanted.iter().all(|((_, get, _), wanted)| match (get(entity), wanted) {
            (None, _) => false,
            (Some(_), Wanted::Any) => true,
            (Some(have), Wanted::Exactly(part)) => have == part,
        });
        let others = PARTS.into_iter().filter(|(name, get, _)| {
            get(entity).is_some() && wanted.iter().all(|((known, ..), _)| known != name)
        });
        has_all && (!strict || others.count() == 0)
    })
}

/// What a part of an entity has to be.
enum Wanted {
    Exactly(Part),
    Any,
}

pub async fn alter(call: &Call, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let mut entries = Vec::with_capacity(request.entries.len());
    for entry in request.entries {
        let told = entry.entity.iter().map(|part| ResponseEntityData {
            entity_type: part.entity_type.clone(),
            entity_name: part.entity_name.clone(),
        });
        let entity = told.collect();
        let outcome = alter_one(call, &entry, request.validate_only).await;
        let (error_code, error_message) = match outcome {
            Ok(()) => (KafkaError::NONE.0, None),
            Err(Wrong { error, why }) => (error.0, Some(why)),
        };
        entries.push(ResponseEntryData { error_code, error_message, entity });
    }
    AlterClientQuotasResponse { entries, ..Default::default() }
}

async fn alter_one(call: &Call, entry: &Alteration, validate_only: bool) -> Result<(), Wrong> {
    let entity = entity(&entry.entity)?;
    let mut changes = Vec::with_capacity(entry.ops.len());
    for op in &entry.ops {
        changes.extend(change(op, entity.address.is_some())?);
    }
    if validate_only {
        return Ok(call.door.topics().allow_on_server(Act::ChangeServer)?);
    }
    let edit = move |mut limits: QuotaLimits| {
        for (measure, limit) in changes {
            match measure {
                Measure::Produce => limits.produce_bytes_per_s = limit,
                Measure::Consume => limits.consume_bytes_per_s = limit,
                Measure::Requests | Measure::Connections | Measure::Topics => {}
            }
        }
        limits
    };
    call.door.topics().set_quota(entity, QuotaChange::Some(Box::new(edit))).await?;
    Ok(())
}

fn entity(parts: &[AlteredEntity]) -> Result<QuotaEntity, Wrong> {
    let mut entity = QuotaEntity::default();
    for AlteredEntity { entity_type, entity_name } in parts {
        let known = PARTS.into_iter().find(|(known, ..)| known == entity_type);
        let Some((_, _, part)) = known else {
            return Err(wrong(format!("Unhandled client quota entity type: {entity_type}")));
        };
        let named = match entity_name.as_deref() {
            None => Part::Default,
            Some("") => return Err(wrong(format!("Empty {entity_type} not supported"))),
            Some(DEFAULT) => {
                return Err(wrong(format!("no {entity_type} is called {DEFAULT}: its default has no name")));
            }
            Some(name) => Part::Named(name.into()),
        };
        if part(&mut entity).replace(named).is_some() {
            return Err(wrong(format!("Invalid client quota entity, {entity_type} is there twice")));
        }
    }
    if entity == QuotaEntity::default() {
        return Err(wrong("Invalid empty client quota entity"));
    }
    let checked = entity.checked();
    checked.map_err(|refusal| wrong(refusal.detail))
}

/// The change that an operation is; none where it takes away what is never there.
fn change(op: &OpData, is_address: bool) -> Result<Option<(Measure, Option<u64>)>, Wrong> {
    let key = op.key.as_str();
    if let Some((_, why)) = NOT_HERE.iter().find(|(known, _)| *known == key) {
        return if op.remove { Ok(None) } else { Err(wrong(format!("{key} is not supported: {why}"))) };
    }
    let measure = match key {
        PRODUCER_BYTE_RATE if !is_address => Measure::Produce,
        CONSUMER_BYTE_RATE if !is_address => Measure::Consume,
        _ => return Err(wrong(format!("Invalid configuration key '{key}'"))),
    };
    if op.remove {
        return Ok(Some((measure, None)));
    }
    if op.value.is_nan() || op.value <= 0.0 {
        return Err(wrong(format!("Quota {key} must be greater than 0")));
    }
    if op.value.fract() != 0.0 || op.value > RATE_MAX {
        return Err(wrong(format!("Quota {key} must be a whole number of at most {RATE_MAX}")));
    }
    Ok(Some((measure, Some(op.value as u64))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(entity_type: &str, name: Option<&str>) -> AlteredEntity {
        AlteredEntity { entity_type: entity_type.into(), entity_name: name.map(Into::into) }
    }

    fn op(key: &str, value: f64, remove: bool) -> OpData {
        OpData { key: key.into(), value, remove }
    }

    #[test]
    fn entities_are_those_of_kafka() {
        let both = entity(&[part("user", Some("alice")), part("client-id", None)]).unwrap();
        assert_eq!((both.user, both.client_id), (Some(Part::of("alice")), Some(Part::Default)));
        for bad in [
            vec![],
            vec![part("group", Some("g"))],
            vec![part("user", Some(""))],
            vec![part("user", Some("*"))],
            vec![part("user", None), part("user", Some("a"))],
            vec![part("ip", None), part("user", None)],
            vec![part("ip", Some("nowhere"))],
        ] {
            assert_eq!(entity(&bad).unwrap_err().error, KafkaError::INVALID_REQUEST, "{bad:?}");
        }
    }

    #[test]
    fn what_is_not_limited_here_is_refused_with_what_is() {
        assert_eq!(
            change(&op(PRODUCER_BYTE_RATE, 10.0, false), false),
            Ok(Some((Measure::Produce, Some(10))))
        );
        assert_eq!(change(&op(CONSUMER_BYTE_RATE, 0.0, true), false), Ok(Some((Measure::Consume, None))));
        assert_eq!(change(&op("request_percentage", 0.0, true), false), Ok(None));
        for (key, _) in NOT_HERE {
            let refused = change(&op(key, 1.0, false), false).unwrap_err();
            assert!(refused.why.contains("/v1/quotas"), "{refused:?}");
        }
        for value in [0.0, -1.0, 1.5, f64::NAN, f64::INFINITY, 1e300] {
            assert!(change(&op(PRODUCER_BYTE_RATE, value, false), false).is_err(), "{value}");
        }
        assert!(change(&op(PRODUCER_BYTE_RATE, 1.0, false), true).is_err());
        assert!(change(&op("colour", 1.0, false), false).is_err());
    }

    #[test]
    fn filters_take_what_they_name() {
        let entities = [("alice", None), ("alice", Some("app")), ("*", None), ("*", Some("*"))].map(
            |(user, client): (&str, Option<&str>)| QuotaEntity {
                user: Some(Part::of(user)),
                client_id: client.map(Part::of),
                address: None,
            },
        );
        let taken = |components: &[(&str, i8, Option<&str>)], strict| {
            let component = |(entity_type, match_type, matching): &(&str, i8, Option<&str>)| ComponentData {
                entity_type: (*entity_type).into(),
                match_type: *match_type,
                matching: matching.map(Into::into),
            };
            let components = components.iter().map(component).collect();
            let takes = filter(&DescribeClientQuotasRequest { components, strict })?;
            Ok::<_, Wrong>(entities.each_ref().map(takes))
        };
        assert_eq!(taken(&[], false), Ok([true; 4]));
        assert_eq!(taken(&[("user", 0, Some("alice"))], false), Ok([true, true, false, false]));
        assert_eq!(taken(&[("user", 0, Some("alice"))], true), Ok([true, false, false, false]));
        assert_eq!(taken(&[("user", 1, None)], false), Ok([false, false, true, true]));
        assert_eq!(taken(&[("user", 2, None), ("client-id", 2, None)], true), Ok([false, true, false, true]));
        for bad in [
            &[("user", 0, None)][..],
            &[("user", 7, None)],
            &[("user", 2, None), ("user", 2, None)],
            &[("ip", 2, None), ("user", 2, None)],
            &[("colour", 2, None)],
        ] {
            assert!(taken(bad, false).is_err(), "{bad:?}");
        }
    }
}
