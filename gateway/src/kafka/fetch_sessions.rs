use std::collections::HashMap;

use kafka_wire::Uuid;
use kafka_wire::messages::fetch::{FetchRequest, FetchTopic, ForgottenTopic};

use super::error::KafkaError;

/// The epoch of a request that begins a session, and of one that is no part of any.
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

/// One partition that a client fetches.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The topic by name, when the version names it so.
    pub topic: String,
    /// The topic by id, when the version names it so.
    pub topic_id: Uuid,
    /// The partition's number.
    pub partition: i32,
    /// The first offset that the client does not have.
    pub offset: i64,
    /// The leader's epoch as the client knows it, or -1.
    pub leader_epoch: i32,
    /// Most bytes of this partition.
    pub max_bytes: i32,
    /// What the client was told last; an unchanged partition need not be told again.
    pub told: Option<Told>,
}

/// What an answer said about a partition beside its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The end of what can be read.
    pub high_watermark: i64,
    /// The first offset held.
    pub log_start: i64,
    /// The first offset of an open transaction.
    pub last_stable: i64,
}

/// What a fetch request comes down to.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What goes back as the session's id.
    pub session_id: i32,
    /// Whether unchanged partitions are left out.
    pub incremental: bool,
    /// What to fetch, in order.
    pub wanted: Vec<Wanted>,
}

#[derive(Debug)]
struct Session {
    next_epoch: i32,
    wanted: Vec<Wanted>,
    used: u64,
}

/// The fetch sessions of all clients (KIP-227): what each fetches, so that it need only say what changes.
#[derive(Debug)]
pub struct FetchSessions {
    most: usize,
    next_id: i32,
    clock: u64,
    open: HashMap<i32, Session>,
}

/// Partitions that one session may remember.
const SESSION_PARTITIONS: usize = 100_000;

impl FetchSessions {
    /// None yet, and never more than `most`.
    pub fn new(most: usize) -> FetchSessions {
        FetchSessions { most, next_id: 1, clock: 0, open: HashMap::new() }
    }

    /// What the request asks for, taken together with what its session asked before.
    pub fn plan(&mut self, request: &mut FetchRequest) -> Result<Plan, KafkaError> {
        self.clock += 1;
        let topics = std::mem::take(&mut request.topics);
        match (request.session_id, request.session_epoch) {
            (id, FINAL_EPOCH) => {
                self.open.remove(&id);
                Ok(Plan { session_id: 0, incremental: false, wanted: flatten(topics) })
            }
            (id, INITIAL_EPOCH) => {
                self.open.remove(&id);
                let wanted = flatten(topics);
                let session_id = self.begin(&wanted);
                Ok(Plan { session_id, incremental: false, wanted })
            }
            (id, epoch) => {
                let clock = self.clock;
                let session = self.open.get_mut(&id).ok_or(KafkaError::FETCH_SESSION_ID_NOT_FOUND)?;
                if session.next_epoch != epoch {
                    return Err(KafkaError::INVALID_FETCH_SESSION_EPOCH);
                }
                session.next_epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
                session.used = clock;
                session.change(flatten(topics), &request.forgotten_topics_data);
                if session.wanted.len() > SESSION_PARTITIONS {
                    self.open.remove(&id);
                    return Err(KafkaError::FETCH_SESSION_ID_NOT_FOUND);
                }
                Ok(Plan { session_id: id, incremental: true, wanted: session.wanted.clone() })
            }
        }
    }

    /// Remembers what an answer said: one entry for each partition that the plan wanted, and whether it had records.
    /// Those that had come last next time, so that none starves behind the others.
    pub fn told(&mut self, session_id: i32, told: &[(Option<Told>, bool)]) {
        let Some(session) = self.open.get_mut(&session_id) else { return };
        for (wanted, (told, _)) in session.wanted.iter_mut().zip(told) {
            wanted.told = *told;
        }
        let mut served = told.iter().map(|(_, served)| *served);
        let wanted = std::mem::take(&mut session.wanted);
        let (last, first): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|_| served.next().unwrap_or(false));
        session.wanted = first;
        session.wanted.extend(last);
    }

    /// Keeps a session for what is wanted; 0 when there is no room for one.
    fn begin(&mut self, wanted: &[Wanted]) -> i32 {
        if self.most == 0 || wanted.is_empty() || wanted.len() > SESSION_PARTITIONS {
            return 0;
        }
        if self.open.len() >= self.most {
            // The one that was not used for longest: its client begins anew, as after a broker's restart.
            let oldest = self.open.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| *id);
            oldest.map(|id| self.open.remove(&id));
        }
        while self.open.contains_key(&self.next_id) {
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        }
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.open.insert(id, Session { next_epoch: 1, wanted: wanted.to_vec(), used: self.clock });
        id
    }
}

