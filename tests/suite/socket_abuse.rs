use blackbox::socket::{BINARY, JSON, Socket};
use blackbox::{Launch, Server, asyncapi, deadline, values};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_bad_command_is_answered_by_name_and_the_socket_lives() {
    let server = Server::shared();
    let mut socket = Socket::open(server).await;
    let cases = [
        ("{\"id\":1}", "/type"),
        ("{\"id\":2,\"type\":\"subscrbe\"}", "/type"),
        ("{\"id\":3,\"type\":\"subscribe\"}", "topic"),
        ("{\"id\":4,\"type\":\"subscribe\",\"topic\":7}", "/topic"),
        ("{\"id\":5,\"type\":\"subscribe\",\"topic\":\"x\",\"credits\":{}}", "credits"),
        ("{\"id\":6,\"type\":\"ack\"}", "/leases"),
        ("{\"id\":7,\"type\":\"ack\",\"leases\":[\"forged\"]}", "/leases/0"),
        (
            "{\"id\":8,\"type\":\"publish\",\"topic\":\"x\",\"messages\":[{\"priorty\":1}]}",
            "/messages/0/priorty",
        ),
        ("{\"id\":9,\"type\":\"credit\",\"subscription\":99,\"messages\":1}", "subscription"),
        ("{\"id\":10,\"type\":\"extend\",\"leases\":[]}", "lease_ms"),
    ];
    for (at, (text, field)) in cases.iter().enumerate() {
        socket.send_text(text).await;
        let reply = socket.reply_to(&json!(at + 1)).await;
        assert_eq!(reply["type"], "error", "{text}: {reply}");
        let named = format!("{} {}", reply["error"]["field"], reply["error"]["detail"]);
        assert!(named.contains(field), "{text} should name {field}: {reply}");
    }
    socket.ask("ping", json!({})).await;
}

#[tokio::test]
async fn garbage_is_put_up_with_for_a_while() {
    let server = Server::shared();
    for subprotocol in [JSON, BINARY] {
        let mut socket = Socket::try_open(server.address(), subprotocol, &[]).await.expect("an upgrade");
        let closed = deadline::soon("the server has had enough", async {
            for _ in 0..1000 {
                if subprotocol == JSON {
                    socket.send_text("not json").await
                } else {
                    socket.send_bytes("x").await
                };
            }
            loop {
                let ended = if subprotocol == JSON {
                    socket.frame().await.map(|_| ())
                } else {
                    socket.bytes().await.map(|_| ())
                };
                if let Err(closed) = ended {
                    return closed;
                }
            }
        })
        .await;
        assert!(matches!(closed.code, 1002 | 1003 | 1006 | 1007 | 1008 | 4000..), "{closed:?}");
    }
    assert_eq!(server.http().get("/livez").await.status, 200);
}

#[tokio::test]
async fn broken_framing_ends_the_socket_and_nothing_else() {
    let server = Server::shared();
    for bytes in [
        &[0xff_u8; 64][..],
        &[0x83, 0x80, 0, 0, 0, 0],
        &[0x81, 0x05, b'h', b'e', b'l', b'l', b'o'],
        &[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
    ] {
        let socket = Socket::open(server).await;
        let mut tcp = socket.into_tcp();
        let _ = tcp.write_all(bytes).await;
        let mut rest = Vec::new();
        let _ =
            deadline::soon("the server closes", tokio::io::AsyncReadExt::read_to_end(&mut tcp, &mut rest))
                .await;
    }
    Socket::open(server).await.ask("ping", json!({})).await;
}

#[tokio::test]
async fn a_frame_has_a_size() {
    let server = Server::launch(Launch::with_config(
        "[ws]\nmax_frame_bytes = \"64KiB\"\n[limits]\nmessage_bytes = \"62KiB\"\n",
    ));
    let http = server.http();
    http.make_queue("queue", json!({})).await;
    let mut socket = Socket::open(&server).await;
    let message = |size: usize| json!({"topic": "queue", "messages": [{"value": "x".repeat(size)}]});
    socket.ask("publish", message(60_000)).await;
    socket.send("publish", message(70_000)).await;
    assert_eq!(socket.closed().await.code, 1009);
    assert_eq!(http.queue_stats("queue").await["ready"], 1);
}

#[tokio::test]
async fn who_never_reads_costs_the_others_nothing() {
    let server = Server::launch(Launch::with_config("[ws]\nmax_buffered_bytes = \"256KiB\"\n"));
    let http = server.http();
    http.make_log("log", 1).await;
    http.make_queue("queue", json!({})).await;
    let mut deaf = Vec::new();
    for topic in ["log", "queue"] {
        for _ in 0..10 {
            let mut socket = Socket::open(&server).await;
            let mut fields = json!({"topic": topic, "credit": {"messages": 100_000}});
            if topic == "log" {
                fields["from"] = json!("earliest");
            } else {
                fields["ack"] = json!("auto");
            }
            socket.send("subscribe", fields).await;
            deaf.push(socket);
        }
    }
    let mut reader = Socket::open(&server).await;
    reader
        .ask("subscribe", json!({"topic": "log", "from": "earliest", "credit": {"messages": 100_000}}))
        .await;
    let before = server.resident_kib();
    // 20 MiB for each of ten subscribers who never read one byte.
    for batch in 0..200 {
        http.publish_values("log", (0..10).map(|n| format!("{}-{}", batch * 10 + n, "x".repeat(10_000))))
            .await;
    }
    let seen = values(&reader.messages(2000).await);
    assert!(
        seen.iter().enumerate().all(|(at, value)| value.starts_with(&format!("{at}-"))),
        "the reader sees all"
    );
    // Beside ten who never read, one who does gets its share of the queue at least, and what they can not take.
    let mut worker = Socket::open(&server).await;
    worker.ask("subscribe", json!({"topic": "queue", "ack": "auto", "credit": {"messages": 100_000}})).await;
    for _ in 0..200 {
        http.publish_values("queue", (0..10).map(|_| "y".repeat(10_000))).await;
    }
    assert_eq!(worker.messages(2000 / 11).await.len(), 2000 / 11);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 120_000, "memory grew by {grown} KiB for clients that do not read");
    drop(deaf);
    http.get("/livez").await;
}

