//! Consumers over WebSocket. They stop cleanly when the server is killed under them and say what they had done.

use std::collections::BTreeMap;

use blackbox::{Socket, list};
use serde_json::{Value, json};

/// One record as a consumer saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its partition (0 on a queue).
    pub partition: u64,
    /// Its offset on the log, its id on the queue.
    pub place: u64,
    /// The flight's number.
    pub number: usize,
    /// Its key, on the log.
    pub key: String,
    /// Its priority, on the queue.
    pub priority: u64,
    /// Whether the broker said that it was handed out before.
    pub redelivered: bool,
    /// The lease, on a queue.
    pub lease: Value,
}

/// What a message says about itself.
pub fn seen(message: &Value) -> Seen {
    Seen {
        partition: message["partition"].as_u64().unwrap_or(0),
        place: message["offset"].as_u64().or_else(|| message["id"].as_u64()).expect("an offset or an id"),
        number: message["value"]["number"].as_u64().expect("a flight's number") as usize,
        key: message["key"].as_str().unwrap_or_default().to_owned(),
        priority: message["priority"].as_u64().unwrap_or(0),
        redelivered: message["redelivered"] == true,
        lease: message["lease"].clone(),
    }
}

/// The next batch of messages; an error when the connection ended.
pub async fn next_batch(socket: &mut Socket) -> Result<Vec<Seen>, blackbox::socket::Closed> {
    loop {
        let frame = socket.frame().await?;
        if frame["type"] == "message" {
            return Ok(list(&frame, "messages").iter().map(seen).collect());
        }
        assert_ne!(frame["type"], "error", "{frame}");
    }
}

/// The `records` of an `ack` command, in the order given.
pub fn records(batch: &[Seen]) -> Value {
    let mut by_partition: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for one in batch {
        by_partition.entry(one.partition).or_default().push(one.place);
    }
    by_partition
        .into_iter()
        .map(|(partition, offsets)| json!({"partition": partition, "offsets": offsets}))
        .collect()
}

/// A small generator, seeded, for choices that must be the same in every run.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number below `bound` (splitmix64).
    pub fn roll(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    /// Puts items into another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.roll(at + 1));
        }
    }
}
