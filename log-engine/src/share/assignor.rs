//! Which member reads which partitions (Kafka's assignor `simple`): unlike in a consumer group, several may share one.

use std::collections::{BTreeMap, BTreeSet};

use message::TopicName;

use crate::TopicPartition;
use crate::group::MemberId;

/// What each member subscribes to, and has so far.
pub(crate) type Wishes<'a> = BTreeMap<&'a MemberId, (&'a BTreeSet<TopicName>, &'a [TopicPartition])>;

/// What each member is to have.
pub(crate) type Plan = BTreeMap<MemberId, Vec<TopicPartition>>;

/// Shares `topics`, of so many partitions each, among the members: every partition has a member, every member a
/// partition, none is loaded more than another by more than one, and members keep what they have as far as that goes.
/// Where members subscribe to different topics, that holds within each topic.
pub(crate) fn assign(wishes: &Wishes<'_>, topics: &BTreeMap<TopicName, u32>) -> Plan {
    let mut plan: Plan = wishes.keys().map(|member| ((*member).clone(), Vec::new())).collect();
    let mut wanted = wishes.values().map(|(topics, _)| *topics);
    let same = wanted.next().is_none_or(|first| wanted.all(|other| other == first));
    let is_wanted = |topic: &TopicName| wishes.values().any(|(topics, _)| topics.contains(topic));
    let topics = topics.iter().filter(|(topic, _)| is_wanted(topic));
    let pools: Vec<Vec<TopicPartition>> = match same {
        true => vec![topics.flat_map(|(topic, count)| partitions(topic, *count)).collect()],
        false => topics.map(|(topic, count)| partitions(topic, *count).collect()).collect(),
    };
    for pool in pools {
        let Some(topic) = pool.first().map(|partition| &partition.topic) else { continue };
        let members = wishes.iter().filter(|(_, (topics, _))| topics.contains(topic));
        share_out(&pool, &members.map(|(member, (_, has))| (*member, *has)).collect::<Vec<_>>(), &mut plan);
    }
    plan
}

fn partitions(topic: &TopicName, count: u32) -> impl Iterator<Item = TopicPartition> {
    (0..count).map(|partition| TopicPartition { topic: topic.clone(), partition })
}

fn share_out(pool: &[TopicPartition], members: &[(&MemberId, &[TopicPartition])], plan: &mut Plan) {
    if pool.is_empty() || members.is_empty() {
        return;
    }
    // So many members share each partition, and have so many partitions together.
    let sharing = members.len().div_ceil(pool.len());
    let total = sharing * pool.len();
    let quota = |at: usize| (total * (at + 1)).div_ceil(members.len()) - (total * at).div_ceil(members.len());
    let places: BTreeMap<&TopicPartition, usize> =
        pool.iter().enumerate().map(|(at, partition)| (partition, at)).collect();
    let mut shared = vec![0; pool.len()];
    let mut given: Vec<BTreeSet<usize>> = Vec::with_capacity(members.len());
    for (at, (_, has)) in members.iter().enumerate() {
        let mut kept = BTreeSet::new();
        for place in has.iter().filter_map(|partition| places.get(partition).copied()) {
            if kept.len() < quota(at) && shared.get(place).is_some_and(|members| *members < sharing) {
                kept.insert(place);
                shared.iter_mut().skip(place).take(1).for_each(|members| *members += 1);
            }
        }
        given.push(kept);
    }
    let mut least: BTreeSet<(usize, usize)> =
        shared.into_iter().enumerate().map(|(place, members)| (members, place)).collect();
    for (at, kept) in given.iter_mut().enumerate() {
        while kept.len() < quota(at) {
            let free = least.iter().find(|(_, place)| !kept.contains(place)).copied();
            let Some((members, place)) = free else { break };
            least.remove(&(members, place));
            least.insert((members + 1, place));
            kept.insert(place);
        }
    }
    for ((member, _), kept) in members.iter().zip(given) {
        let partitions = kept.into_iter().filter_map(|place| pool.get(place).cloned());
        plan.entry((*member).clone()).or_default().extend(partitions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn topic(number: usize) -> TopicName {
        TopicName::new(&format!("t{number}")).unwrap()
    }

    type Members = BTreeMap<MemberId, (BTreeSet<TopicName>, Vec<TopicPartition>)>;

    fn run(members: &Members, topics: &BTreeMap<TopicName, u32>) -> Plan {
        let wishes = members.iter().map(|(id, (topics, has))| (id, (topics, has.as_slice()))).collect();
        assign(&wishes, topics)
    }

    fn check(members: &Members, topics: &BTreeMap<TopicName, u32>, plan: &Plan) {
        let subscribed =
            |topic: &TopicName| members.values().filter(|(topics, _)| topics.contains(topic)).count();
        for (name, count) in topics {
            for one in partitions(name, *count) {
                let readers = plan.values().filter(|has| has.contains(&one)).count();
                assert_eq!(readers > 0, subscribed(name) > 0, "{one} has {readers} readers");
            }
        }
        for (id, has) in plan {
            let (wanted, _) = &members[id];
            assert!(has.iter().all(|one| wanted.contains(&one.topic)), "{id} reads what it did not ask for");
            assert_eq!(has.iter().collect::<BTreeSet<_>>().len(), has.len(), "{id} has one twice");
            assert_eq!(has.is_empty(), wanted.iter().all(|topic| !topics.contains_key(topic)), "{id}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn everything_is_read_evenly_and_little_moves(
            counts in prop::collection::vec(1..6u32, 1..4),
            wishes in prop::collection::vec(prop::collection::vec(any::<bool>(), 4), 1..8),
            alike: bool,
        ) {
            let topics: BTreeMap<_, _> = counts.iter().enumerate().map(|(at, count)| (topic(at), *count)).collect();
            let wanted = |wish: &Vec<bool>| -> BTreeSet<TopicName> {
                let chosen = wish.iter().enumerate().filter(|(at, chosen)| **chosen || *at == 0);
                chosen.map(|(at, _)| topic(at)).collect()
            };
            let mut members: Members = wishes.iter().enumerate().map(|(at, wish)| {
                let wish = if alike { &wishes[0] } else { wish };
                (MemberId::new(&format!("m{at}")), (wanted(wish), Vec::new()))
            }).collect();
            let plan = run(&members, &topics);
            check(&members, &topics, &plan);
            let loads = plan.values().map(Vec::len);
            if alike {
                prop_assert!(loads.clone().max().unwrap() - loads.min().unwrap() <= 1, "{plan:?}");
            }
            // What all have already stays as it is.
            for (id, has) in &plan {
                members.get_mut(id).unwrap().1 = has.clone();
            }
            prop_assert_eq!(&run(&members, &topics), &plan);
            let gone = members.keys().next().unwrap().clone();
            members.remove(&gone);
            check(&members, &topics, &run(&members, &topics));
        }
    }
}