#[tokio::test]
async fn who_sends_without_reading_replies_is_not_buffered_without_end() {
    let server = Server::start();
    let mut socket = Socket::open(&server).await;
    let before = server.resident_kib();
    let flood = async {
        for _ in 0..200_000 {
            socket.send_text("{\"id\":1,\"type\":\"ping\"}").await;
        }
    };
    // Either the flood is taken, or the server stops reading it; both are fine. Memory must not pile up.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(5), flood).await;
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 64_000, "memory grew by {grown} KiB");
    assert_eq!(server.http().get("/livez").await.status, 200);
}

#[tokio::test]
async fn pages_of_other_origins_are_not_let_in() {
    let server = Server::shared();
    let address = server.address();
    let refused = Socket::try_open(address, JSON, &[("origin", "https://evil.example")]).await;
    assert_eq!(refused.err().as_deref(), Some("status 403"));
    let own = format!("http://{address}");
    Socket::try_open(address, JSON, &[("origin", &own)]).await.expect("its own console").close().await;
    let unknown = Socket::try_open(address, "sluice.v9.xml", &[]).await;
    assert!(unknown.is_err(), "an unknown subprotocol is not agreed to");
}

#[tokio::test]
async fn the_binary_subprotocol_carries_the_same_commands() {
    let server = Server::shared();
    let http = server.http();
    let queue = server.name("queue");
    http.make_queue(&queue, json!({})).await;
    http.publish(&queue, json!([{"key": "k", "value": "raw bytes"}])).await;
    let mut socket = Socket::try_open(server.address(), BINARY, &[]).await.expect("an upgrade");
    let control = |id: u32, command: Value| {
        let mut frame = vec![0x01];
        frame.extend_from_slice(&id.to_be_bytes());
        frame.extend_from_slice(command.to_string().as_bytes());
        frame
    };
    socket
        .send_bytes(control(7, json!({"type": "subscribe", "topic": queue, "credit": {"messages": 10}})))
        .await;
    let reply = socket.bytes().await.expect("a reply");
    assert_eq!(reply.get(..5), Some(&[0x81, 0, 0, 0, 7][..]));
    // The reply is described as JSON is, with its id in the frame's header.
    let described = |reply: &[u8], id: u32| {
        let mut described: Value = serde_json::from_slice(reply.get(5..).expect("a header")).expect("JSON");
        described["id"] = json!(id);
        asyncapi::check_received(&described);
        described
    };
    let subscribed = described(&reply, 7);
    assert_eq!(subscribed["type"], "ok");
    let messages = socket.bytes().await.expect("messages");
    assert_eq!(messages[0], 0x84);
    assert_eq!(messages[1..5], (subscribed["subscription"].as_u64().expect("a number") as u32).to_be_bytes());
    assert!(messages.windows(9).any(|window| window == b"raw bytes"));
    // Credit for a subscription that does not exist is refused under the id that asked.
    let mut credit = vec![0x08, 0, 0, 0, 9];
    credit.extend_from_slice(&99_u32.to_be_bytes());
    credit.extend_from_slice(&1_u32.to_be_bytes());
    credit.extend_from_slice(&0_u64.to_be_bytes());
    socket.send_bytes(credit).await;
    let reply = socket.bytes().await.expect("a reply");
    assert_eq!(reply.get(..5), Some(&[0x81, 0, 0, 0, 9][..]));
    assert_eq!(described(&reply, 9)["type"], "error");
    drop(socket);
    assert_eq!(values(&http.receive_soon(&queue, 1).await), ["raw bytes"]);
}
