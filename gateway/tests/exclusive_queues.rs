//! A queue that belongs to a connection is closed to those that come without one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use message::{ErrorCode, HeaderTable};
use segment_store::LyingDisk;
use sluice::topics::{
    Acks, BindingSpec, DeleteIf, DestinationType, Hold, Outgoing, QueueSettings, SubscribeOptions,
    TopicPatch, Topics, TopicsSettings,
    session::{Action, ChannelKey, Operation, QueueDeclaration, Request, Session, SessionEvent},
};

fn open() -> Topics {
    let mut settings = TopicsSettings::new("unused".into());
    settings.journal.segment_bytes = 1 << 20;
    settings.journal.headroom_bytes = 0;
    settings.journal.background = false;
    Topics::open_on(Arc::new(LyingDisk::new(1)), settings).unwrap().0
}

async fn ask(session: &mut Session, request: Request) {
    let operation = Operation { channel: ChannelKey(1), action: Action::Ask(Box::new(request)) };
    session.submit(vec![operation]).await.unwrap();
    assert!(matches!(session.next().await, SessionEvent::Done { .. }));
}

#[tokio::test]
async fn only_publishing_is_open_to_others() {
    let topics = open();
    let mut owner = topics.open_session();
    let declaration = QueueDeclaration {
        queue: "mine".to_owned(),
        passive: false,
        durable: false,
        exclusive: true,
        auto_delete: false,
        arguments: HeaderTable::default(),
        server_named: false,
    };
    ask(&mut owner, Request::DeclareQueue(declaration)).await;
    let queue = topics.queue("mine").unwrap();
    assert!(topics.describe("mine").await.unwrap().queue_stats.unwrap().exclusive);

    let body = Outgoing { value: Some("for the owner".into()), ..Outgoing::default() };
    topics.publish("mine", vec![body], Acks::Leader, None).await.unwrap()[0].as_ref().unwrap();
    let options = SubscribeOptions {
        credit_messages: 1,
        credit_bytes: 1,
        hold: Hold::QueueTime,
        priority: 0,
        exclusive: false,
    };
    let binding = BindingSpec {
        source: "amq.fanout".to_owned(),
        destination: "mine".to_owned(),
        destination_type: DestinationType::Queue,
        routing_key: String::new(),
        arguments: BTreeMap::new(),
    };
    let patch = TopicPatch::Queue(Box::new(QueueSettings { lease_ms: 1, ..QueueSettings::default() }));
    let refused = [
        queue.receive(1, Duration::ZERO, None, false).await.err(),
        queue.receive(1, Duration::from_secs(1), None, false).await.err(),
        queue.subscribe(options).await.err(),
        queue.purge().await.err(),
        queue.delete_message(0).await.err(),
        topics.bind(binding).await.err(),
        topics.update("mine", patch).await.err(),
        topics.delete("mine", DeleteIf::default()).await.err(),
    ];
    for refusal in refused {
        assert_eq!(refusal.map(|refusal| refusal.code), Some(ErrorCode::ResourceLocked));
    }
    drop(owner);
    // The owner of the shard works in order: what comes after the end of the session sees it.
    let gone = topics.describe("mine").await.map_err(|refusal| refusal.code);
    assert_eq!(gone.err(), Some(ErrorCode::UnknownTopic));
}
