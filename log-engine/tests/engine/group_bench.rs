//! A group under test: requests go in, answers are kept until they are asked for, and time is virtual.
use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use log_engine::{
    ClassicProtocol, ClientFormat, ClientOrigin, ClientSubscription, ConsumerAnswer, ConsumerHeartbeat,
    Generation, GroupAnswer, GroupConfig, GroupError, InstanceId, JoinAnswer, JoinGroup, Leaving,
    LogEngineConfig, MemberEpoch, MemberId, SyncAnswer, SyncGroup, Ticket, TopicPartition,
};
use message::TopicName;
use segment_store::LyingDisk;

use crate::shell::{Shell, group};

pub const SESSION: Duration = Duration::from_secs(10);
pub const REBALANCE: Duration = Duration::from_secs(30);
pub const DELAY: Duration = Duration::from_secs(3);

/// A format of the tests' own: `topics;owned;generation`, partitions as `topic/number`.
pub const FORMAT: ClientFormat = ClientFormat {
    protocol_type: "consumer",
    read_subscription: |bytes| {
        let mut parts = std::str::from_utf8(bytes).ok()?.split(';');
        let (topics, owned, generation) = (parts.next()?, parts.next()?, parts.next()?);
        Some(ClientSubscription {
            version: 2,
            topics: topics.split(',').filter_map(|name| TopicName::new(name).ok()).collect(),
            owned: partitions(owned)?,
            generation: generation.parse().ok().map(Generation),
            rack: None,
        })
    },
    read_assignment: |bytes| partitions(std::str::from_utf8(bytes).ok()?),
    write_assignment: |_, partitions| Bytes::from(text(partitions)),
};

fn partitions(text: &str) -> Option<Vec<TopicPartition>> {
    let one = |text: &str| {
        let (topic, number) = text.split_once('/')?;
        Some(TopicPartition { topic: TopicName::new(topic).ok()?, partition: number.parse().ok()? })
    };
    text.split(',').filter(|part| !part.is_empty()).map(one).collect()
}

