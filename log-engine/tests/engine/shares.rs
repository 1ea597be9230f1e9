//! Share groups through the engine's front: against a model that keeps one entry for each record, over restarts.
use log_engine::batch::Codec;
use log_engine::{
    AcknowledgeType, Acknowledgement, ClientOrigin, ConfigChange, LogEngineConfig, LogError, MemberEpoch,
    MemberId, Offset, PartitionId, ShareAcquire, ShareAcquired, ShareConfig, ShareError, ShareHeartbeat,
    ShareLimits, ShareTaken,
};
use message::{ErrorCode, GroupName, Timestamp, TopicName};
use proptest::prelude::*;
use segment_store::{Crash, LyingDisk};

use crate::shell::{Shell, batch, entries, group, seeded};

const LIMITS: ShareLimits = ShareLimits { deliveries: 3, record_locks: 12 };
const LOCK_MS: i64 = 30_000;

pub fn config() -> LogEngineConfig {
    let shares = ShareConfig { limits: LIMITS, ..ShareConfig::default() };
    LogEngineConfig { shares, ..LogEngineConfig::default() }
}

pub fn heartbeat(member: &str, epoch: MemberEpoch, topic: &str) -> ShareHeartbeat {
    ShareHeartbeat {
        member: MemberId::new(member),
        epoch,
        rack: None,
        origin: ClientOrigin::default(),
        topics: Some([TopicName::new(topic).unwrap()].into()),
    }
}

impl Shell {
    /// A share group that begins at the start of `topic`, with a member.
    pub fn share(&mut self, name: &GroupName, topic: &str) {
        let earliest = [("share.auto.offset.reset".to_owned(), ConfigChange::Set("earliest".into()))];
        let beat = heartbeat("m0", MemberEpoch::Join, topic);
        self.run(|engine, block, now| {
            engine.alter_group_settings(block, name, &earliest, (false, false))?;
            Ok(engine.share_heartbeat(block, name, beat, &|_| None, now)?)
        })
        .unwrap();
        let partition = self.partition(topic, 0).id();
        self.open_share(name, partition).unwrap();
        self.commit().unwrap();
    }

    pub fn open_share(&mut self, name: &GroupName, partition: PartitionId) -> Result<(), LogError> {
        self.run(|engine, block, now| engine.share_open(block, name, partition, now).map_err(refused))
    }

    pub fn acquire(
        &mut self,
        name: &GroupName,
        member: &str,
        partition: PartitionId,
        records: u64,
    ) -> ShareTaken {
        let member = MemberId::new(member);
        let ask =
            ShareAcquire { group: name, member: &member, partition, records, from: Offset(0), upto: None };
        match self.engine.share_acquire(&ask, self.now) {
            Ok(ShareAcquired::Taken(taken)) => taken,
            other => panic!("{other:?}"),
        }
    }

    pub fn acknowledge(
        &mut self,
        name: &GroupName,
        member: &str,
        partition: PartitionId,
        acknowledgement: Acknowledgement,
    ) -> Result<(), ErrorCode> {
        let member = MemberId::new(member);
        let mut told = Ok(());
        self.run(|engine, block, now| {
            let who = (name, &member);
            told = engine
                .share_acknowledge(block, who, partition, &[acknowledgement], now)
                .map_err(|error| error.code());
            Ok(())
        })
        .unwrap();
        told
    }
}

