//! Publishers wait when memory or the disk runs short, and go on when there is room again.

use blackbox::{Launch, Server, deadline};
use lapin::options::{BasicAckOptions, BasicPublishOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use serde_json::json;

use crate::full_disk::SmallDisk;
use crate::lapin_client::{connect, consume, declare, next, publish};

/// Publishes until the broker says that publishers have to wait; answers how many messages were confirmed.
async fn until_blocked(connection: &Connection, channel: &Channel, queue: &str, body: &[u8]) -> usize {
    let mut confirmed = 0;
    loop {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish("".into(), queue.into(), options, body, properties).await;
        // What is written when the alarm comes waits with its publisher, and is taken when that goes on.
        let confirm = tokio::select! {
            confirm = sent.expect("published") => Some(confirm),
            () = blocked(connection) => None,
        };
        match confirm {
            None => return confirmed,
            Some(confirm) => {
                // A nack says that this message found no room; publishers are told to wait with the next.
                confirmed += usize::from(matches!(confirm.expect("a confirm"), Confirmation::Ack(None)));
            }
        }
        assert!(confirmed < 100_000, "it never blocked");
    }
}

async fn blocked(connection: &Connection) {
    deadline::until("a confirm, or the word to wait", async || connection.status().blocked().then_some(()))
        .await;
}

async fn until_unblocked(connection: &Connection) {
    deadline::until("the publisher may go on", async || {
        assert!(connection.status().connected());
        (!connection.status().blocked()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn too_much_memory_makes_publishers_wait_on_every_door() {
    // How much the process holds without messages is not known beforehand.
    let idle = Server::start().resident_kib() * 1024;
    let high = idle + (40 << 20);
    let launch = Launch::with_config(&format!(
        "memory_high_watermark_bytes = {high}\n[queue]\nloaded_bytes = \"1GiB\"\nloaded_bytes_total = \"1GiB\"\n"
    ));
    let server = Server::launch(launch);
    let http = server.http();
    let (connection, channel) = connect(&server).await;
    declare(&channel, "big", FieldTable::default()).await;
    let confirmed = until_blocked(&connection, &channel, "big", &vec![7; 500_000]).await;
    assert!(confirmed > 10, "{confirmed} messages made {high} bytes");

    // The other doors refuse, say when to try again, and change nothing.
    let refused =
        http.json(hyper::Method::POST, "/v1/topics/big/messages", json!({"messages": [{"value": 1}]})).await;
    refused.refused(503, "low_memory");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    let headers = [("authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=")];
    let alarms =
        http.send(hyper::Method::GET, "/api/health/checks/alarms", &headers, Default::default()).await;
    assert_eq!(alarms.expect(503)["alarms"][0]["resource"], "memory");
    let nodes = http.send(hyper::Method::GET, "/api/nodes", &headers, Default::default()).await.expect(200);
    assert_eq!((&nodes[0]["mem_alarm"], &nodes[0]["mem_limit"]), (&json!(true), &json!(high)));
    // Who consumes goes on, and makes room; so does a connection that never published.
    let (_reading, reader) = connect(&server).await;
    let mut consumer = consume(&reader, "big").await;
    for _ in 0..confirmed {
        next(&mut consumer).await.ack(BasicAckOptions::default()).await.expect("settled");
    }
    until_unblocked(&connection).await;
    assert!(matches!(
        publish(&channel, ("", "big"), b"after", BasicProperties::default()).await,
        Confirmation::Ack(None)
    ));
    http.post("/v1/topics/big/messages", json!({"messages": [{"value": 1}]})).await.expect(200);
}

#[tokio::test]
async fn a_full_disk_makes_amqp_publishers_wait_until_there_is_room() {
    let Some(disk) = SmallDisk::mount(40) else {
        eprintln!("not root: the black-box test of the disk alarm is skipped");
        return;
    };
    let launch = Launch {
        config: "[storage]\nsegment_bytes = \"2MiB\"\nheadroom_bytes = \"1MiB\"\n[limits]\nmessage_bytes = \"64KiB\"\n[log]\nsettle_bytes = \"1MiB\"\nunsettled_bytes = \"4MiB\"\n".into(),
        dir: Some(disk.path().join("data")),
        ..Launch::default()
    };
    let server = Server::launch(launch);
    let (connection, channel) = connect(&server).await;
    declare(&channel, "queue", FieldTable::default()).await;
    let confirmed = until_blocked(&connection, &channel, "queue", &[7; 30_000]).await;
    assert!(confirmed > 100, "{confirmed}");
    let (_reading, reader) = connect(&server).await;
    let mut consumer = consume(&reader, "queue").await;
    for _ in 0..confirmed {
        next(&mut consumer).await.ack(BasicAckOptions::default()).await.expect("settled");
    }
    until_unblocked(&connection).await;
    assert!(matches!(
        publish(&channel, ("", "queue"), b"after", BasicProperties::default()).await,
        Confirmation::Ack(None)
    ));
}
