//! One journal for all partitions and queues, or a file for each? Both designs take the same rounds of messages and
//! are measured in turn: `cargo run --release -p storage-prototype -- DIR`.
//!
//! A round is what one group commit carries: 1,000 messages, spread evenly over the partitions or queues. It counts
//! once it is as durable as asked. A queue also settles the round before: one small record per message.
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

mod journal;
mod per_partition;
mod ring;

use journal::SharedJournal;
use per_partition::FilePerPartition;

/// Messages in a round.
const ROUND: usize = 1000;
/// Bytes of one settle record.
const SETTLE: usize = 16;
/// All files of a design together have this many bytes, written over and over: files are preallocated and zeroed, the
/// cheapest case for either.
const TOTAL_BYTES: u64 = 256 << 20;
const PASSES: usize = 3;
const PASS: Duration = Duration::from_millis(250);

/// What is measured.
#[derive(Clone, Copy)]
struct Load {
    queues: bool,
    partitions: usize,
    message: usize,
    synced: bool,
}

/// A way to store rounds.
trait Design {
    /// Stores one round: `messages` for each partition, and for queues as many settle records.
    fn round(&mut self, load: &Load, messages: &[u8], settles: &[u8]) -> io::Result<()>;
}

/// Messages per second and processor seconds per million.
#[derive(Clone, Copy, Default)]
struct Figure {
    rate: f64,
    cost: f64,
}

fn main() -> io::Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "storage-prototype-data".into()));
    std::fs::create_dir_all(&dir)?;
    println!(
        "| | message | durability | journal msg/s | CPU-s/M | files msg/s | CPU-s/M | journal / files |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    // One for each durability: direct writes drop pages from the cache, which the buffered ones then would have to fill.
    let mut cached_journal = SharedJournal::create(&dir.join("cached"), TOTAL_BYTES)?;
    let mut synced_journal = SharedJournal::create(&dir.join("synced"), TOTAL_BYTES)?;
    for partitions in [1, 100, 1000] {
        let mut files = FilePerPartition::create(&dir.join("files"), partitions, TOTAL_BYTES)?;
        for queues in [false, true] {
            for message in [100, 1024] {
                for synced in [false, true] {
                    let load = Load { queues, partitions, message, synced };
                    let journal = if synced { &mut synced_journal } else { &mut cached_journal };
                    let (journal, files) = compare(&load, journal, &mut files)?;
                    print(&load, journal, files);
                }
            }
        }
    }
    std::fs::remove_dir_all(&dir)
}

/// Medians of both designs, measured in turn.
fn compare(load: &Load, journal: &mut dyn Design, files: &mut dyn Design) -> io::Result<(Figure, Figure)> {
    let mut journal_passes = [Figure::default(); PASSES];
    let mut files_passes = [Figure::default(); PASSES];
    for (a, b) in journal_passes.iter_mut().zip(&mut files_passes) {
        *a = measure(load, journal)?;
        *b = measure(load, files)?;
    }
    Ok((median(journal_passes), median(files_passes)))
}

fn measure(load: &Load, design: &mut dyn Design) -> io::Result<Figure> {
    let share = ROUND / load.partitions;
    let messages = vec![0x5a; share * load.message];
    let settles = vec![0xa5; if load.queues { share * SETTLE } else { 0 }];
    let (begun, processor) = (Instant::now(), processor_time());
    let mut rounds = 0;
    while begun.elapsed() < PASS {
        design.round(load, &messages, &settles)?;
        rounds += 1;
    }
    let (took, processor) = (begun.elapsed(), processor_time() - processor);
    let count = (rounds * ROUND) as f64;
    Ok(Figure { rate: count / took.as_secs_f64(), cost: processor / (count / 1e6) })
}

fn median(mut passes: [Figure; PASSES]) -> Figure {
    passes.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    passes[PASSES / 2]
}

fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn print(load: &Load, journal: Figure, files: Figure) {
    println!(
        "| {} {} | {} | {} | {} | {:.2} | {} | {:.2} | {:.1} |",
        thousands(load.partitions as f64),
        match (load.queues, load.partitions) {
            (false, 1) => "partition",
            (false, _) => "partitions",
            (true, 1) => "queue",
            (true, _) => "queues",
        },
        if load.message == 100 { "100 B" } else { "1 KiB" },
        if load.synced { "synced" } else { "page cache" },
        thousands(journal.rate),
        journal.cost,
        thousands(files.rate),
        files.cost,
        journal.rate / files.rate,
    );
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
