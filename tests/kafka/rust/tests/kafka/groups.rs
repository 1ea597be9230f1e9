//! Consumers that share topics.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_clients::{PATIENCE, Reader, consumer, make_topic, name, producer, sent, shared, until, values};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

/// The ways in which members share: what is set, and whether what stays with a member is taken from it for a while.
const WAYS: [(&[(&str, &str)], bool); 4] = [
    (&[("partition.assignment.strategy", "range")], true),
    (&[("partition.assignment.strategy", "roundrobin")], true),
    (&[("partition.assignment.strategy", "cooperative-sticky")], false),
    (&[("group.protocol", "consumer")], false),
];

fn join(broker: &str, group: &str, topic: &str, settings: &[(&str, &str)]) -> Reader {
    let reader = consumer(broker, group, settings);
    reader.subscribe(&[topic]).expect("a subscription");
    reader
}

/// Polls all until they have so many partitions each.
fn settle(readers: &[&Reader], shares: &[usize]) {
    until(&format!("shares of {shares:?}"), || {
        for reader in readers {
            if let Some(Err(error)) = reader.poll(Duration::from_millis(20)) {
                panic!("{error}");
            }
        }
        readers.iter().map(|reader| reader.context().count()).eq(shares.iter().copied())
    });
}

#[tokio::test]
async fn members_share_and_hand_over_in_every_way() {
    let broker = shared();
    for (settings, eager) in WAYS {
        let (topic, group) = (name("shared"), name("shared"));
        make_topic(&broker, &topic, 6, &[]).await;
        let one = join(&broker, &group, &topic, settings);
        settle(&[&one], &[6]);
        let two = join(&broker, &group, &topic, settings);
        settle(&[&one, &two], &[3, 3]);
        let three = join(&broker, &group, &topic, settings);
        settle(&[&one, &two, &three], &[2, 2, 2]);
        let has = [&one, &two, &three].map(|reader| reader.context().owned.lock().unwrap().clone());
        let all: BTreeSet<_> = has.iter().flatten().cloned().collect();
        assert_eq!(all.len(), 6, "{settings:?}: nothing is read twice");
        let taken = one.context().revoked.lock().unwrap().len();
        assert_eq!(taken, if eager { 6 + 3 } else { 3 + 1 }, "{settings:?}");
        drop((one, three));
        settle(&[&two], &[6]);
    }
}

#[tokio::test]
async fn nothing_is_lost_or_read_twice_while_members_come_and_go() {
    let broker = shared();
    for (settings, _) in WAYS {
        let (topic, group) = (name("handed"), name("handed"));
        make_topic(&broker, &topic, 4, &[]).await;
        let producer = producer(&broker, &[]);
        // They commit what they read when it is taken from them, and when they leave.
        let settings = [settings, &[("enable.auto.commit", "true")]].concat();
        let mut seen = Vec::new();
        let mut before: Option<Reader> = None;
        for round in 1..=4 {
            let sending: Vec<_> = (0..50).map(|n| format!("{round}-{n}")).collect();
            sent(&producer, &topic, None, sending).await;
            let reader = join(&broker, &group, &topic, &settings);
            let members: Vec<&Reader> = before.iter().chain([&reader]).collect();
            until("everybody has a share and everything was read", || {
                for member in &members {
                    if let Some(message) = member.poll(Duration::from_millis(20)) {
                        seen.extend(values(&[message.expect("a record").detach()]));
                    }
                }
                let shared = members.iter().all(|member| member.context().count() == 4 / members.len());
                shared && seen.len() >= round * 50
            });
            before = Some(reader);
        }
        let expected: BTreeSet<String> =
            (1..=4).flat_map(|round| (0..50).map(move |n| format!("{round}-{n}"))).collect();
        assert_eq!(seen.len(), expected.len(), "{settings:?}: nothing is read twice");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected, "{settings:?}");
    }
}

#[tokio::test]
async fn a_static_member_comes_back_to_what_it_had() {
    let (broker, topic, group) = (shared(), name("static"), name("static"));
    make_topic(&broker, &topic, 4, &[]).await;
    let named = |name: &'static str| {
        join(&broker, &group, &topic, &[("group.instance.id", name), ("session.timeout.ms", "30000")])
    };
    let (one, two) = (named("one"), named("two"));
    settle(&[&one, &two], &[2, 2]);
    let had = one.context().owned.lock().unwrap().clone();
    two.context().revoked.lock().unwrap().clear();
    drop(one);
    let one = named("one");
    settle(&[&one, &two], &[2, 2]);
    assert_eq!(*one.context().owned.lock().unwrap(), had);
    assert_eq!(*two.context().revoked.lock().unwrap(), [], "nobody noticed");
    // Somebody else of that name takes its place.
    let other = named("one");
    settle(&[&other, &two], &[2, 2]);
    let fenced = loop {
        if let Some(Err(error)) = one.poll(PATIENCE) {
            break error;
        }
    };
    let code = fenced.rdkafka_error_code();
    assert!(matches!(code, Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::FencedInstanceId)), "{fenced}");
}

#[tokio::test]
async fn committed_offsets_are_kept_with_what_was_noted() {
    let (broker, topic, group) = (shared(), name("committed"), name("committed"));
    make_topic(&broker, &topic, 2, &[]).await;
    let reader = consumer(&broker, &group, &[]);
    let mut commits = TopicPartitionList::new();
    commits.add_partition_offset(&topic, 0, Offset::Offset(7)).expect("an offset");
    commits.add_partition_offset(&topic, 1, Offset::Offset(0)).expect("an offset");
    commits.find_partition(&topic, 0).expect("it is there").set_metadata("a note");
    reader.commit(&commits, CommitMode::Sync).expect("it is committed");
    let found = reader.committed_offsets(commits, PATIENCE).expect("offsets");
    let first = found.find_partition(&topic, 0).expect("it is told");
    assert_eq!((first.offset(), first.metadata()), (Offset::Offset(7), "a note"));
    assert_eq!(found.find_partition(&topic, 1).expect("it is told").offset(), Offset::Offset(0));
    let mut wrong = TopicPartitionList::new();
    wrong.add_partition_offset(&topic, 9, Offset::Offset(1)).expect("an offset");
    let refused = reader.commit(&wrong, CommitMode::Sync);
    assert!(matches!(refused, Err(KafkaError::ConsumerCommit(_))), "{refused:?}");
}

#[tokio::test]
async fn who_is_no_member_may_not_commit_while_there_are_members() {
    let (broker, topic, group) = (shared(), name("guarded"), name("guarded"));
    make_topic(&broker, &topic, 1, &[]).await;
    let member = join(&broker, &group, &topic, &[]);
    settle(&[&member], &[1]);
    let stranger = consumer(&broker, &group, &[]);
    let mut commits = TopicPartitionList::new();
    commits.add_partition_offset(&topic, 0, Offset::Offset(1)).expect("an offset");
    stranger.assign(&commits).expect("an assignment");
    let refused = stranger.commit(&commits, CommitMode::Sync);
    let wanted = KafkaError::ConsumerCommit(RDKafkaErrorCode::UnknownMemberId);
    assert_eq!(refused, Err(wanted));
}
