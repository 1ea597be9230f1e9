//! Messages that were there before do not wait for the disk with what happens beside their delivery.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod seam;

use std::sync::{Arc, Condvar, Mutex};
use std::task::Poll;
use std::time::Duration;

use message::TopicName;
use seam::watched_disk::{Watch, WatchedDisk};
use segment_store::LyingDisk;
use sluice::topics::{
    Acks, Hold, Outgoing, QueueDelivery, QueueSettings, QueueSubscription, SubscribeOptions, TopicSpec,
    Topics, TopicsSettings,
};

/// Whether syncs may end, and how many wait for that.
#[derive(Default)]
struct Gate {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    fn set_closed(&self, closed: bool) {
        self.state.lock().unwrap().0 = closed;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |(closed, _)| *closed).unwrap();
        state.1 -= 1;
    }

    fn until_someone_waits(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |(_, waiting)| *waiting == 0).unwrap());
    }
}

impl Watch for Gate {
    fn syncing(&self) {
        // So slow that nobody syncs in passing.
        std::thread::sleep(Duration::from_millis(5));
        self.pass();
    }
}

fn message(text: &'static str) -> Vec<Outgoing> {
    vec![Outgoing { value: Some(text.into()), ..Outgoing::default() }]
}

async fn next(subscription: &mut QueueSubscription) -> Vec<u64> {
    // Without a limit, a delivery that waits would wait for ever.
    let run = tokio::time::timeout(Duration::from_secs(60), subscription.next()).await;
    run.expect("it is delivered").unwrap().iter().map(QueueDelivery::id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_message_does_not_wait_for_what_came_after_it() {
    let gate = Arc::new(Gate::default());
    let mut settings = TopicsSettings::new("unused".into());
    settings.journal.segment_bytes = 1 << 20;
    settings.journal.headroom_bytes = 0;
    settings.journal.background = false;
    let disk = WatchedDisk(LyingDisk::new(1), Arc::clone(&gate));
    let topics = Topics::open_on(Arc::new(disk), settings).unwrap().0;
    let name = TopicName::new("queue").unwrap();
    let settings = QueueSettings { lease_ms: 60_000, durable: true, ..QueueSettings::default() };
    topics.create(&name, TopicSpec::Queue(Box::new(settings))).await.unwrap();
    topics.publish("queue", message("old"), Acks::All, None).await.unwrap()[0].as_ref().unwrap();
    let options = SubscribeOptions {
        credit_messages: 0,
        credit_bytes: 1000,
        hold: Hold::QueueTime,
        priority: 0,
        exclusive: false,
    };
    let mut subscription = topics.queue("queue").unwrap().subscribe(options).await.unwrap();

    gate.set_closed(true);
    let publisher = topics.clone();
    let publish =
        tokio::spawn(
            async move { publisher.publish("queue", message("new"), Acks::All, None).await.unwrap() },
        );
    gate.until_someone_waits();
    subscription.credit(2, 0);
    assert_eq!(next(&mut subscription).await, [0], "it was on disk before");
    let waits = std::future::poll_fn(|cx| Poll::Ready(subscription.poll_next(cx).is_pending())).await;
    assert!(waits && !publish.is_finished(), "the other is not on disk yet");

    gate.set_closed(false);
    assert_eq!(next(&mut subscription).await, [1]);
    publish.await.unwrap()[0].as_ref().unwrap();
}
