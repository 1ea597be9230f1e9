//! Measures the broker and prints the project's table of targets.
//!
//! `cargo run --release -p bench -- [ROW…]` runs all rows or the named ones. What a row compares runs in turns within
//! one run, because only such ratios mean anything on a shared machine. Nothing here is a test: a missed target is
//! printed, not failed.

mod amqp;
mod amqp_lapin;
mod amqp_load;
mod apache_kafka;
mod batches;
mod crowd;
mod frames;
mod http;
mod kafka;
mod kafka_load;
mod latency;
mod multiplexed;
mod process;
mod queue_load;
mod rabbitmq;
mod raw;
mod rows;
mod setup;
mod shard;
mod socket;
mod table;
mod tls;

use rows::ROWS;

/// The broker's own, for the rows that run its engines in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.iter().any(|word| word == "--help" || word == "--list") {
        println!("cargo run --release -p bench -- [ROW…]");
        ROWS.iter().for_each(|row| println!("  {:<29} {}", row.name, row.about));
        return;
    }
    if let Some(unknown) = wanted.iter().find(|word| ROWS.iter().all(|row| row.name != **word)) {
        eprintln!("there is no row {unknown:?}; --list shows them");
        std::process::exit(2);
    }
    println!("{}", table::HEAD);
    for row in ROWS.iter().filter(|row| wanted.is_empty() || wanted.iter().any(|word| word == row.name)) {
        for line in (row.run)() {
            table::tell(&line);
        }
    }
}
