//! Shovels: messages moved between brokers and within one. Kills are in `shovel_crashes.rs`, logins in `shovel_access.rs`.
//!
//! Beside RabbitMQ's own they are in `tests/amqp`.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use blackbox::{Answer, Launch, Server, deadline, list, values};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

pub const GUEST: &str = "guest:guest";

pub async fn ask(server: &Server, login: &str, method: Method, path: &str, body: Value) -> Answer {
    let authorization = format!("Basic {}", BASE64.encode(login));
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    server.http().send(method, path, &headers, body).await
}

pub async fn get(server: &Server, path: &str) -> Value {
    ask(server, GUEST, Method::GET, path, Value::Null).await.expect(200)
}

async fn delete(server: &Server, path: &str) -> u16 {
    ask(server, GUEST, Method::DELETE, path, Value::Null).await.status
}

pub async fn put(server: &Server, name: &str, value: Value) -> Answer {
    let path = format!("/api/parameters/shovel/%2F/{name}");
    ask(server, GUEST, Method::PUT, &path, json!({ "value": value })).await
}

/// How a shovel stands, if there is one.
async fn standing(server: &Server, name: &str) -> Option<Value> {
    let all = get(server, "/api/shovels").await;
    all.as_array()?.iter().find(|one| one["name"] == name).cloned()
}

pub async fn until_state(server: &Server, name: &str, state: &str) -> Value {
    let ask = || async { standing(server, name).await.filter(|one| one["state"] == state) };
    deadline::until(&format!("{name} is {state}"), ask).await
}

pub async fn until_gone(server: &Server, name: &str) {
    let path = format!("/api/parameters/shovel/%2F/{name}");
    let ask =
        || async { (ask(server, GUEST, Method::GET, &path, Value::Null).await.status == 404).then_some(()) };
    deadline::until(&format!("{name} has deleted itself"), ask).await;
}

/// How many messages a queue holds; none where there is none.
pub async fn messages(server: &Server, queue: &str) -> u64 {
    let path = format!("/api/queues/%2F/{queue}");
    let answer = ask(server, GUEST, Method::GET, &path, Value::Null).await;
    if answer.status == 404 { 0 } else { answer.expect(200)["messages"].as_u64().expect("a number") }
}

pub async fn until_messages(server: &Server, queue: &str, count: u64) {
    let ask = || async { (messages(server, queue).await == count).then_some(()) };
    deadline::until(&format!("{count} messages are in {queue}"), ask).await;
}

fn uri(server: &Server) -> String {
    format!("amqp://guest:guest@{}", server.amqp())
}

pub async fn publish(server: &Server, queue: &str, numbers: std::ops::Range<u32>) {
    let all: Vec<u32> = numbers.collect();
    for some in all.chunks(500) {
        server.http().publish_values(queue, some.iter().map(u32::to_string)).await;
    }
}

pub fn numbers(messages: &[Value]) -> BTreeSet<u32> {
    values(messages).iter().map(|value| value.parse().expect("a number")).collect()
}

