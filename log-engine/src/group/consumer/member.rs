use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use message::{Timestamp, TopicName};

use super::{AssignorKind, TopicPattern};
use crate::PartitionId;
use crate::group::classic::ClassicProtocol;
use crate::group::{ClientOrigin, Generation, InstanceId};

/// How a member is reached.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// It sends KIP-848 heartbeats.
    Consumer,
    /// A door serves it, and speaks for it.
    Attendant,
    /// It speaks the classic protocol.
    Classic(ClassicPart),
}

/// What a member of the classic protocol brought along.
#[derive(Clone, Debug)]
pub(crate) struct ClassicPart {
    pub protocols: Vec<ClassicProtocol>,
    /// The version of the client format that it speaks.
    pub version: u16,
    /// By when it must have joined again, once it was told to.
    pub rejoin_by: Option<Timestamp>,
}

/// How far a member has come towards its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// It has its target.
    Whole,
    /// It must confirm by then that it gave some partitions up.
    Revoking { until: Timestamp },
    /// Others have yet to give up what it is to have.
    Partial,
}

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub kind: Kind,
    pub instance: Option<InstanceId>,
    pub rack: Option<Box<str>>,
    pub origin: ClientOrigin,
    pub topics: BTreeSet<TopicName>,
    pub pattern: Option<TopicPattern>,
    /// The topics that the pattern matches by now.
    pub matched: BTreeSet<TopicName>,
    pub assignor: Option<AssignorKind>,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    pub expires_at: Timestamp,
    /// The epoch that it has reached.
    pub epoch: Generation,
    /// The one before: an answer that got lost is repeated.
    pub previous_epoch: Generation,
    pub share: Share,
    /// A static member that said it would come back (member epoch -2).
    pub away: bool,
    /// What it has, each with the epoch since which it has it without a break.
    pub assigned: BTreeMap<PartitionId, Generation>,
    /// What it has yet to let go.
    pub revoking: BTreeMap<PartitionId, Generation>,
    /// What it is to have.
    pub target: BTreeSet<PartitionId>,
}

impl Member {
    pub(crate) fn new(kind: Kind, session_timeout: Duration, rebalance_timeout: Duration) -> Member {
        Member {
            kind,
            instance: None,
            rack: None,
            origin: ClientOrigin::default(),
            topics: BTreeSet::new(),
            pattern: None,
            matched: BTreeSet::new(),
            assignor: None,
            session_timeout,
            rebalance_timeout,
            expires_at: Timestamp(0),
            epoch: Generation(0),
            previous_epoch: Generation(0),
            share: Share::Whole,
            away: false,
            assigned: BTreeMap::new(),
            revoking: BTreeMap::new(),
            target: BTreeSet::new(),
        }
    }

    pub(crate) fn hear_of(&mut self, now: Timestamp) {
        self.expires_at = now.plus(self.session_timeout);
    }

    /// The topics that it reads now.
    pub(crate) fn subscribed(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.union(&self.matched)
    }

    pub(crate) fn reads(&self, topic: &TopicName) -> bool {
        self.topics.contains(topic)
            || self.matched.contains(topic)
            || self.pattern.as_ref().is_some_and(|pattern| pattern.matches(topic.as_str()))
    }

    /// Since which epoch it has the partition without a break; also while it is to let it go.
    pub(crate) fn held_since(&self, partition: PartitionId) -> Option<Generation> {
        self.assigned.get(&partition).or_else(|| self.revoking.get(&partition)).copied()
    }

    /// When it is put out unless something happens.
    pub(crate) fn deadline(&self) -> Timestamp {
        let revoking = match self.share {
            Share::Revoking { until } => Some(until),
            Share::Whole | Share::Partial => None,
        };
        let rejoin = match &self.kind {
            Kind::Classic(part) => part.rejoin_by,
            Kind::Consumer | Kind::Attendant => None,
        };
        [revoking, rejoin].into_iter().flatten().fold(self.expires_at, Timestamp::min)
    }

    pub(crate) fn weight(&self) -> u64 {
        let classic = match &self.kind {
            Kind::Classic(part) => {
                part.protocols.iter().map(|one| one.name.len() + one.metadata.len() + 32).sum()
            }
            Kind::Consumer | Kind::Attendant => 0,
        };
        let topics = 48 * (self.topics.len() + self.matched.len());
        let partitions = 32 * (self.assigned.len() + self.revoking.len() + 2 * self.target.len());
        (512 + classic + topics + partitions) as u64
    }
}
