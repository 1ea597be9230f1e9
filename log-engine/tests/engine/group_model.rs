//! Groups under clients that join, stall and leave in seeded order, in virtual time.
//!
//! Each client follows its protocol as real ones do, and keeps what it believes to have. Whatever happens: nobody that the
//! group counts as a member has a partition that another member has, no generation gives one out twice, and once
//! everything is quiet every partition is in somebody's hands.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use log_engine::{
    Attendance, ClientOrigin, ConsumerHeartbeat, Generation, GroupError, JoinAnswer, JoinGroup, MemberEpoch,
    MemberId, Ticket, TopicPartition,
};
use message::{Timestamp, TopicName};
use proptest::prelude::*;

use crate::group_bench::{Bench, REBALANCE, SESSION, joins, newcomer, stays, subscription, text};
use crate::shell::{group, seeded};

const PARTITIONS: u32 = 6;
const CLIENTS: usize = 5;

/// How a client takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Classic; gives everything up before it joins again.
    Eager,
    /// Classic; keeps what it has until it is told to give it up.
    Cooperative,
    /// KIP-848.
    Consumer,
    /// Served by a door.
    Reader,
}

#[derive(Clone, Debug)]
enum Step {
    /// A client that is out comes; one that is in asks for its place at once.
    Come(usize),
    Leave(usize),
    /// It does nothing for so long, in milliseconds.
    Stall(usize, u64),
    /// All clients go about their business for so long, in milliseconds.
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..CLIENTS).prop_map(Step::Come),
        1 => (0..CLIENTS).prop_map(Step::Leave),
        2 => (0..CLIENTS, 1_000u64..80_000).prop_map(|(client, ms)| Step::Stall(client, ms)),
        6 => (10u64..20_000).prop_map(Step::Pass),
    ]
}

fn kinds(classic_only: bool) -> impl Strategy<Value = Vec<Kind>> {
    let all = vec![Kind::Eager, Kind::Cooperative, Kind::Consumer, Kind::Reader];
    let one = proptest::sample::select(if classic_only { all[..2].to_vec() } else { all });
    proptest::collection::vec(one, CLIENTS)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Join(Ticket),
    Sync(Ticket),
}

#[derive(Debug)]
struct Client {
    number: usize,
    kind: Kind,
    /// How often it came as somebody new.
    lives: usize,
    member: Option<MemberId>,
    epoch: Generation,
    held: BTreeSet<TopicPartition>,
    waiting: Option<Waiting>,
    /// It wants to be a member.
    wanted: bool,
    stalled_until: Timestamp,
    next_beat: Timestamp,
}

impl Client {
    fn new(number: usize, kind: Kind) -> Client {
        Client {
            number,
            kind,
            lives: 0,
            member: None,
            epoch: Generation(0),
            held: BTreeSet::new(),
            waiting: None,
            wanted: false,
            stalled_until: Timestamp(0),
            next_beat: Timestamp(0),
        }
    }

    fn held(&self) -> Vec<TopicPartition> {
        self.held.iter().cloned().collect()
    }

    /// It was put out: what it had is lost, and it comes as somebody new.
    fn lost(&mut self) {
        self.member = None;
        self.epoch = Generation(0);
        self.held.clear();
        self.waiting = None;
    }

    fn new_id(&mut self) -> MemberId {
        self.lives += 1;
        MemberId::new(&format!("c{}-{}", self.number, self.lives))
    }
}

struct World {
    bench: Bench,
    clients: Vec<Client>,
    /// Who was given what in which generation of the classic protocol.
    given: BTreeMap<(Generation, TopicPartition), MemberId>,
    /// Whether every generation so far was one of the classic protocol.
    classic_only: bool,
}

impl World {
    fn new(kinds: Vec<Kind>, classic_only: bool) -> World {
        let clients = kinds.into_iter().enumerate().map(|(number, kind)| Client::new(number, kind));
        World {
            bench: Bench::new(PARTITIONS),
            clients: clients.collect(),
            given: BTreeMap::new(),
            classic_only,
        }
    }

