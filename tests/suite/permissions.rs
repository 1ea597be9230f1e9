//! Users and permissions through RabbitMQ's management API: a view of the one store that every door asks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use blackbox::{Answer, Launch, Server};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

/// Tests make mistakes on purpose and do not want to wait for them.
const CALM: &str = "[auth]\nfailure_delay_ms = 0\n";
const GUEST: &str = "guest:guest";

fn start() -> Server {
    Server::launch(Launch::with_config(CALM))
}

async fn ask(server: &Server, login: &str, method: Method, path: &str, body: Value) -> Answer {
    let authorization = format!("Basic {}", BASE64.encode(login));
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    server.http().send(method, path, &headers, body).await
}

async fn get(server: &Server, login: &str, path: &str) -> Answer {
    ask(server, login, Method::GET, path, Value::Null).await
}

async fn put(server: &Server, path: &str, body: Value) -> Answer {
    ask(server, GUEST, Method::PUT, path, body).await
}

async fn delete(server: &Server, path: &str) -> Answer {
    ask(server, GUEST, Method::DELETE, path, Value::Null).await
}

fn permissions(configure: &str, write: &str, read: &str) -> Value {
    json!({"configure": configure, "write": write, "read": read})
}

#[tokio::test]
async fn users_made_by_rabbitmqs_tools_are_those_of_every_door_and_guest_stays() {
    let mut server = start();
    // What the default user may do anyway changes nothing.
    put(&server, "/api/permissions/%2F/guest", permissions(".*", ".*", ".*")).await.expect(204);
    let refused = put(&server, "/api/permissions/%2F/guest", permissions("", "", "")).await;
    assert!(refused.expect(400)["reason"].to_string().contains("make an administrator first"));
    assert_eq!(delete(&server, "/api/users/guest").await.status, 400);
    server.http().get("/v1/topics").await.expect(200);

    put(&server, "/api/users/alice", json!({"password": "pw", "tags": "management, mine"})).await.expect(201);
    put(&server, "/api/permissions/%2F/alice", permissions("^alice", "^(alice|amq.default)", "^alice"))
        .await
        .expect(201);
    server.kill();
    server.run();
    assert_eq!(
        server.http().get("/v1/topics").await.status,
        401,
        "from the first user on, doors want a login"
    );
    assert_eq!(get(&server, GUEST, "/api/whoami").await.expect(200)["tags"], json!(["administrator"]));
    let users = get(&server, GUEST, "/v1/users").await.expect(200);
    let names: Vec<&Value> = users["users"].as_array().unwrap().iter().map(|user| &user["name"]).collect();
    assert_eq!(names, ["alice", "guest"]);
    assert_eq!(users["users"][0]["tags"], json!(["management", "mine"]));

    let queue = json!({"model": "queue", "queue": {}});
    let make = |name: &'static str| ask(&server, "alice:pw", Method::PUT, name, queue.clone());
    make("/v1/topics/alice.orders").await.expect(201);
    assert_eq!(make("/v1/topics/orders").await.status, 403);
    let rules = get(&server, GUEST, "/v1/acls?principal=user:alice").await.expect(200);
    assert_eq!(rules["rules"].as_array().map(Vec::len), Some(5), "{rules}");

    // The same password again does not end connections; another one does.
    put(&server, "/api/users/alice", json!({"password": "pw", "tags": ""})).await.expect(204);
    make("/v1/topics/alice.orders").await.expect(200);
    put(&server, "/api/users/alice", json!({"password": "other", "tags": ""})).await.expect(204);
    assert_eq!(make("/v1/topics/alice.orders").await.status, 401);
    // Whoever is made anew begins without what was allowed before.
    delete(&server, "/api/users/alice").await.expect(204);
    put(&server, "/api/users/alice", json!({"password": "pw", "tags": ""})).await.expect(201);
    assert_eq!(make("/v1/topics/alice.orders").await.status, 403);
    assert_eq!(get(&server, GUEST, "/v1/acls").await.expect(200)["rules"], json!([]));
}

