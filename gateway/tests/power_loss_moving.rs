//! Messages that move on by themselves or by a job, over a disk that loses power at every operation: into kept logs, by
//! exchanges into logs and queues, as dead letters, by redrives and replays. Afterwards each is in the one place that was
//! promised, and what was under way goes on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod seam;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use seam::{
    declare_exchange, declare_log, declare_queue, message, tight_settings, words_in_log, words_in_queue,
};
use segment_store::{Fault, LyingDisk};
use sluice::refusal::Refusal;
use sluice::topics::{
    Acks, BindingSpec, DeadLetterStrategy, DestinationType, ExchangeKind, ExchangeSpec, JobState,
    MessageFilter, QueueSettings, RedriveSpec, ReplaySpec, ReplayTarget, SettleAction, SettleRequest,
    StartAt, Topics,
};

const LEAVING: [&str; 4] = ["work", "careful", "bulky", "mute"];
const ARCHIVES: [&str; 4] = ["archive-a", "archive-b", "archive-c", "archive-d"];
/// So large that all archives together need more than a segment.
const BULK: usize = 300 << 10;
const ROUNDS: usize = 3;

type Words = BTreeSet<String>;

/// What the outside was told, kept apart from the server.
#[derive(Debug, Default)]
struct Told {
    kept: Words,
    /// Acked, and sent to be acked.
    acked: Words,
    acking: Words,
    news: Words,
    published: Words,
    rejected: Words,
    source: Words,
    /// What jobs that were started are to move.
    redriven: Words,
    replayed: Words,
}

fn dying_into(exchange: &str, strategy: DeadLetterStrategy) -> QueueSettings {
    QueueSettings {
        dead_letter_exchange: Some(exchange.to_owned()),
        dead_letter_strategy: Some(strategy),
        ..QueueSettings::default()
    }
}

async fn define(topics: &Topics) -> Result<(), Refusal> {
    for log in ["past", "heard", "graves", "late-graves", "mute-graves", "source"].iter().chain(&ARCHIVES) {
        declare_log(topics, log).await?;
    }
    for plain in ["inbox", "dead", "again", "late", "bulky-dead", "replayed"] {
        declare_queue(topics, plain, QueueSettings::default()).await?;
    }
    let kept = QueueSettings { keep_in: Some("past".to_owned()), ..QueueSettings::default() };
    declare_queue(topics, "kept", kept).await?;
    let fanout = || ExchangeSpec::new(ExchangeKind::Fanout);
    declare_exchange(topics, "news", fanout(), &["inbox"], &["heard"]).await?;
    declare_exchange(topics, "letters", fanout(), &["dead"], &["graves"]).await?;
    declare_exchange(topics, "late-places", fanout(), &["late"], &["late-graves"]).await?;
    declare_exchange(topics, "bulk", fanout(), &["bulky-dead"], &ARCHIVES).await?;
    declare_queue(topics, "work", dying_into("letters", DeadLetterStrategy::AtMostOnce)).await?;
    declare_queue(topics, "careful", dying_into("late-letters", DeadLetterStrategy::AtLeastOnce)).await?;
    declare_exchange(topics, "mute-letters", fanout(), &[], &["mute-graves"]).await?;
    declare_queue(topics, "mute", dying_into("mute-letters", DeadLetterStrategy::AtMostOnce)).await?;
    declare_queue(topics, "bulky", dying_into("bulk", DeadLetterStrategy::AtLeastOnce)).await
}

/// Gives careful dead letters somewhere to go, all places at once.
async fn open_the_way(topics: &Topics) -> Result<(), Refusal> {
    declare_exchange(topics, "late-letters", ExchangeSpec::new(ExchangeKind::Fanout), &[], &[]).await?;
    let way = BindingSpec {
        source: "late-letters".to_owned(),
        destination: "late-places".to_owned(),
        destination_type: DestinationType::Exchange,
        routing_key: String::new(),
        arguments: BTreeMap::new(),
    };
    topics.bind(way).await.map(drop)
}

async fn publish(topics: &Topics, to: &str, word: &str, bytes: usize) -> Result<(), Refusal> {
    let receipts = topics.publish(to, vec![message(word, bytes)], Acks::All, None).await?;
    assert!(receipts.iter().all(Result::is_ok), "nothing here refuses: {receipts:?}");
    Ok(())
}