    fn now(&self) -> Timestamp {
        self.bench.shell.now
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Come(client) => {
                self.clients[client].wanted = true;
                self.clients[client].next_beat = self.now();
                self.act(client);
            }
            Step::Leave(client) => self.leave(client),
            Step::Stall(client, ms) => {
                self.clients[client].stalled_until = self.now().plus(Duration::from_millis(ms));
            }
            Step::Pass(ms) => self.pass(Duration::from_millis(ms)),
        }
        self.check();
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now().plus(time);
        while self.now() < until {
            let rest = until.since(self.now());
            self.bench.pass(rest.min(Duration::from_millis(250)));
            for client in 0..CLIENTS {
                self.act(client);
                self.check();
            }
        }
    }

    fn leave(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.wanted = false;
        let Some(member) = client.member.clone() else { return client.lost() };
        let kind = client.kind;
        client.lost();
        let _ = match kind {
            Kind::Consumer => {
                let ask = ConsumerHeartbeat { epoch: MemberEpoch::Leave, ..joins(member.as_str()) };
                self.bench.consumer(ask).map(|_| ())
            }
            Kind::Eager | Kind::Cooperative | Kind::Reader => self.bench.leave(&member),
        };
    }

    /// One client does what its protocol asks of it now.
    fn act(&mut self, number: usize) {
        let now = self.now();
        if self.clients[number].stalled_until > now {
            return;
        }
        if let Some(waiting) = self.clients[number].waiting {
            return self.hear(number, waiting);
        }
        if !self.clients[number].wanted || self.clients[number].next_beat > now {
            return;
        }
        self.clients[number].next_beat = now.plus(Duration::from_millis(1000));
        match self.clients[number].kind {
            Kind::Eager | Kind::Cooperative => self.beat_classic(number),
            Kind::Consumer => self.beat_consumer(number),
            Kind::Reader => self.attend(number),
        }
    }

    fn beat_classic(&mut self, number: usize) {
        let Some(member) = self.clients[number].member.clone() else { return self.join(number) };
        match self.bench.heartbeat(&member, self.clients[number].epoch) {
            Ok(()) => {}
            Err(GroupError::Rebalancing) => self.join(number),
            Err(GroupError::StaleGeneration { .. }) => {
                self.clients[number].held.clear();
                self.clients[number].epoch = Generation(0);
                self.join(number);
            }
            Err(_) => {
                self.clients[number].lost();
                self.join(number);
            }
        }
    }

    fn join(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.kind == Kind::Eager {
            client.held.clear();
        }
        let new_member = match client.member {
            None => client.new_id(),
            Some(_) => MemberId::new("nobody"),
        };
        let generation = (client.epoch.0 > 0).then_some(client.epoch);
        let metadata = subscription("t", &client.held(), generation);
        let mut ask = JoinGroup { member: client.member.clone(), new_member, ..newcomer("") };
        for protocol in &mut ask.protocols {
            protocol.metadata = metadata.clone();
        }
        let ticket = self.bench.join(ask);
        self.clients[number].waiting = Some(Waiting::Join(ticket));
        self.hear(number, Waiting::Join(ticket));
    }

    /// Looks whether the answer that a client waits for is there.
    fn hear(&mut self, number: usize, waiting: Waiting) {
        match waiting {
            Waiting::Join(ticket) => {
                let Some(answer) = self.bench.joined(ticket) else { return };
                self.clients[number].waiting = None;
                match answer {
                    Ok(answer) => self.sync(number, &answer),
                    Err(GroupError::Rebalancing) => self.join(number),
                    Err(_) => self.clients[number].lost(),
                }
            }
            Waiting::Sync(ticket) => {
                let Some(answer) = self.bench.synced(ticket) else { return };
                self.clients[number].waiting = None;
                match answer {
                    Ok(answer) => self.take(number, &answer.assignment),
                    Err(GroupError::Rebalancing) => self.join(number),
                    Err(GroupError::StaleGeneration { .. }) => {
                        self.clients[number].held.clear();
                        self.clients[number].epoch = Generation(0);
                        self.join(number);
                    }
                    Err(_) => self.clients[number].lost(),
                }
            }
        }
    }

    fn sync(&mut self, number: usize, answer: &JoinAnswer) {
        self.clients[number].member = Some(answer.member.clone());
        self.clients[number].epoch = answer.generation;
        let plan = match answer.leader.as_ref() == Some(&answer.member) {
            true => plan(answer),
            false => Vec::new(),
        };
        let plan: Vec<(&MemberId, &str)> = plan.iter().map(|(id, part)| (id, part.as_str())).collect();
        let ticket = self.bench.sync(&answer.member, answer.generation, &plan);
        self.clients[number].waiting = Some(Waiting::Sync(ticket));
        self.hear(number, Waiting::Sync(ticket));
    }

    /// A classic client got its part. A cooperative one gives up what is not in it, and says so by joining again.
    fn take(&mut self, number: usize, assignment: &[u8]) {
        let part: BTreeSet<_> = read(assignment).into_iter().collect();
        let client = &mut self.clients[number];
        let member = client.member.clone().expect("a member");
        for partition in &part {
            let key = (client.epoch, partition.clone());
            let other = self.given.insert(key, member.clone());
            assert!(
                !self.classic_only || other.is_none_or(|other| other == member),
                "{partition} given twice"
            );
        }
        let gave_up = !client.held.is_subset(&part);
        client.held = part;
        if gave_up {
            self.join(number);
        }
    }

    fn beat_consumer(&mut self, number: usize) {
        let client = &mut self.clients[number];
        let held = client.held();
        let ask = match client.member.clone() {
            Some(member) => stays(member.as_str(), MemberEpoch::At(client.epoch), Some(&held)),
            None => joins(client.new_id().as_str()),
        };
        match self.bench.consumer(ask) {
            Ok(answer) => {
                let client = &mut self.clients[number];
                client.member = Some(answer.member);
                if let MemberEpoch::At(epoch) = answer.epoch {
                    client.epoch = epoch;
                }
                if let Some(assignment) = answer.assignment {
                    client.held = assignment.into_iter().collect();
                }
            }
            Err(_) => self.clients[number].lost(),
        }
    }

    fn attend(&mut self, number: usize) {
        let client = &mut self.clients[number];
        let ask = Attendance {
            member: client.member.clone(),
            new_member: client.new_id(),
            origin: ClientOrigin::default(),
            topics: vec![TopicName::new("t").unwrap()],
            session_timeout: SESSION,
            holds: client.held(),
        };
        let now = self.bench.shell.now;
        let joined = self.bench.shell.engine.attend(&group("g"), ask, now);
        let client = &mut self.clients[number];
        match joined {
            Ok(joined) => {
                client.member = Some(joined.member);
                client.epoch = joined.generation;
                client.held = joined.assignment.into_iter().collect();
            }
            Err(_) => client.lost(),
        }
    }

    /// Who counts as a member has nothing that another member has.
    fn check(&mut self) {
        let members: BTreeSet<MemberId> = match self.bench.shell.engine.describe_members(&group("g")) {
            Ok(description) => description.members.into_iter().map(|member| member.id).collect(),
            // A group that everybody left is forgotten, and the next one of its name counts anew.
            Err(_) => {
                self.given.clear();
                BTreeSet::new()
            }
        };
        let mut holders: BTreeMap<&TopicPartition, &Client> = BTreeMap::new();
        for client in &self.clients {
            if !client.member.as_ref().is_some_and(|member| members.contains(member)) {
                continue;
            }
            for partition in &client.held {
                if let Some(other) = holders.insert(partition, client) {
                    // Before a barrier a classic member may not have heard yet that it is to come to it.
                    assert!(
                        self.classic_only && other.epoch != client.epoch,
                        "{partition} is held by {client:?} and {other:?}"
                    );
                }
            }
        }
    }

    /// Everybody wakes up, and nothing happens for a while: all partitions are held by those who want to.
    fn quiet(&mut self) {
        for client in &mut self.clients {
            client.stalled_until = Timestamp(0);
        }
        self.pass(REBALANCE * 6);
        let wanted: Vec<&Client> = self.clients.iter().filter(|client| client.wanted).collect();
        if wanted.is_empty() {
            assert_eq!(self.bench.state(), "none");
            return;
        }
        let held: Vec<_> = wanted.iter().flat_map(|client| client.held()).collect();
        let clients = &self.clients;
        assert_eq!(held.len(), PARTITIONS as usize, "{clients:#?}");
        assert_eq!(self.bench.state(), "Stable");
        let described = self.bench.shell.engine.describe_members(&group("g")).unwrap();
        assert_eq!(described.members.len(), wanted.len());
        for member in described.members {
            let client = wanted.iter().find(|client| client.member.as_ref() == Some(&member.id)).unwrap();
            assert_eq!(client.held, member.assignment.into_iter().collect());
        }
        let sizes: Vec<usize> = wanted.iter().map(|client| client.held.len()).collect();
        assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
    }
}

