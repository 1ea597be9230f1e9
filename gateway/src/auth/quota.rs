//! How much somebody may use: whom a quota is for, what it limits, and which of them count for whom.

use std::collections::HashMap;
use std::net::IpAddr;

use message::ErrorCode;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// One part of whom a quota is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Each one that has no quota of its own.
    Default,
    /// This one.
    Named(Box<str>),
}

/// How a default is written where others are names.
pub const DEFAULT: &str = "*";

impl Part {
    /// Reads a name, or `*`.
    #[must_use]
    pub fn of(text: &str) -> Part {
        if text == DEFAULT { Part::Default } else { Part::Named(text.into()) }
    }

    /// The name, or `*`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Part::Default => DEFAULT,
            Part::Named(name) => name,
        }
    }
}

/// Whom a quota is for. A part that is absent is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QuotaEntity {
    /// A user.
    pub user: Option<Part>,
    /// What a client calls itself.
    pub client_id: Option<Part>,
    /// The address that it comes from.
    pub address: Option<Part>,
}

/// What a quota may limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// Bytes of messages in, a second.
    Produce,
    /// Bytes of messages out, a second.
    Consume,
    /// Requests or batches of commands, a second.
    Requests,
    /// Connections at a time.
    Connections,
    /// Topics that it made and that are there.
    Topics,
}

impl Measure {
    /// All of them, in the order of their numbers.
    pub const ALL: [Measure; 5] =
        [Measure::Produce, Measure::Consume, Measure::Requests, Measure::Connections, Measure::Topics];

    /// Its name over HTTP.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Produce => "produce_bytes_per_s",
            Measure::Consume => "consume_bytes_per_s",
            Measure::Requests => "requests_per_s",
            Measure::Connections => "connections",
            Measure::Topics => "topics",
        }
    }
}

/// What may be used; what is absent is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaLimits {
    /// Bytes of messages in, a second.
    pub produce_bytes_per_s: Option<u64>,
    /// Bytes of messages out, a second.
    pub consume_bytes_per_s: Option<u64>,
    /// Requests or batches of commands, a second.
    pub requests_per_s: Option<u64>,
    /// Connections at a time.
    pub connections: Option<u64>,
    /// Topics of either model that it may have made and not deleted.
    pub topics: Option<u64>,
}

impl QuotaLimits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == QuotaLimits::default()
    }

    /// One of them.
    #[must_use]
    pub fn of(&self, measure: Measure) -> Option<u64> {
        match measure {
            Measure::Produce => self.produce_bytes_per_s,
            Measure::Consume => self.consume_bytes_per_s,
            Measure::Requests => self.requests_per_s,
            Measure::Connections => self.connections,
            Measure::Topics => self.topics,
        }
    }
}

/// Who uses something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// The user; `None` is nobody by name.
    pub user: Option<Box<str>>,
    /// What the client calls itself, where a door has that.
    pub client_id: Option<Box<str>>,
    /// The address that it comes from.
    pub address: IpAddr,
}

/// A limit that counts for somebody: how much, and of whom all use is counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// What is limited.
    pub measure: Measure,
    /// How much.
    pub limit: u64,
    /// Who shares it: the quota's entity, with the name of who uses it in the place of a default.
    pub holder: QuotaEntity,
}

impl Consumer {
    fn user_part(&self) -> Part {
        // Nobody by name is one of those without a quota of their own.
        self.user.as_ref().map_or(Part::Default, |name| Part::Named(name.clone()))
    }

    fn address_part(&self) -> Part {
        Part::Named(self.address.to_string().into())
    }

    /// Entities by which it is counted, whatever quotas there are.
    #[must_use]
    pub fn holders(&self) -> Vec<QuotaEntity> {
        let user = Some(self.user_part());
        let client_id = self.client_id.as_ref().map(|name| Part::Named(name.clone()));
        let mut holders = vec![
            QuotaEntity { user: user.clone(), ..QuotaEntity::default() },
            QuotaEntity { address: Some(self.address_part()), ..QuotaEntity::default() },
        ];
        if client_id.is_some() {
            holders.push(QuotaEntity { client_id: client_id.clone(), ..QuotaEntity::default() });
            holders.push(QuotaEntity { user, client_id, address: None });
        }
        holders
    }