#[tokio::test]
async fn within_one_broker_messages_keep_what_they_are_and_are_told_which_way_they_came() {
    let server = Server::start();
    let http = server.http();
    let message = json!({"properties": {"delivery_mode": 2, "headers": {"h": 1, "x-shovelled": "?"},
        "content_type": "text/plain", "user_id": "guest", "app_id": "mine", "message_id": "m"},
        "routing_key": "from", "payload": "body", "payload_encoding": "string"});
    http.make_queue("from", json!({})).await;
    let publish = "/api/exchanges/%2F/amq.default/publish";
    ask(&server, GUEST, Method::POST, publish, message).await.expect(200);
    let value = json!({"src-uri": "amqp://", "src-queue": "from", "dest-uri": ["amqp:///%2f"], "dest-queue": "to",
        "dest-add-forward-headers": true, "dest-add-timestamp-header": true, "dest-publish-properties": {"app_id": "s"}});
    assert_eq!(put(&server, "s", value.clone()).await.status, 201);
    assert_eq!(put(&server, "s", value.clone()).await.status, 204);
    until_messages(&server, "to", 1).await;
    let got = json!({"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"});
    let got = ask(&server, GUEST, Method::POST, "/api/queues/%2F/to/get", got).await.expect(200);
    let (properties, headers) = (&got[0]["properties"], &got[0]["properties"]["headers"]);
    assert_eq!((&got[0]["payload"], &properties["user_id"]), (&json!("body"), &json!("guest")));
    assert_eq!((&properties["app_id"], &properties["message_id"]), (&json!("s"), &json!("m")));
    assert!(headers["x-shovelled-timestamp"].is_number() && headers["h"] == 1, "{headers}");
    let way = json!({"shovelled-by": "sluice", "shovel-type": "dynamic", "shovel-name": "s", "shovel-vhost": "/",
        "src-uri": "amqp://", "dest-uri": "amqp:///%2f", "src-queue": "from", "dest-queue": "to"});
    assert_eq!(headers["x-shovelled"], json!([way]));

    let stands = until_state(&server, "s", "running").await;
    for (name, value) in [
        ("vhost", json!("/")),
        ("type", json!("dynamic")),
        ("src_uri", json!("amqp://")),
        ("src_queue", json!("from")),
        ("dest_queue", json!("to")),
        ("src_protocol", json!("amqp091")),
        ("remaining", json!("unlimited")),
        ("remaining_unacked", json!("unlimited")),
        ("pending", json!(0)),
        ("forwarded", json!(1)),
    ] {
        assert_eq!(stands[name], value, "{name}");
    }
    let metrics = server.http().get("/metrics").await.text();
    for line in ["sluice_shovels{state=\"running\"} 1", "sluice_shovel_forwarded_messages_total 1"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    assert_eq!(get(&server, "/api/parameters/shovel/%2F/s").await["value"], value);
    assert_eq!(list(&json!({"all": get(&server, "/api/parameters/shovel/%2F").await}), "all").len(), 1);
    assert_eq!(get(&server, "/api/shovels/%2F").await[0]["name"], "s");
    // Both of its connections are the server's own.
    let connections = get(&server, "/api/connections").await;
    let users: Vec<&Value> = connections.as_array().expect("a list").iter().map(|one| &one["user"]).collect();
    assert_eq!(users, [&json!("sluice"), &json!("sluice")]);

    assert_eq!(delete(&server, "/api/shovels/vhost/%2F/s/restart").await, 204);
    http.publish_values("from", ["again"]).await;
    until_messages(&server, "to", 1).await;
    assert_eq!(delete(&server, "/api/parameters/shovel/%2F/s").await, 204);
    assert_eq!(delete(&server, "/api/parameters/shovel/%2F/s").await, 404);
    assert_eq!(delete(&server, "/api/shovels/vhost/%2F/s").await, 204);
    assert_eq!(delete(&server, "/api/shovels/vhost/%2F/s/restart").await, 404);
    let gone = || async {
        get(&server, "/api/connections").await.as_array().is_some_and(Vec::is_empty).then_some(())
    };
    deadline::until("its connections are gone", gone).await;
    http.publish_values("from", ["stays"]).await;
    until_messages(&server, "from", 1).await;
}

#[tokio::test]
async fn an_exchange_feeds_another_exchange() {
    let server = Server::start();
    server.http().make_queue("log", json!({})).await;
    let bind = json!({"routing_key": "k.#"});
    ask(&server, GUEST, Method::POST, "/api/bindings/%2F/e/amq.topic/q/log", bind).await;
    let value = json!({"src-uri": "amqp://", "src-exchange": "amq.direct", "src-exchange-key": "k.1",
        "dest-uri": "amqp://", "dest-exchange": "amq.topic", "ack-mode": "on-publish"});
    assert_eq!(put(&server, "x", value.clone()).await.status, 201);
    let stands = until_state(&server, "x", "running").await;
    assert_eq!(
        (&stands["src_exchange"], &stands["dest_exchange"]),
        (&json!("amq.direct"), &json!("amq.topic"))
    );
    for key in ["k.1", "k.2"] {
        let message =
            json!({"properties": {}, "routing_key": key, "payload": key, "payload_encoding": "string"});
        ask(&server, GUEST, Method::POST, "/api/exchanges/%2F/amq.direct/publish", message).await.expect(200);
    }
    until_messages(&server, "log", 1).await;
    assert_eq!(values(&server.http().drain_queue("log").await), ["k.1"]);
}

#[tokio::test]
async fn exactly_as_many_are_moved_as_were_asked_for() {
    let server = Server::start();
    for mode in ["on-confirm", "on-publish", "no-ack"] {
        let queue = |end: &str| format!("{mode}-{end}");
        server.http().make_queue(&queue("from"), json!({})).await;
        publish(&server, &queue("from"), 0..300).await;
        let value = |after: Value| {
            json!({"src-uri": "amqp://", "src-queue": queue("from"), "dest-uri": "amqp://",
                "dest-queue": queue("to"), "ack-mode": mode, "src-delete-after": after, "src-prefetch-count": 16})
        };
        let (mut moved, name) = (0, format!("count-{mode}"));
        if mode != "no-ack" {
            assert_eq!(put(&server, &name, value(json!(0))).await.status, 201);
            until_gone(&server, &name).await;
            assert_eq!(put(&server, &name, value(json!(123))).await.status, 201);
            until_gone(&server, &name).await;
            moved = 123;
        }
        until_messages(&server, &queue("from"), 300 - moved).await;
        assert_eq!(messages(&server, &queue("to")).await, moved);
        let name = format!("length-{mode}");
        assert_eq!(put(&server, &name, value(json!("queue-length"))).await.status, 201);
        until_gone(&server, &name).await;
        until_messages(&server, &queue("to"), 300).await;
        assert_eq!(messages(&server, &queue("from")).await, 0);
        let moved = values(&server.http().drain_queue(&queue("to")).await);
        assert_eq!(moved, (0..300).map(|n| n.to_string()).collect::<Vec<_>>(), "{mode}: in order");
    }
    assert_eq!(get(&server, "/api/shovels").await, json!([]));
}

#[tokio::test]
async fn what_the_destination_refuses_stays_until_it_is_taken() {
    let server = Server::start();
    server.http().make_queue("from", json!({})).await;
    server.http().make_queue("to", json!({"max_length": 3, "overflow": "reject_publish"})).await;
    publish(&server, "from", 0..10).await;
    let value = json!({"src-uri": "amqp://", "src-queue": "from", "dest-uri": "amqp://", "dest-queue": "to",
        "src-delete-after": 10});
    assert_eq!(put(&server, "s", value).await.status, 201);
    let mut came = BTreeSet::new();
    let some = || async { (messages(&server, "to").await > 0).then_some(()) };
    while came.len() < 10 {
        deadline::until("the queue has something again", some).await;
        came.extend(numbers(&server.http().drain_queue("to").await));
    }
    assert_eq!(came, (0..10).collect());
    until_gone(&server, "s").await;
    assert_eq!(messages(&server, "from").await, 0);
}

#[tokio::test]
async fn a_shovel_says_why_it_does_nothing_and_tries_again() {
    let server = Server::start();
    let value = json!({"src-uri": "amqp://", "src-queue": "later", "src-predeclared": true, "dest-uri": "amqp://",
        "dest-queue": "to", "reconnect-delay": 1});
    assert_eq!(put(&server, "s", value.clone()).await.status, 201);
    let stands = until_state(&server, "s", "terminated").await;
    assert!(
        stands["reason"].as_str().is_some_and(|why| why.contains("there is no queue \"later\"")),
        "{stands}"
    );
    server.http().make_queue("later", json!({})).await;
    until_state(&server, "s", "running").await;
    // Its queue goes: it is told, and waits until there is one again.
    assert_eq!(delete(&server, "/api/queues/%2F/later").await, 204);
    until_state(&server, "s", "terminated").await;
    server.http().make_queue("later", json!({})).await;
    until_state(&server, "s", "running").await;

    // Nobody listens there; of several brokers the one that can be reached will do.
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        format!("amqp://u:hush@{}", listener.local_addr().expect("an address"))
    };
    let with = |more: Value| {
        let mut value = value.clone();
        value.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        value
    };
    let once = with(json!({"dest-uri": nobody, "reconnect-delay": 0}));
    assert_eq!(put(&server, "s", once).await.status, 204);
    let stands = until_state(&server, "s", "terminated").await;
    let why = stands["reason"].as_str().unwrap_or_default();
    assert!(
        why.starts_with("failed to connect to destination: amqp://127.0.0.1:") && !why.contains("hush"),
        "{why}"
    );
    let both = with(json!({"dest-uri": [nobody, "amqp://guest:wrong@/%2f", "amqp://"]}));
    assert_eq!(put(&server, "s", both).await.status, 204);
    assert_eq!(until_state(&server, "s", "running").await["dest_uri"], "amqp://");
    assert_eq!(put(&server, "s", with(json!({"src-uri": "amqp://guest:wrong@/%2f"}))).await.status, 204);
    let stands = until_state(&server, "s", "terminated").await;
    assert!(stands["reason"].as_str().is_some_and(|why| why.contains("Login was refused")), "{stands}");
    let metrics = server.http().get("/metrics").await.text();
    assert!(metrics.contains("sluice_shovels{state=\"terminated\"} 1"), "{metrics}");
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_nothing_is_kept() {
    let server = Server::shared();
    let value = |more: Value| {
        let mut value =
            json!({"src-uri": "amqp://", "src-queue": "a", "dest-uri": "amqp://", "dest-queue": "b"});
        value.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        value
    };
    for (more, why) in [
        (json!({"src-exchange": "x"}), "Cannot specify 'src-exchange' and 'src-queue'"),
        (json!({"colour": "red"}), "Unrecognised terms"),
        (json!({"dest-protocol": "amqp10"}), "does not speak amqp10"),
        (json!({"src-uri": "amqp:///none"}), "user \"guest\" may not connect to vhost \"none\""),
        (json!({"src-uri": "amqp://u:hush@h:0"}), "\"amqp://h:0\" not a valid URI: its port"),
        (json!({"dest-uri": []}), "dest-uri should be a URI"),
        (json!({"ack-mode": "no-ack", "src-delete-after": 5}), "Cannot specify 'no-ack'"),
    ] {
        let answer = put(server, "refused", value(more)).await;
        let reason = answer.expect(400)["reason"].as_str().unwrap_or_default().to_owned();
        assert!(reason.starts_with("Validation failed\n\n") && reason.contains(why), "{reason}");
        assert!(!reason.contains("hush"), "{reason}");
    }
    let path = "/api/parameters/shovel/%2F/refused";
    let answer = ask(server, GUEST, Method::PUT, path, json!({"other": 1})).await;
    assert_eq!(answer.expect(400)["reason"], "[{key_missing,value}]");
    let nowhere = "/api/parameters/shovel/none/refused";
    let body = json!({"value": value(json!({}))});
    assert_eq!(ask(server, GUEST, Method::PUT, nowhere, body).await.expect(404)["reason"], "vhost_not_found");
    let other =
        ask(server, GUEST, Method::PUT, "/api/parameters/federation/%2F/x", json!({"value": {}})).await;
    assert!(other.expect(400)["reason"].to_string().contains("component federation not found"));
    let large = put(server, "refused", value(json!({"src-queue-args": {"x": "y".repeat(70_000)}}))).await;
    assert_eq!(large.status, 400);
    assert_eq!(ask(server, GUEST, Method::GET, path, Value::Null).await.status, 404);
    // A file with one definition that cannot be used changes nothing.
    let parameters = json!([
        {"component": "shovel", "vhost": "/", "name": "refused", "value": value(json!({"colour": 1}))},
    ]);
    let file =
        json!({"queues": [{"name": "not-made", "vhost": "/", "durable": true}], "parameters": parameters});
    assert_eq!(ask(server, GUEST, Method::POST, "/api/definitions", file).await.status, 400);
    assert_eq!(ask(server, GUEST, Method::GET, "/api/queues/%2F/not-made", Value::Null).await.status, 404);
}

#[tokio::test]
async fn definitions_take_shovels_along_and_a_virtual_host_takes_them_away() {
    let server = Server::start();
    ask(&server, GUEST, Method::PUT, "/api/vhosts/shop", json!({})).await.expect(201);
    let value = json!({"src-uri": "amqp:///shop", "src-queue": "a", "dest-uri": "amqp://:hush@/shop", "dest-queue": "b"});
    let parameters = json!([{"component": "shovel", "name": "s", "value": value}]);
    let file = json!({ "parameters": parameters });
    ask(&server, GUEST, Method::POST, "/api/definitions/shop", file.clone()).await.expect(204);
    assert_eq!(get(&server, "/api/definitions/shop").await["parameters"], parameters);
    let all = get(&server, "/api/definitions").await;
    assert_eq!(
        all["parameters"],
        json!([{"component": "shovel", "vhost": "shop", "name": "s", "value": value}])
    );
    let shown = get(&server, "/api/shovels/vhost/shop/s").await;
    assert_eq!(shown["value"]["dest-uri"], "amqp:///shop", "{shown}");
    assert_eq!(delete(&server, "/api/vhosts/shop").await, 204);
    assert_eq!(get(&server, "/api/parameters").await, json!([]));
    let gone = || async { (get(&server, "/api/shovels").await == json!([])).then_some(()) };
    deadline::until("the shovel is gone", gone).await;
    ask(&server, GUEST, Method::POST, "/api/definitions", all).await.expect(204);
    assert_eq!(get(&server, "/api/parameters/shovel/shop/s").await["value"], value);
}

#[tokio::test]
async fn a_broker_that_says_nothing_is_left_alone() {
    let server = Server::start();
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let uri = format!("amqp://{}?connection_timeout=200", mute.local_addr().expect("an address"));
    let value = json!({"src-uri": "amqp://", "src-queue": "from", "dest-uri": uri, "dest-queue": "to", "reconnect-delay": 1});
    assert_eq!(put(&server, "s", value).await.status, 201);
    for _ in 0..2 {
        let (mut client, _) = deadline::soon("it connects", mute.accept()).await.expect("a client");
        let mut said = Vec::new();
        // It leaves, and nothing of it stays behind.
        deadline::soon("it leaves", client.read_to_end(&mut said)).await.expect("it can be read");
        assert!(said.starts_with(b"AMQP"), "{said:?}");
    }
    let stands = until_state(&server, "s", "terminated").await;
    assert!(stands["reason"].as_str().is_some_and(|why| why.ends_with("it took too long")), "{stands}");
    assert_eq!(delete(&server, "/api/parameters/shovel/%2F/s").await, 204);
    let threads = || async {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("its threads");
        let name =
            |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        tasks.flatten().all(|task| !name(task).starts_with("lapin")).then_some(())
    };
    deadline::until("no thread is left of it", threads).await;
}

#[tokio::test]
async fn a_destination_without_memory_has_it_wait() {
    let mut source = Server::start();
    // How much the process holds without messages is not known beforehand.
    let high = source.resident_kib() * 1024 + (40 << 20);
    let destination = Server::launch(Launch::with_config(&format!(
        "memory_high_watermark_bytes = {high}\n[queue]\nloaded_bytes = \"1GiB\"\nloaded_bytes_total = \"1GiB\"\n"
    )));
    source.http().make_queue("from", json!({})).await;
    let value = json!({"src-uri": "amqp://", "src-queue": "from", "dest-uri": uri(&destination), "dest-queue": "to",
        "src-prefetch-count": 8});
    assert_eq!(put(&source, "s", value).await.status, 201);
    until_state(&source, "s", "running").await;
    let body = "x".repeat(500_000);
    let (mut sent, publisher) = (0u32, source.http());
    let blocked = loop {
        publisher.publish_values("from", [format!("{sent} {body}")]).await;
        sent += 1;
        let stands = standing(&source, "s").await.expect("it is there");
        if stands["state"] == "blocked" {
            break stands;
        }
        assert!(sent < 1000, "it never blocked: {stands}");
    };
    assert_eq!((&blocked["blocked_status"], &blocked["dest_queue"]), (&json!("blocked"), &json!("to")));
    // A server that goes down does not wait for the word to go on, and goes on when it is back.
    source.terminate();
    assert!(source.wait().success());
    source.run();
    // Whoever takes messages away there makes room.
    let mut came = BTreeSet::new();
    let more = || async {
        let taken = destination.http().drain_queue("to").await;
        let number = |value: &String| value.split(' ').next().and_then(|word| word.parse::<u32>().ok());
        Some(values(&taken).iter().filter_map(number).collect::<Vec<_>>())
    };
    while came.len() < sent as usize {
        came.extend(deadline::until("more has come", more).await);
    }
    assert_eq!(came, (0..sent).collect());
    until_state(&source, "s", "running").await;
}

#[tokio::test]
async fn a_log_is_read_as_a_stream_and_written_like_a_queue() {
    let server = Server::start();
    let http = server.http();
    http.make_log("past", 1).await;
    http.make_log("copy", 1).await;
    http.publish_values("past", (0..50).map(|n| n.to_string())).await;
    let value = json!({"src-uri": "amqp://", "src-queue": "past", "src-consumer-args": {"x-stream-offset": "first"},
        "dest-uri": "amqp://", "dest-queue": "copy", "src-delete-after": 40, "src-prefetch-count": 10});
    assert_eq!(put(&server, "s", value).await.status, 201);
    until_gone(&server, "s").await;
    let records = list(&http.records("copy", 0, "offset=0&limit=100").await, "records");
    assert_eq!(values(&records), (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
    let stays = list(&http.records("past", 0, "offset=0&limit=100").await, "records");
    assert_eq!(stays.len(), 50, "a log keeps what is read");
}
