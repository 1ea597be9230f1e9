use std::collections::{BTreeMap, BTreeSet, HashSet};

use message::TopicName;

use crate::PartitionId;
use crate::group::GroupError;

/// The ways in which the server shares partitions out (KIP-848).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssignorKind {
    /// As evenly as possible, moving as few partitions as that allows.
    #[default]
    Uniform,
    /// Neighbouring partitions of each topic together, so that equal numbers of different topics meet in one member.
    Range,
}

impl AssignorKind {
    /// Finds one by the name that clients use.
    pub fn of_name(name: &str) -> Result<AssignorKind, GroupError> {
        match name {
            "uniform" => Ok(AssignorKind::Uniform),
            "range" => Ok(AssignorKind::Range),
            other => Err(GroupError::UnsupportedAssignor(other.chars().take(80).collect::<String>().into())),
        }
    }

    /// The name that clients use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AssignorKind::Uniform => "uniform",
            AssignorKind::Range => "range",
        }
    }
}

/// A member as an assignor sees it.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    /// Ranges go to members in this order.
    pub order: &'a str,
    pub topics: BTreeSet<&'a TopicName>,
    /// What it was to have so far.
    pub target: &'a BTreeSet<PartitionId>,
}

type Plan = Vec<BTreeSet<PartitionId>>;

