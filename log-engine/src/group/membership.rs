use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use message::{Timestamp, TopicName};

use super::Subscription;
use super::assignment::assign;
use crate::TopicPartition;

/// Names one member of a group. Unique also across restarts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(Arc<str>);

impl MemberId {
    /// Takes an id that a client sent back; whether it means anybody is seen when it is used.
    #[must_use]
    pub fn new(id: &str) -> MemberId {
        MemberId(Arc::from(id))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In quotes: ids appear so in what users are told.
impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Counts a group's changes of members or assignment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

/// What a member is told: who it is and what it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The member.
    pub member: MemberId,
    /// The group's generation; it changes whenever any member's assignment does.
    pub generation: Generation,
    /// The partitions that this member reads.
    pub assignment: Vec<TopicPartition>,
}

/// One member for a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id.
    pub id: MemberId,
    /// The topics that it reads.
    pub topics: Vec<TopicName>,
    /// The partitions assigned to it.
    pub assignment: Vec<TopicPartition>,
    /// When it is taken for dead unless it is heard of.
    pub expires_at: Timestamp,
}

#[derive(Debug)]
struct Member {
    topics: BTreeSet<TopicName>,
    /// Each with the generation since which this member has it without a break.
    assignment: BTreeMap<TopicPartition, Generation>,
    session_timeout: Duration,
    expires_at: Timestamp,
}

/// The live members of one group. In memory only: after a restart members join again.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    generation: Generation,
    members: BTreeMap<MemberId, Member>,
    joined: u32,
}

impl Membership {
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn contains(&self, id: &MemberId) -> bool {
        self.members.contains_key(id)
    }

    /// Adds a member, or renews one; partitions move when its topics are others than before.
    pub(crate) fn join(
        &mut self,
        id: Option<MemberId>,
        topics: &[TopicName],
        session_timeout: Duration,
        partitions: &dyn Fn(&TopicName) -> u32,
        now: Timestamp,
    ) -> Joined {
        let topics: BTreeSet<_> = topics.iter().cloned().collect();
        let id = id.unwrap_or_else(|| self.new_id(now));
        let expires_at = now.plus(session_timeout);
        let changed = match self.members.get_mut(&id) {
            Some(member) => {
                member.session_timeout = session_timeout;
                member.expires_at = expires_at;
                std::mem::replace(&mut member.topics, topics.clone()) != topics
            }
            None => {
                let member = Member { topics, assignment: BTreeMap::new(), session_timeout, expires_at };
                self.members.insert(id.clone(), member);
                true
            }
        };
        if changed {
            self.rebalance(partitions);
        }
        self.describe_to(id)
    }

    /// The time makes it differ from every id of an earlier life, the count from every other one of this moment.
    fn new_id(&mut self, now: Timestamp) -> MemberId {
        self.joined = self.joined.wrapping_add(1);
        MemberId::new(&format!("member-{:x}-{}", now.0, self.joined))
    }

    fn describe_to(&self, id: MemberId) -> Joined {
        let assignment = self.members.get(&id).map(|member| member.assignment.keys().cloned().collect());
        Joined { member: id, generation: self.generation, assignment: assignment.unwrap_or_default() }
    }

    /// Renews a member's session; none when there is no such member.
    pub(crate) fn heartbeat(&mut self, id: &MemberId, now: Timestamp) -> Option<Joined> {
        let member = self.members.get_mut(id)?;
        member.expires_at = now.plus(member.session_timeout);
        Some(self.describe_to(id.clone()))
    }

    /// Removes a member; false when there is no such member.
    pub(crate) fn leave(&mut self, id: &MemberId, partitions: &dyn Fn(&TopicName) -> u32) -> bool {
        let left = self.members.remove(id).is_some();
        if left {
            self.rebalance(partitions);
        }
        left
    }

    /// Removes the members that were silent for too long, and answers when the next one would be.
    pub(crate) fn expire(
        &mut self,
        partitions: &dyn Fn(&TopicName) -> u32,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let before = self.members.len();
        self.members.retain(|_, member| member.expires_at > now);
        if self.members.len() < before {
            self.rebalance(partitions);
        }
        self.members.values().map(|member| member.expires_at).min()
    }

    /// Whether any member reads the topic.
    pub(crate) fn reads(&self, topic: &TopicName) -> bool {
        self.members.values().any(|member| member.topics.contains(topic))
    }

    /// Spreads the partitions anew; the generation changes when an assignment does.
    pub(crate) fn rebalance(&mut self, partitions: &dyn Fn(&TopicName) -> u32) {
        let counts = self.members.values().flat_map(|member| &member.topics);
        let counts: BTreeMap<_, _> = counts.map(|topic| (topic.clone(), partitions(topic))).collect();
        let subscription = |member: &Member| Subscription {
            topics: member.topics.clone(),
            owned: member.assignment.keys().cloned().collect(),
        };
        let current = self.members.iter().map(|(id, member)| (id.clone(), subscription(member))).collect();
        let next = Generation(self.generation.0.wrapping_add(1));
        // A group whose last member left has changed too.
        let mut changed = self.members.is_empty();
        for (id, owned) in assign(&current, &counts) {
            if let Some(member) = self.members.get_mut(&id) {
                changed |= !owned.iter().eq(member.assignment.keys());
                let since =
                    |partition: &TopicPartition| member.assignment.get(partition).copied().unwrap_or(next);
                member.assignment =
                    owned.iter().map(|partition| (partition.clone(), since(partition))).collect();
            }
        }
        if changed {
            self.generation = next;
        }
    }

    /// Whether the member has had the partition without a break since the generation that it speaks of.
    pub(crate) fn may_commit(
        &self,
        id: &MemberId,
        generation: Generation,
        partition: &TopicPartition,
    ) -> bool {
        let since = self.members.get(id).and_then(|member| member.assignment.get(partition));
        since.is_some_and(|since| *since <= generation && generation <= self.generation)
    }

    pub(crate) fn describe(&self) -> Vec<MemberDescription> {
        let describe = |(id, member): (&MemberId, &Member)| MemberDescription {
            id: id.clone(),
            topics: member.topics.iter().cloned().collect(),
            assignment: member.assignment.keys().cloned().collect(),
            expires_at: member.expires_at,
        };
        self.members.iter().map(describe).collect()
    }
}
