use std::time::Duration;

use log_engine::batch::Codec;
use log_engine::{Generation, Joined, LogError, MemberId, Offset, OffsetCommit, ResetTo, TopicPartition};
use message::{Timestamp, TopicName};
use segment_store::LyingDisk;

use crate::shell::{START, Shell, batch, entries, group};

const SESSION: Duration = Duration::from_secs(10);

fn shell(partitions: u32) -> (LyingDisk, Shell) {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", partitions, &[]);
    for view in topic.partitions() {
        shell.append(view, batch(&entries(0, 20, 10), Codec::None)).unwrap();
    }
    shell.commit().unwrap();
    (disk, shell)
}

fn topics() -> Vec<TopicName> {
    vec![TopicName::new("t").unwrap()]
}

fn at(partition: u32) -> TopicPartition {
    TopicPartition { topic: TopicName::new("t").unwrap(), partition }
}

fn commit(
    shell: &mut Shell,
    member: Option<(&MemberId, Generation)>,
    partition: u32,
    offset: i64,
) -> Result<(), LogError> {
    let commit =
        OffsetCommit { partition: at(partition), offset: Offset(offset), metadata: "note".to_owned() };
    shell.run(|engine, block, now| engine.commit_offsets(block, &group("g"), member, &[commit], now))
}

fn join(shell: &mut Shell, member: Option<&MemberId>) -> Joined {
    let now = shell.now;
    shell.engine.join(&group("g"), member.cloned(), &topics(), SESSION, now).unwrap()
}

#[test]
fn members_share_partitions_and_take_over_from_the_silent() {
    let (_, mut shell) = shell(6);
    let first = join(&mut shell, None);
    assert_eq!(first.assignment.len(), 6);
    let second = join(&mut shell, None);
    assert_ne!(second.member, first.member);
    assert!(second.generation > first.generation);
    assert_eq!(second.assignment.len(), 3);
    // Asking again changes nothing.
    assert_eq!(join(&mut shell, Some(&second.member)), second);
    let kept = shell.engine.heartbeat(&group("g"), &first.member, shell.now).unwrap();
    assert!(kept.assignment.iter().all(|partition| !second.assignment.contains(partition)));

    shell.now = shell.now.plus(Duration::from_secs(9));
    shell.engine.heartbeat(&group("g"), &second.member, shell.now).unwrap();
    shell.now = shell.now.plus(Duration::from_secs(2));
    let next = shell.tick().unwrap().unwrap();
    assert!(next > shell.now);
    let gone = shell.engine.heartbeat(&group("g"), &first.member, shell.now);
    assert!(matches!(gone, Err(LogError::UnknownMember(_))));
    let all = shell.engine.heartbeat(&group("g"), &second.member, shell.now).unwrap();
    assert_eq!(all.assignment.len(), 6);
    shell.engine.leave(&group("g"), &second.member).unwrap();
    assert_eq!(shell.engine.groups().count(), 0, "a group without offsets and members is forgotten");
}

#[test]
fn who_lost_a_partition_cannot_commit_it() {
    let (_, mut shell) = shell(2);
    let first = join(&mut shell, None);
    commit(&mut shell, Some((&first.member, first.generation)), 0, 5).unwrap();
    commit(&mut shell, Some((&first.member, first.generation)), 1, 5).unwrap();
    let second = join(&mut shell, None);
    let lost = second.assignment[0].partition;
    let stale = commit(&mut shell, Some((&first.member, first.generation)), lost, 6);
    assert!(matches!(stale, Err(LogError::StaleGeneration(_))));
    // What it kept it may go on committing, even speaking of the generation before.
    commit(&mut shell, Some((&first.member, first.generation)), 1 - lost, 6).unwrap();
    commit(&mut shell, Some((&second.member, second.generation)), lost, 7).unwrap();
    // When the partition comes back, what was read before somebody else had it is stale all the same.
    shell.engine.leave(&group("g"), &second.member).unwrap();
    let stale = commit(&mut shell, Some((&first.member, first.generation)), lost, 6);
    assert!(matches!(stale, Err(LogError::StaleGeneration(_))));
    let again = join(&mut shell, Some(&first.member));
    commit(&mut shell, Some((&again.member, again.generation)), lost, 8).unwrap();
    let nobody = commit(&mut shell, None, 0, 1);
    assert!(matches!(nobody, Err(LogError::GroupInUse(_))));
    let stranger = MemberId::new("member-0-1");
    let unknown = commit(&mut shell, Some((&stranger, again.generation)), 0, 1);
    assert!(matches!(unknown, Err(LogError::UnknownMember(_))));
}

