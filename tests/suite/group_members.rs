//! What a group's member that comes over HTTP says of single records and partitions.

use std::collections::BTreeSet;

use blackbox::{Http, Server, Socket, deadline, list, values};
use serde_json::{Value, json};

struct Member<'a> {
    http: &'a Http,
    group: String,
    id: String,
}

impl Member<'_> {
    /// Joins, and gets what there is.
    async fn join<'a>(http: &'a Http, group: &str, request: Value) -> (Member<'a>, Value) {
        let got = http.post(&format!("/v1/groups/{group}/receive"), request).await.expect(200);
        let id = got["member_id"].as_str().expect("an id").to_owned();
        (Member { http, group: group.to_owned(), id }, got)
    }

    async fn receive(&self, mut request: Value) -> Value {
        request["member_id"] = json!(self.id);
        self.http.post(&format!("/v1/groups/{}/receive", self.group), request).await.expect(200)
    }

    async fn ack(&self, log: &str, partition: u32, offsets: &[i64]) -> Value {
        let request = json!({"member_id": self.id,
            "records": [{"topic": log, "partition": partition, "offsets": offsets}]});
        let acked = self.http.post(&format!("/v1/groups/{}/ack", self.group), request).await.expect(200);
        acked["committed"].clone()
    }

    async fn set_paused(&self, verb: &str, log: &str, partition: u32) -> Value {
        let path = format!("/v1/groups/{}/members/{}/{verb}", self.group, self.id);
        let request = json!({"partitions": [{"topic": log, "partition": partition}]});
        self.http.post(&path, request).await.expect(200)["paused"].clone()
    }
}

fn offsets(got: &Value) -> Vec<i64> {
    list(got, "records").iter().map(|record| record["offset"].as_i64().expect("an offset")).collect()
}

fn partitions(got: &Value) -> BTreeSet<u64> {
    list(got, "records").iter().filter_map(|record| record["partition"].as_u64()).collect()
}

async fn committed(http: &Http, group: &str) -> Value {
    http.get(&format!("/v1/groups/{group}")).await.expect(200)["offsets"][0]["committed"].clone()
}

#[tokio::test]
async fn workers_that_finish_out_of_order_commit_the_lowest_contiguous_offset_through_a_kill() {
    let mut server = Server::start();
    let http = server.http();
    http.make_log("log", 1).await;
    http.publish_values("log", 0..20).await;
    let ask = json!({"topics": ["log"], "max": 10, "max_unacked": 50});
    let (member, got) = Member::join(&http, "g", ask.clone()).await;
    assert_eq!(offsets(&got), (0..10).collect::<Vec<_>>());
    assert_eq!(member.ack("log", 0, &[7, 3, 5]).await, json!([]), "nothing below them is done");
    let at = |offset: i64| json!([{"topic": "log", "partition": 0, "offset": offset}]);
    assert_eq!(member.ack("log", 0, &[1, 0]).await, at(2));
    assert_eq!(member.ack("log", 0, &[2]).await, at(4), "3 was done before");
    assert_eq!(committed(&http, "g").await, 4);
    // An ack that repeats or names what never went out changes nothing.
    assert_eq!(member.ack("log", 0, &[0, 3, 15]).await, json!([]));

    server.crash();
    let http = server.http();
    assert_eq!(committed(&http, "g").await, 4, "an answered ack is on disk");
    http.post("/v1/groups/g/ack", json!({"member_id": member.id, "records": []}))
        .await
        .refused(404, "unknown_member");
    let (member, got) = Member::join(&http, "g", ask.clone()).await;
    assert_eq!(offsets(&got)[0], 4, "5 and 7 were beyond, so they come again; nothing is skipped");
    assert_eq!(member.ack("log", 0, &(4..14).rev().collect::<Vec<_>>()).await, at(14));
    let got = member.receive(ask).await;
    assert_eq!(offsets(&got), (14..20).collect::<Vec<_>>());
    // Committing by hand acknowledges, too; what was done beyond goes along with the next ack.
    member.ack("log", 0, &[17]).await;
    let commit = json!({"member_id": member.id, "offsets": [{"topic": "log", "partition": 0, "offset": 17}]});
    http.post("/v1/groups/g/commit", commit).await.expect(200);
    assert_eq!(member.ack("log", 0, &[]).await, at(18));
    assert_eq!(member.ack("log", 0, &[18, 19]).await, at(20));
    assert_eq!(http.get("/v1/groups/g").await.expect(200)["lag"], 0);
}

