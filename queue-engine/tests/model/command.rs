//! Random commands.
use proptest::prelude::*;
use queue_engine::{Overflow, QueueOptions};

#[derive(Clone, Debug)]
pub enum Command {
    Declare {
        queue: u8,
        options: QueueOptions,
    },
    Update {
        queue: u8,
        options: QueueOptions,
    },
    Delete {
        queue: u8,
    },
    Bind {
        exchange: u8,
        queue: u8,
        key: u8,
    },
    Unbind {
        exchange: u8,
        queue: u8,
        key: u8,
    },
    Publish {
        exchange: Option<u8>,
        key: u8,
        count: u8,
        priority: u8,
        delay: i64,
        ttl: Option<i64>,
        batch: bool,
    },
    Receive {
        queue: u8,
        max: u8,
        lease: Option<i64>,
    },
    Subscribe {
        queue: u8,
        credit: u64,
        lease: Option<i64>,
        once: bool,
    },
    Credit {
        consumer: prop::sample::Index,
        more: u64,
    },
    Pause {
        consumer: prop::sample::Index,
        paused: bool,
    },
    Cancel {
        consumer: prop::sample::Index,
        give_back: bool,
    },
    Settle(Vec<(prop::sample::Index, Action)>),
    Pass(i64),
    Purge {
        queue: u8,
    },
    DeleteMessage {
        queue: u8,
        nth: prop::sample::Index,
    },
    Checkpoint,
    Relocate {
        nth: prop::sample::Index,
        budget: u64,
    },
    Crash,
    /// The next command's block never reaches the disk.
    LoseNext,
}

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Ack,
    Nack(i64),
    Reject,
    Extend(i64),
}

fn options() -> impl Strategy<Value = QueueOptions> {
    let dead = prop_oneof![
        2 => Just((None, None)),
        2 => (0u8..4).prop_map(|queue| (Some(String::new()), Some(queue_name(queue)))),
        1 => Just((Some("amq.fanout".to_owned()), None)),
        1 => Just((Some("amq.direct".to_owned()), None)),
        1 => Just((Some("nowhere".to_owned()), None)),
    ];
    let overflow = prop_oneof![
        2 => Just(Overflow::DropHead),
        1 => Just(Overflow::RejectPublish),
        1 => Just(Overflow::RejectPublishDlx),
    ];
    let limit = prop_oneof![2 => Just(None), 1 => (0u64..6).prop_map(Some)];
    let ttl = prop_oneof![3 => Just(None), 1 => (0u64..50).prop_map(Some)];
    let deliveries = prop_oneof![2 => Just(None), 1 => (0u32..3).prop_map(Some)];
    let priority = prop_oneof![1 => Just(None), 1 => Just(Some(2u8))];
    (dead, overflow, limit, ttl, deliveries, priority).prop_map(
        |((exchange, key), overflow, max_length, message_ttl_ms, delivery_limit, max_priority)| {
            QueueOptions {
                dead_letter_exchange: exchange,
                dead_letter_routing_key: key,
                overflow,
                max_length,
                message_ttl_ms,
                delivery_limit,
                max_priority,
                ..QueueOptions::default()
            }
        },
    )
}

pub fn queue_name(queue: u8) -> String {
    format!("q{queue}")
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::Ack),
        2 => Just(Action::Nack(0)),
        1 => (1i64..40).prop_map(Action::Nack),
        2 => Just(Action::Reject),
        1 => (1i64..40).prop_map(Action::Extend),
    ]
}

pub fn command() -> impl Strategy<Value = Command> {
    let queue = || 0u8..4;
    let lease = || prop_oneof![3 => (1i64..60).prop_map(Some), 1 => Just(None)];
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (queue(), options()).prop_map(|(queue, options)| Command::Declare { queue, options }),
        1 => (queue(), options()).prop_map(|(queue, options)| Command::Update { queue, options }),
        1 => queue().prop_map(|queue| Command::Delete { queue }),
        2 => (0u8..3, queue(), 0u8..3).prop_map(|(exchange, queue, key)| Command::Bind { exchange, queue, key }),
        1 => (0u8..3, queue(), 0u8..3).prop_map(|(exchange, queue, key)| Command::Unbind { exchange, queue, key }),
        12 => (
            prop::option::of(0u8..3), queue(), 1u8..5, 0u8..4,
            prop_oneof![4 => Just(0i64), 1 => 1i64..40], prop_oneof![3 => Just(None), 1 => (0i64..40).prop_map(Some)],
            any::<bool>(),
        ).prop_map(|(exchange, key, count, priority, delay, ttl, batch)| {
            Command::Publish { exchange, key, count, priority, delay, ttl, batch }
        }),
        5 => (queue(), 1u8..5, lease()).prop_map(|(queue, max, lease)| Command::Receive { queue, max, lease }),
        3 => (queue(), 0u64..6, lease(), any::<bool>())
            .prop_map(|(queue, credit, lease, once)| Command::Subscribe { queue, credit, lease, once }),
        2 => (index(), 1u64..4).prop_map(|(consumer, more)| Command::Credit { consumer, more }),
        1 => (index(), any::<bool>()).prop_map(|(consumer, paused)| Command::Pause { consumer, paused }),
        1 => (index(), any::<bool>()).prop_map(|(consumer, give_back)| Command::Cancel { consumer, give_back }),
        8 => prop::collection::vec((index(), action()), 1..6).prop_map(Command::Settle),
        5 => (1i64..60).prop_map(Command::Pass),
        1 => queue().prop_map(|queue| Command::Purge { queue }),
        1 => (queue(), index()).prop_map(|(queue, nth)| Command::DeleteMessage { queue, nth }),
        1 => Just(Command::Checkpoint),
        2 => (index(), 0u64..900).prop_map(|(nth, budget)| Command::Relocate { nth, budget }),
        2 => Just(Command::Crash),
        1 => Just(Command::LoseNext),
    ]
}
