use std::collections::{BTreeMap, BTreeSet};

use message::TopicName;

use crate::{MemberId, TopicPartition};

/// What an assignment starts from: who reads which topics, and what each has now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscription {
    pub topics: BTreeSet<TopicName>,
    pub owned: BTreeSet<TopicPartition>,
}

/// Spreads partitions evenly over the members that read their topics, moving as few as that allows.
pub(super) fn assign(
    members: &BTreeMap<MemberId, Subscription>,
    partitions: &BTreeMap<TopicName, u32>,
) -> BTreeMap<MemberId, BTreeSet<TopicPartition>> {
    let mut plan = Plan::default();
    for (id, member) in members {
        plan.owned.insert(id.clone(), BTreeSet::new());
        for topic in &member.topics {
            plan.readers.entry(topic.clone()).or_default().push(id.clone());
        }
    }
    let exists = |p: &TopicPartition| partitions.get(&p.topic).is_some_and(|count| p.partition < *count);
    let mut taken = BTreeSet::new();
    for (id, member) in members {
        for partition in &member.owned {
            if exists(partition)
                && member.topics.contains(&partition.topic)
                && taken.insert(partition.clone())
            {
                plan.give(id, partition.clone());
            }
        }
    }
    for (topic, count) in partitions {
        for number in 0..*count {
            let partition = TopicPartition { topic: topic.clone(), partition: number };
            if !taken.contains(&partition)
                && let Some(reader) = plan.least_loaded(topic)
            {
                plan.give(&reader, partition);
            }
        }
    }
    plan.balance();
    plan.owned
}

#[derive(Default)]
struct Plan {
    owned: BTreeMap<MemberId, BTreeSet<TopicPartition>>,
    readers: BTreeMap<TopicName, Vec<MemberId>>,
}

impl Plan {
    fn load(&self, id: &MemberId) -> usize {
        self.owned.get(id).map_or(0, BTreeSet::len)
    }

    fn least_loaded(&self, topic: &TopicName) -> Option<MemberId> {
        self.readers.get(topic)?.iter().min_by_key(|id| self.load(id)).cloned()
    }

    fn give(&mut self, id: &MemberId, partition: TopicPartition) {
        self.owned.entry(id.clone()).or_default().insert(partition);
    }

    /// Moves partitions from loaded members to those with at least two fewer, until there is no such pair.
    /// Each move makes the loads more even, so this ends.
    fn balance(&mut self) {
        let mut by_load: Vec<MemberId> = self.owned.keys().cloned().collect();
        loop {
            by_load.sort_by_key(|id| std::cmp::Reverse(self.load(id)));
            let Some((from, to, partition)) = by_load.iter().find_map(|from| self.better(from)) else {
                return;
            };
            if let Some(owned) = self.owned.get_mut(&from) {
                owned.remove(&partition);
            }
            self.give(&to, partition);
        }
    }

    fn better(&self, from: &MemberId) -> Option<(MemberId, MemberId, TopicPartition)> {
        let load = self.load(from);
        let owned = self.owned.get(from)?;
        let mut seen: Option<&TopicName> = None;
        // The last ones go first, so that members keep a stable front part.
        for partition in owned.iter().rev() {
            if seen == Some(&partition.topic) {
                continue;
            }
            seen = Some(&partition.topic);
            let to = self.least_loaded(&partition.topic)?;
            if self.load(&to) + 1 < load {
                return Some((from.clone(), to, partition.clone()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn topic(name: &str) -> TopicName {
        TopicName::new(name).unwrap()
    }

    fn members(topics: &[&[&str]]) -> BTreeMap<MemberId, Subscription> {
        let subscription = |names: &&[&str]| Subscription {
            topics: names.iter().map(|name| topic(name)).collect(),
            owned: BTreeSet::new(),
        };
        topics
            .iter()
            .enumerate()
            .map(|(i, names)| (MemberId::new(&format!("m{i}")), subscription(names)))
            .collect()
    }

    fn sizes(plan: &BTreeMap<MemberId, BTreeSet<TopicPartition>>) -> Vec<usize> {
        plan.values().map(BTreeSet::len).collect()
    }

    #[test]
    fn spreads_evenly_and_moves_little() {
        let partitions = BTreeMap::from([(topic("a"), 6)]);
        let mut two = members(&[&["a"], &["a"]]);
        let before = assign(&two, &partitions);
        assert_eq!(sizes(&before), [3, 3]);
        for (id, owned) in &before {
            two.get_mut(id).unwrap().owned = owned.clone();
        }
        two.insert(MemberId::new("m2"), members(&[&["a"]]).into_values().next().unwrap());
        let after = assign(&two, &partitions);
        assert_eq!(sizes(&after), [2, 2, 2]);
        let kept: usize = before.iter().map(|(id, owned)| owned.intersection(&after[id]).count()).sum();
        assert_eq!(kept, 4);
    }

    #[test]
    fn gives_partitions_only_to_members_that_read_the_topic() {
        let partitions = BTreeMap::from([(topic("a"), 4), (topic("b"), 2), (topic("c"), 3)]);
        let plan = assign(&members(&[&["a"], &["a", "b"]]), &partitions);
        assert_eq!(sizes(&plan), [3, 3]);
        assert!(plan[&MemberId::new("m0")].iter().all(|p| p.topic == topic("a")));
    }

    proptest! {
        #[test]
        fn everything_is_read_once_and_loads_differ_by_one(
            count in 1usize..7, partitions in 0u32..30, owners in proptest::collection::vec(0usize..7, 30)
        ) {
            let topics: Vec<&[&str]> = vec![&["a"]; count];
            let mut members = members(&topics);
            for (number, owner) in owners.iter().enumerate() {
                let partition = TopicPartition { topic: topic("a"), partition: number as u32 };
                if let Some(member) = members.get_mut(&MemberId::new(&format!("m{owner}"))) {
                    member.owned.insert(partition);
                }
            }
            let plan = assign(&members, &BTreeMap::from([(topic("a"), partitions)]));
            let sizes = sizes(&plan);
            prop_assert_eq!(sizes.iter().sum::<usize>(), partitions as usize);
            let distinct: BTreeSet<_> = plan.values().flatten().collect();
            prop_assert_eq!(distinct.len(), partitions as usize);
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }
    }
}
