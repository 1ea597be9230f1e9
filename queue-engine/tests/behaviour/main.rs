//! What users see of the queue engine, one story each.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod addressing;
mod arguments;
mod at_least_once;
mod bench;
mod carbon_copies;
mod consuming;
mod dead_letters;
mod deduplicating;
mod exchange_kinds;
mod handing_over;
mod keeping;
mod key_order;
mod lifetimes;
mod limits;
mod memory;
mod policies;
mod prefetch;
mod quorum;
mod redriving;
mod retrying;
mod routing;
mod settling;
mod single_active;
mod transactions;
mod virtual_hosts;
