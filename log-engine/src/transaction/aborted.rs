use crate::Offset;
use crate::producer::ProducerId;

/// A transaction in one partition whose records must not be shown to readers of committed ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose records.
    pub producer: ProducerId,
    /// The first of them.
    pub first: Offset,
    /// The marker that ended it.
    pub last: Offset,
    /// The partition's last stable offset after that: transactions that ended later begin there or behind it.
    pub stable: Offset,
}

impl AbortedTransaction {
    /// Bytes of an entry in Kafka's transaction index.
    pub(crate) const ENTRY_LEN: usize = 34;
    const VERSION: i16 = 0;

    /// As Kafka's `.txnindex` has it.
    pub(crate) fn encode(&self) -> [u8; AbortedTransaction::ENTRY_LEN] {
        let mut entry = [0; AbortedTransaction::ENTRY_LEN];
        entry[0..2].copy_from_slice(&AbortedTransaction::VERSION.to_be_bytes());
        let fields = [self.producer.0, self.first.0, self.last.0, self.stable.0];
        for (at, field) in (2..).step_by(8).zip(fields) {
            entry[at..at + 8].copy_from_slice(&field.to_be_bytes());
        }
        entry
    }

    /// Reads an entry; none when it is of another version.
    pub(crate) fn decode(entry: &[u8; AbortedTransaction::ENTRY_LEN]) -> Option<AbortedTransaction> {
        let field = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&entry[at..at + 8]);
            i64::from_be_bytes(bytes)
        };
        (entry[0..2] == AbortedTransaction::VERSION.to_be_bytes()).then(|| AbortedTransaction {
            producer: ProducerId(field(2)),
            first: Offset(field(10)),
            last: Offset(field(18)),
            stable: Offset(field(26)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_kafkas() {
        let aborted = AbortedTransaction {
            producer: ProducerId(7),
            first: Offset(1),
            last: Offset(0x0102),
            stable: Offset(0x0103),
        };
        let entry = aborted.encode();
        assert_eq!(&entry[..10], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(&entry[18..26], &[0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(AbortedTransaction::decode(&entry), Some(aborted));
    }
}
