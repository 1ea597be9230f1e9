use bytes::Bytes;
use log_engine::batch::{Batch, BatchBuilder, Compression};
use log_engine::{Producer, TopicConfig};
use message::{ErrorCode, HeaderValue, Limits, Timestamp};

use super::header_json;
use super::outgoing::Outgoing;
use super::partitioner::Partitioner;
use crate::refusal::Refusal;

/// The header that carries a record's content type.
pub(crate) const CONTENT_TYPE: &str = "content-type";

/// Where one message of a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Into which batch.
    pub batch: u32,
    /// As which record of it.
    pub index: u32,
    /// With which timestamp, unless the topic stamps its own.
    pub timestamp: i64,
}

/// Where one message of a request went, or why it did not.
pub(crate) type Slot = Result<Place, Box<Refusal>>;

/// One request's messages as record batches, sorted by partition, in the order sent within each.
pub(crate) struct RecordBatches {
    /// Partition and batch, to be appended in this order.
    pub batches: Vec<(u32, Batch)>,
    /// For each message its batch's index and its place within, or why it is not in any.
    pub slots: Vec<Slot>,
}

/// Builds batches outside of the owner: checksums are computed here, in parallel, once. `transaction` is whose open
/// transaction they belong to.
pub(crate) fn build(
    messages: &[Outgoing],
    partitions: u32,
    settings: &TopicConfig,
    limits: &Limits,
    partitioner: &Partitioner,
    now: Timestamp,
    transaction: Option<Producer>,
) -> RecordBatches {
    let batch_bytes = settings.max_message_bytes();
    let compression = settings.compression();
    let mut building =
        Building { open: Vec::new(), done: Vec::new(), batch_bytes, compression, now, transaction };
    let keyless =
        if messages.iter().any(|message| message.key.is_none() && message.options.partition.is_none()) {
            partitioner.of_request(partitions)
        } else {
            0
        };
    let payload: usize = messages.iter().map(record_len).sum();
    let slots = messages.iter().map(|message| {
        check(message, partitions, batch_bytes, limits)?;
        let timestamp = message.options.timestamp.unwrap_or(now.0);
        settings.check_record(message.key.is_some(), timestamp, now).map_err(|error| {
            let field = if message.key.is_none() { "key" } else { "timestamp" };
            Box::new(Refusal::from(error).in_field(field))
        })?;
        let partition = match (message.options.partition, &message.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => Partitioner::of_key(key, partitions),
            (None, None) => keyless,
        };
        Ok(building.push(partition, message, payload))
    });
    let slots = slots.collect();
    RecordBatches { batches: building.finish(), slots }
}

struct Building {
    open: Vec<(u32, u32, BatchBuilder)>,
    done: Vec<Option<(u32, Batch)>>,
    batch_bytes: usize,
    compression: Option<Compression>,
    now: Timestamp,
    transaction: Option<Producer>,
}

impl Building {
    fn push(&mut self, partition: u32, message: &Outgoing, payload: usize) -> Place {
        let len = record_len(message);
        let at = self.open.iter().position(|(have, _, _)| *have == partition);
        if let Some(at) = at
            && !self.open[at].2.is_empty()
            && self.open[at].2.len() + len > self.batch_bytes
        {
            let (partition, index, full) = self.open.swap_remove(at);
            self.done[index as usize] = Some((partition, self.close(full)));
        }
        let at = self.open.iter().position(|(have, _, _)| *have == partition).unwrap_or_else(|| {
            let capacity = (payload + 128).min(self.batch_bytes.max(len + 128));
            let builder = BatchBuilder::with_capacity(self.now, capacity);
            let builder = match self.transaction {
                Some(producer) => builder.in_transaction(producer, None),
                None => builder,
            };
            self.open.push((partition, self.done.len() as u32, builder));
            self.done.push(None);
            self.open.len() - 1
        });
        let (_, index, builder) = &mut self.open[at];
        let place = builder.count();
        push_record(builder, message);
        Place { batch: *index, index: place, timestamp: message.options.timestamp.unwrap_or(self.now.0) }
    }

