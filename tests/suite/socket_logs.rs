use std::collections::BTreeMap;

use blackbox::{Http, Server, Socket, deadline, list, values};
use serde_json::{Value, json};

async fn committed(http: &Http, group: &str) -> BTreeMap<u64, i64> {
    let group = http.get(&format!("/v1/groups/{group}")).await.expect(200);
    list(&group, "offsets")
        .iter()
        .filter_map(|one| Some((one["partition"].as_u64()?, one["committed"].as_i64()?)))
        .collect()
}

#[tokio::test]
async fn a_log_is_read_from_anywhere_and_followed() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    http.publish_values(&log, 0..10).await;
    let mut socket = Socket::open(server).await;
    for (from, first) in [(json!("earliest"), "0"), (json!(7), "7"), (json!("@0"), "0")] {
        let fields = json!({"topic": log, "from": from, "credit": {"messages": 3}});
        let subscribed = socket.ask("subscribe", fields).await;
        assert_eq!(subscribed["model"], "log");
        let messages = socket.messages(3).await;
        assert_eq!(values(&messages)[0], first);
        assert_eq!(messages[0]["partition"], 0);
        assert!(messages[0].get("lease").is_none());
        socket.ask("unsubscribe", json!({"subscription": subscribed["subscription"]})).await;
    }
    socket.ask("subscribe", json!({"topic": log, "from": "latest", "credit": {"messages": 10}})).await;
    http.publish_values(&log, ["new"]).await;
    assert_eq!(values(&socket.messages(1).await), ["new"]);
}

#[tokio::test]
async fn out_of_order_acks_commit_the_lowest_contiguous_offset() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    http.make_log(&log, 1).await;
    http.publish_values(&log, 0..10).await;
    let mut socket = Socket::open(server).await;
    let fields = json!({"topic": log, "group": group, "from": "earliest", "credit": {"messages": 100}});
    let number = socket.ask("subscribe", fields).await["subscription"].clone();
    socket.messages(10).await;
    let ack =
        |offsets: Value| json!({"subscription": number, "records": [{"partition": 0, "offsets": offsets}]});
    let after = async |offsets: &[i64], socket: &mut Socket| {
        socket.ask("ack", ack(json!(offsets))).await["committed"].clone()
    };
    assert_eq!(after(&[5, 3, 9], &mut socket).await, json!([]), "nothing below them is done");
    assert_eq!(after(&[0, 1], &mut socket).await, json!([{"partition": 0, "offset": 2}]));
    assert_eq!(after(&[2], &mut socket).await, json!([{"partition": 0, "offset": 4}]));
    assert_eq!(committed(&http, &group).await, BTreeMap::from([(0, 4)]));
    assert_eq!(after(&[8, 4, 7, 6], &mut socket).await, json!([{"partition": 0, "offset": 10}]));
    let described = http.get(&format!("/v1/groups/{group}")).await.expect(200);
    assert_eq!(described["lag"], 0, "{described}");
}

#[tokio::test]
async fn a_commit_names_the_next_offset_and_is_kept() {
    let mut server = Server::start();
    let http = server.http();
    http.make_log("log", 2).await;
    http.publish("log", json!([{"value": 0, "partition": 0}, {"value": 1, "partition": 1}])).await;
    let mut socket = Socket::open(&server).await;
    let fields = json!({"topic": "log", "group": "g", "from": "earliest", "credit": {"messages": 10}});
    let number = socket.ask("subscribe", fields).await["subscription"].clone();
    socket.messages(2).await;
    let offsets = json!([{"partition": 0, "offset": 1},
        {"partition": 1, "offset": 1, "metadata": "note", "leader_epoch": 0, "retention_ms": 60000}]);
    socket.ask("commit", json!({"subscription": number, "offsets": offsets})).await;
    server.crash();
    let http = server.http();
    assert_eq!(committed(&http, "g").await, BTreeMap::from([(0, 1), (1, 1)]));
    let one = http.get("/v1/groups/g").await.expect(200)["offsets"][1].clone();
    assert_eq!((&one["metadata"], &one["leader_epoch"]), (&json!("note"), &json!(0)));
    assert!(one["expires_at"].as_i64() > one["committed_at"].as_i64(), "{one}");
}

#[tokio::test]
async fn two_sockets_of_a_group_share_its_partitions_and_one_takes_over() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    http.make_log(&log, 4).await;
    let fields = json!({"topic": log, "group": group, "from": "earliest", "credit": {"messages": 1000}});
    let mut one = Socket::open(server).await;
    one.ask("subscribe", fields.clone()).await;
    let mut two = Socket::open(server).await;
    let joined = two.ask("subscribe", fields).await;
    let mut mine = list(&joined, "partitions").len();
    if mine == 0 {
        mine = list(&two.frame_of("assignment").await, "partitions").len();
    }
    assert_eq!(mine, 2);
    let left = deadline::soon("the first one gives two up", async {
        loop {
            let assignment = one.frame_of("assignment").await;
            if list(&assignment, "partitions").len() == 2 {
                return assignment;
            }
        }
    })
    .await;
    assert_eq!(left["group"], group.as_str());
    two.close().await;
    deadline::soon("the first one takes them back", async {
        loop {
            if list(&one.frame_of("assignment").await, "partitions").len() == 4 {
                return;
            }
        }
    })
    .await;
    let messages: Vec<_> = (0..8).map(|n| json!({"value": n, "partition": n % 4})).collect();
    http.publish(&log, json!(messages)).await;
    let mut seen = values(&one.messages(8).await);
    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

#[tokio::test]
async fn a_hundred_subscribers_all_see_everything_in_order() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    let mut sockets = Vec::new();
    for _ in 0..100 {
        let mut socket = Socket::open(server).await;
        socket
            .ask("subscribe", json!({"topic": log, "from": "earliest", "credit": {"messages": 1000}}))
            .await;
        sockets.push(socket);
    }
    for batch in 0..5 {
        http.publish_values(&log, batch * 20..(batch + 1) * 20).await;
    }
    let expected: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    for socket in &mut sockets {
        assert_eq!(values(&socket.messages(100).await), expected);
    }
}

#[tokio::test]
async fn what_belongs_to_the_other_model_is_refused() {
    let server = Server::shared();
    let http = server.http();
    let (log, queue) = (server.name("log"), server.name("queue"));
    http.make_log(&log, 1).await;
    http.make_queue(&queue, json!({})).await;
    let mut socket = Socket::open(server).await;
    let refused =
        socket.try_ask("subscribe", json!({"topic": queue, "from": "earliest"})).await.expect_err("a queue");
    assert!(refused["field"].as_str().is_some_and(|field| field.contains("from")), "{refused}");
    let refused = socket.try_ask("subscribe", json!({"topic": log, "lease_ms": 5})).await.expect_err("a log");
    assert!(refused["field"].as_str().is_some_and(|field| field.contains("lease_ms")), "{refused}");
    let unknown = socket.try_ask("subscribe", json!({"topic": "nowhere"})).await.expect_err("no topic");
    assert_eq!(unknown["code"], "unknown_topic");
    let beyond =
        socket.try_ask("subscribe", json!({"topic": log, "from": 99})).await.expect_err("beyond the end");
    assert_eq!(beyond["code"], "offset_out_of_range");
}
