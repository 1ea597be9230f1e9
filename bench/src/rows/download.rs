//! Reading 1 GiB of 1 KiB records over HTTP in binary form, beside a plain file download over the same axum.

use std::time::Instant;

use crate::batches;
use crate::http::{Connection, request};
use crate::process::{Process, Scratch};
use crate::setup::{declare_log, fill};
use crate::table::{Line, median};

const GIB: u64 = 1 << 30;
const ROUNDS: usize = 3;

/// In turns, three times each, from the page cache.
pub fn run() -> Vec<Line> {
    let scratch = Scratch::new("download");
    write_file(&scratch);
    let bare = Process::bare(&scratch.path(""));
    let broker = Process::broker(&scratch.path("data"));
    declare_log(broker.address, "log", 1);
    fill(broker.address, "log", GIB / 1024, 1024);
    let (mut plain, mut records, mut ratios, mut cpu) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    for round in 0..=ROUNDS {
        let file = download(&bare);
        let before = broker.cpu_seconds();
        let log = read_log(&broker);
        if round > 0 {
            plain.push(file);
            records.push(log);
            ratios.push(log / file);
            cpu += broker.cpu_seconds() - before;
        }
    }
    let ratio = median(&ratios);
    let measured = format!(
        "{:.0} MB/s, {ratio:.2} of a download's {:.0} MB/s",
        median(&records) / 1e6,
        median(&plain) / 1e6
    );
    let line =
        Line::new("log read over HTTP of 1 GiB in 1 KiB records, binary", "≥ 0.5 of a download", measured);
    vec![line.met(ratio >= 0.5).cpu(cpu * 1e6 / (ROUNDS as f64 * (GIB / 1024) as f64))]
}

fn write_file(scratch: &Scratch) {
    let chunk = crate::setup::payload(1 << 20);
    let mut file = std::fs::File::create(scratch.path("file")).expect("a file");
    for _ in 0..1024 {
        std::io::Write::write_all(&mut file, &chunk).expect("room");
    }
}

fn download(bare: &Process) -> f64 {
    let mut connection = Connection::open(bare.address);
    let began = Instant::now();
    let (status, bytes) = connection.drain(&request("GET", "/file", &[], b""));
    assert_eq!((status, bytes), (200, GIB));
    GIB as f64 / began.elapsed().as_secs_f64()
}

/// Payload bytes per second.
fn read_log(broker: &Process) -> f64 {
    let mut connection = Connection::open(broker.address);
    let began = Instant::now();
    // One request: a binary answer is streamed, a batch per chunk.
    let get =
        request("GET", "/v1/topics/log/partitions/0/records?offset=0", &[("accept", batches::BINARY)], b"");
    let (status, bytes) = connection.drain(&get);
    assert!(status == 200 && bytes >= GIB, "{status} with {bytes} bytes");
    GIB as f64 / began.elapsed().as_secs_f64()
}
