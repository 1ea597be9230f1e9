use blackbox::{Answer, Http, Server, Socket, list, values};
use hyper::Method;
use serde_json::{Value, json};

/// Begins a transaction and returns its id.
pub async fn begin(http: &Http, body: Value) -> String {
    let begun = http.post("/v1/transactions", body).await.expect(201);
    assert_eq!(begun["status"], "open", "{begun}");
    begun["id"].as_str().expect("an id").to_owned()
}

/// Publishes within a transaction.
pub async fn publish(http: &Http, transaction: &str, topic: &str, messages: Value) -> Answer {
    let headers = [("content-type", "application/json"), ("sluice-transaction", transaction)];
    let path = format!("/v1/topics/{topic}/messages");
    http.send(Method::POST, &path, &headers, json!({ "messages": messages }).to_string().into()).await
}

/// Settles within a transaction.
pub async fn settle(http: &Http, transaction: &str, request: Value) -> Answer {
    let headers = [("content-type", "application/json"), ("sluice-transaction", transaction)];
    http.send(Method::POST, "/v1/settle", &headers, request.to_string().into()).await
}

pub async fn end(http: &Http, transaction: &str, how: &str) -> Answer {
    http.send(Method::POST, &format!("/v1/transactions/{transaction}/{how}"), &[], Default::default()).await
}

async fn read(http: &Http, log: &str, isolation: &str) -> Vec<String> {
    let query = format!("offset=0&limit=1000&isolation={isolation}");
    values(&list(&http.records(log, 0, &query).await, "records"))
}

#[tokio::test]
async fn messages_of_several_topics_count_together_or_not_at_all() {
    let server = Server::shared();
    let http = server.http();
    let (a, b, queue) = (server.name("log"), server.name("log"), server.name("queue"));
    http.make_log(&a, 1).await;
    http.make_log(&b, 1).await;
    http.make_queue(&queue, json!({})).await;
    for (how, expected) in [("abort", vec![]), ("commit", vec!["commit"])] {
        let id = begin(&http, json!({})).await;
        let placed = publish(&http, &id, &a, json!([{"value": how}])).await.expect(200);
        assert!(placed["results"][0]["offset"].is_number(), "{placed}");
        publish(&http, &id, &b, json!([{"value": how}])).await.expect(200);
        let staged = publish(&http, &id, &queue, json!([{"value": how}])).await.expect(200);
        assert_eq!(staged["results"][0], json!({"unconfirmed": true}));
        let open = http.get(&format!("/v1/transactions/{id}")).await.expect(200);
        assert_eq!((&open["status"], &open["staged_messages"]), (&json!("open"), &json!(1)), "{open}");
        assert_eq!(list(&open, "partitions").len(), 2);
        for log in [&a, &b] {
            assert!(read(&http, log, "read_committed").await.is_empty(), "nothing counts before the commit");
            assert!(read(&http, log, "read_uncommitted").await.contains(&how.to_owned()));
        }
        assert_eq!(http.receive(&queue, 10).await.len(), 0);
        let status = if how == "commit" { "committed" } else { "aborted" };
        for _ in 0..2 {
            assert_eq!(end(&http, &id, how).await.expect(200)["status"], status);
        }
        assert_eq!(http.get(&format!("/v1/transactions/{id}")).await.expect(200)["status"], status);
        for log in [&a, &b] {
            assert_eq!(read(&http, log, "read_committed").await, expected);
        }
        assert_eq!(values(&http.drain_queue(&queue).await), expected);
    }
    assert_eq!(read(&http, &a, "read_uncommitted").await, ["abort", "commit"]);
}

#[tokio::test]
async fn a_group_s_offsets_go_with_the_transaction() {
    let server = Server::shared();
    let http = server.http();
    let (source, sink, group) = (server.name("log"), server.name("log"), server.name("group"));
    http.make_log(&source, 1).await;
    http.make_log(&sink, 1).await;
    http.publish_values(&source, ["a", "b", "c"]).await;
    let offsets = json!({"group": group, "offsets": [{"topic": source, "partition": 0, "offset": 2}]});
    for (how, committed) in [("abort", None), ("commit", Some(2))] {
        let id = begin(&http, json!({})).await;
        publish(&http, &id, &sink, json!([{"value": "done"}])).await.expect(200);
        let path = format!("/v1/transactions/{id}/offsets");
        assert_eq!(http.post(&path, offsets.clone()).await.expect(200)["staged"], 1);
        let far = json!({"group": group, "offsets": [{"topic": source, "partition": 0, "offset": 9}]});
        http.post(&path, far).await.refused(416, "offset_out_of_range");
        assert_eq!(http.get(&format!("/v1/groups/{group}")).await.status, 404);
        end(&http, &id, how).await.expect(200);
        let found = http.get(&format!("/v1/groups/{group}")).await;
        match committed {
            None => assert_eq!(found.status, 404),
            Some(offset) => assert_eq!(found.expect(200)["offsets"][0]["committed"], offset),
        }
    }
}

