//! How a policy lies in the journal: its pattern, what it is for, its priority, then tagged settings.
use crate::fields::{Fields, Malformed, put_bytes, put_varint};
use crate::policy::{ApplyTo, Policy, PolicyDefinition, PolicyKind};
use crate::{DeadLetterStrategy, LinearRetry, Overflow};

const END: u8 = 0;
const MESSAGE_TTL: u8 = 1;
const EXPIRES: u8 = 2;
const MAX_LENGTH: u8 = 3;
const MAX_LENGTH_BYTES: u8 = 4;
const DELIVERY_LIMIT: u8 = 5;
const OVERFLOW: u8 = 6;
const DEAD_LETTER_EXCHANGE: u8 = 7;
const DEAD_LETTER_ROUTING_KEY: u8 = 8;
const DEAD_LETTER_STRATEGY: u8 = 9;
const CONSUMER_TIMEOUT: u8 = 10;
const ALTERNATE_EXCHANGE: u8 = 11;
const DELAYED_RETRY: u8 = 12;

impl PolicyKind {
    pub(crate) fn number(self) -> u8 {
        match self {
            PolicyKind::User => 0,
            PolicyKind::Operator => 1,
        }
    }

    pub(crate) fn from_number(number: u8) -> Result<PolicyKind, Malformed> {
        match number {
            0 => Ok(PolicyKind::User),
            1 => Ok(PolicyKind::Operator),
            _ => Err(Malformed),
        }
    }
}

impl Policy {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.pattern.as_bytes());
        put_bytes(out, self.apply_to.as_str().as_bytes());
        put_varint(out, u64::from(self.priority.cast_unsigned()));
        let set = &self.definition;
        let numbers = [
            (MESSAGE_TTL, set.message_ttl_ms),
            (EXPIRES, set.expires_ms),
            (MAX_LENGTH, set.max_length),
            (MAX_LENGTH_BYTES, set.max_length_bytes),
            (DELIVERY_LIMIT, set.delivery_limit.map(u64::from)),
            (OVERFLOW, set.overflow.map(|overflow| overflow as u64)),
            (DEAD_LETTER_STRATEGY, set.dead_letter_strategy.map(DeadLetterStrategy::number)),
            (CONSUMER_TIMEOUT, set.consumer_timeout_ms),
        ];
        for (tag, value) in numbers {
            if let Some(value) = value {
                out.push(tag);
                put_varint(out, value);
            }
        }
        let texts = [
            (DEAD_LETTER_EXCHANGE, &set.dead_letter_exchange),
            (DEAD_LETTER_ROUTING_KEY, &set.dead_letter_routing_key),
            (ALTERNATE_EXCHANGE, &set.alternate_exchange),
        ];
        for (tag, value) in texts {
            if let Some(value) = value {
                out.push(tag);
                put_bytes(out, value.as_bytes());
            }
        }
        if let Some(retry) = set.delayed_retry {
            out.push(DELAYED_RETRY);
            retry.put(out);
        }
        out.push(END);
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Policy, Malformed> {
        let pattern = fields.text()?.to_owned();
        let apply_to = fields.text()?;
        let apply_to = ApplyTo::ALL.into_iter().find(|have| have.as_str() == apply_to).ok_or(Malformed)?;
        let priority = fields.number::<u32>()?.cast_signed();
        let mut set = PolicyDefinition::default();
        loop {
            match fields.byte()? {
                END => break,
                MESSAGE_TTL => set.message_ttl_ms = Some(fields.varint()?),
                EXPIRES => set.expires_ms = Some(fields.varint()?),
                MAX_LENGTH => set.max_length = Some(fields.varint()?),
                MAX_LENGTH_BYTES => set.max_length_bytes = Some(fields.varint()?),
                DELIVERY_LIMIT => set.delivery_limit = Some(fields.number()?),
                OVERFLOW => {
                    set.overflow = Some(match fields.varint()? {
                        0 => Overflow::DropHead,
                        1 => Overflow::RejectPublish,
                        2 => Overflow::RejectPublishDlx,
                        _ => return Err(Malformed),
                    });
                }
                DEAD_LETTER_STRATEGY => {
                    set.dead_letter_strategy = Some(DeadLetterStrategy::from_number(fields.varint()?)?);
                }
                CONSUMER_TIMEOUT => set.consumer_timeout_ms = Some(fields.varint()?),
                DEAD_LETTER_EXCHANGE => set.dead_letter_exchange = Some(fields.text()?.to_owned()),
                DEAD_LETTER_ROUTING_KEY => set.dead_letter_routing_key = Some(fields.text()?.to_owned()),
                ALTERNATE_EXCHANGE => set.alternate_exchange = Some(fields.text()?.to_owned()),
                DELAYED_RETRY => set.delayed_retry = Some(LinearRetry::read(fields)?),
                _ => return Err(Malformed),
            }
        }
        Ok(Policy { pattern, apply_to, priority, definition: set })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RetryOn;

    #[test]
    fn policies_read_back() {
        let full = PolicyDefinition {
            message_ttl_ms: Some(1),
            expires_ms: Some(2),
            max_length: Some(3),
            max_length_bytes: Some(4),
            delivery_limit: Some(5),
            overflow: Some(Overflow::RejectPublish),
            dead_letter_exchange: Some(String::new()),
            dead_letter_routing_key: Some("k".into()),
            dead_letter_strategy: Some(DeadLetterStrategy::AtLeastOnce),
            consumer_timeout_ms: Some(6),
            delayed_retry: Some(LinearRetry { on: RetryOn::Failed, min_ms: 7, max_ms: Some(8) }),
            alternate_exchange: Some("other".into()),
        };
        for (definition, priority) in [(PolicyDefinition::default(), -3), (full, i32::MAX)] {
            let policy = Policy { pattern: "^a".into(), apply_to: ApplyTo::All, priority, definition };
            let mut stored = Vec::new();
            policy.put(&mut stored);
            let mut fields = Fields::new(&stored);
            assert_eq!(Policy::read(&mut fields), Ok(policy));
            assert_eq!(fields.left(), 0);
        }
    }
}