#[tokio::test]
async fn rules_that_rabbitmq_has_words_for_are_shown_and_an_administrator_has_all() {
    let server = start();
    put(&server, "/api/users/root", json!({"password": "pw", "tags": "administrator"})).await.expect(201);
    put(&server, "/api/users/bob", json!({"password": "pw", "tags": []})).await.expect(201);
    put(&server, "/api/vhosts/shop", json!({})).await.expect(201);
    let rule = |kind: &str, name: &str, vhost: Value, operations: &[&str]| {
        let mut resource =
            json!({"type": kind, "name": name, "match": if kind == "vhost" { "literal" } else { "prefix" }});
        if !vhost.is_null() {
            resource["vhost"] = vhost;
        }
        json!({"principal": "user:bob", "resource": resource, "operations": operations})
    };
    let rules = json!({"rules": [
        rule("vhost", "shop", Value::Null, &["describe"]),
        rule("topic", "b.", json!("shop"), &["read", "write"]),
        rule("exchange", "b.", json!("shop"), &["read"]),
    ]});
    ask(&server, GUEST, Method::POST, "/v1/acls", rules).await.expect(200);
    let shown = get(&server, GUEST, "/api/permissions/shop/bob").await.expect(200);
    let wanted = json!({"user": "bob", "vhost": "shop", "configure": "", "write": "", "read": "^b\\."});
    assert_eq!(shown, wanted, "{shown}");
    let all = get(&server, GUEST, "/api/users/root/permissions").await.expect(200);
    assert_eq!((all[0]["vhost"].clone(), all[1]["configure"].clone()), (json!("/"), json!(".*")));
    let refused = put(&server, "/api/permissions/shop/root", permissions("^a", "", "")).await.expect(400);
    assert!(refused["reason"].to_string().contains("may do everything"), "{refused}");
    put(&server, "/api/permissions/shop/root", permissions(".*", ".*", ".*")).await.expect(201);

    delete(&server, "/api/permissions/shop/bob").await.expect(204);
    assert_eq!(get(&server, GUEST, "/v1/acls?principal=user:bob").await.expect(200)["rules"], json!([]));
    // What was allowed in a virtual host goes with it.
    put(&server, "/api/permissions/shop/bob", permissions(".*", "", "")).await.expect(201);
    put(&server, "/api/topic-permissions/shop/bob", json!({"exchange": "x", "write": "a", "read": "b"}))
        .await
        .expect(201);
    delete(&server, "/api/vhosts/shop").await.expect(204);
    assert_eq!(get(&server, GUEST, "/v1/acls").await.expect(200)["rules"], json!([]));
    assert_eq!(get(&server, GUEST, "/api/topic-permissions").await.expect(200), json!([]));
}

#[tokio::test]
async fn permissions_in_a_virtual_host_hold_for_queues_and_logs_after_a_restart() {
    let mut server = start();
    put(&server, "/api/vhosts/shop", json!({})).await.expect(201);
    put(&server, "/api/users/bob", json!({"password": "pw", "tags": ""})).await.expect(201);
    put(&server, "/api/permissions/shop/bob", permissions("^bob", "^bob", "^bob")).await.expect(201);
    let topics = [
        ("bob.q", json!({"model": "queue"})),
        ("bob.log", json!({"model": "log", "log": {"partitions": 1}})),
    ];
    for (name, spec) in &topics {
        ask(&server, "bob:pw", Method::PUT, &format!("/v1/topics/shop%2F{name}"), spec.clone())
            .await
            .expect(201);
        assert_eq!(
            ask(&server, "bob:pw", Method::PUT, &format!("/v1/topics/{name}"), spec.clone()).await.status,
            403
        );
    }
    for restarted in [false, true] {
        if restarted {
            server.kill();
            server.run();
        }
        for (name, _) in &topics {
            let path = format!("/v1/topics/shop%2F{name}/messages");
            ask(&server, "bob:pw", Method::POST, &path, json!({"messages": [{"value": 1}]}))
                .await
                .expect(200);
        }
    }
}

#[tokio::test]
async fn whoever_monitors_may_look_and_others_may_not() {
    let server = start();
    for (user, tags) in [("mon", "monitoring"), ("man", "management")] {
        put(&server, &format!("/api/users/{user}"), json!({"password": "pw", "tags": tags}))
            .await
            .expect(201);
    }
    for path in ["/api/overview", "/api/nodes", "/api/queues", "/api/whoami", "/api/connections"] {
        get(&server, "mon:pw", path).await.expect(200);
        assert_eq!(get(&server, "man:pw", path).await.expect(401)["reason"], "Not management user");
    }
    for path in ["/api/users", "/api/permissions", "/api/definitions", "/api/vhosts/%2F/permissions"] {
        assert_eq!(get(&server, "mon:pw", path).await.expect(401)["reason"], "Not administrator user");
    }
    let made = ask(&server, "mon:pw", Method::PUT, "/api/queues/%2F/q", json!({})).await;
    assert_eq!(made.expect(401)["reason"], "Not administrator user");
}

