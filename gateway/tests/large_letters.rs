//! Messages that go on by themselves or by a job, dead letters and those that were held back, when what they become on their way is
//! too large for what is left of a journal segment, or for a whole one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod seam;

use std::sync::Arc;
use std::time::{Duration, Instant};

use message::HeaderValue;
use seam::{declare_exchange, declare_log, declare_queue, message, words_in_log, words_in_queue};
use segment_store::LyingDisk;
use sluice::topics::{
    Acks, ExchangeKind, ExchangeSpec, JobDescription, JobState, Outgoing, QueueSettings, RedriveSpec,
    ReplaySpec, ReplayTarget, SettleAction, SettleRequest, StartAt, Topics, TopicsSettings,
};

const MIB: usize = 1 << 20;
const LOGS: [&str; 4] = ["log-a", "log-b", "log-c", "log-d"];

fn settings() -> TopicsSettings {
    let mut settings = TopicsSettings::new("unused".into());
    settings.journal.segment_bytes = 2 << 20;
    settings.journal.headroom_bytes = 0;
    settings.limits.message_bytes = MIB;
    settings
}

/// An exchange that leads to every log, and to a queue.
async fn everywhere(topics: &Topics, exchange: &str, spec: ExchangeSpec) {
    declare_queue(topics, "dead", QueueSettings::default()).await.unwrap();
    for log in LOGS {
        declare_log(topics, log).await.unwrap();
    }
    declare_exchange(topics, exchange, spec, &["dead"], &LOGS).await.unwrap();
}

async fn publish(topics: &Topics, queue: &str, message: Outgoing) {
    topics.publish(queue, vec![message], Acks::All, None).await.unwrap()[0].as_ref().unwrap();
}

async fn reject_all(topics: &Topics, queue: &str) {
    let taken = topics.queue(queue).unwrap().receive(10, Duration::ZERO, None, false).await.unwrap();
    let reject = |lease| SettleRequest { lease, action: SettleAction::Reject };
    let requests = taken.iter().map(|delivery| reject(delivery.lease().unwrap())).collect();
    assert!(topics.settle(requests, Acks::All).await.unwrap().iter().all(Result::is_ok));
}

