//! The classic group protocol, one scenario after the other.
use std::time::Duration;

use log_engine::{
    Committer, Generation, GroupError, InstanceId, JoinGroup, Leaving, MemberId, Offset, OffsetCommit,
    TopicPartition,
};
use message::{ErrorCode, TopicName};

use crate::group_bench::{Bench, DELAY, REBALANCE, SESSION, known, newcomer, protocols, static_member};
use crate::shell::group;

fn id(name: &str) -> MemberId {
    MemberId::new(name)
}

/// Two members, `a` leading, in a stable group.
fn stable() -> (Bench, Generation) {
    let mut bench = Bench::new(4);
    let (a, b) = (bench.join(newcomer("a")), bench.join(newcomer("b")));
    bench.pass(DELAY + DELAY);
    let generation = bench.joined(a).unwrap().unwrap().generation;
    bench.joined(b).unwrap().unwrap();
    let (a, b) = (id("a"), id("b"));
    let follower = bench.sync(&b, generation, &[]);
    let leader = bench.sync(&a, generation, &[(&a, "t/0,t/1"), (&b, "t/2,t/3")]);
    assert_eq!(&*bench.synced(leader).unwrap().unwrap().assignment, b"t/0,t/1");
    assert_eq!(&*bench.synced(follower).unwrap().unwrap().assignment, b"t/2,t/3");
    assert_eq!(bench.state(), "Stable");
    (bench, generation)
}

#[test]
fn an_empty_group_waits_for_more_members_before_its_first_rebalance() {
    let mut bench = Bench::new(4);
    let a = bench.join(newcomer("a"));
    bench.pass(DELAY - Duration::from_millis(1));
    let b = bench.join(newcomer("b"));
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.joined(a), None, "the wait is prolonged, because somebody came");
    assert_eq!(bench.state(), "PreparingRebalance");
    bench.pass(DELAY);
    let a = bench.joined(a).unwrap().unwrap();
    let b = bench.joined(b).unwrap().unwrap();
    assert_eq!((a.generation, b.generation), (Generation(1), Generation(1)));
    assert_eq!(a.leader, Some(id("a")));
    assert_eq!(a.members.len(), 2);
    assert!(b.members.is_empty() && b.leader == a.leader);
    assert_eq!(bench.state(), "CompletingRebalance");
}

#[test]
fn the_wait_for_more_members_ends_with_the_rebalance_timeout() {
    let mut bench = Bench::new(4);
    let first = bench.join(JoinGroup { rebalance_timeout: Duration::from_secs(8), ..newcomer("m0") });
    for number in 1..20 {
        bench.pass(Duration::from_millis(1500));
        bench
            .join(JoinGroup { rebalance_timeout: Duration::from_secs(8), ..newcomer(&format!("m{number}")) });
        if bench.joined(first).is_some() {
            assert!((4..=6).contains(&number), "after {number} members");
            return;
        }
    }
    panic!("it never ended");
}

#[test]
fn members_without_an_id_are_told_one_and_come_again() {
    let mut bench = Bench::new(4);
    let first = bench.join(JoinGroup { needs_known_id: true, ..newcomer("a") });
    assert_eq!(bench.joined(first), Some(Err(GroupError::MemberIdRequired(id("a")))));
    let again = bench.join(known("a"));
    bench.pass(DELAY);
    assert!(bench.joined(again).unwrap().is_ok());
    // An id that is not used holds a rebalance up only until it expires.
    let b = bench.join(JoinGroup { needs_known_id: true, ..newcomer("b") });
    bench.joined(b).unwrap().unwrap_err();
    let a = bench.join(JoinGroup { protocols: protocols(&["range"], "t"), ..known("a") });
    assert_eq!(bench.joined(a), None);
    bench.pass(SESSION);
    assert!(bench.joined(a).unwrap().is_ok());
    let late = bench.join(known("b"));
    assert_eq!(bench.joined(late).unwrap().unwrap_err().code(), ErrorCode::UnknownMember);
}

#[test]
fn who_joins_makes_everybody_join_again() {
    let (mut bench, generation) = stable();
    let c = bench.join(newcomer("c"));
    assert_eq!(bench.heartbeat(&id("a"), generation), Err(GroupError::Rebalancing));
    let a = bench.join(known("a"));
    assert_eq!(bench.joined(c), None);
    let b = bench.join(known("b"));
    for ticket in [a, b, c] {
        assert_eq!(bench.joined(ticket).unwrap().unwrap().generation, generation.next());
    }
    let stale = bench.heartbeat(&id("a"), generation).unwrap_err();
    assert_eq!(stale.code(), ErrorCode::StaleGeneration);
    assert_eq!(bench.heartbeat(&id("a"), generation.next()), Ok(()));
}

