use bytes::Bytes;
use message::TopicName;

use super::Generation;
use crate::TopicPartition;

/// Reads and writes what clients of the classic protocol leave to each other: who reads what, and who gets what.
///
/// To a group whose members are all classic these are opaque bytes. Only when members of other kinds share a group
/// with classic ones must the engine understand them, and then it asks these functions, because the format belongs to
/// clients and not to the engine.
#[derive(Clone, Copy, Debug)]
pub struct ClientFormat {
    /// The protocol type whose members write this format.
    pub protocol_type: &'static str,
    /// Reads a member's metadata; none when it is not in the format.
    pub read_subscription: fn(&[u8]) -> Option<ClientSubscription>,
    /// Reads an assignment; none when it is not in the format, or carries what only its assignor understands.
    pub read_assignment: fn(&[u8]) -> Option<Vec<TopicPartition>>,
    /// Writes an assignment for a member whose metadata had this version.
    pub write_assignment: fn(u16, &[TopicPartition]) -> Bytes,
}

/// What a classic member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSubscription {
    /// The version of the format that it speaks.
    pub version: u16,
    /// The topics that it reads. Not all need exist.
    pub topics: Vec<TopicName>,
    /// What it still has; nothing when it gives everything up before it joins.
    pub owned: Vec<TopicPartition>,
    /// In which generation it got that, if it says so.
    pub generation: Option<Generation>,
    /// Where it is.
    pub rack: Option<Box<str>>,
}

impl ClientFormat {
    /// No format at all: classic members share groups with their like only.
    pub const UNKNOWN: ClientFormat = ClientFormat {
        protocol_type: "",
        read_subscription: |_| None,
        read_assignment: |_| None,
        write_assignment: |_, _| Bytes::new(),
    };
}
