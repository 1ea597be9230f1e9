use super::*;
use proptest::prelude::*;

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

/// Topics with so many partitions; ids are given out in a row.
fn topics(counts: &[(&str, u32)]) -> BTreeMap<TopicName, Vec<PartitionId>> {
    let mut next = 0;
    let mut numbered = BTreeMap::new();
    for (name, count) in counts {
        numbered.insert(topic(name), (next..next + count).map(PartitionId).collect());
        next += count;
    }
    numbered
}

/// Assigns to members that read these topics and had these targets.
fn share(
    kind: AssignorKind,
    subscriptions: &[Vec<&str>],
    before: &Plan,
    partitions: &BTreeMap<TopicName, Vec<PartitionId>>,
) -> Plan {
    let names: Vec<String> = (0..subscriptions.len()).map(|number| format!("m{number:03}")).collect();
    let read: Vec<Vec<TopicName>> =
        subscriptions.iter().map(|names| names.iter().map(|name| topic(name)).collect()).collect();
    let nothing = BTreeSet::new();
    let readers: Vec<Reader<'_>> = names
        .iter()
        .zip(&read)
        .enumerate()
        .map(|(index, (order, topics))| Reader {
            order,
            topics: topics.iter().collect(),
            target: before.get(index).unwrap_or(&nothing),
        })
        .collect();
    assign(kind, &readers, partitions)
}

fn sizes(plan: &Plan) -> Vec<usize> {
    plan.iter().map(BTreeSet::len).collect()
}

#[test]
fn ranges_put_equal_numbers_of_topics_together() {
    let partitions = topics(&[("a", 5), ("b", 5)]);
    let plan = share(AssignorKind::Range, &[vec!["a", "b"], vec!["a", "b"]], &Vec::new(), &partitions);
    let first: Vec<u32> = plan[0].iter().map(|one| one.0).collect();
    assert_eq!(first, [0, 1, 2, 5, 6, 7]);
    assert_eq!(sizes(&plan), [6, 4]);
}

#[test]
fn a_newcomer_gets_its_part_and_the_rest_stays() {
    let partitions = topics(&[("a", 7)]);
    let two = share(AssignorKind::Uniform, &[vec!["a"], vec!["a"]], &Vec::new(), &partitions);
    assert_eq!(sizes(&two), [4, 3]);
    let three = share(AssignorKind::Uniform, &[vec!["a"], vec!["a"], vec!["a"]], &two, &partitions);
    assert_eq!(sizes(&three), [3, 2, 2]);
    assert!(three[0].is_subset(&two[0]) && three[1].is_subset(&two[1]));
}

proptest! {
    /// Whatever they had before: everything that somebody reads is read by exactly one of its readers, and readers of
    /// the same topics differ by at most one.
    #[test]
    fn everything_is_read_once_and_evenly(
        reads in proptest::collection::vec(1u8..8, 1..7),
        counts in proptest::collection::vec(0u32..12, 3),
        owners in proptest::collection::vec(0usize..9, 36),
        range: bool,
    ) {
        let names = ["a", "b", "c"];
        let partitions = topics(&[("a", counts[0]), ("b", counts[1]), ("c", counts[2])]);
        let subscriptions: Vec<Vec<&str>> = reads
            .iter()
            .map(|bits| (0..3).filter(|bit| bits & (1 << bit) != 0).map(|bit| names[bit]).collect())
            .collect();
        let mut before: Plan = vec![BTreeSet::new(); reads.len()];
        for (partition, owner) in owners.iter().enumerate() {
            if let Some(share) = before.get_mut(*owner) {
                share.insert(PartitionId(partition as u32));
            }
        }
        let kind = if range { AssignorKind::Range } else { AssignorKind::Uniform };
        let plan = share(kind, &subscriptions, &before, &partitions);
        for (name, ids) in &partitions {
            let readers: Vec<usize> = (0..reads.len())
                .filter(|reader| subscriptions[*reader].contains(&name.as_str()))
                .collect();
            for id in ids {
                let holders: Vec<usize> =
                    (0..plan.len()).filter(|reader| plan[*reader].contains(id)).collect();
                prop_assert_eq!(holders.len(), usize::from(!readers.is_empty()));
                prop_assert!(holders.iter().all(|holder| readers.contains(holder)));
            }
        }
        if kind == AssignorKind::Uniform && subscriptions.iter().all(|one| *one == subscriptions[0]) {
            let sizes = sizes(&plan);
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }
        // Nothing that is even already is moved.
        prop_assert_eq!(share(kind, &subscriptions, &plan, &partitions), plan);
    }
}