    fn close(&self, builder: BatchBuilder) -> Batch {
        match self.compression {
            None => builder.build(),
            Some(compression) => builder.build_packed(compression),
        }
    }

    fn finish(mut self) -> Vec<(u32, Batch)> {
        for (partition, index, builder) in std::mem::take(&mut self.open) {
            self.done[index as usize] = Some((partition, self.close(builder)));
        }
        self.done.into_iter().flatten().collect()
    }
}

fn check(
    message: &Outgoing,
    partitions: u32,
    batch_bytes: usize,
    limits: &Limits,
) -> Result<(), Box<Refusal>> {
    let options = &message.options;
    let queue_only = [
        ("priority", options.priority.is_some()),
        ("delay_ms", options.delay_ms.is_some()),
        ("deliver_at", options.deliver_at.is_some()),
        ("ttl_ms", options.ttl_ms.is_some()),
        ("message_id", options.message_id.is_some()),
        ("correlation_id", options.correlation_id.is_some()),
        ("reply_to", options.reply_to.is_some()),
    ];
    if let Some((field, _)) = queue_only.iter().find(|(_, set)| *set) {
        return Err(Box::new(Refusal::invalid(
            *field,
            format!("{field} is for queues; this topic is a log"),
        )));
    }
    if let Some(partition) = options.partition.filter(|partition| *partition >= partitions) {
        let detail =
            format!("partition {partition} does not exist; the log has {partitions}, counted from 0");
        return Err(Box::new(Refusal::new(ErrorCode::UnknownPartition, detail).in_field("partition")));
    }
    let too_large = |what: &str, have: usize, most: usize| {
        let detail = format!("the {what} has {have} bytes; at most {most} are allowed");
        Err(Box::new(Refusal::new(ErrorCode::TooLarge, detail).in_field(what)))
    };
    let key = message.key.as_ref().map_or(0, Bytes::len);
    let value = message.value.as_ref().map_or(0, Bytes::len);
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + header_len(value)).sum();
    if key > limits.key_bytes {
        return too_large("key", key, limits.key_bytes);
    }
    if headers > limits.header_bytes {
        return too_large("headers", headers, limits.header_bytes);
    }
    if value > limits.message_bytes {
        return too_large("value", value, limits.message_bytes);
    }
    if record_len(message) > batch_bytes {
        return too_large("value", value, batch_bytes.saturating_sub(record_len(message) - value));
    }
    Ok(())
}

fn header_len(value: &HeaderValue) -> usize {
    match value {
        HeaderValue::Text(text) => text.len(),
        HeaderValue::Bytes(bytes) => bytes.len(),
        _ => 24,
    }
}

fn record_len(message: &Outgoing) -> usize {
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + header_len(value)).sum();
    let content_type = message.content_type.as_ref().map_or(0, |text| CONTENT_TYPE.len() + text.len());
    BatchBuilder::record_len(
        message.key.as_deref(),
        message.value.as_deref(),
        headers + content_type,
        message.headers.len() + 1,
    )
}

/// Bytes of the largest of the records that these become.
pub(crate) fn largest(messages: &[Outgoing]) -> usize {
    messages.iter().map(record_len).max().unwrap_or(0)
}

pub(crate) fn push_record(builder: &mut BatchBuilder, message: &Outgoing) {
    let (key, value) = (message.key.as_deref(), message.value.as_deref());
    let timestamp = message.options.timestamp;
    if message.headers.is_empty() {
        let content_type =
            message.content_type.as_ref().map(|text| [(CONTENT_TYPE.as_bytes(), Some(text.as_bytes()))]);
        return builder.push(key, value, content_type.as_ref().map_or(&[], |one| one), timestamp);
    }
    let written: Vec<(&str, Option<Bytes>)> =
        message.headers.iter().map(|(name, value)| (name.as_str(), record_header(value))).collect();
    let headers: Vec<(&[u8], Option<&[u8]>)> = message
        .content_type
        .iter()
        .map(|text| (CONTENT_TYPE.as_bytes(), Some(text.as_bytes())))
        .chain(written.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())))
        .collect();
    builder.push(key, value, &headers, timestamp);
}

