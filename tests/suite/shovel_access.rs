//! Who may define shovels, whom they trust, and what nobody is told of them.

use std::path::Path;
use std::process::Command;

use blackbox::{Launch, Server, checkout, deadline};
use hyper::Method;
use serde_json::{Value, json};

use crate::shovels::{GUEST, ask, messages, numbers, publish, put, until_gone, until_state};

#[tokio::test]
async fn only_administrators_define_shovels_and_no_password_is_told() {
    let mut server = Server::launch(Launch {
        config: "log_level = \"trace\"\n[auth]\nfailure_delay_ms = 0\naudit_file = \"AUDIT\"\n".replace(
            "AUDIT",
            &checkout::scratch().join(format!("audit-{}.log", std::process::id())).to_string_lossy(),
        ),
        ..Launch::default()
    });
    let audit = checkout::scratch().join(format!("audit-{}.log", std::process::id()));
    let admin = "root:rootpw";
    for (name, password, tags) in [
        ("root", "rootpw", "administrator"),
        ("watch", "pw", "monitoring"),
        ("some", "pw", "policymaker"),
        ("bob", "hush", ""),
    ] {
        let login = if name == "root" { GUEST } else { admin };
        let body = json!({"password": password, "tags": tags});
        ask(&server, login, Method::PUT, &format!("/api/users/{name}"), body).await.expect(201);
    }
    let path = "/api/parameters/shovel/%2F/s";
    let (to, amqp) = ("/api/queues/%2F/to", server.amqp().to_owned());
    let value = json!({"src-uri": "amqp://", "src-queue": "from", "dest-uri": format!("amqp://bob:hush@{amqp}"),
        "dest-queue": "to", "reconnect-delay": 1});
    for login in ["watch:pw", "some:pw", "bob:hush"] {
        let body = json!({ "value": value });
        for (method, path) in [
            (Method::PUT, path),
            (Method::GET, path),
            (Method::DELETE, path),
            (Method::GET, "/api/definitions"),
        ] {
            assert_eq!(ask(&server, login, method, path, body.clone()).await.status, 401, "{login}");
        }
        let looks = if login == "watch:pw" { 200 } else { 401 };
        assert_eq!(
            ask(&server, login, Method::GET, "/api/shovels", Value::Null).await.status,
            looks,
            "{login}"
        );
        let restart = "/api/shovels/vhost/%2F/s/restart";
        assert_eq!(ask(&server, login, Method::DELETE, restart, Value::Null).await.status, 401, "{login}");
    }
    ask(&server, admin, Method::PUT, path, json!({ "value": value })).await.expect(201);
    // The destination lets nobody in who may not: bob has no permissions.
    let state = |state: &'static str| {
        let server = &server;
        async move {
            let ask = || async {
                let all = ask(server, admin, Method::GET, "/api/shovels", Value::Null).await.expect(200);
                (all[0]["state"] == state).then(|| all[0].clone())
            };
            deadline::until(state, ask).await
        }
    };
    let stands = state("terminated").await;
    assert!(stands["reason"].as_str().is_some_and(|why| why.contains("refused for user 'bob'")), "{stands}");
    let rights = json!({"configure": "^to$", "write": "^(to|amq[.]default)$", "read": "^to$"});
    ask(&server, admin, Method::PUT, "/api/permissions/%2F/bob", rights).await.expect(201);
    state("running").await;
    // The source end is the server's own, which may do everything, though doors want logins now.
    let message =
        json!({"properties": {}, "routing_key": "from", "payload": "x", "payload_encoding": "string"});
    ask(&server, admin, Method::POST, "/api/exchanges/%2F/amq.default/publish", message).await.expect(200);
    let came = || async {
        let queue = ask(&server, admin, Method::GET, to, Value::Null).await;
        (queue.status == 200 && queue.value()["messages"] == 1).then_some(())
    };
    deadline::until("the message has come", came).await;
    // As a user whose password nobody asks for, it may do what that user may.
    let mut as_bob = value.clone();
    as_bob["src-uri"] = json!("amqp://bob@/%2f");
    ask(&server, admin, Method::PUT, path, json!({ "value": as_bob })).await.expect(204);
    let stands = state("terminated").await;
    assert!(stands["reason"].as_str().is_some_and(|why| why.contains("refused for user 'bob'")), "{stands}");
    let shown =
        ask(&server, "watch:pw", Method::GET, "/api/shovels/vhost/%2F/s", Value::Null).await.expect(200);
    assert_eq!(shown["value"]["dest-uri"], format!("amqp://{amqp}"));
    let metrics = server.http().logged_in("root", "rootpw").get("/metrics").await.text();
    ask(&server, admin, Method::DELETE, path, Value::Null).await.expect(204);
    server.terminate();
    assert!(server.wait().success());
    let audit = std::fs::read_to_string(audit).expect("the audit log");
    for line in ["\"event\":\"shovel_set\"", "\"event\":\"shovel_deleted\"", "\"user\":\"root\""] {
        assert!(audit.contains(line), "{audit}");
    }
    assert!(audit.contains(&format!("shovel s in vhost /, from amqp:// to amqp://{amqp}")), "{audit}");
    let log = server.log();
    assert!(log.contains("a shovel starts"), "shovels are in the log");
    for (where_to, text) in [("metrics", &metrics), ("audit log", &audit), ("log", &log)] {
        assert!(!text.contains("hush"), "the password is in the {where_to}");
    }
}

fn certificates(home: &Path, arguments: &[&str]) {
    let made = Command::new(checkout::sluice()).arg("certs").args(arguments).arg("--dir").arg(home).output();
    assert!(made.expect("it runs").status.success());
}

#[tokio::test]
async fn tls_is_spoken_with_whom_the_authority_vouches_for() {
    let source = Server::start();
    let home = source.data_dir().with_file_name("certs");
    certificates(&home, &["ca"]);
    certificates(&home, &["server", "localhost"]);
    let file = |name: &str| home.join(name).display().to_string();
    let config = format!(
        "[amqp]\ntls_addr = \"127.0.0.1:0\"\n[tls]\ncert_file = \"{}\"\nkey_file = \"{}\"\n",
        file("server.pem"),
        file("server.key")
    );
    let destination = Server::launch(Launch::with_config(&config));
    let log = destination.log();
    let line = log.lines().find(|line| line.contains("amqps")).expect("the door is in the log");
    let port = line.rsplit_once("127.0.0.1:").expect("its address").1;
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    source.http().make_queue("from", json!({})).await;
    publish(&source, "from", 0..100).await;
    let value = |query: &str| {
        json!({"src-uri": "amqp://", "src-queue": "from", "dest-queue": "to", "src-delete-after": 100,
            "dest-uri": format!("amqps://guest:guest@127.0.0.1:{port}/%2f?{query}"), "reconnect-delay": 1})
    };
    // Nobody whom everybody trusts vouches for it, and it is not called 127.0.0.1.
    assert_eq!(put(&source, "s", value("heartbeat=30")).await.status, 201);
    until_state(&source, "s", "terminated").await;
    assert_eq!(put(&source, "s", value(&format!("cacertfile={}", file("ca.pem")))).await.status, 204);
    until_state(&source, "s", "terminated").await;
    assert_eq!(messages(&destination, "to").await, 0);
    let named = format!("cacertfile={}&server_name_indication=localhost", file("ca.pem"));
    assert_eq!(put(&source, "s", value(&named)).await.status, 204);
    until_gone(&source, "s").await;
    assert_eq!(numbers(&destination.http().drain_queue("to").await), (0..100).collect());
}