/// Takes what is ready in a queue and settles it all; answers its words.
async fn settle(
    topics: &Topics,
    queue: &str,
    most: usize,
    action: SettleAction,
    begun: &mut Words,
) -> Result<Words, Refusal> {
    let taken = topics.queue(queue)?.receive(most, Duration::ZERO, None, false).await?;
    let words: Words = taken.iter().map(|one| seam::word(one.view().value.unwrap_or_default())).collect();
    begun.extend(words.iter().cloned());
    let leases = taken.iter().filter_map(|one| one.lease());
    let requests: Vec<SettleRequest> = leases.map(|lease| SettleRequest { lease, action }).collect();
    let outcomes = topics.settle(requests, Acks::All).await?;
    assert!(outcomes.iter().all(Result::is_ok), "nobody else had these leases: {outcomes:?}");
    Ok(words)
}

async fn scenario(topics: &Topics, told: &mut Told) -> Result<(), Refusal> {
    define(topics).await?;
    for round in 0..ROUNDS {
        for n in 0..2 {
            let word = format!("kept-{round}-{n}");
            publish(topics, "kept", &word, 700).await?;
            told.kept.insert(word);
        }
        let word = format!("news-{round}");
        let sent = vec![message(&word, 900)];
        topics.publish_to_exchange("news", "", sent, Acks::All, None).await?;
        told.news.insert(word);
        for (queue, bytes) in [("work", 500), ("careful", 600), ("mute", 400), ("bulky", BULK)] {
            let word = format!("{queue}-{round}");
            publish(topics, queue, &word, bytes).await?;
            told.published.insert(word);
        }
        let word = format!("source-{round}");
        publish(topics, "source", &word, 100).await?;
        told.source.insert(word);
        let mut acking = Words::new();
        let acked = settle(topics, "kept", 1, SettleAction::Ack, &mut acking).await;
        told.acking.append(&mut acking);
        told.acked.append(&mut acked?);
        for queue in LEAVING {
            let rejected = settle(topics, queue, 9, SettleAction::Reject, &mut Words::new()).await?;
            told.rejected.extend(rejected);
        }
        if round == 1 {
            let dead: Words = words_of(topics, "dead").await?.into_iter().collect();
            let destination = Some(ReplayTarget::Topic("again".to_owned()));
            topics.start_redrive("dead", RedriveSpec { destination, ..RedriveSpec::default() }).await?;
            told.redriven = dead;
            let source = words_in_log(topics, "source").into_iter().collect();
            topics.start_replay(replay()).await?;
            told.replayed = source;
        }
        if round + 2 == ROUNDS {
            open_the_way(topics).await?;
        }
    }
    Ok(())
}

fn replay() -> ReplaySpec {
    ReplaySpec {
        source: "source".to_owned(),
        partitions: Vec::new(),
        from: StartAt::Earliest,
        to: StartAt::Latest,
        target: ReplayTarget::Topic("replayed".to_owned()),
        rate_per_s: None,
    }
}

async fn words_of(topics: &Topics, queue: &str) -> Result<Vec<String>, Refusal> {
    let page = topics.queue(queue)?.browse(None, 1000).await?;
    Ok(page.iter().map(|held| seam::word(held.view().value.unwrap_or_default())).collect())
}

/// Whether nothing is under way any more.
async fn is_at_rest(topics: &Topics) -> bool {
    let jobs = topics.list_jobs(None, 100).await.unwrap();
    assert!(jobs.iter().all(|job| job.state != JobState::Failed), "{jobs:?}");
    let mut rest = jobs.iter().all(|job| job.state == JobState::Done);
    for queue in LEAVING {
        let Ok(queue) = topics.queue(queue) else { continue };
        let dying = MessageFilter { state: Some("dying"), ..MessageFilter::default() };
        rest &= queue.search(None, 100, dying).await.unwrap().0.is_empty();
    }
    rest
}

/// The words of a place, each once.
fn once(place: &str, words: Vec<String>) -> Words {
    let set: Words = words.iter().cloned().collect();
    assert_eq!(set.len(), words.len(), "{place} has something twice: {words:?}");
    set
}

struct Found<'a>(&'a Topics);

impl Found<'_> {
    async fn queue(&self, name: &str) -> Words {
        once(name, words_in_queue(self.0, name).await)
    }

    fn log(&self, name: &str) -> Words {
        once(name, words_in_log(self.0, name))
    }
}

fn of<'a>(all: &'a Words, kind: &str) -> BTreeSet<&'a String> {
    all.iter().filter(|word| word.starts_with(kind)).collect()
}