#[tokio::test]
async fn a_name_fences_whoever_used_it_before() {
    let server = Server::shared();
    let http = server.http();
    let (log, name) = (server.name("log"), server.name("mover"));
    http.make_log(&log, 1).await;
    let old = begin(&http, json!({"transactional_id": name})).await;
    publish(&http, &old, &log, json!([{"value": "old"}])).await.expect(200);
    let listed = http.get("/v1/transactions?limit=1000").await.expect(200);
    assert!(
        list(&listed, "transactions").iter().any(|one| one["transactional_id"] == json!(name)),
        "{listed}"
    );
    let new = begin(&http, json!({"transactional_id": name})).await;
    publish(&http, &old, &log, json!([{"value": "late"}])).await.refused(409, "producer_fenced");
    end(&http, &old, "commit").await.refused(409, "producer_fenced");
    publish(&http, &new, &log, json!([{"value": "new"}])).await.expect(200);
    end(&http, &new, "commit").await.expect(200);
    assert_eq!(read(&http, &log, "read_committed").await, ["new"]);
}

#[tokio::test]
async fn what_cannot_be_carried_out_whole_is_not_carried_out() {
    let server = Server::shared();
    let http = server.http();
    let (log, work, full) = (server.name("log"), server.name("queue"), server.name("queue"));
    http.make_log(&log, 1).await;
    http.make_queue(&work, json!({})).await;
    http.make_queue(&full, json!({"max_length": 2, "overflow": "reject_publish"})).await;
    http.publish_values(&work, ["job"]).await;

    // A lease that ended in between.
    let job = http.receive_soon(&work, 1).await.remove(0);
    let id = begin(&http, json!({})).await;
    publish(&http, &id, &log, json!([{"value": "never"}])).await.expect(200);
    settle(&http, &id, json!({"ack": [job["lease"]]})).await.expect(200);
    let twice = settle(&http, &id, json!({"ack": [job["lease"]]})).await.expect(207);
    assert_eq!(twice["results"][0]["error"]["code"], "stale_lease");
    http.settle(json!({"nack": [{"lease": job["lease"]}]})).await;
    end(&http, &id, "commit").await.refused(409, "transaction_aborted");
    end(&http, &id, "commit").await.refused(409, "transaction_aborted");
    assert_eq!(http.queue_stats(&work).await["ready"], 1);

    // A queue that is full.
    let id = begin(&http, json!({})).await;
    publish(&http, &id, &log, json!([{"value": "never"}])).await.expect(200);
    publish(&http, &id, &full, json!([{"value": 1}, {"value": 2}, {"value": 3}])).await.expect(200);
    end(&http, &id, "commit").await.refused(409, "transaction_aborted");
    assert_eq!(http.queue_stats(&full).await["ready"], 0);

    // A message that was refused for good.
    let id = begin(&http, json!({})).await;
    publish(&http, &id, &log, json!([{"value": "never"}, {"value": "bad", "partition": 7}]))
        .await
        .expect(207);
    end(&http, &id, "commit").await.refused(409, "transaction_aborted");

    // Time that ran out.
    let id = begin(&http, json!({"timeout_ms": 1})).await;
    blackbox::deadline::until("it is aborted", async || {
        let found = http.get(&format!("/v1/transactions/{id}")).await.expect(200);
        (found["status"] == "aborted").then_some(())
    })
    .await;
    publish(&http, &id, &log, json!([{"value": "late"}])).await.refused(409, "transaction_aborted");
    end(&http, &id, "commit").await.refused(409, "transaction_aborted");
    assert!(read(&http, &log, "read_committed").await.is_empty());
}

