//! How fast a journal full of small records opens after its process died:
//! `cargo run --release -p segment-store --example journal_start -- DIR [MILLIONS]`
use std::sync::Arc;
use std::time::Instant;

use segment_store::{Journal, JournalConfig, RealDisk, RecordKind, StoreError};

fn main() -> Result<(), StoreError> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "journal-start".into());
    let millions: u64 = std::env::args().nth(2).and_then(|count| count.parse().ok()).unwrap_or(1);
    let open = || {
        let (mut records, mut bytes) = (0u64, 0u64);
        let begun = Instant::now();
        let opened = Journal::open(Arc::new(RealDisk::new(&dir)), JournalConfig::default(), &mut |record| {
            records += 1;
            bytes += record.payload.len() as u64;
            Ok(())
        });
        println!("opened in {:?}: {records} records, {} MB", begun.elapsed(), bytes / 1_000_000);
        opened
    };
    let (mut journal, _) = open()?;
    for _ in 0..millions * 10_000 {
        for _ in 0..100 {
            journal.ensure(100)?;
            journal.block().push(RecordKind::QUEUE, &[&[7; 100]]);
        }
        journal.flush()?;
    }
    journal.syncer().sync(journal.end())?;
    // No orderly close: as if killed.
    drop(journal);
    drop(open()?);
    drop(open()?);
    Ok(())
}
