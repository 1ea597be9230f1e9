use blackbox::{Http, Server, Socket, deadline, list, socket::JSON, values};
use serde_json::{Value, json};

async fn page(http: &Http, queue: &str, query: &str) -> Vec<String> {
    let found = http.get(&format!("/v1/topics/{queue}/messages?{query}")).await.expect(200);
    values(&list(&found, "messages"))
}

#[tokio::test]
async fn messages_are_found_by_state_header_text_key_and_id() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("searched");
    http.make_queue(&queue, json!({})).await;
    let messages = json!([
        {"value": "red apple", "key": "a", "headers": {"kind": "fruit", "n": 1}},
        {"value": "red brick", "key": "b", "headers": {"kind": "stone"}, "message_id": "brick-1"},
        {"value": "green apple", "key": "a", "headers": {"kind": "fruit"}, "delay_ms": 60000},
    ]);
    http.publish(&queue, messages).await;
    let held = http.receive(&queue, 1).await;
    assert_eq!(values(&held), ["red apple"]);
    for (query, want) in [
        ("state=ready", vec!["red brick"]),
        ("state=leased", vec!["red apple"]),
        ("state=delayed", vec!["green apple"]),
        ("contains=apple", vec!["red apple", "green apple"]),
        ("header=kind%3Dfruit&contains=green", vec!["green apple"]),
        ("header=n%3D1", vec!["red apple"]),
        ("header=n", vec!["red apple"]),
        ("key=b", vec!["red brick"]),
        ("message_id=brick-1", vec!["red brick"]),
        ("contains=blue", vec![]),
    ] {
        assert_eq!(page(&http, &queue, query).await, want, "{query}");
    }
    let first = http.get(&format!("/v1/topics/{queue}/messages?contains=apple&limit=1")).await.expect(200);
    let next = first["next_cursor"].as_str().expect("more to see");
    assert_eq!(page(&http, &queue, &format!("contains=apple&cursor={next}")).await, ["green apple"]);
    http.get(&format!("/v1/topics/{queue}/messages?state=gone")).await.refused(400, "invalid_request");
    let log = server.name("log");
    http.make_log(&log, 1).await;
    http.get(&format!("/v1/topics/{log}/messages?contains=x")).await.refused(409, "wrong_model");
}

#[tokio::test]
async fn who_holds_a_message_is_shown() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("held");
    http.make_queue(&queue, json!({})).await;
    let results = http.publish_values(&queue, ["pulled"]).await;
    http.receive(&queue, 1).await;
    let look = async |id: &Value| http.get(&format!("/v1/topics/{queue}/messages/{id}")).await.expect(200);
    assert_eq!(look(&results[0]["id"]).await["held_by"], "a receive request");
    let mut socket = Socket::open(server).await;
    let reply = socket.ask("subscribe", json!({"topic": queue, "credit": {"messages": 10}})).await;
    let results = http.publish_values(&queue, ["pushed"]).await;
    socket.messages(1).await;
    let from = socket.local_address();
    let want = format!("subscription {} of the WebSocket from {from}", reply["subscription"]);
    let seen = look(&results[0]["id"]).await;
    assert_eq!((&seen["state"], &seen["held_by"]), (&json!("leased"), &json!(want)));
}

#[tokio::test]
async fn who_holds_a_message_is_shown_with_user_and_program() {
    let server = Server::start();
    let http = server.http().logged_in("guest", "guest");
    http.put("/api/users/ann", json!({"password": "pw", "tags": "administrator"})).await.expect(201);
    let http = server.http().logged_in("ann", "pw");
    http.make_queue("held", json!({})).await;
    let agent = [("user-agent", "shop/1.2")];
    let mut socket = Socket::try_open(server.address(), JSON, &agent).await.expect("a socket");
    socket.ask("auth", json!({"token": "ann:pw"})).await;
    socket.ask("subscribe", json!({"topic": "held", "credit": {"messages": 1}})).await;
    http.publish_values("held", ["pushed"]).await;
    socket.messages(1).await;
    let seen = http.get("/v1/topics/held/messages?state=leased").await.expect(200);
    let want = format!("subscription 1 of the WebSocket from {} of ann (shop/1.2)", socket.local_address());
    assert_eq!(seen["messages"][0]["held_by"], want);
}

