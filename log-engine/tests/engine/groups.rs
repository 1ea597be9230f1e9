//! Readers that a door serves, and what groups commit, whoever their members are.
use std::time::Duration;

use log_engine::batch::Codec;
use log_engine::{
    Attendance, ClientOrigin, Committer, Generation, GroupConfig, GroupError, Joined, Leaving,
    LogEngineConfig, LogError, MemberId, Offset, OffsetCommit, ResetTo, TopicPartition,
};
use message::{ErrorCode, Timestamp, TopicName};
use segment_store::LyingDisk;

use crate::shell::{START, Shell, batch, entries, group};

const SESSION: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(60 * 60);

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

fn numbers(joined: &Joined) -> Vec<u32> {
    joined.assignment.iter().map(|one| one.partition).collect()
}

fn commit(
    shell: &mut Shell,
    member: Option<(&MemberId, Generation)>,
    partition: u32,
    offset: i64,
) -> Result<(), LogError> {
    let commit = OffsetCommit {
        metadata: "note".to_owned(),
        leader_epoch: Some(3),
        ..OffsetCommit::new(at(partition), Offset(offset))
    };
    let committer = match member {
        None => Committer::Nobody,
        Some((id, generation)) => Committer::Member { id, generation: Some(generation), instance: None },
    };
    shell.run(|engine, block, now| engine.commit_offsets(block, &group("g"), committer, &[commit], now))
}

/// A reader that comes for the first time; `name` becomes its id.
fn join(shell: &mut Shell, name: &str) -> Joined {
    attend(shell, None, name, &[]).unwrap()
}

/// A reader that comes again, with what it was told last.
fn again(shell: &mut Shell, told: &Joined) -> Joined {
    attend(shell, Some(&told.member), "", &told.assignment).unwrap()
}

fn attend(
    shell: &mut Shell,
    member: Option<&MemberId>,
    new: &str,
    holds: &[TopicPartition],
) -> Result<Joined, LogError> {
    let ask = Attendance {
        member: member.cloned(),
        new_member: MemberId::new(new),
        origin: ClientOrigin::default(),
        topics: topics(),
        session_timeout: SESSION,
        holds: holds.to_vec(),
    };
    let now = shell.now;
    shell.engine.attend(&group("g"), ask, now)
}

fn leave(shell: &mut Shell, member: &MemberId) -> Result<(), GroupError> {
    let now = shell.now;
    let leaving = [Leaving { member: Some(member.clone()), instance: None }];
    shell.engine.leave_group(&group("g"), &leaving, now).remove(0)
}

fn code(result: Result<(), LogError>) -> ErrorCode {
    result.unwrap_err().code()
}

#[test]
fn readers_share_partitions_and_let_go_before_others_take_over() {
    let (_, mut shell) = shell(6);
    let one = join(&mut shell, "one");
    assert_eq!(numbers(&one), [0, 1, 2, 3, 4, 5]);
    let two = join(&mut shell, "two");
    assert_eq!(numbers(&two), [], "nothing was let go yet");
    // The first time it is told what to let go, the second time it has.
    let told = again(&mut shell, &one);
    assert_eq!(told.assignment.len(), 3);
    assert_eq!(numbers(&again(&mut shell, &two)), []);
    let one = again(&mut shell, &told);
    assert_eq!(one.assignment, told.assignment);
    assert!(one.generation > told.generation);
    let two = again(&mut shell, &two);
    assert_eq!(two.assignment.len(), 3);
    assert!(two.assignment.iter().all(|partition| !one.assignment.contains(partition)));
    assert_eq!(again(&mut shell, &two), two, "asking again changes nothing");

    shell.now = shell.now.plus(Duration::from_secs(9));
    let two = again(&mut shell, &two);
    shell.now = shell.now.plus(Duration::from_secs(2));
    let next = shell.tick().unwrap().unwrap();
    assert!(next > shell.now);
    let gone = attend(&mut shell, Some(&one.member), "", &[]).unwrap_err();
    assert_eq!(gone.code(), ErrorCode::UnknownMember);
    assert_eq!(again(&mut shell, &two).assignment.len(), 6);
    leave(&mut shell, &two.member).unwrap();
    assert_eq!(
        shell.engine.groups().count(),
        1,
        "a group that everybody left can still be described and deleted"
    );
    shell.now = shell.now.plus(GroupConfig::default().offsets_check);
    shell.tick().unwrap();
    assert_eq!(shell.engine.groups().count(), 0, "one without offsets is forgotten with what is too old");
    assert_eq!(shell.engine.group_bytes(), 0);
    assert_eq!(shell.engine.group_deadline(), None);
}

