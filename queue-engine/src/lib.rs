//! Queues: messages that are pushed to consumers, leased, settled one by one, and then gone.
//!
//! A pure state machine. Calls, the journal's records and the time go in; records for the journal's next block, answers
//! and an [`Outbox`] come out. What is durable is a fold over the records: the functions that apply a record when it is
//! read back are those that applied it when it was written.
//!
//! **Invariant:** no clock, no socket, no file, no thread in here; nothing of logs or of any protocol.
//!
//! ```
//! use message::{Timestamp, TopicName};
//! use queue_engine::{
//!     Destination, EngineConfig, LeaseFor, NewMessage, QueueEngine, QueueOptions, Settle, SettleAction, Settled,
//! };
//! use segment_store::{Block, Lsn};
//!
//! let now = Timestamp(1_000);
//! let mut block = Block::for_test(Lsn(0));
//! let mut engine = QueueEngine::new(EngineConfig::default());
//! let orders = TopicName::new("orders")?;
//! engine.declare_queue(&mut block, &orders, QueueOptions::default(), now)?;
//!
//! let message = NewMessage { body: "one pear".into(), ..NewMessage::default() };
//! engine.publish(&mut block, Destination::Queue(&orders), message, now)?;
//!
//! let taken = engine.receive(&mut block, &orders, 10, LeaseFor::QueueDefault, now)?;
//! assert_eq!(taken[0].message.body, "one pear");
//!
//! let settle = Settle { lease: taken[0].lease.expect("a lease was asked for"), action: SettleAction::Ack };
//! assert_eq!(engine.settle(&mut block, &[settle], now), [Ok(Settled::Acked)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod amend;
mod binding;
mod binding_record;
mod browse;
mod carbon_copy;
mod config;
mod consumer;
mod counts;
mod dead_letter;
mod dead_letter_strategy;
mod death;
mod declare;
mod dedup;
mod dispatch;
mod engine;
mod enqueue;
mod envelope;
mod error;
mod exchange;
mod exchange_kind;
mod exchange_record;
mod exchange_store;
mod failure;
mod fields;
mod foresight;
mod handover;
mod hash_choice;
mod header_edit;
mod header_match;
mod holder;
mod identity;
mod key_order;
mod lease;
mod ledger;
mod length_limit;
mod line;
mod log_feed;
mod message;
mod message_record;
mod names;
mod options;
mod outbox;
mod owner;
mod paging;
mod policy;
mod policy_changes;
mod policy_record;
mod prefetch;
mod properties;
mod publish;
mod queue;
mod queue_arguments;
mod queue_type;
mod ready;
mod record;
mod recovery;
mod redrive;
mod relocation;
mod retry;
mod routing;
mod runs;
mod search;
mod settle;
mod single_active;
mod slots;
mod subscription;
mod tick;
mod timers;
mod topic_trie;
mod topology;
mod totals;
mod transaction;
mod transfer;
mod virtual_host;

pub use crate::message::{Delivery, Message, NewMessage, Origin};
pub use amend::Amendment;
pub use binding::BindingTarget;
pub use browse::{BrowsePage, Browsed, MessageState};
pub use carbon_copy::keys as carbon_copies;
pub use config::EngineConfig;
pub use consumer::{ConsumerOptions, LeaseFor, OpenLeases};
pub use dead_letter::Reason;
pub use dead_letter_strategy::DeadLetterStrategy;
pub use declare::{Declared, IfEmpty, Purged, QueueDeclaration};
pub use dedup::DedupWindow;
pub use engine::QueueEngine;
pub use error::{QueueError, SettleError};
pub use exchange::{Binding, ExchangeCounts, ExchangeInfo};
pub use exchange_kind::{ExchangeKind, ExchangeOptions, HashProperty};
pub use failure::{FailedAttempt, Outcome};
pub use identity::{ConsumerId, MessageId, OwnerId, PoolId, QueueId};
pub use lease::{LeaseToken, LeaseTokenError};
pub use ledger::SegmentUse;
pub use options::{Overflow, QueueOptions};
pub use outbox::{Ended, LogTarget, Outbox};
pub use paging::BodyReader;
pub use policy::{ApplyTo, Policy, PolicyDefinition, PolicyInfo, PolicyKind};
pub use properties::{Properties, PropertyError, PropertyFields};
pub use publish::Published;
pub use queue_type::QueueType;
pub use redrive::{Redrive, RedriveBounds, RedriveStep, StepNote};
pub use relocation::Relocation;
pub use retry::{LinearRetry, RetryOn, RetryPolicy};
pub use routing::Destination;
pub use search::{Search, SearchBounds};
pub use settle::{Settle, SettleAction, Settled};
pub use totals::{QueueInfo, QueueTotals};
pub use transaction::{Transaction, TransactionError, TransactionPublish};
pub use transfer::Edits;
pub use virtual_host::DEFAULT_HOST;