#[tokio::test]
async fn a_delayed_message_is_listed_until_deleting_it_cancels_it() {
    let mut server = Server::start();
    let http = server.http();
    http.make_queue("later", json!({})).await;
    let far = "2099-01-01T00:00:00Z";
    let sent = json!([
        {"value": "cancelled", "deliver_at": far}, {"value": "kept", "deliver_at": far},
        {"value": "cancelled too", "delay_ms": 3_600_000},
    ]);
    let results = http.publish("later", sent).await;
    let message = |at: usize| format!("/v1/topics/later/messages/{}", results[at]["id"]);
    assert_eq!(page(&http, "later", "state=delayed").await, ["cancelled", "kept", "cancelled too"]);
    for at in [0, 2] {
        assert_eq!(http.delete(&message(at)).await.status, 204);
        http.delete(&message(at)).await.refused(404, "unknown_message");
    }
    server.crash();
    let http = server.http();
    assert_eq!(page(&http, "later", "state=delayed").await, ["kept"]);
    http.get(&message(0)).await.refused(404, "unknown_message");
    http.patch(&message(1), json!({"deliver_at": 0})).await.expect(200);
    assert_eq!(values(&http.receive_soon("later", 3).await), ["kept"]);
    let stats = http.queue_stats("later").await;
    assert_eq!((&stats["ready"], &stats["delayed"], &stats["leased"]), (&json!(0), &json!(0), &json!(1)));
}

#[tokio::test]
async fn a_message_changes_its_priority_and_its_time_whoever_holds_it() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("changed");
    http.make_queue(&queue, json!({"max_priority": 9})).await;
    let results = http.publish_values(&queue, ["a", "b", "c"]).await;
    let path = |at: usize| format!("/v1/topics/{queue}/messages/{}", results[at]["id"]);
    let changed = http.patch(&path(2), json!({"priority": 9})).await.expect(200);
    assert_eq!((&changed["priority"], &changed["state"]), (&json!(9), &json!("ready")));
    let taken = http.receive(&queue, 2).await;
    assert_eq!(values(&taken), ["c", "a"]);
    let later = http.patch(&path(2), json!({"deliver_at": "2099-01-01T00:00:00Z"})).await.expect(200);
    assert_eq!(later["state"], "delayed");
    let stale = http.settle(json!({"ack": [taken[0]["lease"]]})).await;
    assert_eq!(stale[0]["error"]["code"], "stale_lease");
    assert_eq!(http.patch(&path(2), json!({"delay_ms": 0})).await.expect(200)["state"], "ready");
    assert_eq!(values(&http.receive_soon(&queue, 9).await), ["c", "b"]);
    http.patch(&path(0), json!({})).await.refused(400, "invalid_request");
    http.patch(&path(0), json!({"priority": 256})).await.refused_in(400, "invalid_request", "/priority");
    let unknown = format!("/v1/topics/{queue}/messages/999");
    http.patch(&unknown, json!({"priority": 1})).await.refused(404, "unknown_message");
}

#[tokio::test]
async fn a_message_moves_whoever_holds_it() {
    let server = Server::shared();
    let http = server.http();
    let (from, to) = (server.name("from"), server.name("to"));
    http.make_queue(&from, json!({})).await;
    http.make_queue(&to, json!({})).await;
    let results = http.publish(&from, json!([{"value": "x", "headers": {"old": "1", "kept": "2"}}])).await;
    http.receive(&from, 1).await;
    let path = format!("/v1/topics/{from}/messages/{}/move", results[0]["id"]);
    let unknown = json!({"destination": {"topic": server.name("nowhere")}});
    http.post(&path, unknown).await.refused_in(404, "unknown_topic", "/destination/topic");
    let edit = json!({"set_headers": {"new": 3}, "remove_headers": ["old"], "priority": 4});
    let moved = http.post(&path, json!({"destination": {"topic": to}, "edit": edit})).await;
    assert_eq!(moved.status, 204, "{}", moved.text());
    http.post(&path, json!({"destination": {"topic": to}})).await.refused(404, "unknown_message");
    let arrived = http.receive_soon(&to, 1).await;
    let headers = json!([{"name": "kept", "value": "2"}, {"name": "new", "value": 3}]);
    assert_eq!((&arrived[0]["value"], &arrived[0]["headers"]), (&json!("x"), &headers));
    assert_eq!(http.queue_stats(&from).await["leased"], 0);
}

