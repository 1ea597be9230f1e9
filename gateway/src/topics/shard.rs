//! The shard: one owner for everything that changes, one journal under it.
//!
//! **Invariant:** what the outside learns of a change, it learns after the change is as durable as was asked.

mod command;
mod engines;
mod giving_way;
mod group;
mod handle;
mod idempotency;
mod job_book;
mod makers;
mod outlets;
mod owner;
mod shovel_book;
mod staging;
mod sync_thread;
mod upkeep;
mod waiters;

pub(crate) use command::{Command, Room, Terms, Turn};
pub(crate) use engines::Engines;
pub(crate) use handle::ShardHandle;
pub(crate) use idempotency::Idempotency;
pub use idempotency::IdempotencySettings;
pub(crate) use job_book::{JobAtWork, JobBook, JobCursor, JobNumber, JobStart, JobStep, JobWork, Stretch};
pub(crate) use makers::Makers;
pub(crate) use outlets::{Outlet, Outlets};
pub(crate) use owner::Owner;
pub(crate) use shovel_book::ShovelBook;
pub(crate) use staging::Staging;
pub use staging::StagingSettings;
pub(crate) use upkeep::Upkeep;
pub(crate) use waiters::Waiters;
