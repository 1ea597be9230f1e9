//! The consumer group protocol of KIP-848, and groups that members of several kinds share.
use std::time::Duration;

use log_engine::{
    Attendance, ClientOrigin, ConsumerAnswer, ConsumerHeartbeat, Generation, GroupError, InstanceId,
    JoinGroup, Joined, Leaving, MemberEpoch, MemberId, TopicPartition,
};
use message::{ErrorCode, TopicName};

use crate::group_bench::{Bench, DELAY, REBALANCE, joins, known, newcomer, stays, subscription, text};
use crate::shell::group;

fn owned(answer: &ConsumerAnswer) -> Vec<TopicPartition> {
    answer.assignment.clone().expect("an assignment")
}

fn at(partition: u32) -> TopicPartition {
    TopicPartition { topic: TopicName::new("t").unwrap(), partition }
}

#[test]
fn partitions_are_revoked_before_others_get_them() {
    let mut bench = Bench::new(4);
    let a = bench.consumer(joins("a")).unwrap();
    assert_eq!(text(&owned(&a)), "t/0,t/1,t/2,t/3");
    let b = bench.consumer(joins("b")).unwrap();
    assert_eq!(owned(&b), [], "its share is not free yet");
    assert_eq!(bench.state(), "Reconciling");
    // a is told to give two up, and stays in its epoch until it says that it has.
    let told = bench.consumer(stays("a", a.epoch, None)).unwrap();
    assert_eq!((told.epoch, text(&owned(&told)).as_str()), (a.epoch, "t/0,t/1"));
    assert_eq!(bench.consumer(stays("b", b.epoch, None)).unwrap().assignment, None);
    let all: Vec<_> = (0..4).map(at).collect();
    let busy = bench.consumer(stays("a", a.epoch, Some(&all))).unwrap();
    assert_eq!(busy.epoch, a.epoch);
    let done = bench.consumer(stays("a", a.epoch, Some(&all[..2]))).unwrap();
    assert_eq!(done.epoch, b.epoch);
    let got = bench.consumer(stays("b", b.epoch, None)).unwrap();
    assert_eq!(text(&owned(&got)), "t/2,t/3");
    assert_eq!(bench.consumer(stays("b", b.epoch, None)).unwrap().assignment, None, "told once");
    assert_eq!(bench.state(), "Stable");
    // b leaves; a takes over at once.
    bench.consumer(ConsumerHeartbeat { epoch: MemberEpoch::Leave, ..joins("b") }).unwrap();
    let more = bench.consumer(stays("a", done.epoch, None)).unwrap();
    assert_eq!(owned(&more).len(), 4);
}

#[test]
fn epochs_fence_members() {
    let mut bench = Bench::new(2);
    let a = bench.consumer(joins("a")).unwrap();
    let MemberEpoch::At(epoch) = a.epoch else { panic!("{a:?}") };
    let ahead = bench.consumer(stays("a", MemberEpoch::At(epoch.next()), None)).unwrap_err();
    assert_eq!(ahead.code(), ErrorCode::FencedMemberEpoch);
    let stranger = bench.consumer(stays("x", a.epoch, None)).unwrap_err();
    assert_eq!(stranger.code(), ErrorCode::UnknownMember);
    // An answer that got lost is repeated for who names the epoch before, and what it had then.
    bench.consumer(joins("b")).unwrap();
    bench.consumer(stays("a", a.epoch, Some(&[at(0), at(1)]))).unwrap();
    let lost = bench.consumer(stays("a", a.epoch, Some(&[at(0)]))).unwrap();
    assert_ne!(lost.epoch, a.epoch);
    let repeated = bench.consumer(stays("a", a.epoch, Some(&[at(0)]))).unwrap();
    assert_eq!(repeated.epoch, lost.epoch);
    let wrong = bench.consumer(stays("a", a.epoch, Some(&[at(1)]))).unwrap_err();
    assert_eq!(wrong.code(), ErrorCode::FencedMemberEpoch);
}