    /// Entities of users and clients that would count, the first that is set first: what names more goes before what
    /// names less, and the user before the client, as in Kafka.
    fn candidates(&self) -> Vec<QuotaEntity> {
        let each = |named: &Option<Box<str>>| named.iter().map(|name| Part::Named(name.clone())).collect();
        let mut users: Vec<Part> = each(&self.user);
        users.push(Part::Default);
        let mut clients: Vec<Part> = each(&self.client_id);
        clients.extend(self.client_id.as_ref().map(|_| Part::Default));
        let mut found = Vec::with_capacity(8);
        for user in users.into_iter().map(Some) {
            for client_id in clients.iter().cloned().map(Some) {
                found.push(QuotaEntity { user: user.clone(), client_id, address: None });
            }
            found.push(QuotaEntity { user, ..QuotaEntity::default() });
        }
        let of_client = |client_id| QuotaEntity { client_id: Some(client_id), ..QuotaEntity::default() };
        found.extend(clients.into_iter().map(of_client));
        found
    }

    /// The limits that count for it. Of each kind one by user and client, and one by address beside it.
    #[must_use]
    pub fn limits(&self, quotas: &HashMap<QuotaEntity, QuotaLimits>) -> Vec<InForce> {
        let of_address = |part| QuotaEntity { address: Some(part), ..QuotaEntity::default() };
        let addresses = vec![of_address(self.address_part()), of_address(Part::Default)];
        let mut found = Vec::new();
        for candidates in [self.candidates(), addresses] {
            let set: Vec<_> =
                candidates.iter().filter_map(|entity| Some((entity, quotas.get(entity)?))).collect();
            for measure in Measure::ALL {
                let first = set.iter().find_map(|(entity, limits)| Some((*entity, limits.of(measure)?)));
                found.extend(first.map(|(entity, limit)| InForce {
                    measure,
                    limit,
                    holder: self.holder(entity),
                }));
            }
        }
        found
    }

    /// The entity with names in the place of defaults.
    fn holder(&self, entity: &QuotaEntity) -> QuotaEntity {
        let client_id = self.client_id.as_ref().map(|name| Part::Named(name.clone()));
        QuotaEntity {
            user: entity.user.as_ref().map(|_| self.user_part()),
            client_id: entity.client_id.as_ref().and(client_id),
            address: entity.address.as_ref().map(|_| self.address_part()),
        }
    }
}

