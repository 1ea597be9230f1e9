use super::partition::{KeptState, StateChange};
use crate::record::{Fields, put_text};
use crate::{LogError, Offset, PartitionId};

/// Kinds of records; they share one space with those of [`crate::record::LogRecord`].
const GROUP: u8 = 70;
const GROUP_DELETED: u8 = 71;
const SETTINGS: u8 = 72;
const STARTED: u8 = 73;
const STATES: u8 = 74;
const FORGOTTEN: u8 = 75;

/// What the journal records of share groups.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ShareRecord<'a> {
    /// A share group was made.
    Group(&'a str),
    /// A share group was deleted, with all that it knew of records. Its settings stay.
    GroupDeleted(&'a str),
    /// The settings of a group of either kind, all of them: replaces what was known.
    Settings { group: &'a str, settings: Vec<(&'a str, &'a str)> },
    /// A group begins in a partition at this offset, whatever it knew of it before.
    Started { group: &'a str, partition: PartitionId, start: Offset },
    /// Records stand otherwise now.
    States { group: &'a str, partition: PartitionId, changes: Vec<StateChange> },
    /// A group knows nothing of these partitions any more.
    Forgotten { group: &'a str, partitions: Vec<PartitionId> },
}

impl StateChange {
    /// Bytes that one takes in a record.
    pub(crate) const LEN: usize = 8 + 8 + 1 + 2;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend_from_slice(&self.last.0.to_le_bytes());
        out.push(match self.state {
            KeptState::Available => 0,
            KeptState::Acknowledged => 2,
            KeptState::Archived => 4,
        });
        out.extend_from_slice(&self.deliveries.to_le_bytes());
    }

    fn decode(from: &mut Fields<'_>) -> Result<StateChange, LogError> {
        let (first, last) = (Offset(from.i64()?), Offset(from.i64()?));
        if first.0 < 0 || last < first || last.0 == i64::MAX {
            return Err(LogError::Record("a run of records that is none"));
        }
        let state = match from.byte()? {
            0 => KeptState::Available,
            2 => KeptState::Acknowledged,
            4 => KeptState::Archived,
            _ => return Err(LogError::Record("unknown state of a record")),
        };
        Ok(StateChange { first, last, state, deliveries: from.take().map(u16::from_le_bytes)? })
    }
}

impl<'a> ShareRecord<'a> {
    /// Whether a record that starts with this byte is one of these.
    pub(crate) fn has_kind(kind: u8) -> bool {
        (GROUP..=FORGOTTEN).contains(&kind)
    }

    /// Writes it behind what `out` holds.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            ShareRecord::Group(group) => put_group(out, GROUP, group),
            ShareRecord::GroupDeleted(group) => put_group(out, GROUP_DELETED, group),
            ShareRecord::Settings { group, settings } => {
                put_group(out, SETTINGS, group);
                out.extend_from_slice(&(settings.len() as u32).to_le_bytes());
                for (name, value) in settings {
                    put_text(out, name);
                    put_text(out, value);
                }
            }
            ShareRecord::Started { group, partition, start } => {
                put_group(out, STARTED, group);
                out.extend_from_slice(&partition.0.to_le_bytes());
                out.extend_from_slice(&start.0.to_le_bytes());
            }
            ShareRecord::States { group, partition, changes } => {
                put_group(out, STATES, group);
                out.extend_from_slice(&partition.0.to_le_bytes());
                out.extend_from_slice(&(changes.len() as u32).to_le_bytes());
                changes.iter().for_each(|change| change.encode(out));
            }
            ShareRecord::Forgotten { group, partitions } => {
                put_group(out, FORGOTTEN, group);
                out.extend_from_slice(&(partitions.len() as u32).to_le_bytes());
                for partition in partitions {
                    out.extend_from_slice(&partition.0.to_le_bytes());
                }
            }
        }
    }

    /// Reads one whose kind [`ShareRecord::has_kind`] knows.
    pub(crate) fn decode(from: &mut Fields<'a>) -> Result<ShareRecord<'a>, LogError> {
        Ok(match from.byte()? {
            GROUP => ShareRecord::Group(from.text()?),
            GROUP_DELETED => ShareRecord::GroupDeleted(from.text()?),
            SETTINGS => ShareRecord::Settings {
                group: from.text()?,
                settings: from.list(|from| Ok((from.text()?, from.text()?)))?,
            },
            STARTED => ShareRecord::Started {
                group: from.text()?,
                partition: from.partition()?,
                start: Offset(from.i64()?),
            },
            STATES => ShareRecord::States {
                group: from.text()?,
                partition: from.partition()?,
                changes: from.list(StateChange::decode)?,
            },
            FORGOTTEN => {
                ShareRecord::Forgotten { group: from.text()?, partitions: from.list(Fields::partition)? }
            }
            _ => return Err(LogError::Record("unknown kind")),
        })
    }
}

fn put_group(out: &mut Vec<u8>, kind: u8, group: &str) {
    out.push(kind);
    put_text(out, group);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::LogRecord;
    use proptest::prelude::*;

    fn samples() -> Vec<ShareRecord<'static>> {
        let change =
            StateChange { first: Offset(3), last: Offset(9), state: KeptState::Archived, deliveries: 2 };
        let (group, partition) = ("g", PartitionId(7));
        vec![
            ShareRecord::Group(group),
            ShareRecord::GroupDeleted(group),
            ShareRecord::Settings { group, settings: vec![("share.isolation.level", "read_committed")] },
            ShareRecord::Started { group, partition, start: Offset(5) },
            ShareRecord::States { group, partition, changes: vec![change] },
            ShareRecord::Forgotten { group, partitions: vec![partition] },
        ]
    }

    #[test]
    fn records_read_back() {
        for record in samples() {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!(LogRecord::decode(&bytes).unwrap(), LogRecord::Share(record));
        }
    }

    proptest! {
        #[test]
        fn damaged_records_are_refused_or_read_but_nothing_else(at in 0..6usize, cut: usize, flip: u8) {
            let mut bytes = Vec::new();
            samples()[at].encode(&mut bytes);
            let cut = cut % bytes.len();
            let _ = LogRecord::decode(&bytes[..cut]);
            bytes[cut] ^= flip;
            let _ = LogRecord::decode(&bytes);
        }
    }
}
