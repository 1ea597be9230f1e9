use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log_engine::{LowWatermark, Offset};
use message::ErrorCode;
use tokio::sync::Notify;

use super::group_spec::TopicPartition;
use crate::refusal::Refusal;

/// Records of a partition that are remembered at most because one before them is not acknowledged.
const WINDOW_MAX: usize = 100_000;

/// Where a group member that comes back request by request reads on, since it got each partition.
#[derive(Debug)]
pub(crate) struct GroupPositions {
    places: BTreeMap<TopicPartition, Place>,
    /// The partition served last, so that the next request begins behind it.
    served: Option<TopicPartition>,
    /// What the member was told last that it reads.
    told: Vec<TopicPartition>,
    /// How many records may be unacknowledged; none when it acknowledges no single records.
    max_unacked: Option<usize>,
    /// What acknowledgements allow to commit, and is not committed yet.
    dirty: BTreeMap<TopicPartition, i64>,
    /// Rings when a request that waits may go on: credit came back, a partition is no longer paused.
    changed: Arc<Notify>,
    used: Instant,
    session: Duration,
}

/// Where the member is in one partition.
#[derive(Debug)]
struct Place {
    next: i64,
    paused: bool,
    /// Whether the member is to let it go: it may finish what it has until it comes again.
    leaving: bool,
    unacked: Option<LowWatermark>,
}

impl Place {
    fn at(next: i64, acknowledges: bool) -> Place {
        let unacked = acknowledges.then(|| LowWatermark::new(Offset(next)));
        Place { next, paused: false, leaving: false, unacked }
    }

    /// Whether more may be delivered from here.
    fn is_open(&self) -> bool {
        !self.paused
            && !self.leaving
            && self.unacked.as_ref().is_none_or(|unacked| unacked.window() < WINDOW_MAX)
    }
}

