//! What classic clients of consumer groups leave to each other: `ConsumerProtocolSubscription` and
//! `ConsumerProtocolAssignment`, versions 0 to 3, as in Kafka's `clients/src/main/resources/common/message`.
//!
//! A broker need not read these bytes as long as only such clients share a group. When readers at other doors share it,
//! the server shares the partitions out, and so must understand them.

use std::collections::BTreeMap;

use bytes::Bytes;
use log_engine::{ClientFormat, ClientSubscription, Generation, TopicPartition};
use message::TopicName;

/// The newest version known; a newer one is read as far as it is known.
const VERSION: u16 = 3;

/// The format, for the engine.
pub const FORMAT: ClientFormat = ClientFormat {
    protocol_type: "consumer",
    read_subscription: subscription,
    read_assignment: assignment,
    write_assignment,
};

/// Reads what a member says of itself; none when it is not in the format.
#[must_use]
pub fn subscription(bytes: &[u8]) -> Option<ClientSubscription> {
    let mut from = Reader(bytes);
    let version = from.version()?;
    let mut says = ClientSubscription { version, ..ClientSubscription::default() };
    // A topic whose name cannot exist here is one that does not exist.
    says.topics = from.list(Reader::text)?.iter().filter_map(|name| TopicName::new(name).ok()).collect();
    from.user_data()?;
    if version >= 1 {
        says.owned = from.partitions()?;
    }
    if version >= 2 {
        says.generation = u32::try_from(from.i32()?).ok().map(Generation);
    }
    if version >= 3 {
        says.rack = from.nullable_text()?.map(Box::from);
    }
    Some(says)
}

/// Reads an assignment; none when it is not in the format, or carries data of an assignor's own.
#[must_use]
pub fn assignment(bytes: &[u8]) -> Option<Vec<TopicPartition>> {
    let mut from = Reader(bytes);
    from.version()?;
    let partitions = from.partitions()?;
    (from.user_data()? == 0).then_some(partitions)
}

