//! What a session does on behalf of consumer groups: acknowledging, committing, staying a member.

use std::time::Instant;

use message::ErrorCode;

use super::answer::{Answer, Event, Position, Seat};
use super::command::{AckRecords, CommandId, Commit, Subscription};
use super::effect::Effect;
use super::log_feed::{LogFeed, Membership, heartbeat_after};
use super::session::Session;
use super::subscription::{Feed, FeedSource};
use crate::refusal::Refusal;

impl Session {
    pub(super) fn ack_records(&mut self, id: CommandId, ack: &AckRecords) {
        let subscription = ack.subscription;
        let acked = self.log_feed(subscription).and_then(|log| {
            log.ack(subscription, &ack.runs)?;
            Ok(log.membership.as_ref().is_some_and(|membership| !membership.dirty.is_empty()))
        });
        match acked {
            Ok(true) => {
                self.unpark(subscription);
                self.commit_for(subscription, id);
            }
            Ok(false) => {
                self.unpark(subscription);
                self.push_reply(Some(id), Ok(Answer::Committed(Vec::new())));
            }
            Err(refusal) => self.push_reply(Some(id), Err(refusal)),
        }
    }

    pub(super) fn commit(&mut self, id: CommandId, commit: Commit) {
        let subscription = commit.subscription;
        let prepared = self.log_feed(subscription).and_then(|log| log.commit(commit.offsets));
        match prepared {
            Ok(()) => {
                self.unpark(subscription);
                self.commit_for(subscription, id);
            }
            Err(refusal) => self.push_reply(Some(id), Err(refusal)),
        }
    }

    fn log_feed(&mut self, subscription: Subscription) -> Result<&mut LogFeed, Refusal> {
        match &mut self.feed(subscription)?.source {
            FeedSource::Log(log) => Ok(log),
            FeedSource::Queue(_) => {
                let why = format!(
                    "subscription {subscription} is to a queue: settle its messages by their `leases`"
                );
                Err(Refusal::new(ErrorCode::WrongModel, why).in_field("/subscription"))
            }
        }
    }

    fn commit_for(&mut self, subscription: Subscription, id: CommandId) {
        if let Ok(LogFeed { membership: Some(membership), .. }) = self.log_feed(subscription) {
            membership.waiting.push(id);
            self.in_flight += 1;
        }
        self.start_commit(subscription);
    }

    /// Commits what is dirty, unless a commit is under way: then it goes along with the next one.
    pub(super) fn start_commit(&mut self, subscription: Subscription) {
        let Ok(log) = self.log_feed(subscription) else { return };
        if log.membership.as_ref().is_none_or(|membership| membership.committing.is_some()) {
            return;
        }
        let Some(farewell) = log.take_dirty() else { return };
        if let Some(membership) = &mut log.membership {
            membership.committing = Some(std::mem::take(&mut membership.waiting));
        }
        self.effects.push_back(Effect::Commit { subscription, farewell });
    }

    pub(super) fn committed(&mut self, subscription: Subscription, result: Result<Vec<Position>, Refusal>) {
        let Ok(LogFeed { membership: Some(membership), .. }) = self.log_feed(subscription) else { return };
        let waited = membership.committing.take().unwrap_or_default();
        let fenced = matches!(&result, Err(refusal) if refusal.code == ErrorCode::StaleGeneration
            || refusal.code == ErrorCode::UnknownMember);
        for id in waited {
            self.in_flight -= 1;
            self.push_reply(Some(id), result.clone().map(Answer::Committed));
        }
        if fenced {
            self.rejoin(subscription);
        }
        self.start_commit(subscription);
        self.confirm(subscription);
    }

    /// Lets the group know that partitions were let go, once their last positions are committed.
    fn confirm(&mut self, subscription: Subscription) {
        let Ok(LogFeed { membership: Some(membership), .. }) = self.log_feed(subscription) else { return };
        if membership.unconfirmed && membership.committing.is_none() {
            self.rejoin(subscription);
        }
    }

    /// Commands that wait for a commit of a feed that ends: its last positions go with the farewell, unconfirmed.
    pub(super) fn abandon_commits(&mut self, feed: &mut Feed) {
        let Some(membership) = feed.membership_mut() else { return };
        let mut waited = membership.committing.take().unwrap_or_default();
        waited.append(&mut membership.waiting);
        for id in waited {
            self.in_flight -= 1;
            let why =
                "the subscription ended before the commit was confirmed; it may or may not have happened";
            self.push_reply(Some(id), Err(Refusal::new(ErrorCode::TimedOut, why)));
        }
    }

    pub(super) fn next_heartbeat(&self) -> Option<Instant> {
        self.memberships()
            .filter(|membership| !membership.joining)
            .map(|membership| membership.heartbeat)
            .min()
    }

    fn memberships(&self) -> impl Iterator<Item = &Membership> {
        self.feeds.values().filter_map(Feed::membership)
    }

    pub(super) fn send_heartbeats(&mut self, now: Instant) {
        let due = |feed: &Feed| feed.membership().is_some_and(|one| !one.joining && one.heartbeat <= now);
        let due: Vec<Subscription> =
            self.feeds.iter().filter(|(_, feed)| due(feed)).map(|(&number, _)| number).collect();
        due.into_iter().for_each(|subscription| self.rejoin(subscription));
    }

    fn rejoin(&mut self, subscription: Subscription) {
        let Ok(log) = self.log_feed(subscription) else { return };
        let topic = log.topic.clone();
        let holds = log.partitions.keys().copied().collect();
        let Some(membership) = log.membership.as_mut().filter(|membership| !membership.joining) else {
            return;
        };
        membership.joining = true;
        let effect = Effect::Rejoin {
            subscription,
            topic,
            seat: membership.seat.clone(),
            session_timeout_ms: membership.session_timeout_ms,
            fallback: membership.fallback,
            holds,
        };
        membership.unconfirmed = false;
        self.effects.push_back(effect);
    }

    pub(super) fn joined(
        &mut self,
        now: Instant,
        subscription: Subscription,
        result: Result<(Seat, Option<Vec<Position>>), Refusal>,
    ) {
        let Ok(log) = self.log_feed(subscription) else { return };
        let Some(membership) = &mut log.membership else { return };
        membership.joining = false;
        membership.heartbeat = now + heartbeat_after(membership.session_timeout_ms);
        match result {
            Ok((_, None)) => {}
            Ok((seat, Some(positions))) => {
                let fresh = log.reassign(seat.clone(), &positions);
                let lost = log.membership.as_ref().is_some_and(|membership| membership.unconfirmed);
                let partitions = log.positions();
                self.readable.extend(fresh.into_iter().map(|partition| (subscription, partition)));
                let event = self.encoding.event(&Event::Assignment { subscription, seat, partitions });
                self.outbox.push_content(event);
                self.start_commit(subscription);
                if lost {
                    self.confirm(subscription);
                }
            }
            Err(reason) => self.handle_ended(subscription, reason),
        }
    }
}