#[tokio::test]
async fn no_more_go_out_than_may_be_unacknowledged_and_a_lost_answer_is_asked_for_again() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    http.make_log(&log, 1).await;
    http.publish_values(&log, 0..10).await;
    let ask = json!({"topics": [log], "max": 100, "max_unacked": 4});
    let (member, got) = Member::join(&http, &group, ask.clone()).await;
    assert_eq!(offsets(&got), [0, 1, 2, 3]);
    assert_eq!(offsets(&member.receive(ask.clone()).await), [0; 0]);
    // A receive that waits goes on as soon as there is room.
    let waiting = json!({"topics": [log], "max": 100, "wait_ms": 60000});
    let (got, _) = tokio::join!(member.receive(waiting), member.ack(&log, 0, &[1, 2]));
    assert_eq!(offsets(&got), [4, 5]);
    // The answers with 0, 3, 4 and 5 got lost: they come again, behind what is committed.
    let got = member.receive(json!({"topics": [log], "max": 100, "rewind": true})).await;
    assert_eq!(offsets(&got), [0, 1, 2, 3]);
    assert_eq!(member.ack(&log, 0, &[3, 2, 1, 0]).await[0]["offset"], 4);
    assert_eq!(offsets(&member.receive(ask).await), [4, 5, 6, 7]);

    // Who does not say so when it joins acknowledges nothing.
    let other = server.name("group");
    let (plain, _) = Member::join(&http, &other, json!({"topics": [log]})).await;
    let late = json!({"topics": [log], "member_id": plain.id, "max_unacked": 4});
    http.post(&format!("/v1/groups/{other}/receive"), late).await.refused_in(
        409,
        "conflicting_settings",
        "max_unacked",
    );
    let ack = json!({"member_id": plain.id, "records": [{"topic": log, "partition": 0, "offsets": [0]}]});
    http.post(&format!("/v1/groups/{other}/ack"), ack).await.refused(409, "conflicting_settings");
    let stranger =
        json!({"member_id": member.id, "records": [{"topic": "nowhere", "partition": 0, "offsets": [0]}]});
    http.post(&format!("/v1/groups/{group}/ack"), stranger).await.refused(409, "stale_generation");
}

#[tokio::test]
async fn one_partition_is_paused_and_resumed_over_http() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    http.make_log(&log, 3).await;
    let round = json!([0, 1, 2].map(|p| json!({"value": p, "partition": p})));
    http.publish(&log, round.clone()).await;
    let ask = json!({"topics": [log], "max": 100});
    let (member, got) = Member::join(&http, &group, ask.clone()).await;
    assert_eq!(partitions(&got), BTreeSet::from([0, 1, 2]));
    assert_eq!(member.set_paused("pause", &log, 1).await, json!([{"topic": log, "partition": 1}]));
    http.publish(&log, round.clone()).await;
    assert_eq!(partitions(&member.receive(ask.clone()).await), BTreeSet::from([0, 2]));
    assert_eq!(partitions(&member.receive(ask.clone()).await), BTreeSet::new());
    // It keeps the partition, and its place there; a receive that waits goes on when it is resumed.
    let waiting = json!({"topics": [log], "max": 100, "wait_ms": 60000});
    let (got, paused) = tokio::join!(member.receive(waiting), member.set_paused("resume", &log, 1));
    assert_eq!(paused, json!([]));
    assert_eq!((partitions(&got), offsets(&got)), (BTreeSet::from([1]), vec![1]));
    assert_eq!(list(&got, "assignment").len(), 3);
    let path = format!("/v1/groups/{group}/members/{}/pause", member.id);
    let foreign = json!({"partitions": [{"topic": log, "partition": 7}]});
    http.post(&path, foreign).await.refused(409, "stale_generation");
    let path = format!("/v1/groups/{group}/members/nobody/pause");
    http.post(&path, json!({"partitions": []})).await.refused(404, "unknown_member");
}

#[tokio::test]
async fn one_partition_is_paused_and_resumed_over_websocket() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    http.make_log(&log, 2).await;
    let mut socket = Socket::open(server).await;
    let fields = json!({"topic": log, "group": group, "credit": {"messages": 100}});
    let number = socket.ask("subscribe", fields).await["subscription"].clone();
    let one = |subscription: &Value| json!({"subscription": subscription, "partitions": [1]});
    socket.ask("pause", one(&number)).await;
    http.publish(&log, json!([{"value": "held", "partition": 1}, {"value": "through", "partition": 0}]))
        .await;
    assert_eq!(values(&socket.messages(1).await), ["through"]);
    assert!(socket.so_far().await.iter().all(|frame| frame["type"] != "message"));
    socket.ask("resume", one(&number)).await;
    assert_eq!(values(&socket.messages(1).await), ["held"]);
    let foreign = json!({"subscription": number, "partitions": [0, 5]});
    assert_eq!(socket.try_ask("pause", foreign).await.expect_err("not its own")["code"], "stale_generation");
}

#[tokio::test]
async fn what_is_to_be_let_go_may_be_finished_first() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    http.make_log(&log, 2).await;
    http.publish(&log, json!([0, 1].map(|p| json!({"value": p, "partition": p})))).await;
    let ask = json!({"topics": [log], "max": 100, "max_unacked": 100, "session_timeout_ms": 60000});
    let (one, got) = Member::join(&http, &group, ask.clone()).await;
    assert_eq!(partitions(&got).len(), 2);
    let (two, _) = Member::join(&http, &group, ask.clone()).await;
    let told = deadline::until("the first one is told to let one go", async || {
        let told = one.receive(ask.clone()).await;
        (list(&told, "assignment").len() == 1).then_some(told)
    })
    .await;
    let kept = list(&told, "assignment")[0]["partition"].as_u64().expect("a number");
    let gone = 1 - kept as u32;
    // It may still say what it has done; the other one has not got it yet.
    assert_eq!(one.ack(&log, gone, &[0]).await[0]["offset"], 1);
    one.receive(ask.clone()).await;
    let records = deadline::until("the second one has it", async || {
        let got = two.receive(ask.clone()).await;
        (list(&got, "assignment").len() == 1).then_some(list(&got, "records"))
    })
    .await;
    assert!(records.is_empty(), "it goes on behind what was acknowledged: {records:?}");
    let late = json!({"member_id": one.id, "records": [{"topic": log, "partition": gone, "offsets": [0]}]});
    http.post(&format!("/v1/groups/{group}/ack"), late).await.refused(409, "stale_generation");
}
