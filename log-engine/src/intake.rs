//! What a topic asks of a batch before it is appended: done by whoever brings it, not by the partition's owner.
use message::Timestamp;

use crate::batch::{Batch, RecordSet, Survey};
use crate::{LogError, TopicConfig};

/// Most records of a batch that are told to be at fault.
const FAULTS_MAX: usize = 1000;

impl TopicConfig {
    /// Checks a batch against the topic's settings and compresses it as they ask. Costs nothing per record, for a batch from
    /// [`Batch::validate`], unless it is compressed anew; then records are opened, up to `decompressed_max` bytes. What
    /// depends on the log itself is checked by [`crate::LogEngine::append`].
    pub fn take_in(&self, batch: Batch, now: Timestamp, decompressed_max: usize) -> Result<Batch, LogError> {
        self.check_records(&batch, now, decompressed_max)?;
        self.pack(batch, decompressed_max)
    }

    /// The second half of [`TopicConfig::take_in`]: compresses a batch that was checked.
    pub fn pack(&self, batch: Batch, decompressed_max: usize) -> Result<Batch, LogError> {
        let batch = match self.compression() {
            None => batch,
            Some(compression) => batch.recompress(compression, decompressed_max)?,
        };
        let (size, max) = (batch.len(), self.max_message_bytes());
        if size > max { Err(LogError::TooLarge { size, max }) } else { Ok(batch) }
    }

    /// What [`TopicConfig::take_in`] checks of a single record with the given timestamp, in milliseconds.
    pub fn check_record(&self, has_key: bool, timestamp: i64, now: Timestamp) -> Result<(), LogError> {
        if self.cleanup().compact && !has_key {
            return Err(LogError::Keyless(0));
        }
        self.check_time(timestamp, now)
    }

    /// The first half of [`TopicConfig::take_in`]: whether the topic takes what the batch holds.
    pub fn check_records(
        &self,
        batch: &Batch,
        now: Timestamp,
        decompressed_max: usize,
    ) -> Result<(), LogError> {
        let (compact, bounds) = (self.cleanup().compact, self.timestamp_bounds(now));
        if !compact && bounds.is_none() {
            return Ok(());
        }
        let Survey { keyless, oldest, newest } = batch.survey(decompressed_max)?;
        if let Some(number) = keyless.filter(|_| compact) {
            return Err(LogError::Keyless(number));
        }
        self.check_time(newest, now)?;
        if oldest <= newest { self.check_time(oldest, now) } else { Ok(()) }
    }

    /// The records of a refused batch that are at fault themselves, by their place in it, and why.
    pub fn at_fault(&self, batch: &[u8], now: Timestamp, decompressed_max: usize) -> Vec<(u32, LogError)> {
        let Ok(records) = RecordSet::open(batch, decompressed_max) else { return Vec::new() };
        let places = (0_u32..).zip(records.iter().map_while(Result::ok));
        let faults = places.filter_map(|(place, record)| {
            match self.check_record(record.key.is_some(), record.timestamp, now).err()? {
                LogError::Keyless(_) => Some((place, LogError::Keyless(place))),
                other => Some((place, other)),
            }
        });
        faults.take(FAULTS_MAX).collect()
    }

