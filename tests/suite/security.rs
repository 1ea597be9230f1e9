//! Users, rules and logins as they are seen over HTTP and WebSocket.

use blackbox::http::Http;
use blackbox::server::{Launch, Server};
use blackbox::socket::{JSON, Socket};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

/// Tests make mistakes on purpose and do not want to wait for them.
const CALM: &str = "[auth]\nfailure_delay_ms = 0\n";

async fn allow(admin: &Http, principal: &str, operations: &[&str], kind: &str, name: &str) {
    let resource = json!({"type": kind, "name": name});
    let rule = json!({"principal": principal, "resource": resource, "operations": operations});
    admin.post("/v1/acls", json!({"rules": [rule]})).await.expect(200);
}

/// A server with an administrator, and that administrator.
async fn guarded(config: &str) -> (Server, Http) {
    let server = Server::launch(Launch::with_config(&format!("{CALM}{config}")));
    let admin = json!({"password": "secret", "admin": true});
    server.http().put("/v1/users/admin", admin).await.expect(201);
    let admin = server.http().logged_in("admin", "secret");
    (server, admin)
}

#[tokio::test]
async fn the_first_user_is_an_administrator_and_closes_the_doors() {
    let server = Server::start();
    let refused = server.http().put("/v1/users/bob", json!({"password": "x"})).await;
    assert_eq!((refused.status, refused.value()["field"].clone()), (409, json!("/admin")));
    server.http().get("/v1/topics").await.expect(200);
    server.http().put("/v1/users/admin", json!({"password": "secret", "admin": true})).await.expect(201);
    let refused = server.http().get("/v1/topics").await;
    assert_eq!((refused.status, refused.value()["code"].clone()), (401, json!("unauthenticated")));
    let challenges: Vec<_> = refused.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, ["Basic realm=\"sluice\", charset=\"UTF-8\"", "Bearer realm=\"sluice\""]);
    let admin = server.http().logged_in("admin", "secret");
    let topics = admin.get("/v1/topics").await.expect(200);
    assert_eq!(topics["topics"], json!([]));
    let users = admin.get("/api/users").await.expect(200);
    assert_eq!((&users[0]["name"], &users[0]["tags"]), (&json!("admin"), &json!(["administrator"])));
    assert_eq!(users.as_array().map(Vec::len), Some(1), "guest is nobody any more");
    // Health stays open, metrics do not.
    server.http().get("/livez").await.expect(200);
    assert_eq!(server.http().get("/metrics").await.status, 401);
    admin.get("/metrics").await.expect(200);
    // The last administrator cannot leave others behind.
    admin.put("/v1/users/bob", json!({"password": "x"})).await.expect(201);
    assert_eq!(admin.delete("/v1/users/admin").await.status, 409);
    assert_eq!(admin.put("/v1/users/admin", json!({"admin": false})).await.status, 409);
    admin.delete("/v1/users/bob").await.expect(204);
    admin.delete("/v1/users/admin").await.expect(204);
    server.http().get("/v1/topics").await.expect(200);
}

#[tokio::test]
async fn credentials_that_are_not_right_are_all_refused_alike() {
    let (server, admin) = guarded("").await;
    let mut details = Vec::new();
    for wrong in [
        server.http().logged_in("admin", "Secret"),
        server.http().logged_in("nobody", "secret"),
        server.http().with_token("slk_AAAAAAAAAAAA.AAAA"),
        server.http().with_token("not.a.token"),
    ] {
        let refused = wrong.get("/v1/topics").await;
        assert_eq!((refused.status, refused.value()["code"].clone()), (401, json!("unauthenticated")));
        details.push(refused.value()["detail"].clone());
    }
    assert!(details.iter().all(|detail| *detail == details[0]), "{details:?}");
    for malformed in ["Basic !!!", "Basic", "Digest abc", "Basic YQ=="] {
        let headers = [("authorization", malformed)];
        let refused = server.http().send(Method::GET, "/v1/topics", &headers, Bytes::new()).await;
        assert_eq!(refused.status, 401, "{malformed}");
    }
    // Nothing secret is told.
    let told = admin.get("/v1/users/admin").await.expect(200).to_string();
    for secret in ["secret", "salt", "key\":", "verifier"] {
        assert!(!told.contains(secret), "{told}");
    }
    assert!(!server.log().contains("secret"), "a password is in the log");
}

