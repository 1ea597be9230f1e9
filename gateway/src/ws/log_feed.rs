use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use message::ErrorCode;

use super::answer::{Position, Seat};
use super::command::{AckMode, CommandId, CommitPoint, OffsetRun, Subscription};
use super::credit::Credit;
use super::effect::Farewell;
use super::in_flight::{Acked, InFlight};
use super::records::EncodedRecords;
use crate::refusal::Refusal;
use crate::topics::StartAt;

/// A subscription to a log: where each of its partitions stands, and what may still be handed over.
#[derive(Debug)]
pub struct LogFeed {
    /// The log.
    pub topic: String,
    /// Who acknowledges.
    pub ack: AckMode,
    /// What may still be handed over.
    pub credit: Credit,
    /// Whether the client asked for silence, of all partitions.
    pub paused: bool,
    /// The partitions that are read.
    pub partitions: BTreeMap<u32, PartitionFeed>,
    /// The group that it reads for, if any.
    pub membership: Option<Membership>,
}

/// One partition of a feed.
#[derive(Debug)]
pub struct PartitionFeed {
    /// The offset to read next.
    pub next: i64,
    /// Whether there may be something to read.
    pub state: Readiness,
    /// Whether the client asked for silence.
    pub paused: bool,
    /// What waits for acknowledgement; only if the client acknowledges.
    pub in_flight: Option<InFlight>,
}

/// Whether a partition may have something to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It was read to its end and is watched.
    Watched,
    /// It may have more and is in line to be read.
    Queued,
    /// It may have more and waits for credit.
    Parked,
}

/// A feed's membership in a group.
#[derive(Debug)]
pub struct Membership {
    /// Group, member and generation.
    pub seat: Seat,
    /// After this silence the group gives the member up.
    pub session_timeout_ms: u64,
    /// Where partitions start that have no committed offset.
    pub fallback: StartAt,
    /// Commands whose positions are being committed.
    pub committing: Option<Vec<CommandId>>,
    /// Commands whose positions are dirty.
    pub waiting: Vec<CommandId>,
    /// When the group wants to hear of the member again.
    pub heartbeat: Instant,
    /// Whether the group is being asked for the assignment.
    pub joining: bool,
    /// Whether partitions were let go that the group does not know of yet.
    pub unconfirmed: bool,
    /// Positions to be committed.
    pub dirty: BTreeMap<u32, CommitPoint>,
}

/// How long a member stays silent towards its group: well within its session, and short enough that partitions which
/// go to another member are not read twice for long.
#[must_use]
pub fn heartbeat_after(session_timeout_ms: u64) -> Duration {
    Duration::from_millis((session_timeout_ms / 3).min(1000))
}

/// How much of a stretch of records was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The first mark.
    pub first: usize,
    /// One past the last mark.
    pub last: usize,
}

impl PartitionFeed {
    /// A partition that is read from `next` on.
    #[must_use]
    pub fn new(next: i64, ack: AckMode, in_group: bool) -> PartitionFeed {
        let in_flight = (in_group && ack == AckMode::Manual).then(|| InFlight::new(next));
        PartitionFeed { next, state: Readiness::Queued, paused: false, in_flight }
    }
}

