//! Without failures everything is exact: each event once, in order, and nothing left over.

use std::collections::BTreeMap;

use blackbox::{Server, Socket, list};
use serde_json::{Value, json};

use crate::consume::{Dice, Seen, next_batch, records, seen};
use crate::dataset::{Flight, flights};

const PARTITIONS: u32 = 6;

#[tokio::test]
async fn all_flights_through_a_log_acked_out_of_order() {
    let server = Server::start();
    let http = server.http();
    http.make_log("departures", PARTITIONS).await;
    for chunk in flights().chunks(500) {
        let messages: Vec<Value> = chunk.iter().map(Flight::for_log).collect();
        http.publish("departures", json!(messages)).await;
    }
    let mut socket = Socket::open(&server).await;
    let fields =
        json!({"topic": "departures", "group": "board", "from": "earliest", "credit": {"messages": 2000}});
    let subscription = socket.ask("subscribe", fields).await["subscription"].clone();
    let mut dice = Dice(2001);
    let mut all: Vec<Seen> = Vec::new();
    let mut held: Vec<Seen> = Vec::new();
    let mut acked: BTreeMap<u64, std::collections::BTreeSet<u64>> = BTreeMap::new();
    while all.len() < flights().len() {
        let batch = next_batch(&mut socket).await.expect("the server stays");
        all.extend(batch.iter().cloned());
        held.extend(batch);
        if held.len() < 1000 && all.len() < flights().len() {
            continue;
        }
        // Half of what is held, picked at random, is acknowledged now; the rest some other time.
        dice.shuffle(&mut held);
        let keep = if all.len() < flights().len() { held.len() / 2 } else { 0 };
        let done = held.split_off(keep);
        for one in &done {
            acked.entry(one.partition).or_default().insert(one.place);
        }
        let reply = socket.ask("ack", json!({"subscription": subscription, "records": records(&done)})).await;
        for position in list(&reply, "committed") {
            let (partition, offset) = (position["partition"].as_u64(), position["offset"].as_u64());
            let low = low_watermark(&acked[&partition.expect("a partition")]);
            assert_eq!(
                offset,
                Some(low),
                "the commit is the lowest offset that is not yet acknowledged: {position}"
            );
        }
    }
    assert!(held.is_empty());
    every_flight_once(&all);
    order_kept_per_key(&all);
    let group = http.get("/v1/groups/board").await.expect(200);
    assert_eq!(group["lag"], 0, "{group}");
    for offset in list(&group, "offsets") {
        assert_eq!((&offset["committed"], &offset["lag"]), (&offset["log_end"], &json!(0)), "{offset}");
    }
}

#[tokio::test]
async fn all_flights_through_a_queue_by_priority() {
    let server = Server::start();
    let http = server.http();
    http.make_queue("apologies", json!({"max_priority": 255})).await;
    for chunk in flights().chunks(500) {
        let messages: Vec<Value> = chunk.iter().map(Flight::for_queue).collect();
        http.publish("apologies", json!(messages)).await;
    }
    let mut socket = Socket::open(&server).await;
    let fields = json!({"topic": "apologies", "credit": {"messages": 1000}});
    socket.ask("subscribe", fields).await;
    let mut all: Vec<Seen> = Vec::new();
    while all.len() < flights().len() {
        let batch = next_batch(&mut socket).await.expect("the server stays");
        let leases: Vec<&Value> = batch.iter().map(|one| &one.lease).collect();
        let reply = socket.ask("ack", json!({ "leases": leases })).await;
        assert!(list(&reply, "results").iter().all(|result| result.get("error").is_none()), "{reply}");
        all.extend(batch);
    }
    every_flight_once(&all);
    // Everything was queued before the first was handed out, so the order is total.
    for pair in all.windows(2) {
        let (first, second) = (&pair[0], &pair[1]);
        assert!(first.priority >= second.priority, "{first:?} before {second:?}");
        assert!(
            first.priority > second.priority || first.number < second.number,
            "{first:?} before {second:?}"
        );
    }
    for one in &all {
        assert_eq!(one.priority, u64::from(flights()[one.number].priority()));
        assert!(!one.redelivered);
    }
    let stats = http.queue_stats("apologies").await;
    assert_eq!((&stats["ready"], &stats["leased"], &stats["acked"]), (&json!(0), &json!(0), &json!(20_000)));
}

#[tokio::test]
async fn a_replay_from_a_point_in_the_past_is_the_same_again() {
    let server = Server::start();
    let http = server.http();
    http.make_log("departures", PARTITIONS).await;
    let some = &flights()[..3000];
    let messages: Vec<Value> = some.iter().map(Flight::for_log).collect();
    http.publish("departures", json!(messages)).await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut all = Vec::new();
        for partition in 0..PARTITIONS {
            let mut offset = json!("earliest");
            loop {
                let place = offset.as_str().map_or_else(|| offset.to_string(), str::to_owned);
                let page = http.records("departures", partition, &format!("offset={place}&limit=700")).await;
                let batch = list(&page, "records");
                if batch.is_empty() {
                    break;
                }
                all.extend(batch.iter().map(seen));
                offset = page["next_offset"].clone();
            }
        }
        runs.push(all.iter().map(|one| (one.partition, one.place, one.number)).collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0].len(), some.len());
}

/// The first offset that is missing from the set.
fn low_watermark(acked: &std::collections::BTreeSet<u64>) -> u64 {
    (0..).find(|offset| !acked.contains(offset)).expect("offsets have no end")
}

fn every_flight_once(all: &[Seen]) {
    let mut counts = vec![0; flights().len()];
    all.iter().for_each(|one| counts[one.number] += 1);
    let wrong: Vec<_> = counts.iter().enumerate().filter(|(_, count)| **count != 1).take(5).collect();
    assert!(wrong.is_empty(), "flights not seen exactly once (number, times): {wrong:?}");
}

/// Order per key and per partition, with offsets that only grow.
pub fn order_kept_per_key(all: &[Seen]) {
    let mut last_number: BTreeMap<&str, usize> = BTreeMap::new();
    let mut last_offset: BTreeMap<u64, u64> = BTreeMap::new();
    let mut home: BTreeMap<&str, u64> = BTreeMap::new();
    for one in all {
        assert_eq!(one.key, flights()[one.number].origin);
        let before = last_number.insert(&one.key, one.number);
        assert!(before < Some(one.number), "{} went back from {before:?} to {}", one.key, one.number);
        let before = last_offset.insert(one.partition, one.place);
        assert!(before < Some(one.place), "partition {} went back", one.partition);
        assert_eq!(*home.entry(&one.key).or_insert(one.partition), one.partition, "a key has one partition");
    }
}
