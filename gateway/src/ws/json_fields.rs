//! The fields of each command in JSON. What is not named here is refused.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::command::{AckMode, CommitPoint, CreditGrant, Subscribe, Subscription};
use super::start::StartField;
use crate::refusal::Refusal;
use crate::topics::Acks;

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AcksField {
    #[default]
    All,
    Leader,
    None,
}

impl From<AcksField> for Acks {
    fn from(field: AcksField) -> Acks {
        match field {
            AcksField::All => Acks::All,
            AcksField::Leader => Acks::Leader,
            AcksField::None => Acks::None,
        }
    }
}

/// Declares the fields of a command beside `id` and `type`, which the head has read.
macro_rules! command_fields {
    ($name:ident { $($(#[$meta:meta])* $field:ident: $type:ty),* $(,)? }) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            #[serde(default, rename = "id")]
            _id: IgnoredAny,
            #[serde(rename = "type")]
            _kind: IgnoredAny,
            $($(#[$meta])* pub(super) $field: $type,)*
        }
    };
}
pub(super) use command_fields;

command_fields!(NoFields {});
command_fields!(SubscriptionField { subscription: Subscription });
command_fields!(PauseFields {
    subscription: Subscription,
    #[serde(default)]
    partitions: Option<Vec<u32>>,
});
command_fields!(AuthFields { token: String });
command_fields!(CreditFields {
    subscription: Subscription,
    #[serde(default)]
    messages: Option<u32>,
    #[serde(default)]
    bytes: Option<u64>,
});
command_fields!(CommitFields { subscription: Subscription, offsets: Vec<CommitPoint>, });
command_fields!(AckFields {
    #[serde(default)]
    leases: Option<Vec<String>>,
    #[serde(default)]
    subscription: Option<Subscription>,
    #[serde(default)]
    records: Option<Vec<RecordFields>>,
    #[serde(default)]
    acks: Option<AcksField>,
});
command_fields!(NackFields {
    #[serde(default)]
    leases: Option<Vec<String>>,
    #[serde(default)]
    subscription: Option<IgnoredAny>,
    #[serde(default)]
    records: Option<IgnoredAny>,
    #[serde(default)]
    delay_ms: Option<u64>,
    #[serde(default)]
    acks: AcksField,
});
command_fields!(RejectFields {
    #[serde(default)]
    leases: Option<Vec<String>>,
    #[serde(default)]
    subscription: Option<IgnoredAny>,
    #[serde(default)]
    records: Option<IgnoredAny>,
    #[serde(default)]
    acks: AcksField,
});
command_fields!(ExtendFields {
    #[serde(default)]
    leases: Option<Vec<String>>,
    #[serde(default)]
    subscription: Option<IgnoredAny>,
    #[serde(default)]
    records: Option<IgnoredAny>,
    lease_ms: u64,
    #[serde(default)]
    acks: AcksField,
});
/// Like the others, but the messages stay where they are: they have a parser of their own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishFields<'a> {
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    #[serde(default)]
    pub(super) topic: Option<String>,
    #[serde(default)]
    pub(super) exchange: Option<String>,
    #[serde(default)]
    pub(super) routing_key: Option<String>,
    #[serde(default)]
    pub(super) acks: AcksField,
    #[serde(default)]
    pub(super) idempotency_key: Option<String>,
    #[serde(default)]
    pub(super) transaction: Option<String>,
    #[serde(borrow)]
    pub(super) messages: &'a RawValue,
}

command_fields!(SubscribeFields {
    topic: String,
    #[serde(default)]
    from: Option<StartField>,
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    partitions: Option<Vec<u32>>,
    #[serde(default)]
    credit: Option<CreditGrant>,
    #[serde(default)]
    lease_ms: Option<u64>,
    #[serde(default)]
    until_settled: Option<bool>,
    #[serde(default)]
    consumer_timeout_ms: Option<u64>,
    #[serde(default)]
    ack: Option<AckMode>,
    #[serde(default)]
    values: Option<String>,
    #[serde(default)]
    priority: Option<i32>,
    #[serde(default)]
    exclusive: Option<bool>,
    #[serde(default)]
    session_timeout_ms: Option<u64>,
});

impl SubscribeFields {
    pub(super) fn into_command(self) -> Result<Subscribe, Refusal> {
        Ok(Subscribe {
            topic: self.topic,
            from: self.from.map(|from| from.read("/from")).transpose()?,
            group: self.group,
            partitions: self.partitions,
            credit: self.credit,
            lease_ms: self.lease_ms,
            until_settled: self.until_settled,
            consumer_timeout_ms: self.consumer_timeout_ms,
            ack: self.ack,
            values: self.values,
            priority: self.priority,
            exclusive: self.exclusive,
            session_timeout_ms: self.session_timeout_ms,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordFields {
    pub(super) partition: u32,
    pub(super) offsets: Vec<i64>,
}
