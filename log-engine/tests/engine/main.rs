//! The log engine over a real journal and a disk that lies.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it stands")]

mod classic_groups;
mod compaction;
mod compaction_crash;
mod compaction_transactions;
mod concurrent;
mod consumer_groups;
mod crash;
mod damage;
mod full_disk;
mod group_bench;
mod group_model;
mod group_settings;
mod groups;
mod index_damage;
mod large_batches;
mod model;
mod power_cuts;
mod producer_crash;
mod producers;
mod restart;
mod retention;
mod settling;
mod share_crash;
mod shares;
mod shell;
mod time_lookup;
mod topics;
mod transaction_crash;
mod transaction_model;
mod transactions;