/// Writes an assignment for a member that speaks this version.
#[must_use]
pub fn write_assignment(version: u16, partitions: &[TopicPartition]) -> Bytes {
    let mut out = Vec::with_capacity(64 + 4 * partitions.len());
    out.extend_from_slice(&version.min(VERSION).to_be_bytes());
    put_partitions(&mut out, partitions);
    out.extend_from_slice(&(-1i32).to_be_bytes());
    out.into()
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as i32).to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as i16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_partitions(out: &mut Vec<u8>, partitions: &[TopicPartition]) {
    let mut by_topic: BTreeMap<&TopicName, Vec<u32>> = BTreeMap::new();
    for one in partitions {
        by_topic.entry(&one.topic).or_default().push(one.partition);
    }
    put_count(out, by_topic.len());
    for (topic, numbers) in by_topic {
        put_text(out, topic.as_str());
        put_count(out, numbers.len());
        numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn version(&mut self) -> Option<u16> {
        u16::try_from(i16::from_be_bytes(self.take()?)).ok()
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        self.nullable_text()?
    }

    fn nullable_text(&mut self) -> Option<Option<&'a str>> {
        match i16::from_be_bytes(self.take()?) {
            -1 => Some(None),
            len => std::str::from_utf8(self.bytes(usize::try_from(len).ok()?)?).ok().map(Some),
        }
    }

    /// Passes over what an assignor added; how much that was.
    fn user_data(&mut self) -> Option<usize> {
        match self.i32()? {
            -1 => Some(0),
            len => self.bytes(usize::try_from(len).ok()?).map(<[u8]>::len),
        }
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.i32()?).ok()?;
        let mut items = Vec::with_capacity(count.min(self.0.len() / 2));
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items)
    }

    fn partitions(&mut self) -> Option<Vec<TopicPartition>> {
        let by_topic = self.list(|from| Some((from.text()?, from.list(Reader::i32)?)))?;
        let mut partitions = Vec::new();
        for (topic, numbers) in by_topic {
            let Ok(topic) = TopicName::new(topic) else { continue };
            for number in numbers {
                partitions
                    .push(TopicPartition { topic: topic.clone(), partition: u32::try_from(number).ok()? });
            }
        }
        Some(partitions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn partition(topic: &str, partition: u32) -> TopicPartition {
        TopicPartition { topic: TopicName::new(topic).unwrap(), partition }
    }

    /// As a client writes it.
    fn write_subscription(says: &ClientSubscription) -> Bytes {
        let mut out = Vec::with_capacity(64);
        let version = says.version.min(VERSION);
        out.extend_from_slice(&version.to_be_bytes());
        put_count(&mut out, says.topics.len());
        says.topics.iter().for_each(|topic| put_text(&mut out, topic.as_str()));
        out.extend_from_slice(&(-1i32).to_be_bytes());
        if version >= 1 {
            put_partitions(&mut out, &says.owned);
        }
        if version >= 2 {
            let generation = says.generation.and_then(|generation| i32::try_from(generation.0).ok());
            out.extend_from_slice(&generation.unwrap_or(-1).to_be_bytes());
        }
        if version >= 3 {
            match &says.rack {
                Some(rack) => put_text(&mut out, rack),
                None => out.extend_from_slice(&(-1i16).to_be_bytes()),
            }
        }
        out.into()
    }

    /// As kafka-clients 3.9 writes it for a cooperative member in generation 7.
    #[test]
    fn reads_a_client_s_own_bytes() {
        let bytes = [
            &b"\x00\x03\x00\x00\x00\x01\x00\x06orders\x00\x00\x00\x04\x00\x00\x00\x07"[..],
            &b"\x00\x00\x00\x01\x00\x06orders\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03"[..],
            &b"\x00\x00\x00\x07\xff\xff"[..],
        ]
        .concat();
        let says = subscription(&bytes).unwrap();
        assert_eq!(says.topics, [TopicName::new("orders").unwrap()]);
        assert_eq!(says.owned, [partition("orders", 0), partition("orders", 3)]);
        assert_eq!(says.generation, Some(Generation(7)));
        assert_eq!(says.rack, None);
        // The oldest form ends after the topics.
        let old = subscription(b"\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff").unwrap();
        assert_eq!((old.version, old.topics.len(), old.owned.len()), (0, 1, 0));
        for cut in 0..bytes.len() {
            assert_eq!(subscription(&bytes[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn what_an_assignor_added_is_not_passed_over_in_an_assignment() {
        let plain = write_assignment(1, &[partition("a", 1), partition("b", 0), partition("a", 0)]);
        let read = assignment(&plain).unwrap();
        assert_eq!(read, [partition("a", 1), partition("a", 0), partition("b", 0)]);
        let own = b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01x";
        assert_eq!(assignment(own), None);
        assert_eq!(assignment(b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn subscriptions_are_read_as_written(
            version in 0u16..5, topics in proptest::collection::vec("[a-c]{1,3}", 0..4),
            owned in proptest::collection::vec(("[a-c]", 0u32..9), 0..6),
            generation in proptest::option::of(0u32..100), rack in proptest::option::of("[a-z]{0,3}"),
        ) {
            let mut says = ClientSubscription {
                version: version.min(3),
                topics: topics.iter().map(|name| TopicName::new(name).unwrap()).collect(),
                owned: owned.iter().map(|(topic, number)| partition(topic, *number)).collect(),
                generation: generation.map(Generation),
                rack: rack.map(Box::from),
            };
            says.owned.sort();
            let mut read = subscription(&write_subscription(&says)).unwrap();
            read.owned.sort();
            if says.version < 3 { says.rack = None }
            if says.version < 2 { says.generation = None }
            if says.version < 1 { says.owned.clear() }
            prop_assert_eq!(read, says);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = subscription(&bytes);
            let _ = assignment(&bytes);
        }
    }
}