#[test]
fn who_lost_a_partition_cannot_commit_it() {
    let (_, mut shell) = shell(2);
    let one = join(&mut shell, "one");
    commit(&mut shell, Some((&one.member, one.generation)), 0, 5).unwrap();
    commit(&mut shell, Some((&one.member, one.generation)), 1, 5).unwrap();
    let two = join(&mut shell, "two");
    let told = again(&mut shell, &one);
    let kept = told.assignment[0].partition;
    let lost = 1 - kept;
    // What it is to let go it may commit until it comes again.
    commit(&mut shell, Some((&one.member, one.generation)), lost, 6).unwrap();
    let one_later = again(&mut shell, &told);
    let stale = commit(&mut shell, Some((&one.member, one.generation)), lost, 7);
    assert_eq!(code(stale), ErrorCode::StaleGeneration);
    // What it kept it may go on committing, even speaking of the generation before.
    commit(&mut shell, Some((&one.member, one.generation)), kept, 6).unwrap();
    let two = again(&mut shell, &two);
    assert_eq!(numbers(&two), [lost]);
    commit(&mut shell, Some((&two.member, two.generation)), lost, 8).unwrap();
    // When the partition comes back, what was read before somebody else had it is stale all the same.
    leave(&mut shell, &two.member).unwrap();
    let back = again(&mut shell, &one_later);
    assert_eq!(back.assignment.len(), 2);
    let stale = commit(&mut shell, Some((&one.member, one_later.generation)), lost, 6);
    assert_eq!(code(stale), ErrorCode::StaleGeneration);
    commit(&mut shell, Some((&back.member, back.generation)), lost, 9).unwrap();
    let future = commit(&mut shell, Some((&back.member, back.generation.next())), lost, 9);
    assert_eq!(code(future), ErrorCode::StaleGeneration);
    assert_eq!(code(commit(&mut shell, None, 0, 1)), ErrorCode::InUse);
    let unknown = commit(&mut shell, Some((&MemberId::new("stranger"), back.generation)), 0, 1);
    assert_eq!(code(unknown), ErrorCode::UnknownMember);
}

#[test]
fn a_reader_that_does_not_let_go_in_time_is_put_out() {
    let (_, mut shell) = shell(2);
    let one = join(&mut shell, "one");
    let two = join(&mut shell, "two");
    let told = again(&mut shell, &one);
    assert_eq!(told.assignment.len(), 1);
    // It keeps coming with the partition still in its hands, for longer than a session lasts.
    for _ in 0..12 {
        shell.now = shell.now.plus(Duration::from_secs(1));
        shell.tick().unwrap();
        again(&mut shell, &two);
        let _ = attend(&mut shell, Some(&one.member), "", &one.assignment);
    }
    assert_eq!(again(&mut shell, &two).assignment.len(), 2);
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
    let committed = described.partitions[0].committed.as_ref().unwrap();
    assert_eq!((&*committed.metadata, committed.leader_epoch), ("note", Some(3)));
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
    join(&mut shell, "one");
    assert_eq!(reset(&mut shell, ResetTo::Earliest, false).unwrap_err().code(), ErrorCode::InUse);
    assert!(reset(&mut shell, ResetTo::Earliest, true).is_ok());
    let in_use = shell.run(|engine, block, _| engine.delete_group(block, &group("g")));
    assert_eq!(code(in_use), ErrorCode::InUse);
}

#[test]
fn new_partitions_reach_the_members() {
    let (_, mut shell) = shell(1);
    let one = join(&mut shell, "one");
    let two = join(&mut shell, "two");
    assert!(two.assignment.is_empty());
    let name = TopicName::new("t").unwrap();
    shell.run(|engine, block, now| engine.add_partitions(block, &name, 4, now)).unwrap();
    for member in [one, two] {
        let told = again(&mut shell, &member);
        assert_eq!(told.assignment.len(), 2);
    }
    shell.run(|engine, block, _| engine.delete_topic(block, &name)).unwrap();
    let described = shell.engine.describe_group(&group("g")).unwrap();
    assert!(described.members.iter().all(|member| member.assignment.is_empty()));
}