/// Shares partitions out among readers of their topics. Answers what each is to have, in the readers' order.
pub(super) fn assign(
    kind: AssignorKind,
    readers: &[Reader<'_>],
    partitions: &BTreeMap<TopicName, Vec<PartitionId>>,
) -> Plan {
    let alike = readers.windows(2).all(|pair| matches!(pair, [a, b] if a.topics == b.topics));
    match kind {
        AssignorKind::Range => range(readers, partitions),
        AssignorKind::Uniform if alike => level(readers, partitions),
        AssignorKind::Uniform => Balance::of(readers, partitions).plan,
    }
}

fn range(readers: &[Reader<'_>], partitions: &BTreeMap<TopicName, Vec<PartitionId>>) -> Plan {
    let mut plan = vec![BTreeSet::new(); readers.len()];
    let mut order: Vec<usize> = (0..readers.len()).collect();
    order.sort_by_key(|&index| readers.get(index).map(|reader| reader.order));
    for (topic, numbers) in partitions {
        let reads = |&&index: &&usize| readers.get(index).is_some_and(|one| one.topics.contains(topic));
        let readers: Vec<usize> = order.iter().filter(reads).copied().collect();
        if readers.is_empty() {
            continue;
        }
        let (each, more) = (numbers.len() / readers.len(), numbers.len() % readers.len());
        let mut rest = numbers.as_slice();
        for (place, index) in readers.into_iter().enumerate() {
            let (mine, others) = rest.split_at(each + usize::from(place < more));
            rest = others;
            if let Some(share) = plan.get_mut(index) {
                share.extend(mine);
            }
        }
    }
    plan
}

/// All readers read the same: each keeps what it has up to its part, and who has less gets what is left.
fn level(readers: &[Reader<'_>], partitions: &BTreeMap<TopicName, Vec<PartitionId>>) -> Plan {
    let mut plan = vec![BTreeSet::new(); readers.len()];
    let Some(first) = readers.first() else { return plan };
    let read = partitions.iter().filter(|(topic, _)| first.topics.contains(topic));
    let mut free: BTreeSet<PartitionId> = read.flat_map(|(_, numbers)| numbers).copied().collect();
    let (each, mut more) = (free.len() / readers.len(), free.len() % readers.len());
    for (share, reader) in plan.iter_mut().zip(readers) {
        let mut kept = reader.target.iter().filter(|one| free.contains(one)).copied().collect::<Vec<_>>();
        let most = each + usize::from(more > 0 && kept.len() > each);
        more -= most - each;
        kept.truncate(most);
        for partition in &kept {
            free.remove(partition);
        }
        share.extend(kept);
    }
    for share in plan.iter_mut().filter(|share| share.len() < each) {
        while share.len() < each
            && let Some(partition) = free.pop_first()
        {
            share.insert(partition);
        }
    }
    for share in plan.iter_mut().filter(|share| share.len() == each).take(more) {
        share.extend(free.pop_first());
    }
    plan
}

/// Readers differ in what they read: partitions go to whoever has least, and move as long as that makes two loads more
/// even. Each move does, so this ends.
struct Balance<'a> {
    readers: BTreeMap<&'a TopicName, Vec<usize>>,
    topic_of: BTreeMap<PartitionId, &'a TopicName>,
    plan: Plan,
}

impl<'a> Balance<'a> {
    fn of(readers: &[Reader<'a>], partitions: &'a BTreeMap<TopicName, Vec<PartitionId>>) -> Balance<'a> {
        let mut balance = Balance {
            readers: BTreeMap::new(),
            topic_of: BTreeMap::new(),
            plan: vec![BTreeSet::new(); readers.len()],
        };
        for (topic, numbers) in partitions {
            balance.topic_of.extend(numbers.iter().map(|partition| (*partition, topic)));
            let reads =
                |(index, reader): (usize, &Reader<'_>)| reader.topics.contains(topic).then_some(index);
            balance.readers.insert(topic, readers.iter().enumerate().filter_map(reads).collect());
        }
        balance.keep(readers);
        balance.spread();
        balance.even_out();
        balance
    }

    fn keep(&mut self, readers: &[Reader<'_>]) {
        let mut taken = HashSet::new();
        for (share, reader) in self.plan.iter_mut().zip(readers) {
            let topic_of = &self.topic_of;
            let reads =
                |one: &&PartitionId| topic_of.get(one).is_some_and(|topic| reader.topics.contains(topic));
            share.extend(reader.target.iter().filter(reads).filter(|one| taken.insert(**one)));
        }
    }

    fn spread(&mut self) {
        let taken: HashSet<PartitionId> = self.plan.iter().flatten().copied().collect();
        let free: Vec<(PartitionId, &TopicName)> = self
            .topic_of
            .iter()
            .filter(|(one, _)| !taken.contains(one))
            .map(|(one, topic)| (*one, *topic))
            .collect();
        for (partition, topic) in free {
            if let Some(reader) = self.least_loaded(topic) {
                self.give(reader, partition);
            }
        }
    }

    fn load(&self, reader: usize) -> usize {
        self.plan.get(reader).map_or(0, BTreeSet::len)
    }

    fn least_loaded(&self, topic: &TopicName) -> Option<usize> {
        self.readers.get(topic)?.iter().copied().min_by_key(|reader| self.load(*reader))
    }

    fn give(&mut self, reader: usize, partition: PartitionId) {
        if let Some(share) = self.plan.get_mut(reader) {
            share.insert(partition);
        }
    }

    fn even_out(&mut self) {
        let mut by_load: Vec<usize> = (0..self.plan.len()).collect();
        loop {
            by_load.sort_by_key(|reader| std::cmp::Reverse(self.load(*reader)));
            let Some((from, to, partition)) = by_load.iter().find_map(|from| self.better(*from)) else {
                return;
            };
            if let Some(share) = self.plan.get_mut(from) {
                share.remove(&partition);
            }
            self.give(to, partition);
        }
    }

    fn better(&self, from: usize) -> Option<(usize, usize, PartitionId)> {
        let load = self.load(from);
        let mut seen: Option<&TopicName> = None;
        // The last ones go first, so that members keep a stable front part.
        for partition in self.plan.get(from)?.iter().rev() {
            let topic = *self.topic_of.get(partition)?;
            if seen.replace(topic) == Some(topic) {
                continue;
            }
            let to = self.least_loaded(topic)?;
            if self.load(to) + 1 < load {
                return Some((from, to, *partition));
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "assignor_tests.rs"]
mod tests;
