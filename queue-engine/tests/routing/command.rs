//! Random commands.
use proptest::prelude::*;
use queue_engine::ExchangeKind;

#[derive(Clone, Debug)]
pub enum Command {
    DeclareQueue {
        host: bool,
        queue: u8,
        max_length: Option<u64>,
    },
    DeleteQueue {
        host: bool,
        queue: u8,
    },
    DeclareExchange {
        host: bool,
        exchange: u8,
        kind: ExchangeKind,
        inner: u8,
        alternate: Option<u8>,
        auto: bool,
    },
    DeleteExchange {
        host: bool,
        exchange: u8,
    },
    Bind {
        host: bool,
        exchange: u8,
        to_exchange: bool,
        target: u8,
        key: u8,
    },
    Unbind {
        host: bool,
        exchange: u8,
        nth: prop::sample::Index,
    },
    Publish {
        host: bool,
        exchange: Option<u8>,
        key: u8,
        copies: Vec<u8>,
        blind: Vec<u8>,
        delay: i64,
    },
    SetPolicy {
        host: bool,
        name: u8,
        pattern: u8,
        priority: i32,
        max_length: Option<u64>,
        alternate: Option<u8>,
    },
    DeletePolicy {
        host: bool,
        name: u8,
    },
    DropHost,
    Pass(i64),
    Checkpoint,
    Crash,
    /// The next command's block never reaches the disk.
    LoseNext,
}

pub const INNER: [ExchangeKind; 4] =
    [ExchangeKind::Direct, ExchangeKind::Fanout, ExchangeKind::Topic, ExchangeKind::ConsistentHash];
pub const KEYS: [&str; 6] = ["q0", "q1", "a", "a.b", "a.#", "#"];

pub fn command() -> impl Strategy<Value = Command> {
    let host = || prop_oneof![3 => Just(false), 1 => Just(true)];
    let some = |strategy| prop::option::weighted(0.3, strategy);
    let kinds: Vec<ExchangeKind> =
        ExchangeKind::ALL.into_iter().filter(|kind| *kind != ExchangeKind::Headers).collect();
    prop_oneof![
        5 => (host(), 0u8..4, prop::option::weighted(0.2, 0u64..5))
            .prop_map(|(host, queue, max_length)| Command::DeclareQueue { host, queue, max_length }),
        1 => (host(), 0u8..4).prop_map(|(host, queue)| Command::DeleteQueue { host, queue }),
        6 => (host(), 0u8..5, prop::sample::select(kinds), 0u8..4, some(0u8..5), prop::bool::weighted(0.2)).prop_map(
            |(host, exchange, kind, inner, alternate, auto)| {
                Command::DeclareExchange { host, exchange, kind, inner, alternate, auto }
            }
        ),
        1 => (host(), 0u8..5).prop_map(|(host, exchange)| Command::DeleteExchange { host, exchange }),
        10 => (host(), 0u8..5, prop::bool::weighted(0.3), 0u8..5, 0u8..6).prop_map(
            |(host, exchange, to_exchange, target, key)| Command::Bind { host, exchange, to_exchange, target, key }
        ),
        1 => (host(), 0u8..5, any::<prop::sample::Index>())
            .prop_map(|(host, exchange, nth)| Command::Unbind { host, exchange, nth }),
        14 => (
            host(), prop::option::weighted(0.85, 0u8..5), 0u8..6, prop::collection::vec(0u8..6, 0..2),
            prop::collection::vec(0u8..6, 0..2), prop_oneof![3 => Just(0i64), 1 => 1i64..50],
        ).prop_map(|(host, exchange, key, copies, blind, delay)| {
            Command::Publish { host, exchange, key, copies, blind, delay }
        }),
        2 => (host(), 0u8..3, 0u8..4, -1i32..2, prop::option::of(0u64..5), some(0u8..5)).prop_map(
            |(host, name, pattern, priority, max_length, alternate)| {
                Command::SetPolicy { host, name, pattern, priority, max_length, alternate }
            }
        ),
        1 => (host(), 0u8..3).prop_map(|(host, name)| Command::DeletePolicy { host, name }),
        1 => prop::bool::weighted(0.3).prop_map(|drop| if drop { Command::DropHost } else { Command::Pass(1) }),
        3 => (1i64..60).prop_map(Command::Pass),
        1 => Just(Command::Checkpoint),
        1 => Just(Command::Crash),
        1 => Just(Command::LoseNext),
    ]
}
