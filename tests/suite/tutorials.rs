//! The six scenarios of RabbitMQ's tutorials, as somebody would write them who has no AMQP client: workers and
//! subscribers on WebSockets, publishers on either door.

use std::collections::{BTreeMap, BTreeSet};

use blackbox::{Http, Server, Socket, deadline, list, values};
use serde_json::{Value, json};

async fn exchange(http: &Http, name: &str, kind: &str) {
    http.put(&format!("/v1/exchanges/{name}"), json!({"type": kind})).await.expect(201);
}

async fn bind(http: &Http, source: &str, queue: &str, key: &str) {
    let binding =
        json!({"source": source, "destination": queue, "destination_type": "queue", "routing_key": key});
    http.post("/v1/bindings", binding).await.expect(201);
}

async fn emit(http: &Http, exchange: &str, key: &str, text: &str) -> Value {
    let path = format!("/v1/exchanges/{exchange}/messages?routing_key={key}");
    http.post(&path, json!({"messages": [{"value": text}]})).await.expect(200)["results"][0].clone()
}

async fn consume(socket: &mut Socket, queue: &str, more: Value) -> Value {
    let mut fields = json!({"topic": queue});
    fields.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    socket.ask("subscribe", fields).await["subscription"].clone()
}

async fn ack(socket: &mut Socket, message: &Value) {
    let settled = socket.ask("ack", json!({"leases": [message["lease"]]})).await;
    assert!(settled["results"][0].get("error").is_none(), "{settled}");
}

/// A queue of a subscriber's own, which goes when the subscriber does.
async fn own_queue(http: &Http, server: &Server) -> String {
    let queue = server.name("own");
    http.make_queue(&queue, json!({"auto_delete": true, "durable": false})).await;
    queue
}

#[tokio::test]
async fn one_hello_world_and_work_queues() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("task_queue");
    http.make_queue(&queue, json!({})).await;
    let one_at_a_time = json!({"credit": {"messages": 1}});
    let (mut slow, mut quick) = (Socket::open(server).await, Socket::open(server).await);
    consume(&mut slow, &queue, one_at_a_time.clone()).await;
    http.publish_values(&queue, ["a long task"]).await;
    let long = slow.messages(1).await;
    consume(&mut quick, &queue, one_at_a_time).await;
    http.publish_values(&queue, ["b", "c", "d"]).await;
    // Fair dispatch: who is busy gets nothing more, who is done gets the next.
    for task in ["b", "c", "d"] {
        let got = quick.messages(1).await;
        assert_eq!(values(&got), [task]);
        ack(&mut quick, &got[0]).await;
    }
    assert!(slow.so_far().await.is_empty());
    // A worker that dies loses no task: the other one gets it.
    assert_eq!(values(&long), ["a long task"]);
    drop(slow.into_tcp());
    let again = quick.messages(1).await;
    assert_eq!((values(&again), &again[0]["redelivered"]), (vec!["a long task".to_owned()], &json!(true)));
    ack(&mut quick, &again[0]).await;
    let stats = http.queue_stats(&queue).await;
    assert_eq!((&stats["ready"], &stats["leased"], &stats["acked"]), (&json!(0), &json!(0), &json!(4)));
}

#[tokio::test]
async fn three_publish_and_subscribe() {
    let server = Server::shared();
    let http = server.http();
    let logs = server.name("logs");
    exchange(&http, &logs, "fanout").await;
    assert_eq!(emit(&http, &logs, "", "nobody listens yet").await["queues"], 0);
    let mut listeners = Vec::new();
    for _ in 0..2 {
        let queue = own_queue(&http, server).await;
        bind(&http, &logs, &queue, "").await;
        let mut socket = Socket::open(server).await;
        let number = consume(&mut socket, &queue, json!({"ack": "auto"})).await;
        listeners.push((socket, number, queue));
    }
    for text in ["first", "second"] {
        assert_eq!(emit(&http, &logs, "", text).await["queues"], 2);
    }
    for (socket, ..) in &mut listeners {
        assert_eq!(values(&socket.messages(2).await), ["first", "second"]);
    }
    // A listener that stops takes its queue and its binding with it.
    let (mut socket, number, queue) = listeners.remove(0);
    socket.ask("unsubscribe", json!({"subscription": number})).await;
    deadline::until("its queue is gone", async || {
        (http.get(&format!("/v1/topics/{queue}")).await.status == 404).then_some(())
    })
    .await;
    assert_eq!(emit(&http, &logs, "", "third").await["queues"], 1);
    assert_eq!(values(&listeners[0].0.messages(1).await), ["third"]);
}

#[tokio::test]
async fn four_routing() {
    let server = Server::shared();
    let http = server.http();
    let logs = server.name("direct_logs");
    exchange(&http, &logs, "direct").await;
    let (file, screen) = (own_queue(&http, server).await, own_queue(&http, server).await);
    bind(&http, &logs, &file, "error").await;
    for severity in ["info", "warning", "error"] {
        bind(&http, &logs, &screen, severity).await;
    }
    for (severity, queues) in [("info", 1), ("error", 2), ("warning", 1), ("debug", 0)] {
        assert_eq!(emit(&http, &logs, severity, severity).await["queues"], queues);
    }
    let (mut a, mut b) = (Socket::open(server).await, Socket::open(server).await);
    consume(&mut a, &file, json!({"ack": "auto"})).await;
    consume(&mut b, &screen, json!({"ack": "auto"})).await;
    assert_eq!(values(&a.messages(1).await), ["error"]);
    assert_eq!(values(&b.messages(3).await), ["info", "error", "warning"]);
}