/// A record's headers are bytes: numbers and the like are written as text, nested ones as JSON.
pub(crate) fn record_header(value: &HeaderValue) -> Option<Bytes> {
    Some(match value {
        HeaderValue::Null => return None,
        HeaderValue::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
        HeaderValue::Bytes(bytes) => bytes.clone(),
        HeaderValue::Bool(v) => Bytes::from_static(if *v { b"true" } else { b"false" }),
        HeaderValue::Int(v) => Bytes::from(v.to_string()),
        HeaderValue::Float(v) => Bytes::from(v.to_string()),
        HeaderValue::Timestamp(v) => Bytes::from(v.to_string()),
        HeaderValue::Decimal(..) | HeaderValue::List(_) | HeaderValue::Table(_) => {
            Bytes::from(header_json::to_json(value).to_string())
        }
    })
}

/// A record's header as a queue's message carries it: text where it is text.
pub(crate) fn typed_header(value: Option<&[u8]>) -> HeaderValue {
    match value.map(|value| (value, std::str::from_utf8(value))) {
        None => HeaderValue::Null,
        Some((_, Ok(text))) => HeaderValue::Text(text.to_owned()),
        Some((bytes, Err(_))) => HeaderValue::Bytes(Bytes::copy_from_slice(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::OutgoingOptions;

    fn message(key: Option<&'static str>, value: &'static str) -> Outgoing {
        Outgoing {
            key: key.map(|key| Bytes::from_static(key.as_bytes())),
            value: Some(Bytes::from_static(value.as_bytes())),
            ..Outgoing::default()
        }
    }

    fn build_all(messages: &[Outgoing], batch_bytes: usize) -> RecordBatches {
        let settings = TopicConfig::parse([("max.message.bytes", batch_bytes.to_string())]).unwrap();
        build(messages, 3, &settings, &Limits::default(), &Partitioner::default(), Timestamp(1), None)
    }

    #[test]
    fn a_key_stays_in_its_partition_and_in_order() {
        let messages: Vec<Outgoing> = (0..30).map(|n| message(Some(["a", "b", "c"][n % 3]), "v")).collect();
        let built = build_all(&messages, 1 << 20);
        let total: u32 = built.batches.iter().map(|(_, batch)| batch.count()).sum();
        assert_eq!(total, 30);
        for (message, slot) in messages.iter().zip(&built.slots) {
            let index = slot.clone().unwrap().batch;
            let key = message.key.as_deref().unwrap();
            assert_eq!(built.batches[index as usize].0, Partitioner::of_key(key, 3));
        }
    }

    #[test]
    fn batches_stay_below_the_limit() {
        let messages: Vec<Outgoing> = (0..100).map(|_| message(Some("a"), "0123456789")).collect();
        let built = build_all(&messages, 500);
        assert!(built.batches.len() > 1);
        assert!(built.batches.iter().all(|(_, batch)| batch.len() <= 600));
        let places: Vec<_> = built.slots.iter().map(|slot| slot.clone().unwrap()).collect();
        assert!(places.is_sorted());
    }

    #[test]
    fn what_a_log_cannot_honour_is_refused_for_that_message_alone() {
        let mut messages =
            vec![message(None, "v"), message(None, "v"), message(None, "v"), message(None, "v")];
        messages[1].options = OutgoingOptions { priority: Some(3), ..OutgoingOptions::default() };
        messages[2].options = OutgoingOptions { partition: Some(3), ..OutgoingOptions::default() };
        let built = build_all(&messages, 1 << 20);
        let codes: Vec<_> =
            built.slots.iter().map(|slot| slot.as_ref().map_err(|refusal| refusal.code).err()).collect();
        assert_eq!(codes, [None, Some(ErrorCode::InvalidRequest), Some(ErrorCode::UnknownPartition), None]);
        assert_eq!(built.batches[0].1.count(), 2);
    }
}
