//! How fast the journal alone takes and syncs blocks on this machine:
//! `cargo run --release -p segment-store --example journal_speed -- DIR`
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use segment_store::{Journal, JournalConfig, Lsn, RealDisk, RecordKind, StoreError};

fn main() -> Result<(), StoreError> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "journal-speed".into());
    let disk = Arc::new(RealDisk::new(&dir));
    let begun = Instant::now();
    let (mut journal, report) = Journal::open(disk, JournalConfig::default(), &mut |_| Ok(()))?;
    println!("opened in {:?}: {} records, {} blocks", begun.elapsed(), report.records, report.blocks);
    std::thread::sleep(Duration::from_millis(500));
    for (name, batch, batches, count) in [
        ("100 B x 1", 100, 1, 5_000),
        ("100 B x 1,000", 100_000, 1, 10_000),
        ("100 B x 1,000, 4 a group", 100_000, 4, 5_000),
        ("100 B x 1,000, 8 a group", 100_000, 8, 3_000),
        ("1 KiB x 500", 512_000, 1, 3_000),
        ("1 KiB x 500, 4 a group", 512_000, 4, 1_000),
    ] {
        measure(&mut journal, name, batch, batches, count)?;
    }
    journal.close()?;
    println!("{}", resident(Path::new("/proc/self/status")));
    Ok(())
}

/// Appends `count` groups of `batches` records of `batch` bytes, each group synced before the next.
fn measure(
    journal: &mut Journal,
    name: &str,
    batch: usize,
    batches: u32,
    count: u32,
) -> Result<(), StoreError> {
    let body = vec![7; batch];
    let syncer = journal.syncer();
    let mut took = Vec::with_capacity(count as usize);
    let begun = Instant::now();
    let (user, system) = processor_seconds();
    for _ in 0..count {
        let group = Instant::now();
        for _ in 0..batches {
            journal.ensure(batch)?;
            journal.block().push(RecordKind::LOG, &[&body]);
        }
        let end = journal.flush()?;
        syncer.sync(end)?;
        took.push(group.elapsed());
        if journal.retained_bytes() > 8 * journal.segment_bytes() {
            let end = journal.end();
            give_up_before(journal, end)?;
        }
    }
    let all = begun.elapsed();
    let (user_end, system_end) = processor_seconds();
    took.sort_unstable();
    let bytes = f64::from(count) * f64::from(batches) * batch as f64;
    println!(
        "{name:26} {:8.0} batches/s {:7.0} MB/s  p50 {:?} p99 {:?}  CPU {:.2}+{:.2} s/GB",
        f64::from(count) * f64::from(batches) / all.as_secs_f64(),
        bytes / 1e6 / all.as_secs_f64(),
        took[took.len() / 2],
        took[took.len() * 99 / 100],
        (user_end - user) / (bytes / 1e9),
        (system_end - system) / (bytes / 1e9),
    );
    Ok(())
}

fn give_up_before(journal: &mut Journal, end: Lsn) -> Result<(), StoreError> {
    journal.write_checkpoint(end, end).finish()?;
    journal.recycle_before(end)
}

/// User and system seconds of this process so far.
fn processor_seconds() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<f64>().ok()).unwrap_or_default() / 100.0;
    (ticks(), ticks())
}

fn resident(status: &Path) -> String {
    let status = std::fs::read_to_string(status).unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().into()
}