#[tokio::test]
async fn a_transaction_moves_a_message_from_a_queue_to_a_log_and_another_queue() {
    let server = Server::shared();
    let http = server.http();
    let (from, to, log) = (server.name("queue"), server.name("queue"), server.name("log"));
    http.make_queue(&from, json!({})).await;
    http.make_queue(&to, json!({})).await;
    http.make_log(&log, 1).await;
    http.publish_values(&from, ["a", "b", "c"]).await;
    let jobs = http.receive_soon(&from, 3).await;
    let id = begin(&http, json!({})).await;
    let request = json!({"ack": [jobs[0]["lease"]], "nack": [{"lease": jobs[1]["lease"]}], "reject": [jobs[2]["lease"]]});
    settle(&http, &id, request).await.expect(200);
    publish(&http, &id, &to, json!([{"value": "A"}])).await.expect(200);
    publish(&http, &id, &log, json!([{"value": "A"}])).await.expect(200);
    let stats = http.queue_stats(&from).await;
    assert_eq!(stats["leased"], 3, "nothing is settled before the commit: {stats}");
    let extend = json!({"extend": [{"lease": jobs[0]["lease"], "lease_ms": 1000}]});
    let extended = settle(&http, &id, extend).await.expect(207);
    assert_eq!(extended["results"][0]["error"]["code"], "invalid_request", "{extended}");
    end(&http, &id, "commit").await.expect(200);
    assert_eq!(values(&http.drain_queue(&from).await), ["b"]);
    assert_eq!(values(&http.drain_queue(&to).await), ["A"]);
    assert_eq!(read(&http, &log, "read_committed").await, ["A"]);
}

#[tokio::test]
async fn readers_wait_behind_an_open_transaction_and_see_it_when_it_ends() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    http.make_log(&log, 1).await;
    let id = begin(&http, json!({})).await;
    publish(&http, &id, &log, json!([{"value": "in"}])).await.expect(200);
    http.publish_values(&log, ["behind"]).await;
    let page = http.records(&log, 0, "offset=0").await;
    assert!(list(&page, "records").is_empty(), "{page}");
    assert_eq!((&page["high_watermark"], &page["last_stable_offset"]), (&json!(2), &json!(0)));
    assert_eq!(page["next_offset"], 0);
    let receive = format!("/v1/groups/{group}/receive");
    let none = http.post(&receive, json!({"topics": [log], "wait_ms": 100})).await.expect(200);
    assert!(list(&none, "records").is_empty());
    let member = none["member_id"].clone();
    let wait = json!({"topics": [log], "member_id": member, "wait_ms": 20000, "session_timeout_ms": 60000});
    let waiting = async { values(&list(&http.post(&receive, wait).await.expect(200), "records")) };
    let long_poll =
        async { values(&list(&http.records(&log, 0, "offset=0&wait_ms=20000").await, "records")) };
    let commit = async { end(&http, &id, "commit").await.expect(200) };
    let (grouped, polled, _) = tokio::join!(waiting, long_poll, commit);
    assert_eq!(grouped, ["in", "behind"]);
    assert_eq!(polled, ["in", "behind"]);
    let browsed = http.get(&format!("/v1/topics/{log}/messages")).await.expect(200);
    assert_eq!(values(&list(&browsed, "messages")), ["in", "behind"]);
}

#[tokio::test]
async fn an_open_transaction_on_logs_survives_a_kill_and_one_with_queues_is_aborted() {
    let mut server = Server::start();
    let http = server.http();
    http.make_log("log", 1).await;
    http.make_queue("queue", json!({})).await;
    let lasting = begin(&http, json!({"timeout_ms": 600000})).await;
    publish(&http, &lasting, "log", json!([{"value": "first"}])).await.expect(200);
    let lost = begin(&http, json!({"timeout_ms": 600000})).await;
    publish(&http, &lost, "log", json!([{"value": "never"}])).await.expect(200);
    publish(&http, &lost, "queue", json!([{"value": "never"}])).await.expect(200);
    server.crash();
    let http = server.http();
    publish(&http, &lasting, "log", json!([{"value": "second"}])).await.expect(200);
    end(&http, &lost, "commit").await.refused(409, "transaction_aborted");
    end(&http, &lasting, "commit").await.expect(200);
    assert_eq!(read(&http, "log", "read_committed").await, ["first", "second"]);
    assert!(http.drain_queue("queue").await.is_empty());
    // The answer to the commit got lost: asking again tells.
    server.crash();
    let http = server.http();
    assert_eq!(end(&http, &lasting, "commit").await.expect(200)["status"], "committed");
}

#[tokio::test]
async fn a_repeated_publish_has_one_effect_within_its_transaction_only() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    let key = server.name("key");
    for how in ["abort", "commit"] {
        let id = begin(&http, json!({})).await;
        let headers = [
            ("content-type", "application/json"),
            ("sluice-transaction", id.as_str()),
            ("idempotency-key", key.as_str()),
        ];
        let path = format!("/v1/topics/{log}/messages");
        for _ in 0..2 {
            let body = json!({"messages": [{"value": "once"}]}).to_string();
            http.send(Method::POST, &path, &headers, body.into()).await.expect(200);
        }
        end(&http, &id, how).await.expect(200);
    }
    assert_eq!(read(&http, &log, "read_committed").await, ["once"]);
}