impl Session {
    fn change(&mut self, changed: Vec<Wanted>, forgotten: &[ForgottenTopic]) {
        for topic in forgotten {
            self.wanted.retain(|wanted| {
                let same = wanted.topic == topic.topic && wanted.topic_id == topic.topic_id;
                !(same && topic.partitions.contains(&wanted.partition))
            });
        }
        if changed.is_empty() {
            return;
        }
        let at: HashMap<(String, Uuid, i32), usize> = self
            .wanted
            .iter()
            .enumerate()
            .map(|(at, wanted)| ((wanted.topic.clone(), wanted.topic_id, wanted.partition), at))
            .collect();
        for new in changed {
            let place = at.get(&(new.topic.clone(), new.topic_id, new.partition)).copied();
            match place.and_then(|at| self.wanted.get_mut(at)) {
                Some(known) => *known = Wanted { told: known.told, ..new },
                None => self.wanted.push(new),
            }
        }
    }
}

fn flatten(topics: Vec<FetchTopic>) -> Vec<Wanted> {
    let partitions = topics.into_iter().flat_map(|topic| {
        let FetchTopic { topic, topic_id, partitions } = topic;
        partitions.into_iter().map(move |partition| Wanted {
            topic: topic.clone(),
            topic_id,
            partition: partition.partition,
            offset: partition.fetch_offset,
            leader_epoch: partition.current_leader_epoch,
            max_bytes: partition.partition_max_bytes,
            told: None,
        })
    });
    partitions.collect()
}

#[cfg(test)]
mod tests {
    use kafka_wire::messages::fetch::FetchPartition;

    use super::*;

    fn request(session_id: i32, session_epoch: i32, offsets: &[(i32, i64)]) -> FetchRequest {
        let partition = |(partition, fetch_offset): &(i32, i64)| FetchPartition {
            partition: *partition,
            fetch_offset: *fetch_offset,
            ..FetchPartition::default()
        };
        let topic = FetchTopic {
            topic: "t".into(),
            partitions: offsets.iter().map(partition).collect(),
            ..FetchTopic::default()
        };
        let topics = if offsets.is_empty() { Vec::new() } else { vec![topic] };
        FetchRequest { session_id, session_epoch, topics, ..FetchRequest::default() }
    }

    fn offsets(plan: &Plan) -> Vec<(i32, i64)> {
        plan.wanted.iter().map(|wanted| (wanted.partition, wanted.offset)).collect()
    }

    #[test]
    fn a_session_remembers_what_is_not_repeated() {
        let mut sessions = FetchSessions::new(2);
        let id = sessions.plan(&mut request(0, 0, &[(0, 5), (1, 7)])).unwrap().session_id;
        assert_ne!(id, 0);
        let told = Told { high_watermark: 9, log_start: 0, last_stable: 9 };
        sessions.told(id, &[(Some(told), true), (None, false)]);
        let plan = sessions.plan(&mut request(id, 1, &[(1, 8), (2, 0)])).unwrap();
        assert!(plan.incremental);
        // What had records last time comes after what had none.
        assert_eq!(offsets(&plan), [(1, 8), (0, 5), (2, 0)]);
        assert_eq!(plan.wanted[1].told, Some(told));
        let mut forget = request(id, 2, &[]);
        forget.forgotten_topics_data =
            vec![ForgottenTopic { topic: "t".into(), partitions: vec![0, 2], ..ForgottenTopic::default() }];
        assert_eq!(offsets(&sessions.plan(&mut forget).unwrap()), [(1, 8)]);
    }

    #[test]
    fn a_session_that_is_not_known_or_out_of_step_is_told() {
        let mut sessions = FetchSessions::new(1);
        assert_eq!(sessions.plan(&mut request(7, 1, &[])), Err(KafkaError::FETCH_SESSION_ID_NOT_FOUND));
        let first = sessions.plan(&mut request(0, 0, &[(0, 0)])).unwrap().session_id;
        assert_eq!(sessions.plan(&mut request(first, 3, &[])), Err(KafkaError::INVALID_FETCH_SESSION_EPOCH));
        let second = sessions.plan(&mut request(0, 0, &[(0, 0)])).unwrap().session_id;
        assert_ne!(first, second);
        assert_eq!(sessions.plan(&mut request(first, 1, &[])), Err(KafkaError::FETCH_SESSION_ID_NOT_FOUND));
        assert_eq!(sessions.plan(&mut request(second, -1, &[])).unwrap().session_id, 0);
        assert_eq!(sessions.plan(&mut request(second, 1, &[])), Err(KafkaError::FETCH_SESSION_ID_NOT_FOUND));
    }
}
