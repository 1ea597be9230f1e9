//! Random commands.
use message::TopicName;
use proptest::prelude::*;
use queue_engine::{
    ApplyTo, DeadLetterStrategy, DedupWindow, LinearRetry, Overflow, Policy, PolicyDefinition, PolicyKind,
    QueueOptions, QueueType, RetryOn, RetryPolicy,
};

use crate::consumers::Keep;
use crate::headers::Headers;

#[derive(Clone, Debug)]
pub enum Command {
    Declare {
        queue: u8,
        options: QueueOptions,
        owner: Option<u8>,
    },
    EndOwner(u8),
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
        sending: Sending,
        count: u8,
        batch: bool,
    },
    /// Publishes and settles, all or nothing.
    Transact {
        publishes: Vec<Sending>,
        settles: Vec<(prop::sample::Index, Action)>,
    },
    Receive {
        queue: u8,
        max: u8,
        lease: Option<i64>,
    },
    Subscribe {
        queue: u8,
        wish: Wish,
    },
    Credit {
        consumer: prop::sample::Index,
        more: u64,
    },
    Pause {
        consumer: prop::sample::Index,
        paused: bool,
    },
    Prefetch {
        consumer: prop::sample::Index,
        prefetch: Option<u64>,
    },
    OpenPool(Option<u64>),
    LimitPool {
        pool: prop::sample::Index,
        limit: Option<u64>,
    },
    ClosePool(prop::sample::Index),
    JoinPool {
        consumer: prop::sample::Index,
        pool: prop::sample::Index,
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
    Amend {
        queue: u8,
        nth: prop::sample::Index,
        priority: Option<u8>,
        after: Option<i64>,
    },
    Move {
        queue: u8,
        nth: prop::sample::Index,
        to: u8,
    },
    Redrive {
        queue: u8,
        max: u8,
        to: Option<u8>,
    },
    SetPolicy {
        kind: PolicyKind,
        name: u8,
        policy: Policy,
    },
    DeletePolicy {
        kind: PolicyKind,
        name: u8,
    },
    HoldLogs(bool),
    Checkpoint,
    Relocate {
        nth: prop::sample::Index,
        budget: u64,
    },
    Crash,
    /// The power goes at this operation of the disk from now on, counted from 0: within the next command or one soon after.
    Cut(u64),
}

/// Where messages go, and what they say beside their bodies.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    pub exchange: Option<u8>,
    pub key: u8,
    pub priority: Option<u8>,
    pub delay: i64,
    pub ttl: Option<i64>,
    pub names: Names,
    pub headers: Headers,
}

/// Keys and message ids that the messages of one publish take in turn.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub keys: Option<u8>,
    pub ids: Option<u8>,
}

impl Names {
    pub fn key(self, nth: u8) -> Option<String> {
        self.keys.map(|first| format!("k{}", (first + nth) % 3))
    }

    pub fn id(self, nth: u8) -> Option<String> {
        self.ids.map(|first| format!("id{}", (first + nth) % 5))
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Ack,
    Nack(i64),
    Fail,
    Retry,
    Reject,
    Extend(i64),
}

/// What a consumer asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    pub credit: u64,
    pub keep: Keep,
    pub once: bool,
    pub priority: i32,
    pub exclusive: bool,
    pub prefetch: Option<u64>,
    pub pool: Option<prop::sample::Index>,
    pub timeout: Option<i64>,
}

fn wish() -> impl Strategy<Value = Wish> {
    let keep = prop_oneof![
        3 => (1i64..60).prop_map(Keep::For),
        3 => Just(Keep::UntilSettled),
        1 => Just(Keep::NotAtAll),
    ];
    let credit = prop_oneof![2 => 0u64..6, 1 => Just(u64::MAX)];
    let prefetch = prop_oneof![1 => Just(None), 1 => (0u64..4).prop_map(Some)];
    let pool = prop::option::weighted(0.4, any::<prop::sample::Index>());
    let timeout = prop::option::weighted(0.2, 1i64..60);
    let rare = (prop::bool::weighted(0.3), -1i32..3, prop::bool::weighted(0.08));
    (credit, keep, rare, prefetch, pool, timeout).prop_map(
        |(credit, keep, (once, priority, exclusive), prefetch, pool, timeout)| Wish {
            credit,
            keep,
            once,
            priority,
            exclusive,
            prefetch,
            pool,
            timeout,
        },
    )
}

