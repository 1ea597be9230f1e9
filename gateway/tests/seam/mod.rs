//! What tests of the seam share.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod watched_disk;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use message::{ExchangeName, TopicName};
use sluice::refusal::Refusal;
use sluice::topics::{
    BindingSpec, DestinationType, ExchangeSpec, LogSettings, Outgoing, QueueSettings, TopicSpec, Topics,
    TopicsSettings,
};

/// Little room and nothing in the background: a short scenario rolls, settles and recycles segments, the same way each time.
pub fn tight_settings() -> TopicsSettings {
    let mut settings = TopicsSettings::new("unused".into());
    settings.journal.segment_bytes = 1 << 20;
    settings.journal.headroom_bytes = 0;
    settings.journal.spare_segments = 1;
    settings.journal.background = false;
    settings.log.settle_bytes = 256 << 10;
    settings
}

/// A message whose body starts with a word and has about so many bytes.
pub fn message(word: &str, bytes: usize) -> Outgoing {
    let mut body = word.as_bytes().to_vec();
    body.resize(bytes.max(word.len()), b' ');
    Outgoing { value: Some(Bytes::from(body)), ..Outgoing::default() }
}

pub fn word(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim_end().to_owned()
}

pub async fn declare_queue(topics: &Topics, name: &str, settings: QueueSettings) -> Result<(), Refusal> {
    let settings = QueueSettings { durable: true, lease_ms: 60_000, ..settings };
    topics.create(&TopicName::new(name).unwrap(), TopicSpec::Queue(Box::new(settings))).await.map(drop)
}

pub async fn declare_log(topics: &Topics, name: &str) -> Result<(), Refusal> {
    topics.create(&TopicName::new(name).unwrap(), TopicSpec::Log(LogSettings::default())).await.map(drop)
}

/// An exchange that leads to these queues and logs.
pub async fn declare_exchange(
    topics: &Topics,
    name: &str,
    spec: ExchangeSpec,
    queues: &[&str],
    logs: &[&str],
) -> Result<(), Refusal> {
    topics.declare_exchange(&ExchangeName::new(name).unwrap(), spec).await?;
    let queues = queues.iter().map(|queue| (*queue, DestinationType::Queue));
    for (destination, destination_type) in queues.chain(logs.iter().map(|log| (*log, DestinationType::Log))) {
        let (source, destination) = (name.to_owned(), destination.to_owned());
        let (routing_key, arguments) = (String::new(), BTreeMap::new());
        topics.bind(BindingSpec { source, destination, destination_type, routing_key, arguments }).await?;
    }
    Ok(())
}

/// The words of a log, in order; none if there is no such log.
pub fn words_in_log(topics: &Topics, log: &str) -> Vec<String> {
    let Ok(log) = topics.log(log) else { return Vec::new() };
    let mut from = log.bounds(0).unwrap().log_start;
    let mut found = Vec::new();
    loop {
        let chunk = log.read(0, from, 8 << 20).unwrap();
        if chunk.is_empty() {
            return found;
        }
        chunk
            .for_each(&mut |view| {
                found.push(word(view.value.unwrap_or_default()));
                ControlFlow::Continue(())
            })
            .unwrap();
        from = chunk.next_offset;
    }
}

/// The words of a queue, in order of their ids, whatever their state; none if there is no such queue.
pub async fn words_in_queue(topics: &Topics, queue: &str) -> Vec<String> {
    let Ok(queue) = topics.queue(queue) else { return Vec::new() };
    let page = queue.browse(None, 1000).await.unwrap();
    page.iter().map(|held| word(held.view().value.unwrap_or_default())).collect()
}