#[test]
fn offsets_of_topics_that_nobody_reads_can_be_deleted() {
    let (disk, mut shell) = shell(2);
    shell.create("other", 1, &[]);
    let other = TopicPartition { topic: TopicName::new("other").unwrap(), partition: 0 };
    commit(&mut shell, None, 0, 5).unwrap();
    let commits = [OffsetCommit::new(other.clone(), Offset(0))];
    shell
        .run(|engine, block, now| engine.commit_offsets(block, &group("g"), Committer::Nobody, &commits, now))
        .unwrap();
    join(&mut shell, "one");
    let delete = |shell: &mut Shell, partitions: &[TopicPartition]| {
        shell.run(|engine, block, now| engine.delete_offsets(block, &group("g"), partitions, now)).unwrap()
    };
    let results = delete(&mut shell, &[at(0), other.clone(), at(7)]);
    let codes: Vec<_> = results.into_iter().map(|one| one.map_err(|error| error.code())).collect();
    assert_eq!(codes, [Err(ErrorCode::GroupSubscribed), Ok(true), Err(ErrorCode::UnknownPartition)]);
    assert!(!delete(&mut shell, &[other])[0].as_ref().unwrap(), "it is gone already");
    shell.commit().unwrap();
    drop(shell);
    let shell = Shell::open(&disk.crash()).unwrap();
    assert_eq!(shell.engine.committed(&group("g")).len(), 1);
}

/// Lets `time` pass, with a tick whenever the engine asked for one.
fn pass(shell: &mut Shell, time: Duration) {
    let until = shell.now.plus(time);
    while shell.now < until {
        let next = shell.tick().unwrap().unwrap_or(until);
        shell.now = next.max(shell.now.plus(Duration::from_secs(60))).min(until);
    }
    shell.tick().unwrap();
}

fn restart(disk: LyingDisk, shell: Shell) -> (LyingDisk, Shell) {
    let now = shell.now;
    drop(shell);
    let disk = disk.crash();
    let mut shell = Shell::open_at(&disk, LogEngineConfig::default(), now).unwrap();
    shell.now = now;
    (disk, shell)
}

#[test]
fn offsets_are_kept_for_a_week_without_members() {
    let day = HOUR * 24;
    let (disk, mut shell) = shell(2);
    // One without members ever: counted from the commit.
    commit(&mut shell, None, 0, 5).unwrap();
    shell.commit().unwrap();
    pass(&mut shell, day * 6);
    commit(&mut shell, None, 1, 5).unwrap();
    shell.commit().unwrap();
    let (disk, mut shell) = restart(disk, shell);
    pass(&mut shell, day * 2);
    let left = shell.engine.committed(&group("g"));
    assert_eq!(left.iter().map(|(at, _)| at.partition).collect::<Vec<_>>(), [1]);
    // A member comes: nothing grows old while it reads the topic, whenever it was committed.
    let mut one = join(&mut shell, "one");
    for _ in 0..(2 * 7 * 24) {
        pass(&mut shell, HOUR / 2);
        one = match attend(&mut shell, Some(&one.member), "", &one.assignment) {
            Ok(told) => told,
            Err(_) => join(&mut shell, "one"),
        };
    }
    assert_eq!(shell.engine.committed(&group("g")).len(), 1);
    // The server stops and starts: it counts as without members from then on.
    shell.commit().unwrap();
    let (disk, mut shell) = restart(disk, shell);
    pass(&mut shell, day * 6);
    assert_eq!(shell.engine.committed(&group("g")).len(), 1);
    shell.checkpoint().unwrap();
    let (_, mut shell) = restart(disk, shell);
    pass(&mut shell, day + HOUR);
    assert_eq!(shell.engine.groups().count(), 0);
    assert_eq!(shell.engine.group_bytes(), 0);
}