/// Options that go with each type of queue, and those for which there is no room above.
fn kind() -> impl Strategy<Value = QueueOptions> {
    let flags = (prop::bool::weighted(0.3), prop::bool::weighted(0.3));
    let priority = prop_oneof![1 => Just(None), 1 => Just(Some(2u8))];
    let patience = prop::option::weighted(0.5, 1u64..80);
    let kind = prop_oneof![3 => Just(QueueType::Classic), 2 => Just(QueueType::Quorum)];
    (kind, flags, priority, patience).prop_map(|(kind, (single, auto_delete), priority, patience)| {
        let is_classic = kind == QueueType::Classic;
        QueueOptions {
            kind,
            single_active_consumer: single,
            auto_delete: auto_delete && is_classic,
            max_priority: priority.filter(|_| is_classic),
            consumer_timeout_ms: patience.filter(|_| !is_classic),
            ..QueueOptions::default()
        }
    })
}

/// Waits that grow with every failure.
fn linear() -> impl Strategy<Value = LinearRetry> {
    let on = prop_oneof![Just(RetryOn::All), Just(RetryOn::Failed), Just(RetryOn::Returned)];
    (on, 1u64..15, prop::option::of(0u64..20)).prop_map(|(on, min_ms, more)| LinearRetry {
        on,
        min_ms,
        max_ms: more.map(|more| min_ms + more),
    })
}

fn options() -> impl Strategy<Value = QueueOptions> {
    let dead = prop_oneof![
        2 => Just((None, None)),
        2 => (0u8..4).prop_map(|queue| (Some(String::new()), Some(queue_name(queue)))),
        1 => Just((Some("amq.fanout".to_owned()), None)),
        1 => Just((Some("amq.direct".to_owned()), None)),
        1 => Just((Some("amq.headers".to_owned()), None)),
        1 => Just((Some("nowhere".to_owned()), None)),
    ];
    let overflow = prop_oneof![
        2 => Just(Overflow::DropHead),
        1 => Just(Overflow::RejectPublish),
        1 => Just(Overflow::RejectPublishDlx),
    ];
    let most = prop_oneof![2 => Just(None), 1 => (0u64..6).prop_map(Some)];
    let most_bytes = prop::option::weighted(0.25, 0u64..350);
    let expires = prop::option::weighted(0.25, 1u64..150);
    let limit = (most, most_bytes, expires);
    let ttl = prop_oneof![3 => Just(None), 1 => (0u64..50).prop_map(Some)];
    let deliveries = prop_oneof![2 => Just(None), 1 => (0u32..3).prop_map(Some)];
    let jitter = RetryPolicy::Exponential {
        initial_ms: 9,
        factor_milli: 1500,
        max_ms: 20,
        jitter_percent: 60,
        retries: 2,
    };
    let retry = prop_oneof![
        2 => Just(None),
        1 => prop::collection::vec(0u64..30, 1..3).prop_map(|delays| Some(RetryPolicy::Delays(delays))),
        1 => Just(Some(jitter)),
        2 => linear().prop_map(|linear| Some(RetryPolicy::Linear(linear))),
    ];
    let dedup = prop_oneof![
        1 => Just(None),
        // One window only: what a change of it forgets is not told.
        1 => Just(Some(DedupWindow { window_ms: 40, max_ids: 3 })),
    ];
    let strategy = prop::option::weighted(0.3, Just(DeadLetterStrategy::AtLeastOnce));
    let log = prop::option::weighted(0.3, Just(TopicName::new("past").unwrap()));
    let beyond = (any::<bool>(), retry, dedup, strategy, log);
    (dead, overflow, limit, ttl, deliveries, kind(), beyond).prop_map(
        |((exchange, key), overflow, limit, message_ttl_ms, delivery_limit, kind, beyond)| QueueOptions {
            dead_letter_exchange: exchange,
            dead_letter_routing_key: key,
            overflow,
            max_length: limit.0,
            max_length_bytes: limit.1,
            expires_ms: limit.2,
            message_ttl_ms,
            delivery_limit,
            order_per_key: beyond.0,
            retry: beyond.1,
            dedup: beyond.2,
            dead_letter_strategy: beyond.3,
            keep_in: beyond.4,
            ..kind
        },
    )
}

