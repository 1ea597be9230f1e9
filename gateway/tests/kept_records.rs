//! What logs are to get of messages that passed elsewhere, while the disk takes no segments of logs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use message::{ErrorCode, TopicName};
use segment_store::{DirEntry, DirLock, Disk, DiskFile, LyingDisk, OpenMode};
use sluice::topics::{
    Acks, LogSettings, Outgoing, QueueSettings, SettleAction, SettleRequest, TopicSpec, Topics,
    TopicsSettings,
};

/// Takes the journal, but no segment of a log while it is told not to.
struct NoSegments(LyingDisk, Arc<AtomicBool>);

impl Disk for NoSegments {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        if path.starts_with("logs") && mode != OpenMode::Read && self.1.load(Ordering::SeqCst) {
            return Err(io::Error::other("no segment today"));
        }
        self.0.open(path, mode)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.list(dir)
    }
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir_all(dir)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.0.remove_dir_all(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn lock(&self) -> io::Result<DirLock> {
        self.0.lock()
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }
}

fn settings() -> TopicsSettings {
    let mut settings = TopicsSettings::new("unused".into());
    settings.journal.segment_bytes = 8 << 20;
    settings.journal.headroom_bytes = 0;
    settings.log.settle_bytes = 8 << 10;
    settings.log.unsettled_bytes_max = 64 << 10;
    settings
}

fn message(number: usize) -> Outgoing {
    let mut body = format!("{number:03}").into_bytes();
    body.resize(10 << 10, b'.');
    Outgoing { value: Some(Bytes::from(body)), ..Outgoing::default() }
}

/// The number of each record of the log, in order.
fn numbers(topics: &Topics, log: &str) -> Vec<String> {
    let log = topics.log(log).unwrap();
    let mut from = log.bounds(0).unwrap().log_start;
    let mut found = Vec::new();
    loop {
        let chunk = log.read(0, from, 1 << 20).unwrap();
        if chunk.is_empty() {
            return found;
        }
        chunk
            .for_each(&mut |view| {
                found.push(String::from_utf8_lossy(&view.value.unwrap()[..3]).into_owned());
                ControlFlow::Continue(())
            })
            .unwrap();
        from = chunk.next_offset;
    }
}

async fn make(topics: &Topics) {
    let queue = |settings: QueueSettings| TopicSpec::Queue(Box::new(settings));
    let plain = || QueueSettings { durable: true, lease_ms: 60_000, ..QueueSettings::default() };
    let name = |name: &str| TopicName::new(name).unwrap();
    topics.create(&name("past"), TopicSpec::Log(LogSettings::default())).await.unwrap();
    let kept = QueueSettings { keep_in: Some("past".to_owned()), ..plain() };
    topics.create(&name("kept"), queue(kept)).await.unwrap();
    let work = QueueSettings {
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("kept".to_owned()),
        ..plain()
    };
    topics.create(&name("work"), queue(work)).await.unwrap();
}

/// Publishes until logs have no room left; answers the numbers of what was taken.
async fn fill(topics: &Topics) -> Vec<String> {
    let mut taken = Vec::new();
    loop {
        assert!(taken.len() < 100, "it is never refused, so it waits where a crash finds it");
        match topics.publish("kept", vec![message(taken.len())], Acks::All, None).await {
            Ok(receipts) if receipts[0].is_ok() => taken.push(format!("{:03}", taken.len())),
            Ok(receipts) => {
                assert_eq!(receipts[0].as_ref().unwrap_err().code, ErrorCode::Overloaded);
                return taken;
            }
            Err(refusal) => {
                assert_eq!(refusal.code, ErrorCode::Overloaded, "{refusal}");
                return taken;
            }
        }
    }
}

#[tokio::test]
async fn whatever_a_queue_has_its_log_has_also_when_logs_cannot_settle() {
    let disk = LyingDisk::new(3);
    let broken = Arc::new(AtomicBool::new(false));
    let (topics, owner) =
        Topics::open_on(Arc::new(NoSegments(disk.clone(), Arc::clone(&broken))), settings()).unwrap();
    make(&topics).await;
    topics.publish("work", vec![message(900)], Acks::All, None).await.unwrap();
    broken.store(true, Ordering::SeqCst);
    let mut taken = fill(&topics).await;
    assert!(taken.len() > 3);
    // A dead letter that the log would get waits where it is.
    let work = topics.queue("work").unwrap();
    let letter = work.receive(1, Duration::ZERO, None, false).await.unwrap();
    let reject = SettleRequest { lease: letter[0].lease().unwrap(), action: SettleAction::Reject };
    topics.settle(vec![reject], Acks::All).await.unwrap()[0].as_ref().unwrap();
    let left = disk.crash();
    topics.close();
    owner.ended().await.unwrap();

    broken.store(true, Ordering::SeqCst);
    let again = NoSegments(left, Arc::clone(&broken));
    let (topics, owner) = Topics::open_on(Arc::new(again), settings()).unwrap();
    let held = topics.queue("kept").unwrap().browse(None, 1000).await.unwrap();
    assert_eq!(held.len(), taken.len());
    assert_eq!(numbers(&topics, "past"), taken, "what was confirmed is in the log, too");
    broken.store(false, Ordering::SeqCst);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    taken.push("900".to_owned());
    while numbers(&topics, "past") != taken {
        assert!(std::time::Instant::now() < deadline, "the letter never arrived");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    topics.publish("kept", vec![message(901)], Acks::All, None).await.unwrap()[0].as_ref().unwrap();
    topics.close();
    owner.ended().await.unwrap();
}