    /// A record without a timestamp is as old as its arrival.
    fn check_time(&self, timestamp: i64, now: Timestamp) -> Result<(), LogError> {
        match self.timestamp_bounds(now) {
            Some(bounds) if timestamp != -1 && !bounds.contains(&timestamp) => {
                Err(LogError::Timestamp { timestamp, earliest: *bounds.start(), latest: *bounds.end() })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, Codec};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    const MAX: usize = 1 << 20;
    const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    fn batch(codec: Codec, key: Option<&[u8]>, timestamps: &[i64]) -> Batch {
        let mut builder = BatchBuilder::new(NOW);
        for timestamp in timestamps {
            builder.push(key, Some(&[b'v'; 200]), &[(b"h", None)], Some(*timestamp));
        }
        builder.build_compressed(codec).unwrap()
    }

    fn records(batch: &Batch) -> Vec<(i64, Option<Vec<u8>>, i64)> {
        let set = RecordSet::open(batch.as_bytes(), MAX).unwrap();
        let records = set.iter().map(Result::unwrap);
        records.map(|record| (record.offset.0, record.key.map(<[u8]>::to_vec), record.timestamp)).collect()
    }

    #[test]
    fn compresses_anew_from_and_to_every_codec() {
        for from in ALL {
            for to in ["uncompressed", "gzip", "snappy", "lz4", "zstd"] {
                let sent = batch(from, Some(b"k"), &[NOW.0, NOW.0 - 5, NOW.0 + 7]);
                let before = (records(&sent), sent.header().max_timestamp, sent.count());
                let config = TopicConfig::parse([("compression.type", to)]).unwrap();
                let taken = config.take_in(sent, NOW, MAX).unwrap();
                let after = (records(&taken), taken.header().max_timestamp, taken.count());
                assert_eq!(after, before, "{from:?} to {to}");
                assert!(crate::batch::checksum_matches(taken.as_bytes()));
                let name = taken.header().codec().unwrap().as_str();
                assert_eq!(name, if to == "uncompressed" { "none" } else { to });
            }
        }
    }

    #[test]
    fn keeps_what_the_producer_chose_byte_for_byte() {
        for codec in ALL {
            let sent = batch(codec, None, &[NOW.0]);
            let bytes = sent.as_bytes().to_vec();
            assert_eq!(TopicConfig::default().take_in(sent, NOW, MAX).unwrap().as_bytes(), bytes);
        }
    }

    #[test]
    fn a_compacted_topic_takes_no_record_without_a_key() {
        let config = TopicConfig::parse([("cleanup.policy", "compact")]).unwrap();
        for codec in ALL {
            assert!(config.take_in(batch(codec, Some(b""), &[NOW.0]), NOW, MAX).is_ok());
            let refused = config.take_in(batch(codec, None, &[NOW.0]), NOW, MAX);
            assert_eq!(refused.unwrap_err().code(), message::ErrorCode::InvalidRecord);
        }
    }

    #[test]
    fn timestamps_stay_within_bounds_inside_compressed_batches_too() {
        let config = TopicConfig::parse([
            ("message.timestamp.before.max.ms", "1000"),
            ("message.timestamp.after.max.ms", "50"),
        ])
        .unwrap();
        for codec in ALL {
            let taken = |timestamps: &[i64]| config.take_in(batch(codec, None, timestamps), NOW, MAX);
            assert!(taken(&[NOW.0 - 1000, NOW.0 + 50, -1]).is_ok());
            for outside in [NOW.0 - 1001, NOW.0 + 51] {
                let refused = taken(&[NOW.0, outside, NOW.0]).unwrap_err();
                assert_eq!(refused.code(), message::ErrorCode::InvalidTimestamp, "{codec:?} {outside}");
            }
        }
        let own = config.with([("message.timestamp.type", "LogAppendTime")]).unwrap();
        assert!(own.take_in(batch(Codec::None, None, &[5]), NOW, MAX).is_ok());
    }

    #[test]
    fn the_records_at_fault_are_told_from_the_others() {
        let config = TopicConfig::parse([("message.timestamp.before.max.ms", "1000")]).unwrap();
        for codec in ALL {
            let sent = batch(codec, None, &[NOW.0, 5, NOW.0, 6]);
            assert!(config.check_records(&sent, NOW, MAX).is_err());
            let faults = config.at_fault(sent.as_bytes(), NOW, MAX);
            let places: Vec<u32> = faults.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, [1, 3], "{codec:?}");
        }
        let compacted = TopicConfig::parse([("cleanup.policy", "compact")]).unwrap();
        let faults = compacted.at_fault(batch(Codec::None, None, &[NOW.0; 2]).as_bytes(), NOW, MAX);
        assert!(matches!(faults[..], [(0, LogError::Keyless(0)), (1, LogError::Keyless(1))]), "{faults:?}");
    }

    #[test]
    fn a_bomb_is_not_opened() {
        let config = TopicConfig::parse([("compression.type", "zstd")]).unwrap();
        let sent = batch(Codec::Gzip, None, &[NOW.0; 100]);
        assert_eq!(config.take_in(sent, NOW, 1000).unwrap_err().code(), message::ErrorCode::TooLarge);
    }
}