/// To the default exchange or one of so many.
fn sending(exchanges: u8) -> impl Strategy<Value = Sending> {
    let delay = prop_oneof![4 => Just(0i64), 1 => 1i64..40];
    let ttl = prop_oneof![3 => Just(None), 1 => (0i64..40).prop_map(Some)];
    let said = (prop::option::of(0u8..3), prop::option::of(0u8..5), prop::option::of(0u8..3));
    (prop::option::of(0..exchanges), 0u8..4, prop::option::of(0u8..7), delay, ttl, said).prop_map(
        |(exchange, key, priority, delay, ttl, (keys, ids, headers))| Sending {
            exchange,
            key,
            priority,
            delay,
            ttl,
            names: Names { keys, ids },
            headers: Headers(headers),
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
        2 => Just(Action::Fail),
        3 => Just(Action::Retry),
        2 => Just(Action::Reject),
        1 => (1i64..40).prop_map(Action::Extend),
    ]
}

fn policy_kind() -> impl Strategy<Value = PolicyKind> {
    prop_oneof![Just(PolicyKind::User), Just(PolicyKind::Operator)]
}

fn policy() -> impl Strategy<Value = Policy> {
    let pattern = prop_oneof![Just(""), Just("^q[01]"), Just("^q[12]")];
    let apply_to = prop_oneof![
        2 => Just(ApplyTo::All),
        1 => Just(ApplyTo::ClassicQueues),
        1 => Just(ApplyTo::QuorumQueues),
        1 => Just(ApplyTo::Queues),
    ];
    let ttl = prop::option::weighted(0.3, 0u64..50);
    let deliveries = prop::option::weighted(0.3, 0u32..3);
    let overflow = prop::option::weighted(0.3, Just(Overflow::RejectPublish));
    let dead = prop::option::weighted(0.3, Just("amq.fanout".to_owned()));
    let strategy = prop::option::weighted(0.3, Just(DeadLetterStrategy::AtLeastOnce));
    let retry = prop::option::weighted(0.3, linear());
    let lengths = (0u64..6, prop::option::weighted(0.3, 0u64..350), prop::option::weighted(0.2, 1u64..150));
    (pattern, apply_to, -1i32..2, lengths, (ttl, deliveries, overflow, dead, strategy, retry)).prop_map(
        |(pattern, apply_to, priority, length, (ttl, deliveries, overflow, dead, strategy, retry))| Policy {
            pattern: pattern.to_owned(),
            apply_to,
            priority,
            definition: PolicyDefinition {
                message_ttl_ms: ttl,
                max_length: Some(length.0),
                max_length_bytes: length.1,
                expires_ms: length.2,
                delivery_limit: deliveries,
                overflow,
                dead_letter_exchange: dead,
                dead_letter_strategy: strategy,
                delayed_retry: retry,
                ..PolicyDefinition::default()
            },
        },
    )
}

/// An operator bounds; where dead letters go is the user's business.
fn for_kind(kind: PolicyKind, policy: Policy) -> Policy {
    match kind {
        PolicyKind::User => policy,
        PolicyKind::Operator => {
            let definition = PolicyDefinition {
                dead_letter_exchange: None,
                dead_letter_strategy: None,
                delayed_retry: None,
                ..policy.definition
            };
            Policy { definition, ..policy }
        }
    }
}

pub fn command() -> impl Strategy<Value = Command> {
    let queue = || 0u8..4;
    let lease = || prop_oneof![3 => (1i64..60).prop_map(Some), 1 => Just(None)];
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (queue(), options(), prop::option::weighted(0.2, 0u8..2))
            .prop_map(|(queue, options, owner)| Command::Declare { queue, options, owner }),
        1 => (0u8..2).prop_map(Command::EndOwner),
        1 => (queue(), options()).prop_map(|(queue, options)| Command::Update { queue, options }),
        1 => queue().prop_map(|queue| Command::Delete { queue }),
        2 => (0u8..4, queue(), 0u8..3).prop_map(|(exchange, queue, key)| Command::Bind { exchange, queue, key }),
        1 => (0u8..4, queue(), 0u8..3).prop_map(|(exchange, queue, key)| Command::Unbind { exchange, queue, key }),
        12 => (sending(4), 1u8..5, any::<bool>())
            .prop_map(|(sending, count, batch)| Command::Publish { sending, count, batch }),
        4 => (prop::collection::vec(sending(4), 0..4), prop::collection::vec((index(), action()), 0..4))
            .prop_map(|(publishes, settles)| Command::Transact { publishes, settles }),
        1 => (prop::collection::vec(sending(5), 1..4), prop::collection::vec((index(), action()), 0..4))
            .prop_map(|(publishes, settles)| Command::Transact { publishes, settles }),
        5 => (queue(), 1u8..5, lease()).prop_map(|(queue, max, lease)| Command::Receive { queue, max, lease }),
        6 => (queue(), wish()).prop_map(|(queue, wish)| Command::Subscribe { queue, wish }),
        1 => (index(), prop::option::of(0u64..5))
            .prop_map(|(consumer, prefetch)| Command::Prefetch { consumer, prefetch }),
        2 => prop::option::of(0u64..4).prop_map(Command::OpenPool),
        1 => (index(), prop::option::of(0u64..5)).prop_map(|(pool, limit)| Command::LimitPool { pool, limit }),
        1 => index().prop_map(Command::ClosePool),
        1 => (index(), index()).prop_map(|(consumer, pool)| Command::JoinPool { consumer, pool }),
        2 => (index(), 1u64..4).prop_map(|(consumer, more)| Command::Credit { consumer, more }),
        1 => (index(), any::<bool>()).prop_map(|(consumer, paused)| Command::Pause { consumer, paused }),
        2 => (index(), any::<bool>()).prop_map(|(consumer, give_back)| Command::Cancel { consumer, give_back }),
        8 => prop::collection::vec((index(), action()), 1..6).prop_map(Command::Settle),
        5 => (1i64..60).prop_map(Command::Pass),
        1 => (900i64..3000).prop_map(Command::Pass),
        2 => (policy_kind(), 0u8..2, policy())
            .prop_map(|(kind, name, policy)| Command::SetPolicy { kind, name, policy: for_kind(kind, policy) }),
        1 => (policy_kind(), 0u8..2).prop_map(|(kind, name)| Command::DeletePolicy { kind, name }),
        1 => queue().prop_map(|queue| Command::Purge { queue }),
        1 => (queue(), index()).prop_map(|(queue, nth)| Command::DeleteMessage { queue, nth }),
        3 => (queue(), index(), prop::option::of(0u8..4), prop::option::of(-5i64..40))
            .prop_map(|(queue, nth, priority, after)| Command::Amend { queue, nth, priority, after }),
        2 => (queue(), index(), queue()).prop_map(|(queue, nth, to)| Command::Move { queue, nth, to }),
        1 => (queue(), 1u8..5, prop::option::of(queue()))
            .prop_map(|(queue, max, to)| Command::Redrive { queue, max, to }),
        2 => any::<bool>().prop_map(Command::HoldLogs),
        1 => Just(Command::Checkpoint),
        2 => (index(), 0u64..900).prop_map(|(nth, budget)| Command::Relocate { nth, budget }),
        2 => Just(Command::Crash),
        1 => (0u64..12).prop_map(Command::Cut),
    ]
}