impl LogFeed {
    /// Where every partition stands.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        self.partitions.iter().map(|(&partition, feed)| Position { partition, offset: feed.next }).collect()
    }

    /// Whether something of a partition could be handed over.
    #[must_use]
    pub fn has_room(&self, partition: u32) -> bool {
        let open =
            |feed: &PartitionFeed| !feed.paused && feed.in_flight.as_ref().is_none_or(InFlight::has_room);
        !self.paused && self.credit.has_room() && self.partitions.get(&partition).is_some_and(open)
    }

    /// Pauses partitions, or lets them be read again: all, or none when one is not read.
    pub fn pause(&mut self, partitions: &[u32], paused: bool) -> Result<(), Refusal> {
        for (index, partition) in partitions.iter().enumerate() {
            if !self.partitions.contains_key(partition) {
                let why = format!("partition {partition} is not read by this subscription (any more)");
                let code = match self.membership {
                    Some(_) => ErrorCode::StaleGeneration,
                    None => ErrorCode::InvalidRequest,
                };
                return Err(Refusal::new(code, why).in_field(format!("/partitions/{index}")));
            }
        }
        for partition in partitions {
            if let Some(feed) = self.partitions.get_mut(partition) {
                feed.paused = paused;
            }
        }
        Ok(())
    }

    /// Takes as many records as the credit allows and moves on behind them.
    pub fn take(&mut self, partition: u32, records: &EncodedRecords) -> Option<Taken> {
        let feed = self.partitions.get_mut(&partition)?;
        let first = records.index_of(feed.next);
        let mut last = first;
        for mark in records.marks.get(first..).unwrap_or_default() {
            if !self.credit.pay(u64::from(mark.weight)) {
                break;
            }
            if let Some(in_flight) = &mut feed.in_flight {
                in_flight.delivered(mark.offset, mark.weight);
            }
            last += 1;
        }
        feed.next = match records.marks.get(last) {
            // The record that was not taken is the next one to read.
            Some(mark) => mark.offset,
            None => records.next.max(feed.next),
        };
        if let Some(in_flight) = &mut feed.in_flight {
            in_flight.reached(feed.next);
        }
        let all = last == records.marks.len();
        feed.state = if all { Readiness::Queued } else { Readiness::Parked };
        if let Some(membership) =
            self.membership.as_mut().filter(|_| self.ack == AckMode::Auto && last > first)
        {
            membership.dirty.insert(partition, CommitPoint::new(partition, feed.next));
        }
        Some(Taken { first, last })
    }

    /// Acknowledges records; what the group may now commit becomes dirty. Answers what that freed.
    pub fn ack(&mut self, number: Subscription, runs: &[OffsetRun]) -> Result<Acked, Refusal> {
        let (Some(membership), AckMode::Manual) = (&mut self.membership, self.ack) else {
            let why =
                "this subscription has nothing to acknowledge: only one with a `group` and `ack: manual` has";
            return Err(Refusal::invalid("/subscription", why));
        };
        // All or nothing: a run for a partition that is read by somebody else by now changes nothing.
        for run in runs {
            if !self.partitions.contains_key(&run.partition) {
                let why = format!(
                    "partition {} is not assigned to subscription {number} (any more)",
                    run.partition
                );
                return Err(Refusal::new(ErrorCode::StaleGeneration, why).in_field("/records"));
            }
        }
        let mut freed = Acked::default();
        for run in runs {
            let Some(in_flight) =
                self.partitions.get_mut(&run.partition).and_then(|feed| feed.in_flight.as_mut())
            else {
                continue;
            };
            let acked = in_flight.ack(*run);
            freed.messages += acked.messages;
            freed.bytes += acked.bytes;
            if let Some(position) = acked.commit {
                membership.dirty.insert(run.partition, CommitPoint::new(run.partition, position));
            }
        }
        self.credit.add(freed.messages, freed.bytes);
        Ok(freed)
    }

    /// Takes over a new assignment: partitions that stay keep their place, those that went are forgotten and what
    /// they had in flight no longer counts; their last positions are still to be committed. Answers which are new.
    pub fn reassign(&mut self, seat: Seat, positions: &[Position]) -> Vec<u32> {
        let Some(membership) = &mut self.membership else { return Vec::new() };
        // A member that was given up has nothing any more, and begins anew where the group is by now.
        let same_member = membership.seat.member_id == seat.member_id;
        membership.seat = seat;
        if !same_member {
            membership.dirty.clear();
        }
        let stays =
            |partition: u32| same_member && positions.iter().any(|position| position.partition == partition);
        let gone: Vec<u32> = self.partitions.keys().copied().filter(|&partition| !stays(partition)).collect();
        for partition in gone {
            membership.unconfirmed = same_member;
            let lost = self.partitions.remove(&partition).and_then(|feed| feed.in_flight);
            let (messages, bytes) = lost.map_or((0, 0), |in_flight| in_flight.waiting());
            self.credit.add(messages, bytes);
        }
        let mut fresh = Vec::new();
        for position in positions {
            let ack = self.ack;
            self.partitions.entry(position.partition).or_insert_with(|| {
                fresh.push(position.partition);
                PartitionFeed::new(position.offset, ack, true)
            });
        }
        fresh
    }

    /// Takes positions to commit, as the client says. What lies before them is thereby acknowledged.
    pub fn commit(&mut self, points: Vec<CommitPoint>) -> Result<(), Refusal> {
        let Some(membership) = &mut self.membership else {
            let why = "this subscription keeps no position: subscribe with a `group` to commit";
            return Err(Refusal::invalid("/subscription", why));
        };
        for (index, point) in points.iter().enumerate() {
            let Some(feed) = self.partitions.get(&point.partition) else {
                let why =
                    format!("partition {} is not assigned to this subscription (any more)", point.partition);
                let field = format!("/offsets/{index}/partition");
                return Err(Refusal::new(ErrorCode::StaleGeneration, why).in_field(field));
            };
            if point.offset < 0 || point.offset > feed.next {
                let why = format!("from 0 to {}, the offset that is read next", feed.next);
                return Err(Refusal::new(ErrorCode::OffsetOutOfRange, why)
                    .in_field(format!("/offsets/{index}/offset")));
            }
        }
        let mut freed = Acked::default();
        for point in points {
            if let Some(flight) =
                self.partitions.get_mut(&point.partition).and_then(|feed| feed.in_flight.as_mut())
            {
                let acked = flight.ack_before(point.partition, point.offset);
                freed.messages += acked.messages;
                freed.bytes += acked.bytes;
            }
            membership.dirty.insert(point.partition, point);
        }
        self.credit.add(freed.messages, freed.bytes);
        Ok(())
    }
}

impl LogFeed {
    /// Takes the positions to commit, if there are any.
    pub fn take_dirty(&mut self) -> Option<Farewell> {
        let topic = self.topic.clone();
        let membership = self.membership.as_mut()?;
        if membership.dirty.is_empty() {
            return None;
        }
        Some(membership.farewell(topic))
    }

    /// What the group must hear when the member leaves.
    pub fn farewell(&mut self) -> Option<Farewell> {
        let topic = self.topic.clone();
        Some(self.membership.as_mut()?.farewell(topic))
    }
}

impl Membership {
    fn farewell(&mut self, topic: String) -> Farewell {
        let offsets = std::mem::take(&mut self.dirty).into_values().collect();
        Farewell { topic, seat: self.seat.clone(), offsets }
    }
}