#[tokio::test]
async fn a_redrive_chooses_edits_and_leads_elsewhere() {
    let server = Server::shared();
    let http = server.http();
    let (dead, other) = (server.name("dead"), server.name("other"));
    http.make_queue(&dead, json!({})).await;
    http.make_queue(&other, json!({})).await;
    let results = http.publish_values(&dead, ["apple", "pear", "apple pie", "plum"]).await;
    let redrive = async |body: Value| {
        let started = http.post(&format!("/v1/topics/{dead}/redrive"), body).await;
        assert_eq!(started.status, 202, "{}", started.text());
        let path = format!("/v1/replays/{}", started.value()["id"].as_str().unwrap());
        deadline::until("the redrive ends", async || {
            let job = http.get(&path).await.expect(200);
            (job["state"] != "running").then_some(job)
        })
        .await
    };
    let edit = json!({"set_headers": {"again": "yes"}});
    let chosen = json!({"destination": other, "filter": {"contains": "apple"}, "edit": edit});
    let job = redrive(chosen).await;
    assert_eq!((&job["state"], &job["moved"]), (&json!("done"), &json!(2)), "{job}");
    let arrived = http.drain_queue(&other).await;
    assert_eq!(values(&arrived), ["apple", "apple pie"]);
    assert_eq!(arrived[0]["headers"], json!([{"name": "again", "value": "yes"}]));
    let by_id = json!({"destination": {"exchange": "", "routing_key": other}, "ids": [results[3]["id"]]});
    assert_eq!(redrive(by_id).await["moved"], 1);
    assert_eq!(values(&http.drain_queue(&other).await), ["plum"]);
    assert_eq!(redrive(json!({"died_in": other})).await["moved"], 0);
    assert_eq!(http.queue_stats(&dead).await["ready"], 1);
}

#[tokio::test]
async fn a_socket_finds_changes_moves_and_deletes_single_messages() {
    let server = Server::shared();
    let http = server.http();
    let (from, to) = (server.name("from"), server.name("to"));
    http.make_queue(&from, json!({"max_priority": 9})).await;
    http.make_queue(&to, json!({})).await;
    let sent = json!([
        {"value": "apple", "headers": {"kind": "fruit"}}, {"value": "pear"}, {"value": "plum"}, {"value": "leek"},
    ]);
    let ids: Vec<Value> = http.publish(&from, sent).await.iter().map(|result| result["id"].clone()).collect();
    let mut holder = Socket::open(server).await;
    holder.ask("subscribe", json!({"topic": from, "credit": {"messages": 1}})).await;
    let held = holder.messages(1).await;
    let mut socket = Socket::open(server).await;
    let mut seen = Vec::new();
    let mut page = socket.ask("browse", json!({"topic": from, "limit": 3})).await;
    seen.extend(values(&list(&page, "messages")));
    assert_eq!(page["messages"][0]["state"], "leased");
    let held_by = format!("subscription 1 of the WebSocket from {}", holder.local_address());
    assert_eq!(page["messages"][0]["held_by"], held_by);
    page = socket.ask("browse", json!({"topic": from, "limit": 3, "after": page["next"]})).await;
    seen.extend(values(&list(&page, "messages")));
    assert_eq!(
        (seen, page.get("next")),
        (["apple", "pear", "plum", "leek"].map(str::to_owned).to_vec(), None)
    );
    for filter in [json!({"header": "kind=fruit"}), json!({"contains": "ppl"}), json!({"state": "leased"})] {
        let mut ask = json!({"topic": from});
        ask.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        assert_eq!(values(&list(&socket.ask("browse", ask).await, "messages")), ["apple"]);
    }
    let one = socket.ask("get", json!({"topic": from, "message": ids[1], "values": "base64"})).await;
    assert_eq!(one["message"]["value_base64"], "cGVhcg==");
    let ranked = socket.ask("change", json!({"topic": from, "message": ids[2], "priority": 7})).await;
    assert_eq!(ranked["message"]["priority"], 7);
    let later = socket.ask("change", json!({"topic": from, "message": ids[0], "delay_ms": 3_600_000})).await;
    assert_eq!(later["message"]["state"], "delayed");
    let stale = holder.ask("ack", json!({"leases": [held[0]["lease"]]})).await;
    assert_eq!(stale["results"][0]["error"]["code"], "stale_lease");
    let edit = json!({"set_headers": {"again": true}});
    let moving = json!({"topic": from, "message": ids[0], "destination": {"topic": to}, "edit": edit});
    socket.ask("move", moving.clone()).await;
    let arrived = http.receive_soon(&to, 1).await;
    assert_eq!(values(&arrived), ["apple"]);
    let gone = socket.try_ask("move", moving).await.unwrap_err();
    assert_eq!((&gone["code"], &gone["field"]), (&json!("unknown_message"), &json!("/message")));
    socket.ask("delete", json!({"topic": from, "message": ids[3]})).await;
    let nowhere = socket.try_ask("get", json!({"topic": server.name("no"), "message": 1})).await.unwrap_err();
    assert_eq!((&nowhere["code"], &nowhere["field"]), (&json!("unknown_topic"), &json!("/topic")));
    let left = socket.ask("browse", json!({"topic": from})).await;
    assert_eq!(values(&list(&left, "messages")), ["pear", "plum"]);
}
