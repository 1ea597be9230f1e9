use blackbox::{Launch, Server, deadline};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Long enough for an answer that is not held back.
const MOMENT: std::time::Duration = std::time::Duration::from_millis(200);

async fn talk(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the server accepts");
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = deadline::soon("an answer or the end", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_room_returns() {
    let server = Server::launch(Launch::with_config("[http]\nmax_connections = 4\n"));
    let address = server.address();
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(address).await.expect("the server accepts");
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("it reads");
        let mut byte = [0; 12];
        deadline::soon("an answer", stream.read_exact(&mut byte)).await.expect("it answers");
        assert_eq!(&byte, b"HTTP/1.1 200");
        held.push(stream);
    }
    let refused = talk(address, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 503"), "{refused}");
    held.pop();
    deadline::until("there is room again", async || {
        let answer = talk(address, b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        answer.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
}

#[tokio::test]
async fn heads_and_bodies_have_a_size() {
    let config = "[http]\nmax_body_bytes = \"64KiB\"\nmax_header_bytes = \"16KiB\"\n[limits]\nmessage_bytes = \"62KiB\"\n";
    let server = Server::launch(Launch::with_config(config));
    let http = server.http();
    http.make_queue("queue", json!({})).await;
    let path = "/v1/topics/queue/messages";
    http.post_as(path, "text/plain", vec![b'x'; 60 << 10]).await.expect(200);
    http.post_as(path, "text/plain", vec![b'x'; 65 << 10]).await.refused(413, "too_large");
    let head = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: {}\r\n\r\n",
        "y".repeat(20 << 10)
    );
    let answer = talk(server.address(), head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer:.200}");
    // A declared length over the limit is refused before the body is sent.
    let huge = "POST /v1/topics/queue/messages HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 99999999999\r\n\r\n";
    let mut stream = TcpStream::connect(server.address()).await.expect("the server accepts");
    stream.write_all(huge.as_bytes()).await.expect("it reads");
    let mut status = [0; 12];
    deadline::soon("an answer", stream.read_exact(&mut status)).await.expect("it answers");
    assert_eq!(&status, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_refusal_that_did_not_need_the_body_does_not_end_the_connection_without_a_word() {
    let server = Server::shared();
    let post =
        |bytes: usize| format!("POST /v1/nothing HTTP/1.1\r\nhost: x\r\ncontent-length: {bytes}\r\n\r\n");
    // The body comes after the head, as many clients send it; then another request over the same connection.
    let mut stream = TcpStream::connect(server.address()).await.expect("the server accepts");
    stream.set_nodelay(true).unwrap();
    stream.write_all(post(5).as_bytes()).await.expect("it reads");
    let early = tokio::time::timeout(MOMENT, stream.readable()).await;
    assert!(early.is_err(), "the answer comes when the body is there");
    stream.write_all(b"hello").await.expect("it reads");
    let get = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(get.as_bytes()).await.expect("it reads");
    let mut told = String::new();
    deadline::soon("both answers", stream.read_to_string(&mut told)).await.expect("they are text");
    let statuses: Vec<&str> = told.matches("HTTP/1.1 404").chain(told.matches("HTTP/1.1 200")).collect();
    assert_eq!(statuses.len(), 2, "{told}");
    // A body that is too long for that is not waited for: the answer says that the connection ends with it.
    let answer = talk(server.address(), post(10 << 20).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn who_dawdles_is_let_go_and_costs_the_others_nothing() {
    let config = "[http]\nheader_timeout_ms = 1000\nidle_timeout_ms = 1500\n";
    let server = Server::launch(Launch::with_config(config));
    let http = server.http();
    http.make_queue("queue", json!({})).await;
    let mut slow = Vec::new();
    for beginning in [
        &b"GET /liv"[..],
        b"POST /v1/topics/queue/messages HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nhalf",
    ] {
        let mut stream = TcpStream::connect(server.address()).await.expect("the server accepts");
        stream.write_all(beginning).await.expect("it reads");
        slow.push(stream);
    }
    http.publish_values("queue", ["served meanwhile"]).await;
    for mut stream in slow {
        let mut rest = Vec::new();
        let _ = deadline::soon("the server gives up on it", stream.read_to_end(&mut rest)).await;
        let rest = String::from_utf8_lossy(&rest).into_owned();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408"), "{rest}");
    }
    // A client of its own: the idle connections of the first one were closed as well.
    assert_eq!(server.http().queue_stats("queue").await["ready"], 1);
}

#[tokio::test]
async fn what_is_no_http_is_answered_or_closed_and_nothing_breaks() {
    let server = Server::shared();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"AMQP\x00\x00\x09\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/settle HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nZZZ\r\n",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    ] {
        let answer = talk(server.address(), garbage).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1."), "{answer}");
        assert!(!answer.starts_with("HTTP/1.1 500"), "{answer}");
    }
    assert_eq!(server.http().get("/livez").await.status, 200);
}
