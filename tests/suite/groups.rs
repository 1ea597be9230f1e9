use std::collections::BTreeSet;

use blackbox::{Http, Server, deadline, list};
use serde_json::{Value, json};

async fn filled_log(server: &Server, http: &Http, partitions: u32, each: u32) -> String {
    let log = server.name("log");
    http.make_log(&log, partitions).await;
    for partition in 0..partitions {
        let messages: Vec<_> = (0..each).map(|n| json!({"value": n, "partition": partition})).collect();
        http.publish(&log, json!(messages)).await;
    }
    log
}

async fn receive(http: &Http, group: &str, request: Value) -> Value {
    http.post(&format!("/v1/groups/{group}/receive"), request).await.expect(200)
}

fn partitions(answer: &Value) -> BTreeSet<u64> {
    list(answer, "assignment").iter().filter_map(|one| one["partition"].as_u64()).collect()
}

#[tokio::test]
async fn a_group_goes_on_where_it_committed() {
    let mut server = Server::start();
    let http = server.http();
    let log = filled_log(&server, &http, 1, 10).await;
    let first = receive(&http, "billing", json!({"topics": [log], "max": 4, "wait_ms": 5000})).await;
    let records = list(&first, "records");
    assert_eq!(records.len(), 4);
    let member = first["member_id"].as_str().expect("a member id");
    let commit = json!({"member_id": member, "generation": first["generation"],
        "offsets": [{"topic": log, "partition": 0, "offset": 4, "metadata": "half-way"}]});
    http.post("/v1/groups/billing/commit", commit).await.expect(200);
    let group = http.get("/v1/groups/billing").await.expect(200);
    assert_eq!(group["offsets"][0]["committed"], 4, "{group}");
    assert_eq!(group["offsets"][0]["lag"], 6);
    assert_eq!(group["lag"], 6);
    assert_eq!(group["offsets"][0]["metadata"], "half-way");
    server.crash();
    let http = server.http();
    assert_eq!(http.get("/v1/groups/billing").await.expect(200)["offsets"][0]["committed"], 4);
    let next = receive(&http, "billing", json!({"topics": [log], "max": 1, "wait_ms": 5000})).await;
    assert_eq!(next["records"][0]["offset"], 4);
}

#[tokio::test]
async fn members_share_the_partitions_and_a_leaver_s_go_to_the_rest() {
    let server = Server::shared();
    let http = server.http();
    let log = filled_log(server, &http, 4, 1).await;
    let group = server.name("group");
    let ask = |member: Option<&str>| {
        let mut request = json!({"topics": [log], "max": 100, "wait_ms": 0, "session_timeout_ms": 60000});
        if let Some(member) = member {
            request["member_id"] = json!(member);
        }
        request
    };
    let one = receive(&http, &group, ask(None)).await;
    let one_id = one["member_id"].as_str().expect("an id").to_owned();
    assert_eq!(partitions(&one), BTreeSet::from([0, 1, 2, 3]));
    let two = receive(&http, &group, ask(None)).await;
    let two_id = two["member_id"].as_str().expect("an id").to_owned();
    let (one, two) = deadline::until("both have two", async || {
        let one = receive(&http, &group, ask(Some(&one_id))).await;
        let two = receive(&http, &group, ask(Some(&two_id))).await;
        (partitions(&one).len() == 2 && partitions(&two).len() == 2).then_some((one, two))
    })
    .await;
    assert!(partitions(&one).is_disjoint(&partitions(&two)), "{one} {two}");
    let members = list(&http.get(&format!("/v1/groups/{group}")).await.expect(200), "members");
    assert_eq!(members.len(), 2);
    assert!(http.delete(&format!("/v1/groups/{group}/members/{two_id}")).await.status < 300);
    deadline::until("the other has them all", async || {
        let one = receive(&http, &group, ask(Some(&one_id))).await;
        (partitions(&one).len() == 4).then_some(())
    })
    .await;
    http.post(&format!("/v1/groups/{group}/receive"), ask(Some(&two_id)))
        .await
        .refused(404, "unknown_member");
}