#[tokio::test]
async fn rules_say_what_a_user_may_do_and_hold_at_once() {
    let (server, admin) = guarded("").await;
    admin.put("/v1/users/bob", json!({"password": "pw", "groups": ["staff"]})).await.expect(201);
    let bob = server.http().logged_in("bob", "pw");
    let queue = json!({"model": "queue", "queue": {}});
    for name in ["orders", "orders-eu", "secret"] {
        admin.put(&format!("/v1/topics/{name}"), queue.clone()).await.expect(201);
    }
    let messages = json!({"messages": [{"value": "x"}]});
    let refused = bob.post("/v1/topics/orders/messages", messages.clone()).await;
    assert_eq!((refused.status, refused.value()["code"].clone()), (403, json!("access_denied")));
    assert_eq!(bob.get("/v1/topics").await.expect(200)["topics"], json!([]));
    assert_eq!(bob.get("/v1/topics/nothing").await.status, 403, "what is not there is not told");
    // By user, by group and prefix, and for everybody.
    allow(&admin, "user:bob", &["write"], "topic", "orders").await;
    let prefix = json!({"rules": [{"principal": "group:staff", "operations": ["read"],
        "resource": {"type": "topic", "name": "orders", "match": "prefix"}}]});
    admin.post("/v1/acls", prefix).await.expect(200);
    bob.post("/v1/topics/orders/messages", messages.clone()).await.expect(200);
    assert_eq!(bob.post("/v1/topics/orders-eu/messages", messages.clone()).await.status, 403);
    let got = bob.post("/v1/topics/orders/receive", json!({"max": 1})).await.expect(200);
    let lease = got["messages"][0]["lease"].clone();
    let seen = bob.get("/v1/topics").await.expect(200);
    let names: Vec<_> =
        seen["topics"].as_array().unwrap().iter().map(|topic| topic["name"].clone()).collect();
    assert_eq!(names, ["orders", "orders-eu"]);
    // A lease is worth nothing to who may not read the queue.
    admin.put("/v1/users/eve", json!({"password": "pw"})).await.expect(201);
    let eve = server.http().logged_in("eve", "pw");
    let stolen = eve.post("/v1/settle", json!({"ack": [lease]})).await;
    assert_eq!(stolen.value()["results"][0]["error"]["code"], "access_denied", "{}", stolen.text());
    bob.post("/v1/settle", json!({"ack": [lease]})).await.expect(200);
    // A denial wins.
    let deny = json!({"rules": [{"principal": "*", "effect": "deny", "operations": ["write"],
        "resource": {"type": "topic", "name": "*"}}]});
    let denied = admin.post("/v1/acls", deny).await.expect(200);
    assert_eq!(bob.post("/v1/topics/orders/messages", messages.clone()).await.status, 403);
    admin.delete(&format!("/v1/acls/{}", denied["rules"][0]["id"].as_str().unwrap())).await.expect(204);
    bob.post("/v1/topics/orders/messages", messages).await.expect(200);
    // Users and rules are for who may change the server.
    for (method, path) in
        [(Method::GET, "/v1/users"), (Method::GET, "/v1/acls"), (Method::DELETE, "/v1/users/eve")]
    {
        let refused = bob.send(method, path, &[], Bytes::new()).await;
        assert_eq!(
            (refused.status, refused.value()["code"].clone()),
            (403, json!("server_access_denied")),
            "{path}"
        );
    }
    let own = json!({"admin": true});
    assert_eq!(bob.put("/v1/users/bob", own).await.status, 403);
}

#[tokio::test]
async fn an_api_key_is_shown_once_and_ends_with_its_connections() {
    let (server, admin) = guarded("").await;
    admin.put("/v1/users/bob", json!({})).await.expect(201);
    let made = admin.post("/v1/users/bob/keys", json!({"note": "ci"})).await.expect(201);
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let shown = admin.get("/v1/users/bob").await.expect(200);
    assert_eq!(shown["api_keys"][0]["note"], "ci");
    assert!(!shown.to_string().contains(key));
    for bob in [server.http().with_token(key), server.http().logged_in("bob", key)] {
        assert_eq!(bob.get("/v1/me").await.expect(200)["user"], "bob");
    }
    assert_eq!(server.http().logged_in("admin", key).get("/v1/me").await.status, 401, "it is bob's key");
    let bearer = format!("Bearer {key}");
    let mut socket = Socket::try_open(server.address(), JSON, &[("authorization", &bearer)]).await.unwrap();
    socket.ask("ping", json!({})).await;
    admin.delete(&format!("/v1/users/bob/keys/{id}")).await.expect(204);
    assert_eq!(socket.closed().await.code, 4401);
    assert_eq!(server.http().with_token(key).get("/v1/me").await.status, 401);
    // One that has expired.
    let made = admin.post("/v1/users/bob/keys", json!({"ttl_ms": 1})).await.expect(201);
    let bob = server.http().with_token(made["key"].as_str().unwrap());
    let refused = || async { (bob.get("/v1/me").await.status == 401).then_some(()) };
    blackbox::deadline::until("the key expires", refused).await;
}

