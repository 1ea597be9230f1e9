use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use message::{GroupName, Timestamp, TopicName};

use super::ShareConfig;
use super::assignor::{Plan, Wishes, assign};
use crate::TopicPartition;
use crate::group::{ClientOrigin, ConsumerAnswer, Generation, GroupError, MemberEpoch, MemberId};
use crate::group_settings::ShareSettings;

/// Topics that one member may subscribe to.
const TOPICS_MAX: usize = 10_000;

/// A heartbeat of a share group's member. What is absent has not changed.
#[derive(Clone, Debug)]
pub struct ShareHeartbeat {
    /// The member; it made its id itself.
    pub member: MemberId,
    /// Where it stands.
    pub epoch: MemberEpoch,
    /// Where it is.
    pub rack: Option<Box<str>>,
    /// Where it comes from.
    pub origin: ClientOrigin,
    /// The topics that it reads. Not all need exist.
    pub topics: Option<BTreeSet<TopicName>>,
}

/// A topic that members can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shareable {
    /// Tells it from others of the same name, before or after it.
    pub incarnation: u64,
    /// How many partitions it is shown with.
    pub partitions: u32,
}

/// One member of a share group.
#[derive(Clone, Debug)]
pub(crate) struct ShareMember {
    pub epoch: Generation,
    previous: Generation,
    pub rack: Option<Box<str>>,
    pub origin: ClientOrigin,
    pub topics: BTreeSet<TopicName>,
    pub assignment: Vec<TopicPartition>,
    /// Whether it lost something that it does not know of.
    lost: bool,
    /// When it is out unless it is heard of.
    deadline: Timestamp,
}

/// The members of a share group, and what each reads.
#[derive(Debug, Default)]
pub(crate) struct ShareMembers {
    epoch: Generation,
    by_id: BTreeMap<MemberId, ShareMember>,
    /// What they are to have, as of the epoch.
    target: Plan,
    /// The topics that the target rests on.
    seen: BTreeMap<TopicName, Shareable>,
}