#[test]
fn who_does_not_join_again_in_time_is_out() {
    let (mut bench, generation) = stable();
    let c = bench.join(newcomer("c"));
    let a = bench.join(known("a"));
    // It is alive, but does not poll: the rebalance timeout is what clients call max.poll.interval.
    for _ in 0..30 {
        assert_eq!(bench.joined(c), None);
        assert_eq!(bench.heartbeat(&id("b"), generation), Err(GroupError::Rebalancing));
        bench.pass(Duration::from_secs(1));
    }
    let a = bench.joined(a).unwrap().unwrap();
    assert_eq!(a.members.len(), 2);
    let unknown = bench.heartbeat(&id("b"), generation).unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::UnknownMember);
}

#[test]
fn the_silent_and_the_leaving_go_at_once() {
    let (mut bench, generation) = stable();
    bench.pass(SESSION - Duration::from_secs(1));
    bench.heartbeat(&id("a"), generation).unwrap();
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.state(), "PreparingRebalance");
    let a = bench.join(known("a"));
    let a = bench.joined(a).unwrap().unwrap();
    assert_eq!(a.members.len(), 1, "nobody else is left to wait for");
    let sync = bench.sync(&id("a"), a.generation, &[(&id("a"), "t/0")]);
    bench.synced(sync).unwrap().unwrap();
    bench.leave(&id("a")).unwrap();
    assert_eq!(bench.state(), "Empty");
    let unknown = bench.leave(&id("a")).unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::UnknownMember);
}

#[test]
fn a_follower_waits_for_the_plan_and_a_leader_that_never_brings_it_is_out() {
    let mut bench = Bench::new(4);
    let (a, b) = (bench.join(newcomer("a")), bench.join(newcomer("b")));
    bench.pass(DELAY + DELAY);
    let generation = bench.joined(a).unwrap().unwrap().generation;
    bench.joined(b).unwrap().unwrap();
    let waiting = bench.sync(&id("b"), generation, &[]);
    for _ in 0..REBALANCE.as_secs() {
        assert_eq!(bench.synced(waiting), None);
        bench.heartbeat(&id("a"), generation).unwrap();
        bench.pass(Duration::from_secs(1));
    }
    assert_eq!(bench.synced(waiting), Some(Err(GroupError::Rebalancing)));
    let b = bench.join(known("b"));
    let b = bench.joined(b).unwrap().unwrap();
    assert_eq!((b.leader, b.members.len()), (Some(id("b")), 1));
}

#[test]
fn a_leader_that_joins_again_gets_a_new_plan_and_a_follower_the_old_one() {
    let (mut bench, generation) = stable();
    let b = bench.join(known("b"));
    let b = bench.joined(b).unwrap().unwrap();
    assert_eq!((b.generation, b.leader), (generation, Some(id("a"))));
    let a = bench.join(known("a"));
    assert_eq!(bench.joined(a), None);
    assert_eq!(bench.heartbeat(&id("b"), generation), Err(GroupError::Rebalancing));
    let b = bench.join(known("b"));
    assert_eq!(bench.joined(b).unwrap().unwrap().generation, generation.next());
    assert_eq!(bench.joined(a).unwrap().unwrap().members.len(), 2);
}