fn read(assignment: &[u8]) -> Vec<TopicPartition> {
    (crate::group_bench::FORMAT.read_assignment)(assignment).expect("an assignment")
}

/// A leader's plan as the cooperative assignors make it: even, moving little, and never giving away what a member says it
/// still has.
fn plan(answer: &JoinAnswer) -> Vec<(MemberId, String)> {
    let read = crate::group_bench::FORMAT.read_subscription;
    let says: Vec<_> =
        answer.members.iter().map(|member| (member.id.clone(), read(&member.metadata).unwrap())).collect();
    let newest = says.iter().filter_map(|(_, says)| says.generation).max();
    let mut owned: BTreeMap<TopicPartition, usize> = BTreeMap::new();
    for (index, (_, says)) in says.iter().enumerate() {
        if says.generation == newest {
            owned.extend(says.owned.iter().map(|partition| (partition.clone(), index)));
        }
    }
    let all: Vec<TopicPartition> = (0..PARTITIONS)
        .map(|partition| TopicPartition { topic: TopicName::new("t").unwrap(), partition })
        .collect();
    let (each, more) = (all.len() / says.len(), all.len() % says.len());
    let mut parts: Vec<Vec<TopicPartition>> = vec![Vec::new(); says.len()];
    let mut extra = more;
    for partition in &all {
        if let Some(&index) = owned.get(partition) {
            let most = each + usize::from(extra > 0);
            if parts[index].len() < most {
                parts[index].push(partition.clone());
                extra -= usize::from(parts[index].len() > each);
            }
        }
    }
    for partition in &all {
        if parts.iter().flatten().any(|given| given == partition) {
            continue;
        }
        let least = (0..parts.len()).min_by_key(|index| parts[*index].len()).unwrap();
        parts[least].push(partition.clone());
    }
    // What somebody else still has comes with the next rebalance, which its holder asks for.
    for (index, part) in parts.iter_mut().enumerate() {
        part.retain(|partition| owned.get(partition).is_none_or(|owner| *owner == index));
    }
    says.into_iter().zip(parts).map(|((id, _), part)| (id, text(&part))).collect()
}

fn live(kinds: Vec<Kind>, steps: Vec<Step>, classic_only: bool) {
    let mut world = World::new(kinds, classic_only);
    for step in steps {
        world.run(step);
    }
    world.quiet();
}

proptest! {
    #![proptest_config(seeded(60))]

    /// All members share out themselves.
    #[test]
    fn classic_groups_give_nothing_out_twice_and_come_to_rest(
        kinds in kinds(true), steps in proptest::collection::vec(step(), 1..40),
    ) {
        live(kinds, steps, true);
    }

    /// Members of every kind in one group, which changes its own kind as they come and go.
    #[test]
    fn groups_of_all_kinds_give_nothing_out_twice_and_come_to_rest(
        kinds in kinds(false), steps in proptest::collection::vec(step(), 1..40),
    ) {
        live(kinds, steps, false);
    }
}
