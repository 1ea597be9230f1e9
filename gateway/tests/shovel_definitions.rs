//! Definitions of shovels over a disk that loses power: what was set is there, and what was deleted is not, however much of the
//! journal was given up in between.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod seam;

use std::sync::Arc;
use std::time::Duration;

use seam::{declare_queue, message, tight_settings};
use segment_store::LyingDisk;
use serde_json::json;
use sluice::topics::{
    Acks, QueueSettings, SettleAction, SettleRequest, ShovelName, ShovelSettings, Topics, VirtualHost,
};

fn name(vhost: &str, name: &str) -> ShovelName {
    ShovelName { vhost: vhost.into(), name: name.into() }
}

fn settings(queue: &str) -> ShovelSettings {
    json!({"src-uri": "amqp://u:hush@h", "src-queue": queue, "dest-uri": ["amqp://"]})
        .as_object()
        .unwrap()
        .clone()
}

async fn put(topics: &Topics, name: ShovelName, queue: &str) {
    topics.put_shovel(name, settings(queue), "a shovel".into()).await.unwrap();
}

/// Has the journal go on until its first segments are of no more use.
async fn work(topics: &Topics) {
    for _ in 0..60 {
        topics.publish("work", vec![message("m", 100 << 10)], Acks::All, None).await.unwrap();
        let taken = topics.queue("work").unwrap().receive(1, Duration::ZERO, None, false).await.unwrap();
        let ack = SettleRequest { lease: taken[0].lease().unwrap(), action: SettleAction::Ack };
        topics.settle(vec![ack], Acks::All).await.unwrap()[0].as_ref().unwrap();
    }
}

fn known(topics: &Topics) -> Vec<(String, String, ShovelSettings)> {
    let table = topics.shovels().unwrap();
    let each = table.iter();
    each.map(|(name, one)| (name.vhost.to_string(), name.name.to_string(), one.value.clone())).collect()
}

#[tokio::test]
async fn definitions_outlast_the_journal_that_they_were_written_to_and_go_with_their_virtual_host() {
    let disk = LyingDisk::new(18);
    let default = VirtualHost::DEFAULT_NAME;
    let (topics, owner) = Topics::open_on(Arc::new(disk.clone()), tight_settings()).unwrap();
    topics.create_virtual_host("shop").await.unwrap();
    declare_queue(&topics, "work", QueueSettings::default()).await.unwrap();
    for (shovel, queue) in [("stays", "old"), ("stays", "new"), ("goes", "any")] {
        put(&topics, name(default, shovel), queue).await;
    }
    put(&topics, name("shop", "stays"), "shop").await;
    put(&topics, name("shop", "other"), "shop").await;
    assert!(topics.delete_shovel(name(default, "goes")).await.unwrap());
    assert!(!topics.delete_shovel(name(default, "goes")).await.unwrap());
    let wanted = vec![
        (default.to_owned(), "stays".to_owned(), settings("new")),
        ("shop".to_owned(), "other".to_owned(), settings("shop")),
        ("shop".to_owned(), "stays".to_owned(), settings("shop")),
    ];
    assert_eq!(known(&topics), wanted);
    work(&topics).await;
    let left = disk.crash();
    topics.close();
    owner.ended().await.unwrap();

    let (topics, owner) = Topics::open_on(Arc::new(left.clone()), tight_settings()).unwrap();
    assert_eq!(known(&topics), wanted);
    topics.delete_virtual_host("shop").await.unwrap();
    work(&topics).await;
    let left = left.crash();
    topics.close();
    owner.ended().await.unwrap();

    let (topics, owner) = Topics::open_on(Arc::new(left), tight_settings()).unwrap();
    assert_eq!(known(&topics), wanted[..1]);
    // The default one cannot be deleted, and its shovels stay.
    assert!(topics.delete_virtual_host(default).await.is_err());
    assert_eq!(known(&topics), wanted[..1]);
    topics.close();
    owner.ended().await.unwrap();
}