#[test]
fn a_negative_offset_forgets_what_was_committed() {
    let (disk, mut shell) = shell(2);
    let commits = |offsets: [i64; 2]| {
        offsets.iter().zip(0..).map(|(offset, n)| OffsetCommit::new(at(n), Offset(*offset))).collect()
    };
    let commit = |shell: &mut Shell, offsets| {
        let commits: Vec<_> = commits(offsets);
        shell.run(|engine, block, now| {
            engine.commit_each(block, &group("g"), Committer::Nobody, &commits, now)
        })
    };
    commit(&mut shell, [5, 6]).unwrap();
    assert!(commit(&mut shell, [-2, 7]).unwrap().iter().all(Result::is_ok));
    assert!(commit(&mut shell, [-1, 8]).unwrap().iter().all(Result::is_ok), "there was none");
    let told = |shell: &Shell| {
        let committed = shell.engine.committed(&group("g")).into_iter();
        committed.map(|(partition, committed)| (partition.partition, committed.offset.0)).collect::<Vec<_>>()
    };
    assert_eq!(told(&shell), [(1, 8)]);
    shell.commit().unwrap();
    drop(shell);
    assert_eq!(told(&Shell::open(&disk.crash()).unwrap()), [(1, 8)]);
    let (_, mut shell) = self::shell(1);
    let commits = [OffsetCommit::new(at(0), Offset(-1))];
    let refused = shell.run(|engine, block, now| {
        engine.commit_offsets(block, &group("g"), Committer::Nobody, &commits, now)
    });
    assert_eq!(code(refused), ErrorCode::OffsetOutOfRange);
}

#[test]
fn an_offset_may_say_itself_when_it_is_forgotten() {
    let (_, mut shell) = shell(1);
    let expires_at = Some(shell.now.plus(HOUR));
    let commits = [OffsetCommit { expires_at, ..OffsetCommit::new(at(0), Offset(1)) }];
    shell
        .run(|engine, block, now| engine.commit_offsets(block, &group("g"), Committer::Nobody, &commits, now))
        .unwrap();
    pass(&mut shell, HOUR / 2);
    assert_eq!(shell.engine.committed_count(), 1);
    pass(&mut shell, HOUR);
    assert_eq!(shell.engine.committed_count(), 0);
}

#[test]
fn the_memory_of_groups_is_bounded() {
    let disk = LyingDisk::new(1);
    let groups = GroupConfig { bytes_max: 4000, ..GroupConfig::default() };
    let mut shell =
        Shell::open_with(&disk, LogEngineConfig { groups, ..LogEngineConfig::default() }).unwrap();
    let topic = shell.create("t", 1, &[]);
    shell.append(&topic.partitions()[0], batch(&entries(0, 20, 10), Codec::None)).unwrap();
    let commits = [OffsetCommit { metadata: "m".repeat(4000), ..OffsetCommit::new(at(0), Offset(1)) }];
    let mut commit = |name: &str| {
        shell.run(|engine, block, now| {
            engine.commit_offsets(block, &group(name), Committer::Nobody, &commits, now)
        })
    };
    commit("a").unwrap();
    assert_eq!(code(commit("b")), ErrorCode::Overloaded);
    assert_eq!(code(attend(&mut shell, None, "one", &[]).map(|_| ())), ErrorCode::Overloaded);
    shell.run(|engine, block, _| engine.delete_group(block, &group("a"))).unwrap();
    attend(&mut shell, None, "one", &[]).unwrap();
    assert!(shell.engine.group_bytes() < 4000);
}

#[test]
fn groups_that_everybody_left_make_room_for_others() {
    let disk = LyingDisk::new(1);
    let groups = GroupConfig { bytes_max: 4000, ..GroupConfig::default() };
    let mut shell =
        Shell::open_with(&disk, LogEngineConfig { groups, ..LogEngineConfig::default() }).unwrap();
    shell.create("t", 1, &[]);
    let now = shell.now;
    for number in 0..100 {
        let name = group(&format!("g{number}"));
        let ask = Attendance {
            member: None,
            new_member: MemberId::new("one"),
            origin: ClientOrigin::default(),
            topics: topics(),
            session_timeout: SESSION,
            holds: Vec::new(),
        };
        let joined = shell.engine.attend(&name, ask, now).unwrap();
        let leaving = [Leaving { member: Some(joined.member), instance: None }];
        shell.engine.leave_group(&name, &leaving, now).remove(0).unwrap();
    }
    assert!((1..100).contains(&shell.engine.groups().count()));
    assert!(shell.engine.group_bytes() < 8000);
}
