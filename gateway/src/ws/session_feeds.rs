//! What a session does with its subscriptions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use message::{ErrorCode, Timestamp};

use super::answer::{Answer, SettleResults, Subscribed};
use super::command::{CommandId, CreditGrant, Settle, Subscribe, Subscription, Verdict};
use super::credit::Credit;
use super::effect::{Effect, Opened};
use super::held::Freed;
use super::log_feed::{LogFeed, Membership, PartitionFeed, Readiness, heartbeat_after};
use super::queue_feed::QueueFeed;
use super::session::{Phase, Session};
use super::subscription::{Feed, FeedSource, Reading, check, check_credit, for_log, for_queue};
use crate::codec::render::ValueMode;
use crate::refusal::Refusal;
use crate::topics::Model;

impl Session {
    pub(super) fn subscribe(&mut self, id: CommandId, ask: Subscribe) {
        if let Err(refusal) = check(&ask, &self.limits) {
            return self.push_reply(Some(id), Err(refusal));
        }
        if self.feeds.len() + self.opening >= self.limits.subscriptions {
            let most = self.limits.subscriptions;
            let why =
                format!("a socket has at most {most} subscriptions; unsubscribe one or open another socket");
            return self.push_reply(Some(id), Err(Refusal::new(ErrorCode::Overloaded, why)));
        }
        self.last_subscription += 1;
        self.opening += 1;
        self.in_flight += 1;
        let subscription = self.last_subscription;
        self.effects.push_back(Effect::Open { id, subscription, ask: Box::new(ask) });
    }

    pub(super) fn opened(
        &mut self,
        now: Instant,
        id: CommandId,
        subscription: Subscription,
        ask: &Subscribe,
        opened: Result<Opened, Refusal>,
    ) {
        self.opening -= 1;
        self.in_flight -= 1;
        let made = opened.and_then(|opened| self.make_feed(now, subscription, ask, opened));
        match made {
            Ok((feed, subscribed)) => {
                if let FeedSource::Log(log) = &feed.source {
                    self.readable.extend(log.partitions.keys().map(|&partition| (subscription, partition)));
                }
                self.feeds.insert(subscription, feed);
                if self.phase == Phase::Open {
                    self.push_reply(Some(id), Ok(Answer::Subscribed(subscribed)));
                } else {
                    // It was opened while the socket was being closed: give everything back.
                    self.drop_feed(subscription);
                    let why = "the server is going down; subscribe again on a new connection";
                    self.push_reply(
                        Some(id),
                        Err(Refusal::new(ErrorCode::ShuttingDown, why).retry_after(1000)),
                    );
                }
            }
            Err(refusal) => self.push_reply(Some(id), Err(refusal)),
        }
    }

    fn make_feed(
        &self,
        now: Instant,
        subscription: Subscription,
        ask: &Subscribe,
        opened: Opened,
    ) -> Result<(Feed, Subscribed), Refusal> {
        let values = ask.values.as_deref().and_then(ValueMode::from_name).unwrap_or_default();
        if opened == Opened::Queue {
            let terms = for_queue(ask, &self.limits)?;
            let queue = QueueFeed::new(terms);
            let credit = if terms.renewing { CreditGrant::default() } else { terms.credit };
            let subscribed = Subscribed {
                subscription,
                topic: ask.topic.clone(),
                model: Model::Queue,
                ack: terms.ack,
                credit,
                seat: None,
                partitions: None,
            };
            return Ok((Feed { values, source: FeedSource::Queue(queue) }, subscribed));
        }
        let terms = for_log(ask)?;
        let (seat, positions) = match opened {
            Opened::Group { seat, positions } => (Some(seat), positions),
            Opened::Log(positions) => (None, positions),
            Opened::Queue => (None, Vec::new()),
        };
        let membership = match (&terms.reading, &seat) {
            (Reading::Group { fallback, session_timeout_ms, .. }, Some(seat)) => Some(Membership {
                seat: seat.clone(),
                session_timeout_ms: *session_timeout_ms,
                fallback: *fallback,
                committing: None,
                waiting: Vec::new(),
                heartbeat: now + heartbeat_after(*session_timeout_ms),
                joining: false,
                unconfirmed: false,
                dirty: BTreeMap::new(),
            }),
            _ => None,
        };
        let partitions = positions
            .iter()
            .map(|at| (at.partition, PartitionFeed::new(at.offset, terms.ack, membership.is_some())))
            .collect();
        let log = LogFeed {
            topic: ask.topic.clone(),
            ack: terms.ack,
            credit: Credit::of(terms.credit),
            paused: false,
            partitions,
            membership,
        };
        let subscribed = Subscribed {
            subscription,
            topic: ask.topic.clone(),
            model: Model::Log,
            ack: terms.ack,
            credit: terms.credit,
            seat,
            partitions: Some(positions),
        };
        Ok((Feed { values, source: FeedSource::Log(Box::new(log)) }, subscribed))
    }

