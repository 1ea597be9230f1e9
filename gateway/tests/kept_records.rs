//! What logs are to get of messages that passed elsewhere, while the disk takes no segments of logs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod seam;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use message::ErrorCode;
use seam::watched_disk::{Watch, WatchedDisk};
use seam::{declare_log, declare_queue, message, words_in_log};
use segment_store::{LyingDisk, OpenMode};
use sluice::topics::{Acks, Outgoing, QueueSettings, SettleAction, SettleRequest, Topics, TopicsSettings};

/// Lets the journal be written, but no segment of a log while it is told not to.
#[derive(Default)]
struct NoSegments(AtomicBool);

impl Watch for NoSegments {
    fn opening(&self, path: &Path, mode: OpenMode) -> io::Result<()> {
        if path.starts_with("logs") && mode != OpenMode::Read && self.0.load(Ordering::SeqCst) {
            return Err(io::Error::other("no segment today"));
        }
        Ok(())
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

fn numbered(number: usize) -> Outgoing {
    message(&format!("{number:03}"), 10 << 10)
}

async fn make(topics: &Topics) {
    let plain = QueueSettings::default;
    declare_log(topics, "past").await.unwrap();
    let kept = QueueSettings { keep_in: Some("past".to_owned()), ..plain() };
    declare_queue(topics, "kept", kept).await.unwrap();
    let work = QueueSettings {
        dead_letter_exchange: Some(String::new()),
        dead_letter_routing_key: Some("kept".to_owned()),
        ..plain()
    };
    declare_queue(topics, "work", work).await.unwrap();
}

/// Publishes until logs have no room left; answers the numbers of what was taken.
async fn fill(topics: &Topics) -> Vec<String> {
    let mut taken = Vec::new();
    loop {
        assert!(taken.len() < 100, "it is never refused, so it waits where a crash finds it");
        match topics.publish("kept", vec![numbered(taken.len())], Acks::All, None).await {
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
    let watch = Arc::new(NoSegments::default());
    let broken = &watch.0;
    let (topics, owner) =
        Topics::open_on(Arc::new(WatchedDisk(disk.clone(), Arc::clone(&watch))), settings()).unwrap();
    make(&topics).await;
    topics.publish("work", vec![numbered(900)], Acks::All, None).await.unwrap();
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
    let again = WatchedDisk(left, Arc::clone(&watch));
    let (topics, owner) = Topics::open_on(Arc::new(again), settings()).unwrap();
    let held = topics.queue("kept").unwrap().browse(None, 1000).await.unwrap();
    assert_eq!(held.len(), taken.len());
    assert_eq!(words_in_log(&topics, "past"), taken, "what was confirmed is in the log, too");
    broken.store(false, Ordering::SeqCst);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    taken.push("900".to_owned());
    while words_in_log(&topics, "past") != taken {
        assert!(std::time::Instant::now() < deadline, "the letter never arrived");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    topics.publish("kept", vec![numbered(901)], Acks::All, None).await.unwrap()[0].as_ref().unwrap();
    topics.close();
    owner.ended().await.unwrap();
}