impl GroupPositions {
    pub(crate) fn new(now: Instant, session: Duration, max_unacked: Option<usize>) -> GroupPositions {
        GroupPositions {
            places: BTreeMap::new(),
            served: None,
            told: Vec::new(),
            max_unacked,
            dirty: BTreeMap::new(),
            changed: Arc::default(),
            used: now,
            session,
        }
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

    /// What rings when a request that waits may go on.
    pub(crate) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// Takes over how many records may be unacknowledged. Whether the member acknowledges is settled when it joins:
    /// what went out before could not be told apart.
    pub(crate) fn set_max_unacked(&mut self, most: Option<usize>) -> Result<(), Refusal> {
        match (self.max_unacked, most) {
            (_, None) => Ok(()),
            (Some(_), Some(most)) => {
                self.max_unacked = Some(most);
                Ok(())
            }
            (None, Some(_)) => {
                let why = "whether a member acknowledges single records is said when it joins: leave, and join anew";
                Err(Refusal::new(ErrorCode::ConflictingSettings, why).in_field("/max_unacked"))
            }
        }
    }

    /// Takes over an assignment: new partitions start where `committed` says. One that left is forgotten once the member
    /// comes again after it was told so; until then it may acknowledge what it has of it.
    pub(crate) fn assign(
        &mut self,
        assignment: &[TopicPartition],
        committed: impl Fn(&TopicPartition) -> Option<i64>,
    ) {
        let told = &self.told;
        self.places.retain(|partition, place| {
            place.leaving = !assignment.contains(partition);
            !place.leaving || told.contains(partition)
        });
        self.dirty.retain(|partition, _| self.places.contains_key(partition));
        for partition in assignment {
            if !self.places.contains_key(partition)
                && let Some(offset) = committed(partition)
            {
                self.places.insert(partition.clone(), Place::at(offset, self.max_unacked.is_some()));
            }
        }
    }

    /// Begins again where `committed` says, as if nothing had gone out behind it.
    pub(crate) fn rewind(&mut self, committed: impl Fn(&TopicPartition) -> Option<i64>) {
        self.dirty.clear();
        let acknowledges = self.max_unacked.is_some();
        for (partition, place) in self.places.iter_mut().filter(|(_, place)| !place.leaving) {
            if let Some(offset) = committed(partition) {
                *place = Place { paused: place.paused, ..Place::at(offset, acknowledges) };
            }
        }
    }

    /// How many more records may go out.
    pub(crate) fn room(&self) -> usize {
        self.max_unacked.map_or(usize::MAX, |most| most.saturating_sub(self.unacked()))
    }

    fn unacked(&self) -> usize {
        self.places.values().filter_map(|place| place.unacked.as_ref()).map(LowWatermark::outstanding).sum()
    }

    /// Whether [`GroupPositions::served`] wants to know each record.
    pub(crate) fn acknowledges(&self) -> bool {
        self.max_unacked.is_some()
    }

    /// Every partition that may be read and where to read on, beginning behind the one served last.
    pub(crate) fn in_turn(&self) -> Vec<(TopicPartition, i64)> {
        let open = self.places.iter().filter(|(_, place)| place.is_open());
        let all = open.map(|(partition, place)| (partition.clone(), place.next));
        match &self.served {
            None => all.collect(),
            Some(last) => {
                let (later, earlier): (Vec<_>, Vec<_>) = all.partition(|(partition, _)| partition > last);
                later.into_iter().chain(earlier).collect()
            }
        }
    }

    /// Notes that records up to, not including, `next` went out: those at `offsets`, if the member acknowledges them.
    pub(crate) fn served(&mut self, partition: &TopicPartition, offsets: &[i64], next: i64) {
        if let Some(place) = self.places.get_mut(partition) {
            place.next = next;
            if let Some(unacked) = &mut place.unacked {
                offsets.iter().for_each(|offset| unacked.deliver(Offset(*offset)));
                unacked.reach(Offset(next));
            }
        }
        self.served = Some(partition.clone());
    }

    /// Pauses partitions, or lets them be read again: all, or none when one is not the member's.
    pub(crate) fn pause(&mut self, partitions: &[TopicPartition], paused: bool) -> Result<(), Refusal> {
        for (index, partition) in partitions.iter().enumerate() {
            if !self.places.contains_key(partition) {
                return Err(not_assigned(partition).in_field(format!("/partitions/{index}")));
            }
        }
        for partition in partitions {
            if let Some(place) = self.places.get_mut(partition) {
                place.paused = paused;
            }
        }
        self.changed.notify_waiters();
        Ok(())
    }

    /// The partitions that are paused.
    pub(crate) fn paused(&self) -> Vec<TopicPartition> {
        let paused = self.places.iter().filter(|(_, place)| place.paused);
        paused.map(|(partition, _)| partition.clone()).collect()
    }

    /// Notes that records are done: all, or none when one lies in a partition that is not the member's (any more).
    pub(crate) fn ack(&mut self, records: &[(TopicPartition, Vec<i64>)]) -> Result<(), Refusal> {
        if self.max_unacked.is_none() {
            let why =
                "this member acknowledges no single records: join with `max_unacked`, or commit offsets";
            return Err(Refusal::new(ErrorCode::ConflictingSettings, why).in_field("/member_id"));
        }
        for (index, (partition, _)) in records.iter().enumerate() {
            if !self.places.contains_key(partition) {
                return Err(not_assigned(partition).in_field(format!("/records/{index}")));
            }
        }
        for (partition, offsets) in records {
            self.advance(partition, |unacked| {
                offsets.iter().filter_map(|offset| unacked.ack(Offset(*offset))).last()
            });
        }
        self.changed.notify_waiters();
        Ok(())
    }

    /// Notes that everything before an offset was committed, and so is done.
    pub(crate) fn committed(&mut self, partition: &TopicPartition, offset: i64) {
        self.advance(partition, |unacked| {
            // What is committed already need not be committed again.
            unacked.ack_through(Offset(offset.saturating_sub(1))).filter(|done| done.0 > offset)
        });
        self.changed.notify_waiters();
    }

    fn advance(
        &mut self,
        partition: &TopicPartition,
        done: impl FnOnce(&mut LowWatermark) -> Option<Offset>,
    ) {
        let place = self.places.get_mut(partition).and_then(|place| place.unacked.as_mut());
        if let Some(offset) = place.and_then(done) {
            self.dirty.insert(partition.clone(), offset.0);
        }
    }

    /// How many partitions have something to commit.
    pub(crate) fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// What acknowledgements allow to commit by now, of so many partitions at most: the rest goes with the next ones.
    pub(crate) fn take_dirty(&mut self, most: usize) -> BTreeMap<TopicPartition, i64> {
        let rest = self.dirty.keys().nth(most).cloned();
        let rest = rest.map(|first| self.dirty.split_off(&first)).unwrap_or_default();
        std::mem::replace(&mut self.dirty, rest)
    }

    /// Gives back what could not be committed.
    pub(crate) fn give_back(&mut self, dirty: BTreeMap<TopicPartition, i64>) {
        for (partition, offset) in dirty {
            let kept = self.dirty.entry(partition).or_insert(offset);
            *kept = offset.max(*kept);
        }
    }
}

fn not_assigned(partition: &TopicPartition) -> Refusal {
    let TopicPartition { topic, partition } = partition;
    let why = format!("partition {partition} of {topic:.249} is not assigned to this member (any more)");
    Refusal::new(ErrorCode::StaleGeneration, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(partition: u32) -> TopicPartition {
        TopicPartition { topic: "t".into(), partition }
    }

    fn positions(max_unacked: Option<usize>) -> GroupPositions {
        let mut positions = GroupPositions::new(Instant::now(), Duration::from_secs(1), max_unacked);
        let all = [partition(0), partition(1), partition(2)];
        positions.assign(&all, |p| Some(i64::from(p.partition) * 10));
        positions
    }

    fn order(positions: &GroupPositions) -> Vec<(u32, i64)> {
        positions.in_turn().iter().map(|(p, next)| (p.partition, *next)).collect()
    }

    #[test]
    fn partitions_take_turns_and_keep_their_place() {
        let mut positions = positions(None);
        positions.served(&partition(1), &[], 15);
        assert_eq!(order(&positions), [(2, 20), (0, 0), (1, 15)]);
        positions.assign(&[partition(1)], |_| Some(0));
        assert_eq!(positions.in_turn(), [(partition(1), 15)]);
        positions.assign(&[partition(0), partition(1)], |_| Some(7));
        assert_eq!(order(&positions), [(0, 7), (1, 15)]);
    }

    #[test]
    fn a_paused_partition_is_passed_over_until_it_leaves_or_is_resumed() {
        let mut positions = positions(None);
        positions.pause(&[partition(0), partition(2)], true).unwrap();
        assert_eq!(order(&positions), [(1, 10)]);
        assert!(positions.pause(&[partition(1), partition(9)], true).is_err());
        assert_eq!(positions.paused(), [partition(0), partition(2)], "all or none");
        positions.pause(&[partition(0)], false).unwrap();
        assert_eq!(order(&positions), [(0, 0), (1, 10)]);
        positions.assign(&[partition(1)], |_| None);
        positions.assign(&[partition(1), partition(2)], |_| Some(4));
        assert_eq!(order(&positions), [(1, 10), (2, 4)]);
        assert_eq!(positions.paused(), [], "whoever gets a partition gets it unpaused");
    }

    #[test]
    fn acks_in_any_order_allow_the_lowest_contiguous_offset() {
        let mut positions = positions(Some(5));
        positions.served(&partition(0), &[0, 1, 2, 4], 6);
        positions.served(&partition(1), &[10], 11);
        assert_eq!(positions.room(), 0);
        positions.ack(&[(partition(0), vec![2, 1])]).unwrap();
        assert_eq!((positions.room(), positions.take_dirty(9)), (2, BTreeMap::new()));
        positions.ack(&[(partition(0), vec![0]), (partition(1), vec![10])]).unwrap();
        let one = positions.take_dirty(1);
        assert_eq!((one.len(), positions.dirty()), (1, 1), "the other one goes with the next");
        positions.give_back(one);
        let dirty = positions.take_dirty(9);
        assert_eq!(dirty, BTreeMap::from([(partition(0), 4), (partition(1), 11)]));
        positions.give_back(dirty);
        positions.ack(&[(partition(0), vec![4])]).unwrap();
        assert_eq!(positions.take_dirty(9), BTreeMap::from([(partition(0), 6), (partition(1), 11)]));
        assert_eq!(positions.room(), 5);
        assert!(positions.ack(&[(partition(0), vec![5]), (partition(7), vec![0])]).is_err());
    }

    #[test]
    fn what_is_committed_is_done_and_a_rewind_begins_behind_it() {
        let mut positions = positions(Some(4));
        positions.served(&partition(0), &[0, 1, 2, 3], 4);
        positions.ack(&[(partition(0), vec![2])]).unwrap();
        positions.committed(&partition(0), 2);
        assert_eq!(positions.take_dirty(9), BTreeMap::from([(partition(0), 3)]), "2 was done before");
        assert_eq!(positions.room(), 3);
        positions.rewind(|p| Some(if p.partition == 0 { 2 } else { 0 }));
        assert_eq!((positions.room(), order(&positions)), (4, vec![(1, 0), (2, 0), (0, 2)]));
        positions.served(&partition(0), &[2, 3], 4);
        positions.ack(&[(partition(0), vec![3])]).unwrap();
        assert_eq!(positions.take_dirty(9), BTreeMap::new(), "2 went out again");
    }

    #[test]
    fn a_partition_that_leaves_is_acknowledged_until_the_member_comes_again() {
        let mut positions = positions(Some(10));
        positions.tell(&[partition(0), partition(1), partition(2)]);
        positions.served(&partition(0), &[0], 1);
        positions.assign(&[partition(1)], |_| None);
        assert_eq!(order(&positions), [(1, 10)], "nothing more is read of it");
        positions.tell(&[partition(1)]);
        positions.ack(&[(partition(0), vec![0])]).unwrap();
        assert_eq!(positions.take_dirty(9), BTreeMap::from([(partition(0), 1)]));
        positions.assign(&[partition(1)], |_| None);
        assert!(positions.ack(&[(partition(0), vec![0])]).is_err());
    }

    #[test]
    fn who_did_not_say_so_at_first_acknowledges_nothing() {
        let mut positions = positions(None);
        assert!(positions.set_max_unacked(None).is_ok());
        assert!(positions.set_max_unacked(Some(3)).is_err());
        assert!(positions.ack(&[(partition(0), vec![0])]).is_err());
        assert_eq!(positions.room(), usize::MAX);
    }
}