    pub(super) fn grant(
        &mut self,
        subscription: Subscription,
        grant: CreditGrant,
    ) -> Result<Answer, Refusal> {
        check_credit(grant, &self.limits)?;
        let limits = self.limits;
        let (messages, bytes) = (grant.messages.unwrap_or(0), grant.bytes.unwrap_or(0));
        match &mut self.feed(subscription)?.source {
            FeedSource::Queue(queue) if queue.renewing => {
                let why =
                    "this subscription was opened without `credit`, so nothing but the socket limits it";
                return Err(Refusal::invalid("/subscription", why));
            }
            FeedSource::Queue(queue) => {
                queue.widen(messages, bytes, &limits)?;
                self.effects.push_back(Effect::Grant { subscription, messages, bytes });
            }
            FeedSource::Log(log) => {
                log.credit.add(u64::from(messages), bytes);
                self.unpark(subscription);
            }
        }
        Ok(Answer::Done)
    }

    pub(super) fn pause(
        &mut self,
        subscription: Subscription,
        partitions: Option<&[u32]>,
    ) -> Result<Answer, Refusal> {
        match (&mut self.feed(subscription)?.source, partitions) {
            (FeedSource::Queue(_), None) => self.effects.push_back(Effect::Pause(subscription)),
            (FeedSource::Queue(_), Some(_)) => return Err(no_partitions(subscription)),
            (FeedSource::Log(log), None) => log.paused = true,
            (FeedSource::Log(log), Some(partitions)) => log.pause(partitions, true)?,
        }
        Ok(Answer::Done)
    }

    pub(super) fn resume(
        &mut self,
        subscription: Subscription,
        partitions: Option<&[u32]>,
    ) -> Result<Answer, Refusal> {
        match (&mut self.feed(subscription)?.source, partitions) {
            (FeedSource::Queue(_), None) => self.effects.push_back(Effect::Resume(subscription)),
            (FeedSource::Queue(_), Some(_)) => return Err(no_partitions(subscription)),
            (FeedSource::Log(log), None) => log.paused = false,
            (FeedSource::Log(log), Some(partitions)) => log.pause(partitions, false)?,
        }
        self.unpark(subscription);
        Ok(Answer::Done)
    }

    pub(super) fn unsubscribe(&mut self, subscription: Subscription) -> Result<Answer, Refusal> {
        self.feed(subscription)?;
        self.drop_feed(subscription);
        Ok(Answer::Done)
    }

    /// Puts partitions that waited for credit back in line.
    pub(super) fn unpark(&mut self, subscription: Subscription) {
        let Some(Feed { source: FeedSource::Log(log), .. }) = self.feeds.get_mut(&subscription) else {
            return;
        };
        for (&partition, feed) in
            log.partitions.iter_mut().filter(|(_, feed)| feed.state == Readiness::Parked)
        {
            feed.state = Readiness::Queued;
            self.readable.push_back((subscription, partition));
        }
    }

    /// Asks for leases to be settled. Those that end are no longer in flight from here on: what their credit is worth is
    /// granted right behind, without waiting until settling them is durable.
    pub(super) fn settle(&mut self, id: CommandId, settle: Settle) {
        let mut freed = Freed::default();
        if !matches!(settle.verdict, Verdict::Extend { .. }) {
            settle.leases.iter().for_each(|lease| self.held.release(*lease, &mut freed));
        }
        self.effects.push_back(Effect::Settle { id, settle });
        self.grant_freed(freed);
    }

    /// Extended leases are in flight for longer.
    pub(super) fn extend_leases(&mut self, settle: &Settle, results: &Result<SettleResults, Refusal>) {
        let Ok(results) = results else { return };
        for (lease, result) in settle.leases.iter().zip(results) {
            if let Ok(Some(expires_at)) = result {
                self.held.extend(*lease, *expires_at);
            }
        }
    }

    pub(super) fn expire_leases(&mut self, now: Instant) {
        let (then, wall) = self.epoch;
        let mut freed = Freed::default();
        self.held.expire(wall.plus(now.saturating_duration_since(then)).0, &mut freed);
        self.grant_freed(freed);
    }

    pub(super) fn next_lease_end(&self) -> Option<Instant> {
        let (then, wall) = self.epoch;
        // A little later than the queue, so that the queue is the first to know.
        self.held.next_end().map(|end| then + Timestamp(end).since(wall) + Duration::from_millis(50))
    }

    fn grant_freed(&mut self, freed: Freed) {
        let grants = freed.into_grants();
        self.effects.extend(grants.map(|(subscription, messages, bytes)| Effect::Grant {
            subscription,
            messages,
            bytes,
        }));
    }
}

fn no_partitions(subscription: Subscription) -> Refusal {
    let why = format!("subscription {subscription} is to a queue, which has no partitions: leave them out");
    Refusal::new(ErrorCode::WrongModel, why).in_field("/partitions")
}