#[tokio::test]
async fn a_socket_publishes_within_a_transaction() {
    let server = Server::shared();
    let http = server.http();
    let (log, queue) = (server.name("log"), server.name("queue"));
    http.make_log(&log, 1).await;
    http.make_queue(&queue, json!({})).await;
    let id = begin(&http, json!({})).await;
    let mut socket = Socket::open(server).await;
    for topic in [&log, &queue] {
        let ask = json!({"topic": topic, "messages": [{"value": "in"}], "transaction": id});
        let reply = socket.ask("publish", ask).await;
        assert!(reply["results"][0].get("error").is_none(), "{reply}");
    }
    let weak = json!({"topic": log, "messages": [{"value": "in"}], "transaction": id, "acks": "none"});
    assert_eq!(socket.try_ask("publish", weak).await.unwrap_err()["code"], "invalid_request");
    assert!(read(&http, &log, "read_committed").await.is_empty());
    end(&http, &id, "commit").await.expect(200);
    assert_eq!(read(&http, &log, "read_committed").await, ["in"]);
    assert_eq!(values(&http.drain_queue(&queue).await), ["in"]);
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    http.make_log(&log, 1).await;
    for bad in ["x", "0000000000000000zzzz", "ffffffffffffffff0000"] {
        publish(&http, bad, &log, json!([{"value": 1}])).await.refused(400, "invalid_request");
        http.get(&format!("/v1/transactions/{bad}")).await.refused(404, "unknown_transaction");
    }
    let never = "00000fffffffffff0000";
    publish(&http, never, &log, json!([{"value": 1}])).await.refused(404, "unknown_transaction");
    end(&http, never, "commit").await.refused(404, "unknown_transaction");
    http.post("/v1/transactions", json!({"timeout_ms": 3600000})).await.refused_in(
        400,
        "invalid_request",
        "timeout_ms",
    );
    http.post("/v1/transactions", json!({"transactional_id": ""})).await.refused(400, "invalid_request");
    http.post("/v1/transactions", json!({"name": "x"})).await.refused(400, "invalid_request");
    let id = begin(&http, json!({})).await;
    let headers = [("content-type", "application/json"), ("sluice-transaction", id.as_str())];
    let body = || json!({"messages": [{"value": 1}]}).to_string().into();
    let exchange = "/v1/exchanges/amq.default/messages?routing_key=x";
    http.send(Method::POST, exchange, &headers, body()).await.refused(400, "invalid_request");
    publish(&http, &id, "nowhere", json!([{"value": 1}])).await.refused(404, "unknown_topic");
    end(&http, &id, "abort").await.expect(200);
}

#[tokio::test]
async fn what_cannot_wait_for_a_commit_is_refused_by_itself_and_acks_promise_no_less() {
    let server = Server::shared();
    let http = server.http();
    let (log, queue) = (server.name("log"), server.name("queue"));
    http.make_log(&log, 1).await;
    http.make_queue(&queue, json!({})).await;
    http.publish_values(&queue, ["ack", "extend"]).await;
    let taken = http.receive_soon(&queue, 2).await;
    let id = begin(&http, json!({})).await;
    let headers = [("content-type", "application/json"), ("sluice-transaction", id.as_str())];
    let body =
        json!({"ack": [taken[0]["lease"]], "extend": [{"lease": taken[1]["lease"], "lease_ms": 60000}]});
    let settled = http.send(Method::POST, "/v1/settle", &headers, body.to_string().into()).await.expect(207);
    assert_eq!(settled["results"][0], json!({}));
    assert_eq!(settled["results"][1]["error"]["code"], "invalid_request", "{settled}");
    for acks in ["leader", "none"] {
        let body = json!({"messages": [{"value": acks}]}).to_string();
        let path = format!("/v1/topics/{log}/messages?acks={acks}");
        let taken = http.send(Method::POST, &path, &headers, body.into()).await.expect(200);
        assert!(taken["results"][0]["offset"].is_u64(), "it was waited for: {taken}");
    }
    let open = http.get(&format!("/v1/transactions/{id}")).await.expect(200);
    assert_eq!(open["staged_settles"], 1);
    end(&http, &id, "commit").await.expect(200);
    assert_eq!(read(&http, &log, "read_committed").await, ["leader", "none"]);
}