#[tokio::test]
async fn a_silent_member_loses_its_partitions() {
    let server = Server::shared();
    let http = server.http();
    let log = filled_log(server, &http, 2, 1).await;
    let group = server.name("group");
    let silent =
        receive(&http, &group, json!({"topics": [log], "wait_ms": 0, "session_timeout_ms": 1000})).await;
    assert_eq!(partitions(&silent).len(), 2);
    let active =
        receive(&http, &group, json!({"topics": [log], "wait_ms": 0, "session_timeout_ms": 60000})).await;
    let id = active["member_id"].as_str().expect("an id").to_owned();
    deadline::until("the silent one is gone", async || {
        let mine = receive(&http, &group, json!({"topics": [log], "member_id": id, "wait_ms": 0})).await;
        (partitions(&mine).len() == 2).then_some(())
    })
    .await;
    let stale = json!({"member_id": silent["member_id"], "generation": silent["generation"],
        "offsets": [{"topic": log, "partition": 0, "offset": 1}]});
    let answer = http.post(&format!("/v1/groups/{group}/commit"), stale).await;
    assert!(
        answer.text().contains("unknown_member") || answer.text().contains("stale_generation"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_reset_can_be_tried_before_it_is_done() {
    let server = Server::shared();
    let http = server.http();
    let log = filled_log(server, &http, 2, 10).await;
    let group = server.name("group");
    let offsets: Vec<_> = (0..2).map(|p| json!({"topic": log, "partition": p, "offset": 6})).collect();
    http.post(&format!("/v1/groups/{group}/commit"), json!({ "offsets": offsets })).await.expect(200);
    let path = format!("/v1/groups/{group}/reset");
    let committed = async || {
        let group = http.get(&format!("/v1/groups/{group}")).await.expect(200);
        list(&group, "offsets").iter().map(|one| one["committed"].as_i64().unwrap_or(-1)).collect::<Vec<_>>()
    };
    let trial =
        http.post(&path, json!({"topics": [log], "to": "earliest", "dry_run": true})).await.expect(200);
    assert_eq!(trial["results"][0]["from"], 6, "{trial}");
    assert_eq!(trial["results"][0]["to"], 0, "{trial}");
    assert_eq!(committed().await, [6, 6], "a dry run changes nothing");
    for (to, expected) in [
        (json!("earliest"), [0, 0]),
        (json!("latest"), [10, 10]),
        (json!({"shift": -3}), [7, 7]),
        (json!({"offset": 2}), [2, 2]),
        (json!({"time": "1970-01-01T00:00:00Z"}), [0, 0]),
        (json!({"shift": 100}), [10, 10]),
    ] {
        http.post(&path, json!({"topics": [log], "to": to})).await.expect(200);
        assert_eq!(committed().await, expected, "{to}");
    }
    http.post(&path, json!({"topics": [log], "to": "middle"})).await.refused_in(400, "invalid_request", "to");
}

#[tokio::test]
async fn groups_are_listed_and_forgotten() {
    let server = Server::shared();
    let http = server.http();
    let log = filled_log(server, &http, 1, 1).await;
    let group = server.name("group");
    let path = format!("/v1/groups/{group}");
    http.get(&path).await.refused(404, "unknown_group");
    http.post(&format!("{path}/commit"), json!({"offsets": [{"topic": log, "partition": 0, "offset": 1}]}))
        .await
        .expect(200);
    let listed = http.get("/v1/groups?limit=1000").await.expect(200);
    assert!(listed.to_string().contains(&group), "{listed}");
    assert!(http.delete(&path).await.status < 300);
    http.get(&path).await.refused(404, "unknown_group");
}

const DAY_MS: i64 = 24 * 3_600_000;

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the end of time")
}

#[tokio::test]
async fn a_group_is_rewound_a_week() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    let config = json!({"retention.ms": "-1"});
    let settings = json!({"model": "log", "log": {"partitions": 2, "config": config}});
    http.put(&format!("/v1/topics/{log}"), settings).await.expect(201);
    // Two weeks of one record an hour, the second partition half an hour later.
    let now = now_ms();
    let (hour, hours) = (DAY_MS / 24, 14 * 24);
    let messages: Vec<_> = (0..hours)
        .flat_map(|n| {
            [0, 1].map(
                |p| json!({"value": n, "partition": p, "timestamp": now - (hours - n) * hour + p * hour / 2}),
            )
        })
        .collect();
    http.publish(&log, json!(messages)).await;
    let committed = async || {
        let group = http.get(&format!("/v1/groups/{group}")).await.expect(200);
        list(&group, "offsets").iter().map(|one| one["committed"].as_i64().unwrap_or(-1)).collect::<Vec<_>>()
    };
    let reset = async |request: Value| {
        let path = format!("/v1/groups/{group}/reset");
        list(&http.post(&path, request).await.expect(200), "results")
    };
    reset(json!({"topics": [log], "to": "latest"})).await;
    assert_eq!(committed().await, [hours, hours]);
    let week_ago = json!({"time": now - 7 * DAY_MS});
    let told = reset(json!({"to": week_ago, "dry_run": true})).await;
    let told: Vec<_> = told.iter().map(|one| (one["from"].as_i64(), one["to"].as_i64())).collect();
    // The record of exactly a week ago is number 168; in the second partition 167 is half an hour younger than that.
    assert_eq!(told, [(Some(hours), Some(168)), (Some(hours), Some(168))]);
    assert_eq!(committed().await, [hours, hours], "a dry run changes nothing");
    reset(json!({"to": week_ago})).await;
    assert_eq!(committed().await, [168, 168]);
    let got = receive(&http, &group, json!({"topics": [log], "max": 10000})).await;
    let records = list(&got, "records");
    assert_eq!(records.len() as i64, 2 * 168, "a week of both partitions");
    assert!(records.iter().all(|record| record["timestamp"].as_i64() >= Some(now - 7 * DAY_MS)));
    // Not while somebody reads.
    let refused = http.post(&format!("/v1/groups/{group}/reset"), json!({"to": "earliest"})).await;
    refused.refused(409, "in_use");
    let member = got["member_id"].as_str().expect("an id");
    assert!(http.delete(&format!("/v1/groups/{group}/members/{member}")).await.status < 300);
    reset(json!({"partitions": [{"topic": log, "partition": 1}], "to": {"shift": -24}})).await;
    assert_eq!(committed().await, [168, 144], "one partition alone, by a day's records");
    reset(json!({"topics": [log], "to": {"offset": 3}})).await;
    assert_eq!(committed().await, [3, 3]);
}

#[tokio::test]
async fn offsets_of_one_log_are_forgotten_unless_it_is_read() {
    let mut server = Server::start();
    let http = server.http();
    let one = filled_log(&server, &http, 2, 3).await;
    let other = filled_log(&server, &http, 1, 3).await;
    let offsets = [(&one, 0), (&one, 1), (&other, 0)]
        .map(|(topic, partition)| json!({"topic": topic, "partition": partition, "offset": 2}));
    http.post("/v1/groups/g/commit", json!({ "offsets": offsets })).await.expect(200);
    let got = receive(&http, "g", json!({"topics": [other]})).await;
    let path = |query: &str| format!("/v1/groups/g/offsets?{query}");
    http.delete(&path(&format!("topic={other}"))).await.refused(409, "group_subscribed");
    let deleted = http.delete(&path(&format!("topic={one}&partition=1"))).await.expect(200);
    assert_eq!(deleted["deleted"], json!([{"topic": one, "partition": 1}]));
    let deleted = http.delete(&path(&format!("topic={one}"))).await.expect(200);
    assert_eq!(deleted["deleted"], json!([{"topic": one, "partition": 0}]), "the other was gone");
    let member = got["member_id"].as_str().expect("an id");
    assert!(http.delete(&format!("/v1/groups/g/members/{member}")).await.status < 300);
    server.crash();
    let http = server.http();
    let left = http.get("/v1/groups/g").await.expect(200);
    let left: Vec<_> = list(&left, "offsets").iter().map(|one| one["topic"].clone()).collect();
    assert_eq!(left, [json!(other)]);
    http.delete(&path("partition=0")).await.refused_in(400, "invalid_request", "topic");
    http.delete(&path("topic=nowhere")).await.refused(404, "unknown_topic");
    http.delete(&path(&format!("topic={one}&partition=9"))).await.refused(404, "unknown_partition");
    http.delete(&format!("/v1/groups/nobody/offsets?topic={one}")).await.refused(404, "unknown_group");
}

#[tokio::test]
async fn a_commit_keeps_epoch_note_and_how_long_it_counts() {
    let mut server = Server::start();
    let http = server.http();
    let log = filled_log(&server, &http, 2, 3).await;
    let before = now_ms();
    let offsets = json!([
        {"topic": log, "partition": 0, "offset": 2, "leader_epoch": 0, "metadata": "half", "retention_ms": 60000},
        {"topic": log, "partition": 1, "offset": 1}]);
    http.post("/v1/groups/g/commit", json!({ "offsets": offsets })).await.expect(200);
    server.crash();
    let group = server.http().get("/v1/groups/g").await.expect(200);
    let offsets = list(&group, "offsets");
    assert_eq!((&offsets[0]["leader_epoch"], &offsets[0]["metadata"]), (&json!(0), &json!("half")));
    let time = |name: &str| offsets[0][name].as_i64().expect("a time");
    let kept = time("expires_at") - time("committed_at");
    assert!((50_000..=60_000).contains(&kept), "{kept}");
    assert!((0..60_000).contains(&(time("committed_at") + 1000 - before)), "committed just now");
    for absent in ["leader_epoch", "metadata", "expires_at"] {
        assert!(offsets[1].get(absent).is_none(), "{absent} of {}", offsets[1]);
    }
    let path = "/v1/groups/g/commit";
    for (field, value) in [("leader_epoch", json!(-1)), ("retention_ms", json!(0)), ("metadata", json!(7))] {
        let mut offset = json!({"topic": log, "partition": 0, "offset": 1});
        offset[field] = value;
        let refused = server.http().post(path, json!({"offsets": [offset]})).await;
        refused.refused_in(400, "invalid_request", field);
    }
}