#[tokio::test]
async fn a_socket_logs_in_by_header_command_or_ticket_and_ends_with_its_login() {
    let (server, admin) = guarded("").await;
    admin.put("/v1/users/bob", json!({"password": "pw"})).await.expect(201);
    admin.put("/v1/topics/orders", json!({"model": "queue", "queue": {}})).await.expect(201);
    allow(&admin, "user:bob", &["read", "write"], "topic", "orders").await;
    let publish = json!({"topic": "orders", "messages": [{"value": "x"}]});
    // Before the login nothing goes, and a wrong one does not help.
    let mut socket = Socket::try_open(server.address(), JSON, &[]).await.unwrap();
    let refused = socket.try_ask("publish", publish.clone()).await.unwrap_err();
    assert_eq!(refused["code"], "unauthenticated", "{refused}");
    let refused = socket.try_ask("auth", json!({"token": "bob:wrong"})).await.unwrap_err();
    assert_eq!(refused["code"], "unauthenticated", "{refused}");
    // What is sent right behind the login is done by who logged in.
    let login = socket.send("auth", json!({"token": "bob:pw"})).await;
    let publishing = socket.send("publish", publish.clone()).await;
    assert_eq!(socket.reply_to(&json!(login)).await["type"], "ok");
    assert_eq!(socket.reply_to(&json!(publishing)).await["type"], "ok");
    let other = json!({"topic": "secret", "messages": [{"value": "x"}]});
    let refused = socket.try_ask("publish", other).await.unwrap_err();
    assert_eq!(refused["code"], "access_denied", "{refused}");
    // A ticket is good once.
    let bob = server.http().logged_in("bob", "pw");
    let ticket = bob.post("/v1/tickets", json!({})).await.expect(201)["ticket"].as_str().unwrap().to_owned();
    let path = format!("/v1/ws?ticket={ticket}");
    let mut by_ticket = Socket::try_open_at(server.address(), &path, JSON, &[]).await.unwrap();
    by_ticket.ask("publish", publish.clone()).await;
    let again = Socket::try_open_at(server.address(), &path, JSON, &[]).await;
    assert_eq!(again.err().as_deref(), Some("status 401"));
    // A new password ends what was opened with the old one.
    admin.put("/v1/users/bob", json!({"password": "other"})).await.expect(200);
    assert_eq!(socket.closed().await.code, 4401);
    assert_eq!(by_ticket.closed().await.code, 4401);
    assert_eq!(bob.get("/v1/me").await.status, 401);
}

#[tokio::test]
async fn an_event_stream_ends_with_its_login() {
    let (server, admin) = guarded("").await;
    admin.put("/v1/topics/queue", json!({"model": "queue"})).await.expect(201);
    admin.put("/v1/topics/log", json!({"model": "log"})).await.expect(201);
    for topic in ["queue", "log"] {
        admin.put("/v1/users/bob", json!({"password": "pw"})).await.expect(201);
        allow(&admin, "user:bob", &["read", "write"], "topic", "*").await;
        let bob = server.http().logged_in("bob", "pw");
        let path = format!("/v1/topics/{topic}/events");
        let mut stream = bob.open(Method::GET, &path, &[], Bytes::new()).await;
        assert_eq!(stream.status, 200);
        let messages = format!("/v1/topics/{topic}/messages");
        bob.post(&messages, json!({"messages": [{"value": "for bob"}]})).await.expect(200);
        assert_eq!(stream.event().await.expect("an event").json()["value"], "for bob");
        admin.delete("/v1/users/bob").await.expect(204);
        assert!(stream.event().await.is_none(), "{topic}: the stream ends");
        admin.post(&messages, json!({"messages": [{"value": "not for bob"}]})).await.expect(200);
    }
    let left = admin.get("/v1/topics/queue/messages").await.expect(200);
    assert_eq!(left["messages"].as_array().map(Vec::len), Some(1), "{left}");
}

#[tokio::test]
async fn logins_and_refusals_are_counted() {
    let (server, admin) = guarded("").await;
    admin.put("/v1/users/bob", json!({"password": "pw"})).await.expect(201);
    assert_eq!(server.http().logged_in("bob", "pw").get("/v1/topics/secret").await.status, 403);
    assert_eq!(server.http().logged_in("bob", "wrong").get("/v1/topics").await.status, 401);
    let told = admin.get("/metrics").await.text();
    for line in [
        "sluice_logins_total{result=\"failed\"} 1",
        "sluice_access_denied_total 1",
        "sluice_logins_total{result=\"succeeded\"} 3",
    ] {
        assert!(told.lines().any(|one| one == line), "{line} is not in {told}");
    }
}