#[test]
fn offsets_survive_restarts_and_tell_the_lag() {
    let (disk, mut shell) = shell(2);
    commit(&mut shell, None, 0, 12).unwrap();
    shell.commit().unwrap();
    shell.checkpoint().unwrap();
    commit(&mut shell, None, 1, 20).unwrap();
    shell.commit().unwrap();
    drop(shell);
    let disk = disk.crash();
    let mut shell = Shell::open(&disk).unwrap();
    let described = shell.engine.describe_group(&group("g")).unwrap();
    let lags: Vec<_> = described.partitions.iter().map(|lag| lag.lag).collect();
    assert_eq!(lags, [8, 0]);
    assert_eq!(&*described.partitions[0].committed.as_ref().unwrap().metadata, "note");
    assert!(described.members.is_empty());

    for bad in [-1, 21] {
        assert!(matches!(commit(&mut shell, None, 0, bad), Err(LogError::OffsetOutOfRange { .. })));
    }
    let name = TopicName::new("t").unwrap();
    shell.run(|engine, block, _| engine.delete_topic(block, &name)).unwrap();
    shell.commit().unwrap();
    assert!(shell.engine.committed(&group("g")).is_empty());
    drop(shell);
    let shell = Shell::open(&disk.crash()).unwrap();
    assert_eq!(shell.engine.groups().count(), 0);
}

#[test]
fn resets_move_offsets_only_for_groups_without_members() {
    let (_, mut shell) = shell(2);
    commit(&mut shell, None, 0, 12).unwrap();
    let reset = |shell: &mut Shell, to, dry_run| {
        let moved = shell
            .run(|engine, block, now| engine.reset(block, &group("g"), &[at(0), at(1)], to, dry_run, now))?;
        Ok::<_, LogError>(
            moved.into_iter().map(|reset| (reset.from.map(|from| from.0), reset.to.0)).collect::<Vec<_>>(),
        )
    };
    let before = [(Some(12), 0), (None, 0)];
    assert_eq!(reset(&mut shell, ResetTo::Earliest, true).unwrap(), before);
    assert_eq!(reset(&mut shell, ResetTo::Shift(-5), true).unwrap(), [(Some(12), 7), (None, 0)]);
    assert_eq!(reset(&mut shell, ResetTo::Shift(500), true).unwrap(), [(Some(12), 20), (None, 20)]);
    let time = ResetTo::Time(Timestamp(START.0 + 15));
    assert_eq!(reset(&mut shell, time, true).unwrap(), [(Some(12), 15), (None, 15)]);
    assert_eq!(reset(&mut shell, ResetTo::Latest, false).unwrap(), [(Some(12), 20), (None, 20)]);
    assert_eq!(reset(&mut shell, ResetTo::Offset(Offset(3)), false).unwrap(), [(Some(20), 3), (Some(20), 3)]);
    join(&mut shell, None);
    assert!(matches!(reset(&mut shell, ResetTo::Earliest, false), Err(LogError::GroupInUse(_))));
    assert!(reset(&mut shell, ResetTo::Earliest, true).is_ok());
    let in_use = shell.run(|engine, block, _| engine.delete_group(block, &group("g")));
    assert!(matches!(in_use, Err(LogError::GroupInUse(_))));
}

#[test]
fn new_partitions_reach_the_members() {
    let (_, mut shell) = shell(1);
    let first = join(&mut shell, None);
    let second = join(&mut shell, None);
    assert!(second.assignment.is_empty());
    let name = TopicName::new("t").unwrap();
    shell.run(|engine, block, now| engine.add_partitions(block, &name, 4, now)).unwrap();
    for member in [first.member, second.member] {
        let told = shell.engine.heartbeat(&group("g"), &member, shell.now).unwrap();
        assert_eq!(told.assignment.len(), 2);
        assert!(told.generation > second.generation);
    }
}