fn refused(error: ShareError) -> LogError {
    match error {
        ShareError::Log(error) => error,
        other => panic!("{other}"),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Acquire { member: u8, records: u64 },
    Acknowledge { member: u8, first: i64, kinds: Vec<u8> },
    Release { member: u8 },
    GiveBack { member: u8, first: i64, records: i64 },
    Wait { ms: i64 },
    DeleteRecords { share: u8 },
    Checkpoint,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let member = 0..3u8;
    let step = prop_oneof![
        3 => (1..6usize).prop_map(Step::Append),
        6 => (member.clone(), 0..9u64).prop_map(|(member, records)| Step::Acquire { member, records }),
        8 => (member.clone(), -2..12i64, prop::collection::vec(0..5u8, 1..6))
            .prop_map(|(member, first, kinds)| Step::Acknowledge { member, first, kinds }),
        1 => member.clone().prop_map(|member| Step::Release { member }),
        1 => (member, 0..12i64, 1..4i64)
            .prop_map(|(member, first, records)| Step::GiveBack { member, first, records }),
        2 => prop_oneof![1..5000i64, Just(LOCK_MS)].prop_map(|ms| Step::Wait { ms }),
        1 => (0..100u8).prop_map(|share| Step::DeleteRecords { share }),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

/// One record of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Available,
    Acquired { member: u8, until: i64 },
    Finished,
}

/// The group's records from the first one on, however long ago they were done with.
#[derive(Debug, Default)]
struct Model {
    records: Vec<(State, u16)>,
    start: usize,
    log_start: usize,
}

impl Model {
    fn settle_start(&mut self) {
        while self.records.get(self.start).is_some_and(|(state, _)| *state == State::Finished) {
            self.start += 1;
        }
    }

    fn trim(&mut self) {
        for at in self.start..self.log_start {
            match self.records.get_mut(at) {
                Some(record) => record.0 = State::Finished,
                None => self.records.push((State::Finished, 0)),
            }
        }
        self.start = self.start.max(self.log_start);
        self.settle_start();
    }

    fn open(&self) -> u64 {
        self.records[self.start.min(self.records.len())..]
            .iter()
            .filter(|(state, _)| *state != State::Finished)
            .count() as u64
    }

    fn acquire(&mut self, member: u8, records: u64, end: usize, now: i64) -> Vec<(usize, u16)> {
        self.trim();
        let held = State::Acquired { member, until: now + LOCK_MS };
        let (mut taken, mut left, mut at) = (Vec::new(), records as usize, self.start);
        while left > 0 && at < self.records.len() {
            let (state, deliveries) = self.records[at];
            if state != State::Available {
                at += 1;
                continue;
            }
            let alike = self.records[at..].iter().take_while(|one| **one == (state, deliveries)).count();
            // The last delivery of three goes out alone, in an answer of its own.
            let alone = deliveries == 2;
            if alone && !taken.is_empty() {
                left = 0;
                break;
            }
            let count = if alone { 1 } else { alike.min(left) };
            for record in &mut self.records[at..at + count] {
                *record = (held, deliveries + 1);
            }
            taken.extend((at..at + count).map(|at| (at, deliveries + 1)));
            left = if alone { 0 } else { left - count };
            at += alike;
        }
        while left > 0 && self.records.len() < end && self.open() < LIMITS.record_locks {
            taken.push((self.records.len(), 1));
            self.records.push((held, 1));
            left -= 1;
        }
        taken
    }

    fn take_back(&mut self, of: impl Fn(State) -> bool) {
        for (state, deliveries) in &mut self.records[self.start..] {
            if of(*state) {
                *state = if *deliveries >= LIMITS.deliveries { State::Finished } else { State::Available };
            }
        }
        self.settle_start();
    }

    fn acknowledge(&mut self, member: u8, first: usize, kinds: &[u8], now: i64) -> Result<(), ErrorCode> {
        let last = first + kinds.len() - 1;
        if last < self.start {
            return Ok(());
        }
        if last >= self.records.len() {
            return Err(ErrorCode::InvalidRequest);
        }
        let held = |state: State| matches!(state, State::Acquired { member: who, .. } if who == member);
        if !self.records[first.max(self.start)..=last].iter().all(|(state, _)| held(*state)) {
            return Err(ErrorCode::StaleLease);
        }
        for (at, kind) in (first..).zip(kinds).filter(|(at, _)| *at >= self.start).collect::<Vec<_>>() {
            let (state, deliveries) = &mut self.records[at];
            *state = match kind {
                0 | 1 | 3 => State::Finished,
                2 if *deliveries >= LIMITS.deliveries => State::Finished,
                2 => State::Available,
                _ => State::Acquired { member, until: now + LOCK_MS },
            };
        }
        self.settle_start();
        Ok(())
    }

    /// What a restart leaves: nobody has anything, and what nobody finished was delivered once less.
    fn restart(&mut self) {
        for (state, deliveries) in &mut self.records {
            if let State::Acquired { .. } = state {
                (*state, *deliveries) = (State::Available, *deliveries - 1);
            }
        }
        // Records at the end that the journal never heard of are as new.
        while self.records.len() > self.start && self.records.last() == Some(&(State::Available, 0)) {
            self.records.pop();
        }
    }
}

struct World {
    disk: LyingDisk,
    shell: Shell,
    group: GroupName,
    partition: PartitionId,
    model: Model,
    appended: usize,
}

impl World {
    fn new() -> World {
        let disk = LyingDisk::new(3);
        let mut shell = Shell::open_with(&disk, config()).unwrap();
        shell.create("t", 1, &[]);
        let group = group("shared");
        shell.share(&group, "t");
        let partition = shell.partition("t", 0).id();
        World { disk, shell, group, partition, model: Model::default(), appended: 0 }
    }

    fn step(&mut self, step: &Step) {
        let (name, partition) = (self.group.clone(), self.partition);
        let member = |number: u8| format!("m{number}");
        match step {
            Step::Append(count) => {
                let view = self.shell.partition("t", 0);
                self.shell.append(&view, batch(&entries(self.appended, *count, 20), Codec::None)).unwrap();
                self.shell.commit().unwrap();
                self.appended += count;
            }
            Step::Acquire { member: number, records } => {
                let taken = self.shell.acquire(&name, &member(*number), partition, *records);
                let told: Vec<(usize, u16)> = taken
                    .records
                    .iter()
                    .flat_map(|run| (run.first.0..=run.last.0).map(|at| (at as usize, run.deliveries)))
                    .collect();
                let expected = self.model.acquire(*number, *records, self.appended, self.shell.now.0);
                assert_eq!(told, expected);
            }
            Step::Acknowledge { member: number, first, kinds } => {
                let first = (self.model.start as i64 + first).max(0);
                let last = Offset(first + kinds.len() as i64 - 1);
                let types = kinds.iter().map(|kind| AcknowledgeType::from_number(*kind as i8).unwrap());
                let one = Acknowledgement::new(Offset(first), last, types.collect()).unwrap();
                let told = self.shell.acknowledge(&name, &member(*number), partition, one);
                let expected = self.model.acknowledge(*number, first as usize, kinds, self.shell.now.0);
                assert_eq!(told, expected);
                self.shell.commit().unwrap();
            }
            Step::Release { member: number } => {
                let who = MemberId::new(&member(*number));
                self.shell
                    .run(|engine, block, _| {
                        engine.share_release(block, (&name, &who), partition);
                        Ok(())
                    })
                    .unwrap();
                self.shell.commit().unwrap();
                self.model
                    .take_back(|state| matches!(state, State::Acquired { member, .. } if member == *number));
            }
            Step::GiveBack { member: number, first, records } => {
                let who = MemberId::new(&member(*number));
                let first = self.model.start as i64 + first;
                let last = first + records - 1;
                self.shell.engine.share_give_back(&name, &who, partition, (Offset(first), Offset(last)));
                let there = self.model.records.iter_mut().skip(first as usize).take(*records as usize);
                for (state, deliveries) in there {
                    if matches!(state, State::Acquired { member, .. } if member == number) {
                        (*state, *deliveries) = (State::Available, *deliveries - 1);
                    }
                }
            }
            Step::Wait { ms } => {
                self.shell.now = Timestamp(self.shell.now.0 + ms);
                self.shell.tick().unwrap();
                let now = self.shell.now.0;
                self.model.take_back(|state| matches!(state, State::Acquired { until, .. } if until <= now));
            }
            Step::DeleteRecords { share } => {
                let to =
                    self.model.log_start + (self.appended - self.model.log_start) * usize::from(*share) / 100;
                self.shell
                    .run(|engine, block, _| engine.delete_records(block, partition, Offset(to as i64)))
                    .unwrap();
                self.shell.commit().unwrap();
                self.model.log_start = to;
            }
            Step::Checkpoint => self.shell.checkpoint().unwrap(),
            Step::Restart => {
                self.disk = self.disk.crash_with(Crash::KeepAll);
                self.shell = Shell::open_at(&self.disk, config(), self.shell.now).unwrap();
                self.model.restart();
            }
        }
        self.check();
    }

    fn check(&mut self) {
        self.model.trim();
        let told = self.shell.engine.share_offset(&self.group, self.partition).unwrap();
        let waiting = self.appended.saturating_sub(self.model.records.len().max(self.model.start)) as u64;
        let expected = (Some(Offset(self.model.start as i64)), Some(self.model.open() + waiting));
        assert_eq!((told.start, told.lag), expected, "{:?}", self.model);
    }
}

proptest! {
    #![proptest_config(seeded(300))]
    #[test]
    fn the_group_keeps_track_of_every_record(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        // Whoever comes last gets everything that is not done with, however it was left.
        world.shell.now = Timestamp(world.shell.now.0 + LOCK_MS);
        world.shell.tick().unwrap();
        let now = world.shell.now.0;
        world.model.take_back(|state| matches!(state, State::Acquired { until, .. } if until <= now));
        loop {
            let taken = world.shell.acquire(&world.group.clone(), "m9", world.partition, 100);
            let expected = world.model.acquire(9, 100, world.appended, now);
            prop_assert_eq!(taken.records.iter().map(|run| run.last.0 - run.first.0 + 1).sum::<i64>(), expected.len() as i64);
            for run in &taken.records {
                let one = Acknowledgement::new(run.first, run.last, vec![AcknowledgeType::Accept]).unwrap();
                world.shell.acknowledge(&world.group.clone(), "m9", world.partition, one).unwrap();
            }
            for (at, _) in &expected {
                world.model.acknowledge(9, *at, &[1], now).unwrap();
            }
            world.check();
            if expected.is_empty() {
                break;
            }
        }
        prop_assert_eq!(world.model.start, world.appended);
    }
}

#[test]
fn a_group_has_one_kind() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open_with(&disk, config()).unwrap();
    shell.create("t", 1, &[]);
    let (shared, consumers) = (group("shared"), group("consumers"));
    shell.share(&shared, "t");
    let commit = |name: &GroupName, shell: &mut Shell| {
        let at = log_engine::OffsetCommit::new(shell.partition("t", 0).name().clone(), Offset(0));
        shell.run(|engine, block, now| {
            engine.commit_offsets(block, name, log_engine::Committer::Nobody, &[at], now)
        })
    };
    assert!(commit(&shared, &mut shell).is_err());
    commit(&consumers, &mut shell).unwrap();
    let beat = heartbeat("m", MemberEpoch::Join, "t");
    let joined = shell
        .run(|engine, block, now| Ok(engine.share_heartbeat(block, &consumers, beat, &|_| None, now)?));
    assert_eq!(joined.unwrap_err().code(), ErrorCode::UnknownGroup);
}

#[test]
fn groups_are_altered_and_deleted_only_without_members() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open_with(&disk, config()).unwrap();
    shell.create("t", 2, &[]);
    let name = group("shared");
    shell.share(&name, "t");
    let partition = shell.partition("t", 1).id();
    let alter = |shell: &mut Shell| {
        shell.run(|engine, block, _| engine.alter_share_offset(block, &name, partition, Offset(7)))
    };
    let forget = |shell: &mut Shell| {
        let topic = TopicName::new("t").unwrap();
        shell.run(|engine, block, _| engine.delete_share_offsets(block, &name, &topic))
    };
    let delete = |shell: &mut Shell| shell.run(|engine, block, _| engine.delete_group(block, &name));
    for refused in [alter(&mut shell), forget(&mut shell).map(drop), delete(&mut shell)] {
        assert_eq!(refused.unwrap_err().code(), ErrorCode::InUse);
    }
    let leave = heartbeat("m0", MemberEpoch::Leave, "t");
    shell.run(|engine, block, now| Ok(engine.share_heartbeat(block, &name, leave, &|_| None, now)?)).unwrap();
    alter(&mut shell).unwrap();
    let starts = |shell: &Shell| -> Vec<_> {
        shell
            .engine
            .share_offsets(&name)
            .unwrap()
            .into_iter()
            .map(|one| one.start.map(|start| start.0))
            .collect()
    };
    assert_eq!(starts(&shell), [Some(0), Some(7)]);
    shell.commit().unwrap();
    let mut shell = Shell::open_with(&disk.crash_with(Crash::KeepAll), config()).unwrap();
    assert_eq!(starts(&shell), [Some(0), Some(7)]);
    assert!(forget(&mut shell).unwrap());
    assert!(!forget(&mut shell).unwrap());
    assert_eq!(starts(&shell), []);
    delete(&mut shell).unwrap();
    assert_eq!(shell.engine.share_groups().count(), 0);
    // What it chose is kept, as for a group that comes again.
    let chosen = shell.engine.group_settings(&name).into_iter().filter(|setting| setting.is_chosen).count();
    assert_eq!(chosen, 1);
}

#[test]
fn a_deleted_topic_takes_what_groups_knew_of_it_along() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open_with(&disk, config()).unwrap();
    shell.create("t", 1, &[]);
    let name = group("shared");
    shell.share(&name, "t");
    let topic = TopicName::new("t").unwrap();
    shell.run(|engine, block, _| engine.delete_topic(block, &topic)).unwrap();
    assert_eq!(shell.engine.share_offsets(&name).unwrap(), []);
    shell.commit().unwrap();
    let shell = Shell::open_with(&disk.crash_with(Crash::KeepAll), config()).unwrap();
    assert_eq!(shell.engine.share_offsets(&name).unwrap(), []);
}