#[test]
fn most_members_wishes_decide_among_the_protocols_that_all_know() {
    let mut bench = Bench::new(4);
    let with = |name: &str, names: &[&str]| JoinGroup { protocols: protocols(names, "t"), ..newcomer(name) };
    let tickets = [
        bench.join(with("a", &["own", "range", "sticky"])),
        bench.join(with("b", &["sticky", "range"])),
        bench.join(with("c", &["sticky", "range"])),
    ];
    let odd = bench.join(with("d", &["other"]));
    assert_eq!(bench.joined(odd).unwrap().unwrap_err().code(), ErrorCode::InconsistentProtocol);
    let connect = bench.join(JoinGroup { protocol_type: "connect".into(), ..newcomer("e") });
    assert_eq!(bench.joined(connect).unwrap().unwrap_err().code(), ErrorCode::InconsistentProtocol);
    bench.pass(DELAY + DELAY);
    for ticket in tickets {
        assert_eq!(&*bench.joined(ticket).unwrap().unwrap().protocol, "sticky");
    }
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_fences_its_former_self() {
    let mut bench = Bench::new(4);
    let (a, b) = (bench.join(static_member("i", "a1")), bench.join(newcomer("b")));
    bench.pass(DELAY + DELAY);
    let generation = bench.joined(a).unwrap().unwrap().generation;
    bench.joined(b).unwrap().unwrap();
    let (a1, b) = (id("a1"), id("b"));
    bench.sync(&b, generation, &[]);
    bench.sync(&a1, generation, &[(&a1, "t/0"), (&b, "t/1")]);
    let back = bench.join(static_member("i", "a2"));
    let back = bench.joined(back).unwrap().unwrap();
    assert_eq!((back.generation, &back.member), (generation, &id("a2")));
    assert_eq!(
        back.leader,
        Some(a1.clone()),
        "an old client follows, so that it fetches the plan that stands"
    );
    let sync = bench.sync(&id("a2"), generation, &[]);
    assert_eq!(&*bench.synced(sync).unwrap().unwrap().assignment, b"t/0");
    assert_eq!(bench.state(), "Stable");
    let now = bench.shell.now;
    let instance = InstanceId::new("i");
    let fenced = bench.shell.engine.heartbeat(&group("g"), &a1, generation, Some(&instance), now);
    assert_eq!(fenced.unwrap_err().code(), ErrorCode::FencedInstance);
    // A newer client is told that it leads and that nothing is to be done.
    let back = bench.join(JoinGroup { may_skip_assignment: true, ..static_member("i", "a3") });
    let back = bench.joined(back).unwrap().unwrap();
    assert!(back.skip_assignment && back.leader == Some(id("a3")) && back.members.len() == 2);
    // It leaves by its name.
    bench.leave_as(Leaving { member: None, instance: Some(instance) }).unwrap();
    assert_eq!(bench.state(), "PreparingRebalance");
}

#[test]
fn sessions_out_of_range_are_refused() {
    let mut bench = Bench::new(1);
    for session_timeout in [Duration::from_secs(1), Duration::from_secs(3600)] {
        let ticket = bench.join(JoinGroup { session_timeout, ..newcomer("a") });
        assert_eq!(bench.joined(ticket).unwrap().unwrap_err().code(), ErrorCode::InvalidSessionTimeout);
    }
    assert_eq!(bench.state(), "none");
}

#[test]
fn the_number_of_members_is_bounded() {
    let mut bench = Bench::with(1, |groups| groups.members_max = 2);
    bench.join(newcomer("a"));
    let promised = bench.join(JoinGroup { needs_known_id: true, ..newcomer("b") });
    bench.joined(promised).unwrap().unwrap_err();
    let full = bench.join(newcomer("c"));
    assert_eq!(bench.joined(full).unwrap().unwrap_err().code(), ErrorCode::GroupFull);
}

#[test]
fn commits_are_fenced_by_generation_and_refused_between_the_barriers() {
    let (mut bench, generation) = stable();
    let commit = |bench: &mut Bench, name: &str, generation| {
        let member = id(name);
        let committer = Committer::Member { id: &member, generation: Some(generation), instance: None };
        let partition = TopicPartition { topic: TopicName::new("t").unwrap(), partition: 0 };
        let commits = [OffsetCommit::new(partition, Offset(7))];
        let outcome = bench
            .shell
            .run(|engine, block, now| engine.commit_each(block, &group("g"), committer, &commits, now));
        outcome.map(|each| assert!(each.iter().all(Result::is_ok))).map_err(|error| error.code())
    };
    assert_eq!(commit(&mut bench, "a", generation), Ok(()));
    assert_eq!(commit(&mut bench, "a", generation.next()), Err(ErrorCode::StaleGeneration));
    assert_eq!(commit(&mut bench, "x", generation), Err(ErrorCode::UnknownMember));
    let c = bench.join(newcomer("c"));
    assert_eq!(commit(&mut bench, "a", generation), Ok(()), "what it read before it joins again");
    let (a, b) = (bench.join(known("a")), bench.join(known("b")));
    for ticket in [a, b, c] {
        bench.joined(ticket).unwrap().unwrap();
    }
    assert_eq!(commit(&mut bench, "a", generation.next()), Err(ErrorCode::RebalanceInProgress));
}