#[test]
fn the_silent_and_those_who_do_not_revoke_are_put_out() {
    let mut bench = Bench::new(2);
    let a = bench.consumer(joins("a")).unwrap();
    let b = bench.consumer(joins("b")).unwrap();
    bench.consumer(stays("a", a.epoch, None)).unwrap();
    let until = REBALANCE.as_secs();
    for _ in 0..until {
        bench.pass(Duration::from_secs(1));
        let _ = bench.consumer(stays("a", a.epoch, None));
        bench.consumer(stays("b", b.epoch, None)).unwrap();
    }
    let fenced = bench.consumer(stays("a", a.epoch, None)).unwrap_err();
    assert_eq!(fenced.code(), ErrorCode::UnknownMember);
    let all = bench.consumer(stays("b", b.epoch, Some(&[at(0), at(1)]))).unwrap();
    assert_ne!(all.epoch, b.epoch);
    bench.pass(Duration::from_secs(45));
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn a_static_member_keeps_its_place_while_it_is_away() {
    let mut bench = Bench::new(4);
    let with = |ask: ConsumerHeartbeat| ConsumerHeartbeat { instance: Some(InstanceId::new("i")), ..ask };
    let a = bench.consumer(with(joins("a"))).unwrap();
    let taken = bench.consumer(with(joins("a2"))).unwrap_err();
    assert_eq!(taken.code(), ErrorCode::UnreleasedInstance);
    let away = ConsumerHeartbeat { epoch: MemberEpoch::LeaveForNow, ..with(joins("a")) };
    assert_eq!(bench.consumer(away).unwrap().epoch, MemberEpoch::LeaveForNow);
    let back = bench.consumer(with(joins("a2"))).unwrap();
    assert_eq!((back.epoch, owned(&back).len()), (a.epoch, 4), "nothing moved");
    let fenced = bench.consumer(with(stays("a", a.epoch, None))).unwrap_err();
    assert_eq!(fenced.code(), ErrorCode::FencedInstance);
    // It stays away for good.
    bench.consumer(ConsumerHeartbeat { epoch: MemberEpoch::LeaveForNow, ..with(joins("a2")) }).unwrap();
    bench.pass(Duration::from_secs(45));
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn patterns_and_topics_to_come_are_followed() {
    let mut bench = Bench::new(1);
    let ask = ConsumerHeartbeat { topics: None, pattern: Some("(t|u)[0-9]*".into()), ..joins("a") };
    let a = bench.consumer(ask.clone()).unwrap();
    assert_eq!(text(&owned(&a)), "t/0");
    bench.shell.create("u1", 2, &[]);
    bench.shell.create("other", 2, &[]);
    let more = bench.consumer(stays("a", a.epoch, None)).unwrap();
    assert_eq!(text(&owned(&more)), "t/0,u1/0,u1/1");
    let bad = ConsumerHeartbeat { pattern: Some("(".into()), ..joins("b") };
    assert_eq!(bench.consumer(bad).unwrap_err().code(), ErrorCode::InvalidPattern);
    let none = ConsumerHeartbeat {
        pattern: Some("".into()),
        topics: Some(vec![TopicName::new("later").unwrap()]),
        ..stays("a", more.epoch, None)
    };
    let none = bench.consumer(none).unwrap();
    assert_eq!(owned(&none), []);
    bench.consumer(stays("a", none.epoch, Some(&[]))).unwrap();
    bench.shell.create("later", 1, &[]);
    let MemberEpoch::At(_) = none.epoch else { panic!("{none:?}") };
    let now = bench.consumer(ConsumerHeartbeat { epoch: MemberEpoch::Join, ..joins("a") }).unwrap();
    assert_eq!(text(&owned(&now)), "t/0");
}

#[test]
fn members_choose_the_assignor_and_unknown_ones_are_refused() {
    let mut bench = Bench::new(4);
    let unknown = ConsumerHeartbeat { assignor: Some("sticky".into()), ..joins("a") };
    assert_eq!(bench.consumer(unknown).unwrap_err().code(), ErrorCode::UnsupportedAssignor);
    assert_eq!(bench.state(), "none", "nothing was changed");
    bench.consumer(ConsumerHeartbeat { assignor: Some("range".into()), ..joins("a") }).unwrap();
    let described = bench.shell.engine.describe_members(&group("g")).unwrap();
    assert_eq!(&*described.protocol, "range");
}

fn attend(bench: &mut Bench, member: Option<&str>, holds: &[TopicPartition]) -> Result<Joined, ErrorCode> {
    let ask = Attendance {
        member: member.map(MemberId::new),
        new_member: MemberId::new("reader"),
        origin: ClientOrigin::default(),
        topics: vec![TopicName::new("t").unwrap()],
        session_timeout: REBALANCE,
        holds: holds.to_vec(),
    };
    let now = bench.shell.now;
    let joined = bench.shell.engine.attend(&group("g"), ask, now);
    joined.map_err(|error| error.code())
}

/// A classic member that says which partitions it still has.
fn rejoins(name: &str, has: &[TopicPartition], generation: Generation) -> JoinGroup {
    let mut ask = known(name);
    for protocol in &mut ask.protocols {
        protocol.metadata = subscription("t", has, Some(generation));
    }
    ask
}

#[test]
fn a_reader_at_another_door_shares_a_group_with_classic_members() {
    let mut bench = Bench::new(4);
    let a = bench.join(newcomer("a"));
    bench.pass(DELAY);
    let a = bench.joined(a).unwrap().unwrap();
    let sync = bench.sync(&a.member, a.generation, &[(&a.member, "t/0,t/1,t/2,t/3")]);
    bench.synced(sync).unwrap().unwrap();
    let reader = attend(&mut bench, None, &[]).unwrap();
    assert_eq!(reader.assignment, [], "the classic member has not let go yet");
    assert_eq!(bench.state(), "Reconciling");
    // It is told to join again. It is a cooperative one, and keeps what it has until it is told what to let go.
    assert_eq!(bench.heartbeat(&a.member, a.generation), Err(GroupError::Rebalancing));
    let all: Vec<_> = (0..4).map(at).collect();
    let first = bench.join(rejoins("a", &all, a.generation));
    let first = bench.joined(first).unwrap().unwrap();
    assert_eq!((first.leader, first.generation), (None, a.generation));
    let sync = bench.sync(&a.member, first.generation, &[]);
    assert_eq!(&*bench.synced(sync).unwrap().unwrap().assignment, b"t/0,t/1");
    assert_eq!(attend(&mut bench, Some("reader"), &[]).unwrap().assignment, []);
    assert_eq!(bench.heartbeat(&a.member, first.generation), Err(GroupError::Rebalancing));
    let second = bench.join(rejoins("a", &all[..2], first.generation));
    let second = bench.joined(second).unwrap().unwrap();
    let sync = bench.sync(&a.member, second.generation, &[]);
    assert_eq!(&*bench.synced(sync).unwrap().unwrap().assignment, b"t/0,t/1");
    let reader = attend(&mut bench, Some("reader"), &[]).unwrap();
    assert_eq!(text(&reader.assignment), "t/2,t/3");
    assert_eq!(bench.heartbeat(&a.member, second.generation), Ok(()));
    assert_eq!(bench.state(), "Stable");
    // A KIP-848 member makes three kinds.
    let c = bench.consumer(joins("c")).unwrap();
    assert_eq!(owned(&c), []);
    // Everybody but the classic member leaves: it shares out itself again.
    bench.consumer(ConsumerHeartbeat { epoch: MemberEpoch::Leave, ..joins("c") }).unwrap();
    bench.leave(&reader.member).unwrap();
    assert_eq!(bench.state(), "PreparingRebalance");
    let alone = bench.join(known("a"));
    let alone = bench.joined(alone).unwrap().unwrap();
    assert_eq!((alone.leader, alone.members.len()), (Some(MemberId::new("a")), 1));
}

#[test]
fn an_eager_classic_member_lets_everything_go_when_it_joins_again() {
    let mut bench = Bench::new(4);
    let reader = attend(&mut bench, None, &[]).unwrap();
    assert_eq!(reader.assignment.len(), 4);
    let a = bench.join(newcomer("a"));
    let a = bench.joined(a).unwrap().unwrap();
    let sync = bench.sync(&a.member, a.generation, &[]);
    assert_eq!(&*bench.synced(sync).unwrap().unwrap().assignment, b"");
    let told = attend(&mut bench, Some("reader"), &reader.assignment).unwrap();
    assert_eq!(bench.heartbeat(&a.member, a.generation), Ok(()), "there is nothing for it yet");
    attend(&mut bench, Some("reader"), &told.assignment).unwrap();
    assert_eq!(bench.heartbeat(&a.member, a.generation), Err(GroupError::Rebalancing));
    let a = bench.join(known("a"));
    let a = bench.joined(a).unwrap().unwrap();
    let sync = bench.sync(&a.member, a.generation, &[]);
    assert_eq!(&*bench.synced(sync).unwrap().unwrap().assignment, b"t/2,t/3");
}

#[test]
fn what_the_server_cannot_read_stays_among_its_like() {
    let mut bench = Bench::new(4);
    let connect = JoinGroup { protocol_type: "connect".into(), ..newcomer("worker") };
    let worker = bench.join(connect.clone());
    bench.pass(DELAY);
    let worker = bench.joined(worker).unwrap().unwrap();
    assert_eq!(attend(&mut bench, None, &[]), Err(ErrorCode::InconsistentProtocol));
    let refused = bench.consumer(joins("c")).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InconsistentProtocol);
    assert_eq!(bench.heartbeat(&worker.member, worker.generation), Ok(()), "nothing was changed");
    bench.leave_as(Leaving { member: Some(worker.member), instance: None }).unwrap();
    attend(&mut bench, None, &[]).unwrap();
    let refused = bench.join(connect);
    assert_eq!(bench.joined(refused).unwrap().unwrap_err().code(), ErrorCode::InconsistentProtocol);
}
