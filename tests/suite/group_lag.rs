//! How far groups are behind: in records and in time, in a group's description and in the metrics.

use blackbox::{Http, Server, Socket, list};
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the end of time")
}

async fn lag(http: &Http, group: &str) -> (i64, f64, Vec<Value>) {
    let group = http.get(&format!("/v1/groups/{group}")).await.expect(200);
    let number = |name: &str| group[name].as_f64().expect("a number");
    (number("lag") as i64, number("lag_seconds"), list(&group, "offsets"))
}

/// The value of the one sample whose line begins so.
async fn sample(http: &Http, path: &str, begins: &str) -> f64 {
    let text = http.get(path).await.text();
    let mut lines = text.lines().filter(|line| line.starts_with(begins));
    let line = lines.next().unwrap_or_else(|| panic!("no sample {begins} in {text}"));
    assert_eq!(lines.next(), None, "more than one sample {begins}");
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a sample ends in a number")
}

/// Between the age that it must have by now and a generous minute more.
#[track_caller]
fn is_age(seconds: f64, expected_ms: i64) {
    let expected = expected_ms as f64 / 1000.0;
    assert!((expected..expected + 60.0).contains(&seconds), "{seconds} s, and not {expected} s");
}

#[tokio::test]
async fn lag_rises_in_records_and_seconds_and_drains() {
    let server = Server::start();
    let http = server.http();
    http.make_log("log", 2).await;
    let start = now_ms();
    // Hour by hour, the oldest three hours ago; the second partition gets half of them, compressed by nobody.
    let hours_ago = |n: i64, partition: i64| json!({"value": n, "partition": partition, "timestamp": start - n * HOUR_MS});
    http.publish("log", json!([hours_ago(3, 0), hours_ago(2, 0), hours_ago(1, 0), hours_ago(2, 1)])).await;
    let commit = async |partition: i64, offset: i64| {
        let offsets = json!({"offsets": [{"topic": "log", "partition": partition, "offset": offset}]});
        http.post("/v1/groups/g/commit", offsets).await.expect(200);
    };
    commit(0, 0).await;
    commit(1, 0).await;
    let (records, seconds, offsets) = lag(&http, "g").await;
    assert_eq!(records, 4);
    is_age(seconds, 3 * HOUR_MS);
    is_age(offsets[1]["lag_seconds"].as_f64().expect("a number"), 2 * HOUR_MS);
    let of_group = |name: &str, label: &str| format!("{name}{{{label}=\"g\",topic=\"log\",partition=\"0\"}}");
    let each = "/metrics/per-object";
    assert_eq!(sample(&http, each, &of_group("kafka_consumergroup_lag", "consumergroup")).await, 3.0);
    is_age(
        sample(&http, each, &of_group("kafka_consumergroup_group_lag_seconds", "group")).await,
        3 * HOUR_MS,
    );
    assert_eq!(sample(&http, "/metrics", "kafka_consumergroup_lag_sum ").await, 4.0);
    is_age(sample(&http, "/metrics", "kafka_consumergroup_group_lag_seconds ").await, 3 * HOUR_MS);

    // It drains: the oldest that is left counts, partition by partition.
    commit(0, 2).await;
    let (records, seconds, _) = lag(&http, "g").await;
    assert_eq!(records, 2);
    is_age(seconds, 2 * HOUR_MS);
    commit(1, 1).await;
    is_age(lag(&http, "g").await.1, HOUR_MS);
    commit(0, 3).await;
    let (records, seconds, offsets) = lag(&http, "g").await;
    assert_eq!((records, seconds), (0, 0.0));
    assert!(offsets.iter().all(|one| one["lag_seconds"] == 0.0), "{offsets:?}");
    assert_eq!(sample(&http, each, &of_group("kafka_consumergroup_lag", "consumergroup")).await, 0.0);
    assert_eq!(sample(&http, each, &of_group("kafka_consumergroup_group_lag_seconds", "group")).await, 0.0);

    // And rises again with what comes.
    http.publish("log", json!([hours_ago(5, 1)])).await;
    let (records, seconds, _) = lag(&http, "g").await;
    assert_eq!(records, 1);
    is_age(seconds, 5 * HOUR_MS);
}

#[tokio::test]
async fn lag_drains_as_a_member_reads_and_acknowledges() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    http.make_log(&log, 1).await;
    let old = now_ms() - HOUR_MS;
    let messages: Vec<_> = (0..6).map(|n| json!({"value": n, "timestamp": old + n})).collect();
    http.publish(&log, json!(messages)).await;
    let mut socket = Socket::open(server).await;
    let fields = json!({"topic": log, "group": group, "credit": {"messages": 100}});
    let number = socket.ask("subscribe", fields).await["subscription"].clone();
    socket.messages(6).await;
    let (records, seconds, _) = lag(&http, &group).await;
    assert_eq!(records, 6, "delivered is not done");
    is_age(seconds, HOUR_MS);
    let ack =
        |offsets: Value| json!({"subscription": number, "records": [{"partition": 0, "offsets": offsets}]});
    socket.ask("ack", ack(json!([3, 4, 5]))).await;
    assert_eq!(lag(&http, &group).await.0, 6, "what is overtaken holds the group back");
    socket.ask("ack", ack(json!([0, 1, 2]))).await;
    let (records, seconds, _) = lag(&http, &group).await;
    assert_eq!((records, seconds), (0, 0.0));
}
