use blackbox::{Http, Server};
use hyper::Method;
use serde_json::{Value, json};

struct Ground {
    http: Http,
    queue: String,
    log: String,
    exchange: String,
}

async fn ground(server: &'static Server) -> Ground {
    let http = server.http();
    let ground = Ground {
        http,
        queue: server.name("queue"),
        log: server.name("log"),
        exchange: server.name("exchange"),
    };
    ground.http.make_queue(&ground.queue, json!({})).await;
    ground.http.make_log(&ground.log, 2).await;
    ground
        .http
        .put(&format!("/v1/exchanges/{}", ground.exchange), json!({"type": "direct"}))
        .await
        .expect(201);
    ground
}

#[tokio::test]
async fn a_bad_field_is_named() {
    let Ground { http, queue, log, exchange } = ground(Server::shared()).await;
    let messages = format!("/v1/topics/{queue}/messages");
    let receive = format!("/v1/topics/{queue}/receive");
    let group = "/v1/groups/bad-input";
    let message =
        |member: &str, value: Value| json!({"messages": [{"value": 1}, {"value": 1, member: value}]});
    let cases: Vec<(Method, String, Value, &str)> = vec![
        (Method::POST, messages.clone(), json!({}), "messages"),
        (Method::POST, messages.clone(), json!({"messages": {}}), "messages"),
        (Method::POST, messages.clone(), json!({"messages": [1]}), "/messages/0"),
        (Method::POST, messages.clone(), json!({"messages": [], "extra": 1}), "extra"),
        (Method::POST, messages.clone(), message("priorty", json!(1)), "/messages/1/priorty"),
        (Method::POST, messages.clone(), message("priority", json!(256)), "/messages/1/priority"),
        (Method::POST, messages.clone(), message("priority", json!("9")), "/messages/1/priority"),
        (Method::POST, messages.clone(), message("delay_ms", json!(-1)), "/messages/1/delay_ms"),
        (Method::POST, messages.clone(), message("ttl_ms", json!(1.5)), "/messages/1/ttl_ms"),
        (Method::POST, messages.clone(), message("key", json!({})), "/messages/1/key"),
        (Method::POST, messages.clone(), message("headers", json!(3)), "/messages/1/headers"),
        (Method::POST, messages.clone(), message("value_base64", json!("AAAA")), "/messages/1"),
        (
            Method::POST,
            messages.clone(),
            json!({"messages": [{"value_base64": "%%%"}]}),
            "/messages/0/value_base64",
        ),
        (Method::POST, receive.clone(), json!({"max": 0}), "max"),
        (Method::POST, receive.clone(), json!({"max": "ten"}), "max"),
        (Method::POST, receive.clone(), json!({"wait_ms": -5}), "wait_ms"),
        (Method::POST, receive.clone(), json!({"lease_ms": 0}), "lease_ms"),
        (Method::POST, receive.clone(), json!({"maximum": 1}), "maximum"),
        (Method::POST, "/v1/settle".into(), json!({"ack": "lease"}), "ack"),
        (Method::POST, "/v1/settle".into(), json!({"acks": []}), "acks"),
        (Method::POST, "/v1/settle".into(), json!({"nack": [{"delay_ms": 1}]}), "lease"),
        (Method::POST, "/v1/settle".into(), json!({"extend": [{"lease": "0".repeat(32)}]}), "lease_ms"),
        (Method::POST, "/v1/settle".into(), json!({"nack": [["lease", 5]]}), "nack/0"),
        (Method::PUT, "/v1/topics/bad-1".into(), json!({}), "model"),
        (Method::PUT, "/v1/topics/bad-1".into(), json!({"model": "stack"}), "model"),
        (Method::PUT, "/v1/topics/bad-1".into(), json!({"model": "queue", "log": {}}), "log"),
        (
            Method::PUT,
            "/v1/topics/bad-1".into(),
            json!({"model": "queue", "queue": {"max_lenght": 1}}),
            "max_lenght",
        ),
        (
            Method::PUT,
            "/v1/topics/bad-1".into(),
            json!({"model": "queue", "queue": {"overflow": "spill"}}),
            "overflow",
        ),
        (
            Method::PUT,
            "/v1/topics/bad-1".into(),
            json!({"model": "log", "log": {"partitions": 0}}),
            "partitions",
        ),
        (
            Method::PUT,
            "/v1/topics/bad-1".into(),
            json!({"model": "log", "log": {"partitions": 100_000}}),
            "partitions",
        ),
        (Method::PUT, "/v1/exchanges/bad-1".into(), json!({"type": "carrier-pigeon"}), "type"),
        (Method::PUT, "/v1/exchanges/bad-1".into(), json!({"type": "direct", "colour": 1}), "colour"),
        (
            Method::POST,
            "/v1/bindings".into(),
            json!({"source": exchange, "destination": queue}),
            "destination_type",
        ),
        (
            Method::POST,
            "/v1/bindings".into(),
            json!({"source": exchange, "destination": queue, "destination_type": "stream"}),
            "destination_type",
        ),
        (Method::POST, format!("{group}/receive"), json!({}), "topics"),
        (Method::POST, format!("{group}/receive"), json!({"topics": [log], "max": 0}), "max"),
        (
            Method::POST,
            format!("{group}/commit"),
            json!({"offsets": [{"topic": log, "partition": 0}]}),
            "offset",
        ),
        (
            Method::POST,
            format!("{group}/commit"),
            json!({"offsets": [{"topic": log, "partition": 0, "offset": -1}]}),
            "offset",
        ),
        (Method::POST, "/v1/replays".into(), json!({"destination": {"topic": queue}}), "source"),
        (
            Method::POST,
            "/v1/replays".into(),
            json!({"source": {"topic": log, "from": "noon"}, "destination": {"topic": queue}}),
            "from",
        ),
        (Method::POST, format!("/v1/topics/{queue}/redrive"), json!({"max": -1}), "max"),
    ];
    let mut faults = Vec::new();
    for (method, path, body, field) in cases {
        let answer = http.json(method.clone(), &path, body.clone()).await;
        let problem = answer.value();
        let named = problem["field"].as_str().unwrap_or_default();
        let told = problem["detail"].as_str().unwrap_or_default();
        let fine = (400..500).contains(&answer.status)
            && !told.contains(" at line ")
            && answer.header("content-type") == "application/problem+json"
            && named.contains(field);
        if !fine {
            faults.push(format!(
                "{method} {path} {body}\n    should name {field:?}: {} {problem}",
                answer.status
            ));
        }
    }
    assert!(faults.is_empty(), "{} of them:\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test]
async fn a_bad_field_of_a_user_or_rule_is_named() {
    let server = Server::launch(blackbox::Launch::with_config("[auth]\nmode = \"off\"\n"));
    let http = server.http();
    http.put("/v1/users/bob", json!({})).await.expect(201);
    let user = |body: Value| (Method::PUT, "/v1/users/eve", body);
    let key = |body: Value| (Method::POST, "/v1/users/bob/keys", body);
    let rule = |change: Value| {
        let mut rule = json!({
            "principal": "user:bob", "operations": ["read"], "resource": {"type": "topic", "name": "orders"},
        });
        for (name, value) in change.as_object().into_iter().flatten() {
            rule[name] = value.clone();
        }
        (Method::POST, "/v1/acls", json!({"rules": [rule]}))
    };
    let on = |resource: Value| rule(json!({"resource": resource}));
    let cases = [
        (user(json!({"tags": null})), "/tags"),
        (user(json!({"password": null})), "/password"),
        (user(json!({"password": ""})), "/password"),
        (user(json!({"admin": null})), "/admin"),
        (user(json!({"groups": ["ops", ""]})), "/groups/1"),
        (user(json!({"groups": ["a\nb"]})), "/groups/0"),
        (user(json!({"tags": ["*"]})), "/tags/0"),
        (user(json!({"tags": vec!["t"; 101]})), "/tags"),
        (user(json!({"password": "pw", "mechanisms": null})), "/mechanisms"),
        (user(json!({"password": "pw", "mechanisms": ["MD5"]})), "/mechanisms"),
        (user(json!({"mechanisms": ["SCRAM-SHA-256"]})), "/mechanisms"),
        (key(json!({"ttl_ms": 0})), "/ttl_ms"),
        (key(json!({"ttl_ms": 1.5})), "/ttl_ms"),
        (key(json!({"note": null})), "/note"),
        (key(json!({"note": "n".repeat(256)})), "/note"),
        (rule(json!({"principal": "bob"})), "/rules/0/principal"),
        (rule(json!({"principal": "group:*"})), "/rules/0/principal"),
        (rule(json!({"operations": []})), "/rules/0/operations"),
        (rule(json!({"operations": ["read", "eat"]})), "/rules/0/operations/1"),
        (rule(json!({"effect": "perhaps"})), "/rules/0/effect"),
        (rule(json!({"address": "localhost"})), "/rules/0/address"),
        (on(json!({"type": "table", "name": "x"})), "/rules/0/resource/type"),
        (on(json!({"type": "topic"})), "/rules/0/resource/name"),
        (on(json!({"type": "topic", "name": ""})), "/rules/0/resource/name"),
        (on(json!({"type": "topic", "name": "n".repeat(1025)})), "/rules/0/resource/name"),
        (on(json!({"type": "topic", "name": "x", "match": "glob"})), "/rules/0/resource/match"),
        (on(json!({"type": "topic", "name": "(", "match": "pattern"})), "/rules/0/resource/name"),
        (on(json!({"type": "topic", "name": "x", "vhost": ""})), "/rules/0/resource/vhost"),
        (on(json!({"type": "group", "name": "x", "vhost": "/"})), "/rules/0/resource/vhost"),
        (on(json!({"type": "cluster", "name": "other"})), "/rules/0/resource/name"),
        (on(json!({"type": "cluster", "match": "prefix"})), "/rules/0/resource/match"),
    ];
    for ((method, path, body), field) in cases {
        let answer = http.json(method, path, body.clone()).await;
        let problem = answer.value();
        assert!((400..500).contains(&answer.status), "{body}: {}", answer.status);
        assert_eq!(problem["field"], field, "{body}: {problem}");
    }
    let taken = json!({"rules": [{"principal": "*", "operations": ["all"],
        "resource": {"type": "topic", "name": "(", "match": "pattern"}}]});
    http.json(Method::DELETE, "/v1/acls", taken).await.refused_in(
        400,
        "invalid_pattern",
        "/rules/0/resource/name",
    );
    http.json(Method::POST, "/v1/users/bob/keys", json!({"ttl_ms": 1000.0})).await.expect(201);
    http.post("/v1/acls", json!({"rules": []})).await.refused_in(400, "invalid_request", "/rules");
}

#[tokio::test]
async fn a_bad_body_is_told_from_a_bad_field() {
    let Ground { http, queue, .. } = ground(Server::shared()).await;
    let path = format!("/v1/topics/{queue}/messages");
    for body in ["", "{", "null", "[]", "{\"messages\":[}", "{\"messages\":[]} trailing", "\u{feff}{}"] {
        http.post_as(&path, "application/json", body).await.refused(400, "invalid_request");
        http.post_as("/v1/settle", "application/json", body).await.refused(400, "invalid_request");
    }
    http.post_as(&path, "application/json", vec![b'{', 0xff, b'}']).await.refused(400, "invalid_request");
    let deep = format!("{{\"messages\":[{{\"value\":{}{}}}]}}", "[".repeat(100_000), "]".repeat(100_000));
    http.post_as(&path, "application/json", deep).await.refused(400, "invalid_request");
    http.post_as(&path, "application/vnd.sluice.batch", "not a batch").await.refused(400, "invalid_request");
    http.post_as(&path, "application/vnd.sluice.batch", vec![0xff; 64]).await.refused(400, "invalid_request");
    assert_eq!(http.queue_stats(&queue).await["ready"], 0);
}

#[tokio::test]
async fn what_is_not_there_is_called_by_its_kind() {
    let Ground { http, queue, exchange, .. } = ground(Server::shared()).await;
    http.get("/v1/topics/nowhere").await.refused(404, "unknown_topic");
    http.post("/v1/topics/nowhere/messages", json!({"messages": [{"value": 1}]}))
        .await
        .refused(404, "unknown_topic");
    http.post("/v1/topics/nowhere/receive", json!({})).await.refused(404, "unknown_topic");
    http.get("/v1/topics/nowhere/partitions/0/records?offset=0").await.refused(404, "unknown_topic");
    http.get(&format!("/v1/topics/{queue}/messages/999999")).await.refused(404, "unknown_message");
    http.get("/v1/exchanges/nowhere").await.refused(404, "unknown_exchange");
    http.get("/v1/bindings/nowhere").await.refused(404, "unknown_binding");
    http.get("/v1/groups/nowhere").await.refused(404, "unknown_group");
    let to_nowhere = json!({"source": exchange, "destination": "nowhere", "destination_type": "queue"});
    http.post("/v1/bindings", to_nowhere).await.refused(404, "unknown_topic");
    let from_nowhere = json!({"source": "nowhere", "destination": queue, "destination_type": "queue"});
    http.post("/v1/bindings", from_nowhere).await.refused(404, "unknown_exchange");
    http.get("/v1/nothing/here").await.refused(404, "not_found");
}

#[tokio::test]
async fn methods_media_types_and_preconditions_have_their_own_answers() {
    let Ground { http, queue, log, .. } = ground(Server::shared()).await;
    let wrong = http.send(Method::PATCH, "/v1/settle", &[], "".into()).await;
    wrong.refused(405, "method_not_allowed");
    assert!(wrong.header("allow").contains("POST"), "{}", wrong.header("allow"));
    let settle = http.post_as("/v1/settle", "text/plain", "{}").await;
    settle.refused(415, "unsupported_media_type");
    http.send(Method::PUT, "/v1/topics/x", &[("content-type", "text/csv")], "a,b".into())
        .await
        .refused(415, "unsupported_media_type");
    let zipped = [("content-type", "application/json"), ("content-encoding", "gzip")];
    http.send(Method::POST, "/v1/settle", &zipped, "{}".into()).await.refused_in(
        415,
        "unsupported_media_type",
        "Content-Encoding",
    );
    let records = format!("/v1/topics/{log}/partitions/0/records?offset=0");
    http.send(Method::GET, &records, &[("accept", "image/png")], "".into())
        .await
        .refused(406, "not_acceptable");
    let path = format!("/v1/topics/{queue}");
    let stale = [("if-match", "\"no-such-version\""), ("content-type", "application/json")];
    http.send(Method::PATCH, &path, &stale, "{\"queue\":{\"max_length\":1}}".into())
        .await
        .refused(412, "precondition_failed");
    http.publish_values(&queue, ["here"]).await;
    http.delete(&format!("{path}?if_empty=true")).await.refused(409, "in_use");
    http.delete(&format!("{path}?if_empty=perhaps")).await.refused_in(400, "invalid_request", "if_empty");
}

#[tokio::test]
async fn names_have_rules() {
    let http = Server::shared().http();
    let long = "n".repeat(250);
    for name in [long.as_str(), "with%20space", "emoji%F0%9F%8C%8A", "semi;colon", "..", "%2E"] {
        let answer = http.put(&format!("/v1/topics/{name}"), json!({"model": "queue"})).await;
        assert!(matches!(answer.status, 400 | 404), "{name}: {} {}", answer.status, answer.text());
    }
    http.put(&format!("/v1/topics/{long}"), json!({"model": "queue"})).await.refused(400, "invalid_name");
}

#[tokio::test]
async fn too_large_is_413_wherever_it_is_too_large() {
    let config = "[limits]\nmessage_bytes = \"8KiB\"\nkey_bytes = 64\nheader_bytes = \"1KiB\"\n";
    let server = Server::launch(blackbox::Launch::with_config(config));
    let http = server.http();
    for model in ["queue", "log"] {
        http.put(&format!("/v1/topics/{model}"), json!({"model": model})).await.expect(201);
        let path = format!("/v1/topics/{model}/messages");
        for (message, field) in [
            (json!({"value": "v".repeat(9000)}), "value"),
            (json!({"key": "k".repeat(100), "value": 1}), "key"),
            (json!({"headers": {"h": "x".repeat(2000)}, "value": 1}), "headers"),
        ] {
            let answer = http.post(&path, json!({"messages": [{"value": "fine"}, message]})).await;
            let problem = if answer.status == 207 {
                answer.value()["results"][1]["error"].clone()
            } else {
                answer.value()
            };
            assert_eq!(
                (&problem["code"], &problem["status"]),
                (&json!("too_large"), &json!(413)),
                "{}",
                answer.text()
            );
            assert!(problem["field"].as_str().is_some_and(|named| named.contains(field)), "{problem}");
        }
        http.post_as(&path, "text/plain", "v".repeat(9000)).await.refused(413, "too_large");
    }
}

#[tokio::test]
async fn a_lease_that_nobody_was_given_is_not_one() {
    let Ground { http, queue, .. } = ground(Server::shared()).await;
    let forged = http.post("/v1/settle", json!({"ack": ["not a lease"]})).await;
    assert!(
        (400..500).contains(&forged.status) || forged.value()["results"][0]["error"].is_object(),
        "{}",
        forged.text()
    );
    http.publish_values(&queue, ["one"]).await;
    let held = http.receive(&queue, 1).await;
    let lease = held[0]["lease"].as_str().expect("a lease").to_owned();
    for at in 0..lease.len() {
        let mut bytes = lease.clone().into_bytes();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        let tampered = String::from_utf8(bytes).expect("ASCII");
        let answer = http.post("/v1/settle", json!({"ack": [tampered]})).await;
        assert!(answer.status < 500, "{}", answer.text());
    }
    assert_eq!(http.queue_stats(&queue).await["leased"], 1, "no tampered lease settled anything");
    http.ack(&held[0]).await;
}
