use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::group_spec::TopicPartition;

/// Where a group member that comes back request by request reads on, since it got each partition.
#[derive(Debug)]
pub(crate) struct GroupPositions {
    next: BTreeMap<TopicPartition, i64>,
    /// The partition served last, so that the next request begins behind it.
    served: Option<TopicPartition>,
    /// What the member was told last that it reads.
    told: Vec<TopicPartition>,
    used: Instant,
    session: Duration,
}

impl GroupPositions {
    pub(crate) fn new(now: Instant, session: Duration) -> GroupPositions {
        GroupPositions { next: BTreeMap::new(), served: None, told: Vec::new(), used: now, session }
    }

    /// What the member was told last that it reads.
    pub(crate) fn told(&self) -> &[TopicPartition] {
        &self.told
    }

    /// Notes what the member is told.
    pub(crate) fn tell(&mut self, assignment: &[TopicPartition]) {
        self.told = assignment.to_vec();
    }

    /// Notes that the member is alive.
    pub(crate) fn touch(&mut self, now: Instant, session: Duration) {
        (self.used, self.session) = (now, session);
    }

    /// Whether the member has been silent for so long that its group has put it out.
    pub(crate) fn is_abandoned(&self, now: Instant) -> bool {
        now.duration_since(self.used) > self.session * 2
    }

    /// Takes over an assignment: partitions that left are forgotten, new ones start where `committed` says.
    pub(crate) fn assign(
        &mut self,
        assignment: &[TopicPartition],
        committed: impl Fn(&TopicPartition) -> Option<i64>,
    ) {
        self.next.retain(|partition, _| assignment.contains(partition));
        for partition in assignment {
            if !self.next.contains_key(partition)
                && let Some(offset) = committed(partition)
            {
                self.next.insert(partition.clone(), offset);
            }
        }
    }

    /// Every partition and where to read on, beginning behind the one served last.
    pub(crate) fn in_turn(&self) -> Vec<(TopicPartition, i64)> {
        let all = self.next.iter().map(|(partition, offset)| (partition.clone(), *offset));
        match &self.served {
            None => all.collect(),
            Some(last) => {
                let (later, earlier): (Vec<_>, Vec<_>) = all.partition(|(partition, _)| partition > last);
                later.into_iter().chain(earlier).collect()
            }
        }
    }

    /// Notes that records up to, not including, `next` went out.
    pub(crate) fn served(&mut self, partition: &TopicPartition, next: i64) {
        if let Some(position) = self.next.get_mut(partition) {
            *position = next;
        }
        self.served = Some(partition.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(partition: u32) -> TopicPartition {
        TopicPartition { topic: "t".into(), partition }
    }

    #[test]
    fn partitions_take_turns_and_keep_their_place() {
        let mut positions = GroupPositions::new(Instant::now(), Duration::from_secs(1));
        positions.assign(&[partition(0), partition(1), partition(2)], |p| Some(i64::from(p.partition) * 10));
        positions.served(&partition(1), 15);
        let order: Vec<_> = positions.in_turn().iter().map(|(p, next)| (p.partition, *next)).collect();
        assert_eq!(order, [(2, 20), (0, 0), (1, 15)]);
        positions.assign(&[partition(1)], |_| Some(0));
        assert_eq!(positions.in_turn(), [(partition(1), 15)]);
        positions.assign(&[partition(0), partition(1)], |_| Some(7));
        assert_eq!(positions.next[&partition(0)], 7);
    }
}