#[tokio::test]
async fn five_topics() {
    let server = Server::shared();
    let http = server.http();
    let animals = server.name("animals");
    exchange(&http, &animals, "topic").await;
    let (q1, q2) = (own_queue(&http, server).await, own_queue(&http, server).await);
    bind(&http, &animals, &q1, "*.orange.*").await;
    bind(&http, &animals, &q2, "*.*.rabbit").await;
    bind(&http, &animals, &q2, "lazy.#").await;
    let said = [
        ("quick.orange.rabbit", 2),
        ("lazy.orange.elephant", 2),
        ("quick.orange.fox", 1),
        ("lazy.brown.fox", 1),
        ("lazy.pink.rabbit", 1),
        ("quick.brown.fox", 0),
        ("orange", 0),
        ("quick.orange.new.rabbit", 0),
        ("lazy.orange.new.rabbit", 1),
    ];
    for (key, queues) in said {
        assert_eq!(emit(&http, &animals, key, key).await["queues"], queues, "{key}");
    }
    assert_eq!(
        values(&http.drain_queue(&q1).await),
        ["quick.orange.rabbit", "lazy.orange.elephant", "quick.orange.fox"]
    );
    assert_eq!(
        values(&http.drain_queue(&q2).await),
        [
            "quick.orange.rabbit",
            "lazy.orange.elephant",
            "lazy.brown.fox",
            "lazy.pink.rabbit",
            "lazy.orange.new.rabbit"
        ]
    );
}

fn fibonacci(n: u64) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

/// Answers requests until it has answered so many.
async fn rpc_server(server: &Server, queue: &str, requests: usize) {
    let mut socket = Socket::open(server).await;
    consume(&mut socket, queue, json!({"credit": {"messages": 1}})).await;
    for _ in 0..requests {
        let request = socket.messages(1).await.remove(0);
        let reply = json!({
            "value": fibonacci(request["value"].as_u64().expect("a number")),
            "correlation_id": request["correlation_id"],
        });
        let to = json!({"exchange": "", "routing_key": request["reply_to"], "messages": [reply]});
        socket.ask("publish", to).await;
        ack(&mut socket, &request).await;
    }
}

#[tokio::test]
async fn six_remote_procedure_call() {
    let server = Server::shared();
    let http = server.http();
    let (queue, replies) = (server.name("rpc_queue"), own_queue(&http, server).await);
    http.make_queue(&queue, json!({})).await;
    let serving = tokio::spawn({
        let queue = queue.clone();
        async move {
            // Two servers share the work; answers come in any order.
            tokio::join!(rpc_server(server, &queue, 2), rpc_server(server, &queue, 2));
        }
    });
    let mut client = Socket::open(server).await;
    consume(&mut client, &replies, json!({"ack": "auto"})).await;
    let wanted = BTreeMap::from([("a", 30), ("b", 7), ("c", 1), ("d", 90)]);
    for (id, n) in &wanted {
        let call = json!({"value": n, "correlation_id": id, "reply_to": replies});
        client.ask("publish", json!({"topic": queue, "messages": [call]})).await;
    }
    let mut got = BTreeMap::new();
    for reply in client.messages(4).await {
        got.insert(
            reply["correlation_id"].as_str().expect("it is repeated").to_owned(),
            reply["value"].clone(),
        );
    }
    for (id, n) in wanted {
        assert_eq!(got[id], fibonacci(n), "{id}");
    }
    serving.await.expect("the servers end well");
}

#[tokio::test]
async fn seven_publisher_confirms() {
    let mut server = Server::start();
    let http = server.http();
    http.make_queue("confirmed", json!({})).await;
    http.make_queue("small", json!({"max_length": 2, "overflow": "reject_publish"})).await;
    let mut socket = Socket::open(&server).await;
    // One by one: each publish waits for its confirm.
    for n in 0..3 {
        let reply = socket.ask("publish", json!({"topic": "confirmed", "messages": [{"value": n}]})).await;
        assert!(reply["results"][0]["id"].is_u64(), "{reply}");
    }
    // In batches: one confirm for all, with a result for each.
    let batch: Vec<Value> = (3..50).map(|n| json!({"value": n})).collect();
    let reply = socket.ask("publish", json!({"topic": "confirmed", "messages": batch})).await;
    assert_eq!(list(&reply, "results").len(), 47);
    // As they come: many are under way, and each confirm names the publish that it belongs to.
    let mut outstanding = BTreeSet::new();
    for n in 50..100 {
        outstanding
            .insert(socket.send("publish", json!({"topic": "confirmed", "messages": [{"value": n}]})).await);
    }
    while !outstanding.is_empty() {
        let frame = socket.frame().await.expect("the socket stays open");
        assert_eq!(frame["type"], "ok", "{frame}");
        assert!(outstanding.remove(&frame["id"].as_u64().expect("an id")), "{frame}");
    }
    // A message that the queue refuses is told apart from those that it took.
    let three = json!([{"value": 1}, {"value": 2}, {"value": 3}]);
    let reply = socket.ask("publish", json!({"topic": "small", "messages": three})).await;
    let refused: Vec<bool> =
        list(&reply, "results").iter().map(|result| result["error"]["code"] == "queue_full").collect();
    assert_eq!(refused, [false, false, true]);
    // What was confirmed is there whatever happens next.
    server.crash();
    let kept: BTreeSet<u64> =
        server.http().drain_queue("confirmed").await.iter().filter_map(|m| m["value"].as_u64()).collect();
    assert_eq!(kept, (0..100).collect());
}