/// Waits until every log and the queue have these, once each and in this order.
async fn arrive(topics: &Topics, want: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut places = vec![words_in_queue(topics, "dead").await];
        places.extend(LOGS.iter().map(|log| words_in_log(topics, log)));
        if places.iter().all(|place| place == want) {
            return;
        }
        assert!(Instant::now() < deadline, "not everywhere once: {places:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn dying_into(exchange: &str, key: Option<&str>) -> QueueSettings {
    QueueSettings {
        dead_letter_exchange: Some(exchange.to_owned()),
        dead_letter_routing_key: key.map(str::to_owned),
        ..QueueSettings::default()
    }
}

#[tokio::test]
async fn a_letter_that_the_rest_of_a_segment_has_no_room_for_moves_on_without_other_traffic() {
    let (topics, owner) = Topics::open_on(Arc::new(LyingDisk::new(1)), settings()).unwrap();
    declare_queue(&topics, "dead", QueueSettings::default()).await.unwrap();
    declare_queue(&topics, "work", dying_into("", Some("dead"))).await.unwrap();
    declare_queue(&topics, "filler", QueueSettings::default()).await.unwrap();
    publish(&topics, "work", message("letter", 900 << 10)).await;
    publish(&topics, "filler", message("filler", 500 << 10)).await;
    reject_all(&topics, "work").await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while words_in_queue(&topics, "dead").await != ["letter"] {
        assert!(Instant::now() < deadline, "it waits for others to fill the segment");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    topics.close();
    owner.ended().await.unwrap();
}

#[tokio::test]
async fn a_letter_for_more_logs_than_one_block_takes_reaches_them_all_once() {
    let disk = LyingDisk::new(2);
    let (topics, owner) = Topics::open_on(Arc::new(disk.clone()), settings()).unwrap();
    everywhere(&topics, "letters", ExchangeSpec::new(ExchangeKind::Fanout)).await;
    declare_queue(&topics, "work", dying_into("letters", None)).await.unwrap();
    publish(&topics, "work", message("large", 900 << 10)).await;
    publish(&topics, "work", message("behind it", 10)).await;
    reject_all(&topics, "work").await;
    arrive(&topics, &["large", "behind it"]).await;
    assert!(words_in_queue(&topics, "work").await.is_empty());
    topics.close();
    owner.ended().await.unwrap();
    let (topics, owner) = Topics::open_on(Arc::new(disk.crash()), settings()).unwrap();
    arrive(&topics, &["large", "behind it"]).await;
    assert!(words_in_queue(&topics, "work").await.is_empty());
    topics.close();
    owner.ended().await.unwrap();
}

#[tokio::test]
async fn a_message_that_was_held_back_reaches_more_logs_than_one_block_takes() {
    let (topics, owner) = Topics::open_on(Arc::new(LyingDisk::new(3)), settings()).unwrap();
    let spec = ExchangeSpec {
        delayed_type: Some(ExchangeKind::Fanout),
        ..ExchangeSpec::new(ExchangeKind::DelayedMessage)
    };
    everywhere(&topics, "later", spec).await;
    for (word, bytes, delay) in [("large", 900 << 10, 1), ("behind it", 10, 2)] {
        let headers = [("x-delay".to_owned(), HeaderValue::Int(delay))].into_iter().collect();
        let held = Outgoing { headers, ..message(word, bytes) };
        topics.publish_to_exchange("later", "", vec![held], Acks::All, None).await.unwrap();
    }
    arrive(&topics, &["large", "behind it"]).await;
    topics.close();
    owner.ended().await.unwrap();
}

/// Waits until no job is at work; none may have failed.
async fn jobs_end(topics: &Topics) -> Vec<JobDescription> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let jobs = topics.list_jobs(None, 100).await.unwrap();
        assert!(jobs.iter().all(|job| job.state != JobState::Failed), "{jobs:?}");
        if jobs.iter().all(|job| job.state == JobState::Done) {
            return jobs;
        }
        assert!(Instant::now() < deadline, "{jobs:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn jobs_move_whatever_segments_there_are() {
    let mut settings = settings();
    settings.journal.segment_bytes = 1 << 20;
    let (topics, owner) = Topics::open_on(Arc::new(LyingDisk::new(4)), settings).unwrap();
    everywhere(&topics, "all", ExchangeSpec::new(ExchangeKind::Fanout)).await;
    declare_queue(&topics, "waiting", QueueSettings::default()).await.unwrap();
    declare_log(&topics, "past").await.unwrap();
    let words: Vec<String> = (0..8).map(|n| format!("word-{n}")).collect();
    for word in &words {
        publish(&topics, "waiting", message(word, 150 << 10)).await;
        publish(&topics, "past", message(word, 150 << 10)).await;
    }
    // Too large for all logs at once: it stays, and those behind it go.
    publish(&topics, "waiting", message("stays", 400 << 10)).await;
    publish(&topics, "waiting", message("word-8", 10)).await;
    publish(&topics, "past", message("word-8", 10)).await;
    let all = || ReplayTarget::Exchange { exchange: "all".to_owned(), routing_key: Some(String::new()) };
    let redrive = RedriveSpec { destination: Some(all()), ..RedriveSpec::default() };
    topics.start_redrive("waiting", redrive).await.unwrap();
    jobs_end(&topics).await;
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["word-8"]).collect();
    arrive(&topics, &words).await;
    assert_eq!(words_in_queue(&topics, "waiting").await, ["stays"]);
    let replay = ReplaySpec {
        source: "past".to_owned(),
        partitions: Vec::new(),
        from: StartAt::Earliest,
        to: StartAt::Latest,
        target: all(),
        rate_per_s: None,
    };
    topics.start_replay(replay).await.unwrap();
    let jobs = jobs_end(&topics).await;
    assert_eq!(jobs.iter().map(|job| job.moved).collect::<Vec<_>>(), [9, 9]);
    arrive(&topics, &[words.as_slice(), words.as_slice()].concat()).await;
    topics.close();
    owner.ended().await.unwrap();
}
