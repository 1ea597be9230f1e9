//! The same job while the server is killed at random moments. A ledger outside keeps what was acknowledged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blackbox::{Http, Server, Socket, deadline, list};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::consume::{Dice, Seen, records, seen};
use crate::dataset::{Flight, flights};
use crate::ledger::Ledger;

const KILLS: usize = 20;
const CHUNK: usize = 25;
const PARTITIONS: u32 = 6;

/// What the tasks share. One model each test, so one ledger.
#[derive(Clone)]
struct Job {
    topic: &'static str,
    ledger: Arc<Mutex<Ledger>>,
}

impl Job {
    fn new(topic: &'static str) -> Job {
        Job { topic, ledger: Arc::default() }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_log(&self) -> bool {
        self.topic == "departures"
    }

    /// Publishes chunks from `next` up to `end`, each under a key of its own, until done or cut off. Tells of each before
    /// it is sent.
    async fn publish(
        &self,
        http: Http,
        mut next: usize,
        end: usize,
        mut about_to_send: impl FnMut(usize),
    ) -> usize {
        let path = format!("/v1/topics/{}/messages", self.topic);
        while next < end {
            let chunk = &flights()[next * CHUNK..(next + 1) * CHUNK];
            let messages: Vec<Value> =
                chunk.iter().map(if self.is_log() { Flight::for_log } else { Flight::for_queue }).collect();
            let key = format!("{}-{next}", self.topic);
            let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
            let body = Bytes::from(json!({ "messages": messages }).to_string());
            about_to_send(next);
            let Ok(answer) = http.try_send(Method::POST, &path, &headers, body).await else { return next };
            let results = list(&answer.expect(200), "results");
            assert_eq!(results.len(), chunk.len());
            for (flight, result) in chunk.iter().zip(results) {
                let place = if self.is_log() {
                    (result["partition"].as_u64(), result["offset"].as_u64())
                } else {
                    (Some(0), result["id"].as_u64())
                };
                let place = (place.0.expect("a partition"), place.1.expect("an offset or an id"));
                self.ledger().confirm(flight.number, place);
            }
            next += 1;
        }
        next
    }

    /// Consumes until cut off, or until everything was settled when `all` is set. Acks are never waited for.
    async fn consume(&self, address: String, mut dice: Dice, all: bool) {
        let Ok(mut socket) = Socket::try_open(&address, blackbox::socket::JSON, &[]).await else { return };
        let mut fields = json!({"topic": self.topic, "credit": {"messages": 300}});
        if self.is_log() {
            fields["group"] = json!("board");
            fields["from"] = json!("earliest");
        }
        let subscribe = socket.send("subscribe", fields).await;
        let mut subscription = Value::Null;
        let mut held: Vec<Seen> = Vec::new();
        let mut asked: BTreeMap<u64, Vec<Seen>> = BTreeMap::new();
        loop {
            if all && self.ledger().done() == flights().len() {
                return;
            }
            let Ok(frame) = socket.frame().await else { break };
            if frame["type"] == "message" {
                for message in list(&frame, "messages") {
                    let one = seen(&message);
                    let times = self.ledger().deliver((one.partition, one.place), one.number);
                    assert!(
                        self.is_log() || times == 1 || one.redelivered,
                        "handed out before, but does not say so: {one:?}"
                    );
                    held.push(one);
                }
            } else if frame["id"] == subscribe {
                assert_eq!(frame["type"], "ok", "{frame}");
                subscription = frame["subscription"].clone();
            } else if let Some(batch) = frame["id"].as_u64().and_then(|id| asked.remove(&id)) {
                self.settled(&frame, &batch);
            }
            let enough = if all { 1 } else { 40 };
            while held.len() >= enough {
                dice.shuffle(&mut held);
                let done = held.split_off(if all { 0 } else { held.len() / 2 });
                let fields = if self.is_log() {
                    json!({"subscription": subscription, "records": records(&done)})
                } else {
                    json!({"leases": done.iter().map(|one| &one.lease).collect::<Vec<_>>()})
                };
                asked.insert(socket.send("ack", fields).await, done);
            }
        }
        // A log's positions are committed again by whoever reads on; a queue's ack may have been the last word.
        if !self.is_log() {
            asked.into_values().flatten().for_each(|one| self.ledger().cut_off((one.partition, one.place)));
        }
    }

    /// The broker answered an ack.
    fn settled(&self, reply: &Value, batch: &[Seen]) {
        assert_eq!(reply["type"], "ok", "{reply}");
        let mut ledger = self.ledger();
        if self.is_log() {
            for position in list(reply, "committed") {
                let partition = position["partition"].as_u64().expect("a partition");
                for offset in 0..position["offset"].as_u64().expect("an offset") {
                    ledger.settle((partition, offset));
                }
            }
        } else {
            for (one, result) in batch.iter().zip(list(reply, "results")) {
                assert!(result.get("error").is_none(), "{one:?}: {result}");
                ledger.settle((one.partition, one.place));
            }
        }
    }
}

/// Runs the job through all kills and then to its end.
async fn survive(server: &mut Server, job: &Job, seed: u64) {
    let chunks = flights().len() / CHUNK;
    let mut dice = Dice(seed);
    let (mut next, mut cut_off) = (0, 0);
    for round in 1..=KILLS {
        let end = chunks * round / (KILLS + 1);
        let consumer = tokio::spawn({
            let (job, address, dice) = (job.clone(), server.address().to_owned(), Dice(seed + round as u64));
            async move { job.consume(address, dice, false).await }
        });
        let (mark, (tell, told)) = (next + dice.roll(end - next), oneshot::channel());
        let publisher = tokio::spawn({
            let (job, http, mut tell) = (job.clone(), server.http(), Some(tell));
            let about_to_send = move |chunk| {
                if chunk == mark {
                    let _ = tell.take().map(|tell| tell.send(()));
                }
            };
            async move { job.publish(http, next, end, about_to_send).await }
        });
        // The moment is what is being tested, so the dice choose it: the chunk, and how long after it was begun.
        deadline::soon("the chunk is begun", told).await.expect("the publisher gets there");
        tokio::time::sleep(Duration::from_micros(dice.roll(3_000) as u64)).await;
        server.kill();
        next = deadline::soon("the publisher notices", publisher).await.expect("no panic");
        cut_off += usize::from(next < end);
        deadline::soon("the consumer notices", consumer).await.expect("no panic");
        job.ledger().kill();
        server.run();
    }
    assert!(cut_off >= KILLS / 2, "only {cut_off} of {KILLS} kills met a publisher at work");
    assert!(!job.ledger().open_at_a_kill.is_empty(), "no kill met a message that was handed out");
    let consumer = tokio::spawn({
        let (job, address, dice) = (job.clone(), server.address().to_owned(), Dice(seed));
        async move { job.consume(address, dice, true).await }
    });
    assert_eq!(job.publish(server.http(), next, chunks, |_| {}).await, chunks);
    if let Ok(consumed) = tokio::time::timeout(deadline::PATIENCE, consumer).await {
        consumed.expect("no panic");
    } else {
        let (delivered, settled) = (job.ledger().delivered.len(), job.ledger().done());
        let topic = server.http().get(&format!("/v1/topics/{}", job.topic)).await.text();
        panic!("{delivered} were delivered, {settled} settled, and no more came; the server says {topic}");
    }
    job.ledger().check_complete(flights().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_loses_nothing_to_twenty_kills() {
    let mut server = Server::start();
    let http = server.http();
    http.make_log("departures", PARTITIONS).await;
    let job = Job::new("departures");
    survive(&mut server, &job, 9).await;
    let http = server.http();
    let group = http.get("/v1/groups/board").await.expect(200);
    assert_eq!(group["lag"], 0, "{group}");
    // What lies in the log now is every flight once, in order per key: keys made the retries one effect.
    let mut all = Vec::new();
    for partition in 0..PARTITIONS {
        let mut offset = 0;
        loop {
            let page = http.records("departures", partition, &format!("offset={offset}&limit=1000")).await;
            let batch = list(&page, "records");
            if batch.is_empty() {
                break;
            }
            offset = page["next_offset"].as_u64().expect("an offset");
            all.extend(batch.iter().map(seen));
        }
    }
    assert_eq!(all.len(), flights().len(), "idempotency keys keep retries from being records");
    crate::peaceful::order_kept_per_key(&all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_loses_nothing_to_twenty_kills() {
    let mut server = Server::start();
    let http = server.http();
    http.make_queue("apologies", json!({"max_priority": 255})).await;
    let job = Job::new("apologies");
    survive(&mut server, &job, 17).await;
    let http = server.http();
    deadline::until("nothing is left", async || {
        let stats = http.queue_stats("apologies").await;
        (stats["ready"] == 0 && stats["leased"] == 0).then_some(())
    })
    .await;
}