impl ShareMembers {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&MemberId, &ShareMember)> {
        self.by_id.iter()
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.by_id.values().map(|member| member.deadline).min()
    }

    /// Puts out members that were silent for too long.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let before = self.by_id.len();
        self.by_id.retain(|_, member| member.deadline > now);
        if self.by_id.len() < before {
            self.plan_anew();
        }
    }

    /// A heartbeat: the member joins, stays or leaves. `topics` looks a topic up.
    pub(crate) fn heartbeat(
        &mut self,
        group: &GroupName,
        ask: ShareHeartbeat,
        (config, settings): (&ShareConfig, &ShareSettings),
        topics: &dyn Fn(&TopicName) -> Option<Shareable>,
        now: Timestamp,
    ) -> Result<ConsumerAnswer, GroupError> {
        let heartbeat_interval = settings.heartbeat(config);
        let id = ask.member.clone();
        let is_full = ask.topics.is_some();
        if ask.topics.as_ref().is_some_and(|topics| topics.len() > TOPICS_MAX) {
            return Err(GroupError::InvalidRequest("a member subscribes to at most 10,000 topics"));
        }
        match ask.epoch {
            MemberEpoch::Leave | MemberEpoch::LeaveForNow => {
                self.by_id.remove(&id).ok_or_else(|| GroupError::UnknownMember(id.clone()))?;
                self.plan_anew();
                let (member, epoch) = (id, MemberEpoch::Leave);
                return Ok(ConsumerAnswer { member, epoch, heartbeat_interval, assignment: None });
            }
            MemberEpoch::Join => self.join(group, &ask, config)?,
            MemberEpoch::At(given) => self.check_epoch(&id, given)?,
        }
        let joins = ask.epoch == MemberEpoch::Join;
        self.update(ask, now.plus(settings.session(config)));
        self.look_at(topics);
        let target = self.target.get(&id).cloned().unwrap_or_default();
        let group_epoch = self.epoch;
        let member = self.by_id.get_mut(&id).ok_or_else(|| GroupError::UnknownMember(id.clone()))?;
        if member.epoch != group_epoch {
            (member.previous, member.epoch) = (member.epoch, group_epoch);
        }
        let changed = std::mem::take(&mut member.lost) || member.assignment != target;
        member.assignment = target;
        let assignment = (joins || is_full || changed).then(|| member.assignment.clone());
        Ok(ConsumerAnswer { member: id, epoch: MemberEpoch::At(group_epoch), heartbeat_interval, assignment })
    }

    fn join(
        &mut self,
        group: &GroupName,
        ask: &ShareHeartbeat,
        config: &ShareConfig,
    ) -> Result<(), GroupError> {
        if ask.topics.as_ref().is_none_or(BTreeSet::is_empty) {
            return Err(GroupError::InvalidRequest("a member that joins says what it subscribes to"));
        }
        if !self.by_id.contains_key(&ask.member) && self.by_id.len() >= config.members_max {
            return Err(GroupError::Full { group: group.clone(), limit: config.members_max });
        }
        Ok(())
    }

    fn check_epoch(&self, id: &MemberId, given: Generation) -> Result<(), GroupError> {
        let member = self.by_id.get(id).ok_or_else(|| GroupError::UnknownMember(id.clone()))?;
        // The answer that told the newer epoch may have been lost.
        if given == member.epoch || given == member.previous {
            return Ok(());
        }
        Err(GroupError::FencedEpoch { given, current: member.epoch })
    }

    fn update(&mut self, ask: ShareHeartbeat, deadline: Timestamp) {
        let member = self.by_id.entry(ask.member).or_insert_with(|| ShareMember {
            epoch: Generation::default(),
            previous: Generation::default(),
            rack: None,
            origin: ClientOrigin::default(),
            topics: BTreeSet::new(),
            assignment: Vec::new(),
            lost: false,
            deadline,
        });
        member.deadline = deadline;
        member.origin = ask.origin;
        member.rack = ask.rack.or(member.rack.take());
        let changed = ask.topics.filter(|topics| *topics != member.topics);
        if let Some(topics) = changed {
            member.topics = topics;
            self.plan_anew();
        }
    }

    /// Whether topics came, went or grew since the target was made.
    fn look_at(&mut self, topics: &dyn Fn(&TopicName) -> Option<Shareable>) {
        let wanted: BTreeSet<&TopicName> = self.by_id.values().flat_map(|member| &member.topics).collect();
        let found = wanted.into_iter().filter_map(|name| Some((name.clone(), topics(name)?)));
        let found: BTreeMap<TopicName, Shareable> = found.collect();
        if found != self.seen {
            // Partitions of a topic that came anew under its old name are others, even if they are called the same.
            let is_same = |name: &TopicName| {
                let [before, now] =
                    [&self.seen, &found].map(|topics| topics.get(name).map(|one| one.incarnation));
                before == now
            };
            for member in self.by_id.values_mut() {
                let had = member.assignment.len();
                member.assignment.retain(|partition| is_same(&partition.topic));
                member.lost |= member.assignment.len() < had;
            }
            self.seen = found;
            self.plan_anew();
        }
    }

    /// Makes the next epoch's target. Nobody has to give anything up first: partitions are shared.
    fn plan_anew(&mut self) {
        self.epoch = self.epoch.next();
        let topics = self.seen.iter().map(|(name, one)| (name.clone(), one.partitions)).collect();
        let wishes: Wishes<'_> = self
            .by_id
            .iter()
            .map(|(id, member)| (id, (&member.topics, member.assignment.as_slice())))
            .collect();
        self.target = assign(&wishes, &topics);
    }
}

/// One member, for people who look at the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareMemberDescription {
    /// Its id.
    pub id: MemberId,
    /// The epoch that it has reached.
    pub epoch: Generation,
    /// Where it is.
    pub rack: Option<Box<str>>,
    /// Where it comes from.
    pub origin: ClientOrigin,
    /// What it subscribes to.
    pub topics: Vec<TopicName>,
    /// What it reads.
    pub assignment: Vec<TopicPartition>,
}

/// A share group, for people who look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareGroupDescription {
    /// Its name.
    pub name: Arc<str>,
    /// Counts the changes of members, subscriptions and topics.
    pub epoch: Generation,
    /// Who is in it.
    pub members: Vec<ShareMemberDescription>,
}

