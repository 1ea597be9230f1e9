use std::collections::BTreeMap;

use message::TopicName;

use super::assignor::{Reader, assign};
use super::{AssignorKind, ConsumerGroup, Member};
use crate::PartitionId;
use crate::group::catalog::Catalog;

impl ConsumerGroup {
    /// Begins an epoch with a new target, because members, subscriptions or topics are others now.
    pub(super) fn retarget(&mut self, catalog: Catalog<'_>) {
        self.epoch = self.epoch.next();
        for member in self.members.values_mut() {
            member.matched = match &member.pattern {
                Some(pattern) => {
                    catalog.topics.keys().filter(|topic| pattern.matches(topic.as_str())).cloned().collect()
                }
                None => Default::default(),
            };
        }
        let mut partitions: BTreeMap<TopicName, Vec<PartitionId>> = BTreeMap::new();
        for topic in self.members.values().flat_map(Member::subscribed) {
            if !partitions.contains_key(topic) {
                partitions.insert(topic.clone(), catalog.partitions_of(topic));
            }
        }
        let readers: Vec<Reader<'_>> = self
            .members
            .iter()
            .map(|(id, member)| Reader {
                order: member.instance.as_ref().map_or(id.as_str(), |instance| instance.as_str()),
                topics: member.subscribed().collect(),
                target: &member.target,
            })
            .collect();
        let targets = assign(self.assignor(), &readers, &partitions);
        for (member, target) in self.members.values_mut().zip(targets) {
            member.target = target;
        }
    }

    /// The assignor that most members ask for.
    pub(crate) fn assignor(&self) -> AssignorKind {
        let wants = |kind| self.members.values().filter(|member| member.assignor == Some(kind)).count();
        match wants(AssignorKind::Range) > wants(AssignorKind::Uniform) {
            true => AssignorKind::Range,
            false => AssignorKind::Uniform,
        }
    }
}
