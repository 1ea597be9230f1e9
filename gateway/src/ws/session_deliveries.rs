//! What comes out of topics: messages pushed by queues, records read from logs.

use super::answer::Event;
use super::command::{AckMode, Subscription};
use super::effect::{Effect, ReadRequest};
use super::log_feed::{PartitionFeed, Readiness};
use super::records::EncodedRecords;
use super::session::{Phase, Session};
use super::subscription::{Feed, FeedSource};
use crate::refusal::Refusal;
use crate::topics::{MessageView, Place, Standing};

impl Session {
    /// A queue pushed a message. One of a subscription that ended meanwhile was returned when it ended.
    ///
    /// Ask [`Session::wants_deliveries`] before each: what a client does not take is not taken from the topics.
    pub fn handle_delivery(&mut self, subscription: Subscription, view: &MessageView<'_>) {
        let Some(feed) = self.feeds.get_mut(&subscription) else { return };
        let FeedSource::Queue(queue) = &mut feed.source else { return };
        let bytes = view.value.map_or(0, |value| value.len() as u64);
        queue.delivered(bytes);
        if let Place::Queue { standing: Standing::Leased { lease, expires_at }, .. } = &view.place {
            self.held.add(*lease, subscription, bytes, *expires_at);
        }
        self.outbox.push_message(subscription, view, feed.values);
        self.delivered += bytes;
        self.allowance = self.allowance.map(|left| left.saturating_sub(bytes));
        if let Some((messages, bytes)) = queue.renew() {
            self.effects.push_back(Effect::Grant { subscription, messages, bytes });
        }
    }

    /// A stretch of a partition was read, as [`Session::poll_read`] asked; `more` tells whether there is more behind it.
    pub fn handle_records(
        &mut self,
        subscription: Subscription,
        partition: u32,
        records: &EncodedRecords,
        more: bool,
    ) {
        let Some(Feed { source: FeedSource::Log(log), .. }) = self.feeds.get_mut(&subscription) else {
            return;
        };
        let Some(taken) = log.take(partition, records) else { return };
        self.outbox.push_records(subscription, partition, records, taken.first, taken.last);
        let marks = records.marks.get(taken.first..taken.last).unwrap_or_default();
        let bytes = marks.iter().map(|mark| u64::from(mark.weight)).sum::<u64>();
        self.delivered += bytes;
        self.allowance = self.allowance.map(|left| left.saturating_sub(bytes));
        let auto_commits = log.ack == AckMode::Auto && log.membership.is_some();
        if taken.last == records.marks.len() {
            if more {
                self.readable.push_back((subscription, partition));
            } else {
                self.handle_end(subscription, partition);
            }
        }
        if auto_commits {
            self.start_commit(subscription);
        }
    }

    /// Reading found nothing more for now.
    pub fn handle_end(&mut self, subscription: Subscription, partition: u32) {
        if let Some(feed) = self.partition(subscription, partition) {
            feed.state = Readiness::Watched;
            let from = feed.next;
            self.effects.push_back(Effect::Watch { subscription, partition, from });
        }
    }

    /// A watched partition may have more.
    pub fn handle_readable(&mut self, subscription: Subscription, partition: u32) {
        if let Some(feed) = self.partition(subscription, partition)
            && feed.state == Readiness::Watched
        {
            feed.state = Readiness::Queued;
            self.readable.push_back((subscription, partition));
        }
    }

    /// A subscription cannot go on: its topic is gone, or cannot be read.
    pub fn handle_ended(&mut self, subscription: Subscription, reason: Refusal) {
        if self.phase == Phase::Open && self.feeds.contains_key(&subscription) {
            self.drop_feed(subscription);
            let event = self.encoding.event(&Event::Closed { subscription, reason });
            self.outbox.push_content(event);
        }
    }

    /// The next stretch of a log to read, if the socket and somebody's credit have room for it.
    pub fn poll_read(&mut self) -> Option<ReadRequest> {
        while self.wants_deliveries() {
            let (subscription, partition) = self.readable.pop_front()?;
            let Some(Feed { source: FeedSource::Log(log), .. }) = self.feeds.get_mut(&subscription) else {
                continue;
            };
            let has_room = log.has_room(partition);
            let Some(feed) = log.partitions.get_mut(&partition) else { continue };
            if has_room {
                return Some(ReadRequest { subscription, partition, from: feed.next });
            }
            feed.state = Readiness::Parked;
        }
        None
    }

    fn partition(&mut self, subscription: Subscription, partition: u32) -> Option<&mut PartitionFeed> {
        match self.feeds.get_mut(&subscription)? {
            Feed { source: FeedSource::Log(log), .. } => log.partitions.get_mut(&partition),
            Feed { source: FeedSource::Queue(_), .. } => None,
        }
    }
}
