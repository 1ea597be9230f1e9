//! What users see of the queue engine, one story each.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod consuming;
mod dead_letters;
mod limits;
mod memory;
mod redriving;
mod routing;
mod settling;