impl ShareMembers {
    pub(crate) fn describe(&self, name: &GroupName) -> ShareGroupDescription {
        let member = |(id, member): (&MemberId, &ShareMember)| ShareMemberDescription {
            id: id.clone(),
            epoch: member.epoch,
            rack: member.rack.clone(),
            origin: member.origin.clone(),
            topics: member.topics.iter().cloned().collect(),
            assignment: member.assignment.clone(),
        };
        let members = self.by_id.iter().map(member).collect();
        ShareGroupDescription { name: Arc::from(name.as_str()), epoch: self.epoch, members }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn ask(member: &str, epoch: MemberEpoch, topics: Option<&[&str]>) -> ShareHeartbeat {
        ShareHeartbeat {
            member: MemberId::new(member),
            epoch,
            rack: None,
            origin: ClientOrigin::default(),
            topics: topics.map(|topics| topics.iter().map(|name| TopicName::new(name).unwrap()).collect()),
        }
    }

    fn beat(
        members: &mut ShareMembers,
        ask: ShareHeartbeat,
        partitions: u32,
        now: Timestamp,
    ) -> Result<ConsumerAnswer, GroupError> {
        let (config, settings) =
            (ShareConfig { members_max: 2, ..ShareConfig::default() }, ShareSettings::default());
        let topics =
            |name: &TopicName| (name.as_str() != "none").then_some(Shareable { incarnation: 1, partitions });
        members.heartbeat(&GroupName::new("g").unwrap(), ask, (&config, &settings), &topics, now)
    }

    fn at(answer: &ConsumerAnswer) -> MemberEpoch {
        answer.epoch
    }

    #[test]
    fn members_share_a_partition_and_split_several() {
        let mut members = ShareMembers::default();
        let first = beat(&mut members, ask("a", MemberEpoch::Join, Some(&["t", "none"])), 1, NOW).unwrap();
        assert_eq!(first.assignment.as_deref().map(<[_]>::len), Some(1));
        let second = beat(&mut members, ask("b", MemberEpoch::Join, Some(&["t", "none"])), 1, NOW).unwrap();
        assert_eq!(second.assignment.as_deref().map(<[_]>::len), Some(1));
        // The epoch moved on, the assignment did not: it is not told again.
        let again = beat(&mut members, ask("a", at(&first), None), 1, NOW).unwrap();
        assert_eq!((again.epoch, again.assignment), (second.epoch, None));
        let grown = beat(&mut members, ask("a", again.epoch, None), 4, NOW).unwrap();
        assert_eq!(grown.assignment.as_deref().map(<[_]>::len), Some(2));
        assert!(matches!(
            beat(&mut members, ask("c", MemberEpoch::Join, Some(&["t"])), 4, NOW),
            Err(GroupError::Full { limit: 2, .. })
        ));
    }

    #[test]
    fn the_epoch_before_is_accepted_and_no_other() {
        let mut members = ShareMembers::default();
        let first = beat(&mut members, ask("a", MemberEpoch::Join, Some(&["t"])), 1, NOW).unwrap();
        let second = beat(&mut members, ask("a", at(&first), Some(&["t", "u"])), 1, NOW).unwrap();
        assert_ne!(at(&first), at(&second));
        assert!(beat(&mut members, ask("a", at(&first), None), 1, NOW).is_ok());
        let MemberEpoch::At(epoch) = at(&second) else { panic!("{second:?}") };
        let beyond = ask("a", MemberEpoch::At(epoch.next()), None);
        assert!(matches!(beat(&mut members, beyond, 1, NOW), Err(GroupError::FencedEpoch { .. })));
        let stranger = ask("b", MemberEpoch::At(epoch), None);
        assert!(matches!(beat(&mut members, stranger, 1, NOW), Err(GroupError::UnknownMember(_))));
        assert!(beat(&mut members, ask("b", MemberEpoch::Join, None), 1, NOW).is_err());
    }

    #[test]
    fn the_silent_are_put_out_and_their_partitions_read_by_others() {
        let mut members = ShareMembers::default();
        beat(&mut members, ask("a", MemberEpoch::Join, Some(&["t"])), 2, NOW).unwrap();
        let later = NOW.plus(std::time::Duration::from_secs(30));
        let second = beat(&mut members, ask("b", MemberEpoch::Join, Some(&["t"])), 2, later).unwrap();
        assert_eq!(second.assignment.as_deref().map(<[_]>::len), Some(1));
        let deadline = members.next_deadline().unwrap();
        assert_eq!(deadline, NOW.plus(std::time::Duration::from_secs(45)));
        members.expire(deadline);
        let alone = beat(&mut members, ask("b", at(&second), None), 2, deadline).unwrap();
        assert_eq!(alone.assignment.as_deref().map(<[_]>::len), Some(2));
        beat(&mut members, ask("b", MemberEpoch::Leave, None), 2, deadline).unwrap();
        assert!(members.is_empty());
    }
}