#[tokio::test]
async fn topic_permissions_hold_at_every_door_and_after_a_restart() {
    let mut server = start();
    put(&server, "/api/users/ann", json!({"password": "pw", "tags": ""})).await.expect(201);
    put(&server, "/api/permissions/%2F/ann", permissions(".*", ".*", ".*")).await.expect(201);
    let keys = json!({"exchange": "amq.topic", "write": "^{username}[.]", "read": "^news[.]"});
    put(&server, "/api/topic-permissions/%2F/ann", keys.clone()).await.expect(201);
    put(&server, "/api/topic-permissions/%2F/ann", keys).await.expect(204);
    let broken = json!({"exchange": "amq.topic", "write": "(", "read": ""});
    assert_eq!(put(&server, "/api/topic-permissions/%2F/ann", broken).await.status, 400);
    server.kill();
    server.run();
    let publish = |key: &'static str| {
        let path = format!("/v1/exchanges/amq.topic/messages?routing_key={key}");
        let server = &server;
        async move { ask(server, "ann:pw", Method::POST, &path, json!({"messages": [{"value": 1}]})).await }
    };
    publish("ann.a").await.expect(200);
    let refused = publish("bob.a").await.refused(403, "access_denied");
    let told = "write access to topic 'bob.a' in exchange 'amq.topic' in vhost '/' refused for user 'ann'";
    assert_eq!(refused["detail"], told);
    let queue = json!({"model": "queue", "queue": {}});
    ask(&server, "ann:pw", Method::PUT, "/v1/topics/q", queue).await.expect(201);
    let bind = |key: &'static str| {
        let binding = json!({"source": "amq.topic", "destination": "q", "destination_type": "queue", "routing_key": key});
        ask(&server, "ann:pw", Method::POST, "/v1/bindings", binding)
    };
    bind("news.eu").await.expect(201);
    bind("#").await.refused(403, "access_denied");
    // An administrator is not held by any.
    let held = json!({"exchange": "amq.topic", "write": "a", "read": "b"});
    assert_eq!(put(&server, "/api/topic-permissions/%2F/guest", held).await.status, 400);
    delete(&server, "/api/topic-permissions/%2F/ann/amq.topic").await.expect(204);
    publish("bob.a").await.expect(200);
}

#[tokio::test]
async fn definitions_carry_users_with_their_passwords_and_permissions() {
    let first = start();
    put(&first, "/api/users/ann", json!({"password": "pw", "tags": "monitoring"})).await.expect(201);
    put(&first, "/api/vhosts/shop", json!({})).await.expect(201);
    put(&first, "/api/permissions/shop/ann", permissions("", "^a", ".*")).await.expect(201);
    let keys = json!({"exchange": "amq.topic", "write": "a", "read": "b"});
    put(&first, "/api/topic-permissions/shop/ann", keys).await.expect(201);
    let definitions = get(&first, GUEST, "/api/definitions").await.expect(200);

    let second = start();
    let import = |body: Value| ask(&second, GUEST, Method::POST, "/api/definitions", body);
    // What the default user is anyway turns no logins on.
    let fresh = get(&second, GUEST, "/api/definitions").await.expect(200);
    import(fresh).await.expect(204);
    second.http().get("/v1/topics").await.expect(200);
    let mut foreign = definitions.clone();
    foreign["users"][0]["password_hash"] = json!("kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR");
    let refused = import(foreign).await.expect(400);
    assert!(refused["reason"].to_string().contains("was made by RabbitMQ"), "{refused}");
    second.http().get("/v1/topics").await.expect(200);

    import(definitions.clone()).await.expect(204);
    assert_eq!(get(&second, "ann:pw", "/api/whoami").await.expect(200)["name"], "ann");
    assert_eq!(get(&second, GUEST, "/api/definitions").await.expect(200), definitions);
    let within = json!({"users": [{"name": "x", "tags": ""}]});
    let refused = ask(&second, GUEST, Method::POST, "/api/definitions/shop", within).await.expect(400);
    assert!(refused["reason"].to_string().contains("/api/definitions"), "{refused}");
    let stranger =
        json!({"permissions": [{"user": "x", "vhost": "/", "configure": "", "write": "", "read": ""}]});
    assert_eq!(import(stranger).await.status, 400);
}