impl QuotaEntity {
    /// A short name for it, made of what it says.
    #[must_use]
    pub fn id(&self) -> String {
        use sha2::{Digest, Sha256};
        let QuotaEntity { user, client_id, address } = self;
        let text = format!("{user:?}\n{client_id:?}\n{address:?}");
        Sha256::digest(text.as_bytes()).iter().take(10).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same with its address in the one form that it is compared in.
    ///
    /// # Errors
    /// When there is no such entity, or nobody could ever be meant by it.
    pub fn checked(mut self) -> Result<QuotaEntity, Refusal> {
        let named = [("/entity/user", &self.user), ("/entity/client_id", &self.client_id)];
        for (field, part) in named {
            let Some(Part::Named(name)) = part else { continue };
            let fits =
                (1..=NAME_CHARS).contains(&name.chars().count()) && !name.chars().any(char::is_control);
            if !fits || &**name == DEFAULT {
                let detail = format!(
                    "this has 1 to {NAME_CHARS} characters, no control characters; `{DEFAULT}` is each one without a quota of its own"
                );
                return Err(Refusal::new(ErrorCode::InvalidRequest, detail).in_field(field));
            }
        }
        if let Some(Part::Named(text)) = &self.address {
            let address: IpAddr = text.parse().map_err(|_| {
                Refusal::invalid(
                    "/entity/address",
                    format!("{text:?} is no IP address; `{DEFAULT}` is every other"),
                )
            })?;
            self.address = Some(Part::Named(address.to_canonical().to_string().into()));
        }
        match (&self.user, &self.client_id, &self.address) {
            (None, None, None) => {
                Err(Refusal::invalid("/entity", "say whom: a `user`, a `client_id`, both, or an `address`"))
            }
            (None, None, Some(_)) | (_, _, None) => Ok(self),
            _ => Err(Refusal::invalid(
                "/entity/address",
                "an address has a quota by itself, without `user` and `client_id`",
            )),
        }
    }
}

/// Longest name of a user or client in a quota, in characters.
pub const NAME_CHARS: usize = 255;

impl std::fmt::Display for QuotaEntity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = |one: &str, part: &Part| match part {
            Part::Default => format!("every other {one}"),
            Part::Named(name) => format!("{one} {name:?}"),
        };
        let parts = [("user", &self.user), ("client id", &self.client_id), ("address", &self.address)];
        let told = parts.into_iter().filter_map(|(one, named)| Some(part(one, named.as_ref()?)));
        f.write_str(&told.collect::<Vec<_>>().join(" with "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(user: Option<&str>, client_id: Option<&str>, address: Option<&str>) -> QuotaEntity {
        QuotaEntity {
            user: user.map(Part::of),
            client_id: client_id.map(Part::of),
            address: address.map(Part::of),
        }
    }

    fn consumer(user: Option<&str>, client_id: Option<&str>) -> Consumer {
        Consumer {
            user: user.map(Into::into),
            client_id: client_id.map(Into::into),
            address: [10, 0, 0, 1].into(),
        }
    }

    fn produce(limit: u64) -> QuotaLimits {
        QuotaLimits { produce_bytes_per_s: Some(limit), ..QuotaLimits::default() }
    }

    /// In Kafka's order, the last one counting the least.
    const ORDER: [(Option<&str>, Option<&str>); 8] = [
        (Some("u"), Some("c")),
        (Some("u"), Some("*")),
        (Some("u"), None),
        (Some("*"), Some("c")),
        (Some("*"), Some("*")),
        (Some("*"), None),
        (None, Some("c")),
        (None, Some("*")),
    ];

    #[test]
    fn the_closest_quota_counts_as_in_kafka() {
        let mut quotas = HashMap::new();
        for (place, (user, client_id)) in ORDER.iter().enumerate().rev() {
            quotas.insert(entity(*user, *client_id, None), produce(place as u64 + 1));
            let found = consumer(Some("u"), Some("c")).limits(&quotas);
            assert_eq!((found.len(), found[0].limit), (1, place as u64 + 1));
            let holder = entity(user.map(|_| "u"), client_id.map(|_| "c"), None);
            assert_eq!(found[0].holder, holder, "a default is counted for each by itself");
        }
        let nobody = consumer(None, None).limits(&quotas);
        assert_eq!((nobody[0].limit, &nobody[0].holder), (6, &entity(Some("*"), None, None)));
    }

    #[test]
    fn each_kind_of_limit_is_looked_for_by_itself_and_addresses_count_beside() {
        let connections = QuotaLimits { connections: Some(5), ..QuotaLimits::default() };
        let quotas = HashMap::from([
            (entity(Some("u"), None, None), produce(10)),
            (entity(Some("*"), None, None), QuotaLimits { topics: Some(3), ..produce(20) }),
            (entity(None, None, Some("10.0.0.1")), connections),
            (entity(None, None, Some("*")), produce(30)),
        ]);
        let found = consumer(Some("u"), Some("c")).limits(&quotas);
        let told: Vec<_> = found.iter().map(|one| (one.measure, one.limit)).collect();
        let expected =
            [(Measure::Produce, 10), (Measure::Topics, 3), (Measure::Produce, 30), (Measure::Connections, 5)];
        assert_eq!(told, expected);
        let mut holders = consumer(Some("u"), Some("c")).holders();
        found.iter().for_each(|one| assert!(holders.contains(&one.holder), "{one:?}"));
        holders.dedup();
        assert_eq!(holders.len(), 4);
    }

    #[test]
    fn entities_that_nobody_is_are_refused() {
        for bad in [
            entity(None, None, None),
            entity(Some("u"), None, Some("10.0.0.1")),
            entity(None, None, Some("here")),
            entity(Some("a\nb"), None, None),
            QuotaEntity { user: Some(Part::Named("*".into())), ..QuotaEntity::default() },
        ] {
            assert!(bad.clone().checked().is_err(), "{bad:?}");
        }
        let mapped = entity(None, None, Some("::ffff:10.0.0.1")).checked().unwrap();
        assert_eq!(mapped, entity(None, None, Some("10.0.0.1")));
        assert_eq!(entity(Some("u"), Some("*"), None).to_string(), "user \"u\" with every other client id");
    }
}