async fn check(topics: &Topics, told: &Told) {
    let found = Found(topics);
    // What a queue keeps in a log is in both, or in neither; what was acked is in the log alone.
    let (kept, past) = (found.queue("kept").await, found.log("past"));
    assert!(kept.is_subset(&past), "{kept:?} without record in {past:?}");
    assert!(past.difference(&kept).all(|word| told.acking.contains(word)), "{past:?} but {kept:?}");
    assert!(told.kept.is_subset(&past), "confirmed and not kept: {past:?}");
    assert!(told.acked.is_disjoint(&kept), "acked and back: {kept:?}");

    let (inbox, heard) = (found.queue("inbox").await, found.log("heard"));
    assert_eq!(inbox, heard, "an exchange's message is everywhere or nowhere");
    assert!(told.news.is_subset(&heard));

    // Dead letters leave as a whole: to the queue and to the log.
    let (work, dead, again) =
        (found.queue("work").await, found.queue("dead").await, found.queue("again").await);
    let gone: Words = dead.union(&again).cloned().collect();
    assert_eq!(gone.len(), dead.len() + again.len(), "dead {dead:?}, again {again:?}");
    assert!(work.is_disjoint(&gone), "work {work:?}, gone {gone:?}");
    assert_eq!(found.log("graves"), gone);
    let (careful, late) = (found.queue("careful").await, found.queue("late").await);
    assert!(careful.is_disjoint(&late), "careful {careful:?}, late {late:?}");
    assert_eq!(found.log("late-graves"), late);
    let (bulky, bulky_dead) = (found.queue("bulky").await, found.queue("bulky-dead").await);
    assert!(bulky.is_disjoint(&bulky_dead), "bulky {bulky:?}, dead {bulky_dead:?}");
    for archive in ARCHIVES {
        assert_eq!(found.log(archive), bulky_dead, "{archive}");
    }
    let (mute, buried) = (found.queue("mute").await, found.log("mute-graves"));
    assert!(mute.is_disjoint(&buried), "mute {mute:?}, graves {buried:?}");
    for (kind, stays, left) in [
        ("work", &work, &gone),
        ("careful", &careful, &late),
        ("mute", &mute, &buried),
        ("bulky", &bulky, &bulky_dead),
    ] {
        for word in of(&told.published, kind) {
            assert!(stays.contains(word) || left.contains(word), "confirmed and lost: {word}");
        }
        for word in of(&told.rejected, kind) {
            assert!(left.contains(word), "{word} was rejected and did not go on");
        }
    }

    // Jobs went on to their end, and moved each once.
    assert!(told.redriven.is_subset(&again), "{:?} in {again:?}", told.redriven);
    let (source, replayed) = (found.log("source"), found.queue("replayed").await);
    assert!(told.source.is_subset(&source));
    assert!(replayed.is_subset(&source) && told.replayed.is_subset(&replayed), "{replayed:?}");
}

/// Opens what a crash left, lets everything come to rest there unless the power goes again, and checks.
async fn recover(disk: &LyingDisk, told: &Told, context: &str, fault: bool) {
    let opened = Topics::open_on(Arc::new(disk.clone()), tight_settings());
    let (topics, owner) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            assert!(fault, "{context}: {error}");
            return;
        }
    };
    let complete = topics.queue("bulky").is_ok();
    let ready = match complete {
        true => open_the_way(&topics).await,
        false => Ok(()),
    };
    assert!(fault || ready.is_ok(), "{context}: {ready:?}");
    if fault {
        // Until the power goes, or it has nothing more to do.
        let _ = tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await;
    } else {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_at_rest(&topics).await {
            assert!(Instant::now() < deadline, "{context}: it never comes to rest");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        check(&topics, told).await;
    }
    topics.close();
    owner.ended().await.unwrap();
}

/// Runs the scenario until the power goes at `operation`, then once more while it recovers, and checks what came of it.
/// Answers how many operations ran.
async fn run(seed: u64, operation: Option<u64>) -> u64 {
    let disk = LyingDisk::new(seed);
    if let Some(operation) = operation {
        disk.fail_at(operation, Fault::PowerLoss);
    }
    let mut told = Told::default();
    if let Ok((topics, owner)) = Topics::open_on(Arc::new(disk.clone()), tight_settings()) {
        let outcome = scenario(&topics, &mut told).await;
        assert!(operation.is_some() || outcome.is_ok(), "without a fault: {outcome:?}");
        topics.close();
        owner.ended().await.unwrap();
    }
    let operations = disk.operations();
    let context = format!("seed {seed}, operation {operation:?}, told {told:?}");
    let mut left = disk.crash();
    if operation.is_some() && seed % 2 == 1 {
        left.fail_at(left.operations() + seed % 31, Fault::PowerLoss);
        recover(&left, &told, &context, true).await;
        left = left.crash();
    }
    recover(&left, &told, &context, false).await;
    operations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_moves_is_in_one_place_whatever_operation_the_power_goes_at() {
    let operations = run(0, None).await;
    let cut = |operation| run(operation + 1, Some(operation));
    for operation in (0..operations).step_by(2) {
        let other = tokio::spawn(cut(operation + 1));
        cut(operation).await;
        other.await.unwrap();
    }
}
