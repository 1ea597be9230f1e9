use std::fmt;
use std::str::FromStr;

use log_engine::{Producer, ProducerEpoch, ProducerId};
use serde::Serialize;
use utoipa::ToSchema;

use super::group_spec::TopicPartition;

/// Names one transaction: the producer that the broker made for it, and the epoch that is only this transaction's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionId(pub(crate) Producer);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:04x}", self.0.id.0, self.0.epoch.0)
    }
}

/// Text that names no transaction.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a transaction's id is 20 hexadecimal digits, as it was given out")]
pub struct NotATransaction;

impl FromStr for TransactionId {
    type Err = NotATransaction;

    fn from_str(text: &str) -> Result<TransactionId, NotATransaction> {
        let hexadecimal = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (id, epoch) = text.split_at_checked(16).filter(|_| hexadecimal).ok_or(NotATransaction)?;
        let id = i64::from_str_radix(id, 16).map_err(|_| NotATransaction)?;
        let epoch = i16::from_str_radix(epoch, 16).map_err(|_| NotATransaction)?;
        Ok(TransactionId(Producer { id: ProducerId(id), epoch: ProducerEpoch(epoch) }))
    }
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TransactionStatus {
    /// It takes messages, offsets and settlements.
    Open,
    /// All of it counts.
    Committed,
    /// None of it counts.
    Aborted,
}

/// A transaction as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Transaction {
    /// Names it; to be sent as `Sluice-Transaction`.
    #[schema(pattern = "^[0-7][0-9a-f]{15}[0-7][0-9a-f]{3}$", example = "00000000000000070000")]
    pub id: String,
    /// The name under which its producer comes back.
    pub transactional_id: String,
    /// Where it stands.
    pub status: TransactionStatus,
    /// When it is aborted if it is open then, milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<i64>,
    /// Where it wrote, while it is open.
    pub partitions: Vec<TopicPartition>,
    /// The groups whose offsets it moves, while it is open.
    pub groups: Vec<String>,
    /// Messages for queues that wait for the commit.
    pub staged_messages: u64,
    /// Leases to be settled with the commit.
    pub staged_settles: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_nothing_else_does() {
        let id = TransactionId(Producer { id: ProducerId(0x0123_4567), epoch: ProducerEpoch(0x10) });
        assert_eq!(id.to_string(), "00000000012345670010");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "0000000001234567001", "+0000000012345670010", "ffffffffffffffff0010", "x"] {
            assert_eq!(bad.parse::<TransactionId>(), Err(NotATransaction), "{bad}");
        }
    }
}
