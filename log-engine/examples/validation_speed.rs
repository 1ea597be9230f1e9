//! What it costs to check a producer's batch before it is stored, by codec: bytes of records per second of one processor.
//!
//! `cargo run --release -p log-engine --example validation_speed`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement fails by panicking, and prints")]

use std::time::Duration;

use bytes::BytesMut;
use log_engine::batch::{Batch, BatchBuilder, Codec};
use message::Timestamp;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
/// Bytes that are checked for one figure.
const TOTAL: usize = 256 << 20;

/// Time that this thread spent on a processor, so that other work on the machine does not count.
fn cpu() -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(spent.split_whitespace().next().unwrap().parse().unwrap())
}

/// About `size` bytes of events as services write them.
fn batch(size: usize, codec: Codec) -> (usize, Batch) {
    let mut builder = BatchBuilder::new(Timestamp(1_700_000_000_000));
    let mut number = 0u64;
    while builder.len() < size {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let id = number >> 33;
        let value = format!(
            "{{\"order\":{id},\"customer\":\"customer-{}\",\"total\":{}.{:02},\"state\":\"paid\",\"lines\":{}}}",
            id % 5000,
            id % 977,
            id % 100,
            id % 7
        );
        builder.push(Some(format!("order-{id}").as_bytes()), Some(value.as_bytes()), &[], None);
    }
    (builder.len(), builder.build_compressed(codec).unwrap())
}

fn main() {
    println!("{:>8} {:>10} {:>10} {:>12}", "codec", "records B", "stored B", "MB/s");
    for size in [16 << 10, 1 << 20] {
        for codec in CODECS {
            let (plain, batch) = batch(size, codec);
            let rounds = TOTAL / plain;
            let mut copies: Vec<_> = (0..rounds).map(|_| BytesMut::from(batch.as_bytes())).collect();
            let start = cpu();
            for bytes in copies.drain(..) {
                drop(Batch::validate(bytes, 64 << 20).unwrap());
            }
            let speed = (plain * rounds) as f64 / (cpu() - start).as_secs_f64() / 1e6;
            println!("{:>8} {plain:>10} {:>10} {speed:>12.0}", codec.as_str(), batch.len());
        }
    }
}