#[tokio::test]
async fn sockets_that_were_open_to_all_end_when_the_first_user_is_made() {
    let server = Server::launch(Launch::with_config(CALM));
    let mut socket = Socket::open(&server).await;
    socket.ask("ping", json!({})).await;
    server.http().put("/v1/users/admin", json!({"password": "secret", "admin": true})).await.expect(201);
    assert_eq!(socket.closed().await.code, 4401);
}

#[tokio::test]
async fn users_and_rules_survive_kill_9() {
    let (mut server, admin) = guarded("").await;
    admin.put("/v1/users/bob", json!({"password": "pw"})).await.expect(201);
    admin.put("/v1/users/gone", json!({"password": "pw"})).await.expect(201);
    admin.put("/v1/topics/orders", json!({"model": "queue", "queue": {}})).await.expect(201);
    allow(&admin, "user:bob", &["write"], "topic", "orders").await;
    admin.delete("/v1/users/gone").await.expect(204);
    server.crash();
    let bob = server.http().logged_in("bob", "pw");
    bob.post("/v1/topics/orders/messages", json!({"messages": [{"value": "x"}]})).await.expect(200);
    assert_eq!(bob.post("/v1/topics/orders/receive", json!({})).await.status, 403);
    assert_eq!(server.http().logged_in("gone", "pw").get("/v1/me").await.status, 401);
    assert_eq!(server.http().get("/v1/topics").await.status, 401);
}

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let server = Server::start();
    let send = |origin: Option<&'static str>| {
        let http = server.http();
        async move {
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let body = json!({"model": "queue", "queue": {}}).to_string();
            http.send(Method::PUT, "/v1/topics/victim", &headers, body.into()).await
        }
    };
    let refused = send(Some("https://evil.example")).await;
    assert_eq!((refused.status, refused.value()["code"].clone()), (403, json!("origin_not_allowed")));
    assert_eq!(send(Some("null")).await.status, 403);
    assert_eq!(server.http().get("/v1/topics/victim").await.status, 404);
    send(None).await.expect(201);
}

#[tokio::test]
async fn the_audit_file_has_changes_and_refusals_and_nothing_secret() {
    let file = std::env::temp_dir().join(format!("sluice-audit-{}", std::process::id()));
    let (server, admin) = guarded(&format!("audit_file = {:?}\n", file.display().to_string())).await;
    admin.put("/v1/users/bob", json!({"password": "hunter2"})).await.expect(201);
    let bob = server.http().logged_in("bob", "hunter2");
    assert_eq!(bob.get("/v1/topics/orders").await.status, 403);
    assert_eq!(server.http().logged_in("bob", "hunter3").get("/v1/me").await.status, 401);
    let text = std::fs::read_to_string(&file).unwrap();
    let _ = std::fs::remove_file(&file);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> =
        lines.iter().map(|line| (line["event"].as_str().unwrap(), line["user"].as_str().unwrap())).collect();
    assert_eq!(events, [("user_set", ""), ("user_set", "admin"), ("denied", "bob"), ("login_failed", "bob")]);
    assert!(lines.iter().all(|line| line["time"].is_string() && line["address"] == "127.0.0.1"));
    assert_eq!(lines[2]["about"], "describe topic orders");
    assert!(!text.contains("hunter"), "{text}");
}

#[tokio::test]
async fn doors_are_not_opened_to_others_without_tls_and_logins() {
    let told = |args: &[&str]| {
        let mut launch = Launch::default();
        launch.args.extend(args.iter().map(ToString::to_string));
        Server::prepare(launch).try_run()
    };
    // It refuses before it listens: that the port is taken is not even noticed.
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let exposed = format!("kafka.addr=0.0.0.0:{}", taken.local_addr().unwrap().port());
    let refused = told(&["--set", &exposed]).unwrap_err();
    assert!(!refused.contains("cannot listen"), "{refused}");
    for part in ["kafka.addr = 0.0.0.0", "without TLS", "auth.admin_user", "--insecure"] {
        assert!(refused.contains(part), "{part} is not in {refused}");
    }
    told(&["--set", "kafka.addr=0.0.0.0:0", "--insecure"]).unwrap();
}

#[tokio::test]
async fn an_administrator_can_come_with_the_configuration() {
    let home = std::env::temp_dir().join(format!("sluice-admin-{}", std::process::id()));
    std::fs::write(&home, "correct horse\n").unwrap();
    let config =
        format!("{CALM}admin_user = \"root\"\nadmin_password_file = {:?}\n", home.display().to_string());
    let server = Server::launch(Launch::with_config(&config));
    std::fs::remove_file(&home).unwrap();
    assert_eq!(server.http().get("/v1/topics").await.status, 401);
    let root = server.http().logged_in("root", "correct horse");
    assert_eq!(root.get("/v1/me").await.expect(200)["admin"], true);
}