pub fn text(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

pub fn subscription(topics: &str, owned: &[TopicPartition], generation: Option<Generation>) -> Bytes {
    let generation = generation.map_or("-1".to_owned(), |one| one.0.to_string());
    Bytes::from(format!("{topics};{};{generation}", text(owned)))
}

pub struct Bench {
    pub shell: Shell,
    answers: HashMap<Ticket, GroupAnswer>,
    tickets: u64,
}

impl Bench {
    pub fn new(partitions: u32) -> Bench {
        Bench::with(partitions, |_| {})
    }

    pub fn with(partitions: u32, adapt: impl FnOnce(&mut GroupConfig)) -> Bench {
        let disk = LyingDisk::new(1);
        let mut groups =
            GroupConfig { format: FORMAT, initial_rebalance_delay: DELAY, ..GroupConfig::default() };
        adapt(&mut groups);
        let config = LogEngineConfig { groups, ..LogEngineConfig::default() };
        let mut shell = Shell::open_with(&disk, config).unwrap();
        shell.create("t", partitions, &[]);
        Bench { shell, answers: HashMap::new(), tickets: 0 }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn collect(&mut self) {
        for (ticket, answer) in self.shell.engine.take_group_answers() {
            assert!(self.answers.insert(ticket, answer).is_none(), "answered twice");
        }
    }

    pub fn join(&mut self, ask: JoinGroup) -> Ticket {
        let ticket = self.ticket();
        let now = self.shell.now;
        self.shell.engine.join_group(&group("g"), ask, ticket, now);
        self.collect();
        ticket
    }

    pub fn sync(&mut self, member: &MemberId, generation: Generation, plan: &[(&MemberId, &str)]) -> Ticket {
        let ticket = self.ticket();
        let assignments = plan.iter().map(|(id, part)| ((*id).clone(), Bytes::from((*part).to_owned())));
        let ask = SyncGroup {
            member: member.clone(),
            generation,
            instance: None,
            protocol_type: None,
            protocol: None,
            assignments: assignments.collect(),
        };
        let now = self.shell.now;
        self.shell.engine.sync_group(&group("g"), ask, ticket, now);
        self.collect();
        ticket
    }

    /// The answer to a join, once it is there.
    pub fn joined(&mut self, ticket: Ticket) -> Option<Result<JoinAnswer, GroupError>> {
        match self.answers.remove(&ticket)? {
            GroupAnswer::Joined(answer) => Some(answer),
            GroupAnswer::Synced(answer) => panic!("a sync's answer for a join: {answer:?}"),
        }
    }

    /// The answer to a sync, once it is there.
    pub fn synced(&mut self, ticket: Ticket) -> Option<Result<SyncAnswer, GroupError>> {
        match self.answers.remove(&ticket)? {
            GroupAnswer::Synced(answer) => Some(answer),
            GroupAnswer::Joined(answer) => panic!("a join's answer for a sync: {answer:?}"),
        }
    }

    pub fn heartbeat(&mut self, member: &MemberId, generation: Generation) -> Result<(), GroupError> {
        let now = self.shell.now;
        self.shell.engine.heartbeat(&group("g"), member, generation, None, now)
    }

    pub fn leave(&mut self, member: &MemberId) -> Result<(), GroupError> {
        self.leave_as(Leaving { member: Some(member.clone()), instance: None })
    }

    pub fn leave_as(&mut self, who: Leaving) -> Result<(), GroupError> {
        let now = self.shell.now;
        let outcome = self.shell.engine.leave_group(&group("g"), &[who], now).remove(0);
        self.collect();
        outcome
    }

    pub fn consumer(&mut self, ask: ConsumerHeartbeat) -> Result<ConsumerAnswer, GroupError> {
        let now = self.shell.now;
        let answer = self.shell.engine.consumer_heartbeat(&group("g"), ask, now);
        self.collect();
        answer
    }

    /// Lets time pass, exactly as the engine asks for it.
    pub fn pass(&mut self, time: Duration) {
        let until = self.shell.now.plus(time);
        while let Some(due) = self.shell.engine.group_deadline().filter(|due| *due <= until) {
            self.shell.now = due.max(self.shell.now);
            self.tick();
        }
        self.shell.now = until;
        self.tick();
    }

    pub fn tick(&mut self) {
        self.shell.tick().unwrap();
        self.collect();
    }

    pub fn state(&self) -> &'static str {
        let listing = self.shell.engine.list_groups(None).next();
        listing.map_or("none", |listing| listing.state.name())
    }
}

/// A dynamic classic member without an id, called `name` once it has one.
pub fn newcomer(name: &str) -> JoinGroup {
    JoinGroup {
        member: None,
        new_member: MemberId::new(name),
        instance: None,
        origin: ClientOrigin::default(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".into(),
        protocols: protocols(&["range", "sticky"], "t"),
        needs_known_id: false,
        may_skip_assignment: false,
    }
}

pub fn protocols(names: &[&str], topics: &str) -> Vec<ClassicProtocol> {
    let protocol =
        |name: &&str| ClassicProtocol { name: (*name).into(), metadata: subscription(topics, &[], None) };
    names.iter().map(protocol).collect()
}

pub fn known(name: &str) -> JoinGroup {
    JoinGroup { member: Some(MemberId::new(name)), ..newcomer(name) }
}

pub fn static_member(instance: &str, id: &str) -> JoinGroup {
    JoinGroup { instance: Some(InstanceId::new(instance)), ..newcomer(id) }
}

/// A KIP-848 member that joins.
pub fn joins(name: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        member: MemberId::new(name),
        epoch: MemberEpoch::Join,
        instance: None,
        rack: None,
        origin: ClientOrigin::default(),
        rebalance_timeout: Some(REBALANCE),
        topics: Some(vec![TopicName::new("t").unwrap()]),
        pattern: None,
        assignor: None,
        owned: Some(Vec::new()),
    }
}

/// A KIP-848 member that stays.
pub fn stays(name: &str, epoch: MemberEpoch, owned: Option<&[TopicPartition]>) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        epoch,
        rebalance_timeout: None,
        topics: None,
        owned: owned.map(<[TopicPartition]>::to_vec),
        ..joins(name)
    }
}
