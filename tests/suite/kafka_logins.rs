//! Logins over the Kafka protocol as no client library of today does them.

use blackbox::{Http, Kafka, Launch, Server};
use kafka_wire::messages::metadata::MetadataRequest;
use kafka_wire::messages::sasl_handshake::SaslHandshakeRequest;
use serde_json::json;

async fn guarded() -> (Server, Http) {
    let server = Server::launch(Launch::with_config("[auth]\nfailure_delay_ms = 0\n"));
    let admin = json!({"password": "secret", "admin": true});
    server.http().put("/v1/users/admin", admin).await.expect(201);
    let admin = server.http().logged_in("admin", "secret");
    admin.put("/v1/topics/log", json!({"model": "log"})).await.expect(201);
    (server, admin)
}

/// A connection after a handshake of version 0: what follows has no header.
async fn shaken(server: &Server, mechanism: &str) -> Kafka {
    let mut kafka = Kafka::connect(server).await;
    let answer = kafka.ask(0, &SaslHandshakeRequest { mechanism: mechanism.to_owned() }).await;
    assert_eq!(answer.error_code, 0, "{answer:?}");
    kafka
}

#[tokio::test]
async fn after_the_first_version_of_the_handshake_messages_come_bare() {
    let (server, _admin) = guarded().await;
    let mut kafka = shaken(&server, "PLAIN").await;
    kafka.send_bare(b"\0admin\0secret").await;
    assert_eq!(kafka.receive_bare().await.expect("an answer").len(), 0);
    // From here on it is a connection like any other.
    let all = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let told = kafka.ask(9, &all).await;
    assert!(told.topics.iter().any(|topic| topic.name.as_deref() == Some("log")), "{told:?}");
    kafka.log_in("admin", "secret").await;
}

#[tokio::test]
async fn a_bare_message_that_is_wrong_ends_the_connection() {
    let (server, _admin) = guarded().await;
    for (mechanism, message) in [
        ("PLAIN", &b"\0admin\0wrong"[..]),
        ("PLAIN", b"x"),
        ("SCRAM-SHA-256", b"n,,n=admin"),
        ("SCRAM-SHA-512", &[0xff; 2000]),
    ] {
        let mut kafka = shaken(&server, mechanism).await;
        kafka.send_bare(message).await;
        assert!(kafka.receive_bare().await.is_none(), "{mechanism} {message:?}");
    }
    // A client that says a request's header where a bare message is due has not logged in with it.
    let mut kafka = shaken(&server, "PLAIN").await;
    kafka.send(9, &MetadataRequest::default()).await;
    assert!(kafka.receive_bare().await.is_none());
}

#[tokio::test]
async fn a_handshake_that_failed_expects_no_bare_messages() {
    let (server, _admin) = guarded().await;
    let mut kafka = Kafka::connect(&server).await;
    let answer = kafka.ask(0, &SaslHandshakeRequest { mechanism: "GSSAPI".to_owned() }).await;
    assert_eq!(answer.error_code, 33, "{answer:?}");
    kafka.log_in("admin", "secret").await;
}
