use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kafka_wire::Uuid;
use message::GroupName;
use tokio::sync::Mutex;

use super::error::KafkaError;
use crate::topics::group_wire::MemberId;
use crate::topics::share::QueueHold;

/// The epoch of a request that begins a session, and of one that ends it.
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;
/// Partitions that one session may remember.
const SESSION_PARTITIONS: usize = 100_000;

/// A partition as a session names it.
pub type SharePartitionKey = (Uuid, i32);

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The group.
    pub group: GroupName,
    /// The member.
    pub member: MemberId,
}

/// What a member holds of queues, by the topic's id.
pub type Holds = HashMap<Uuid, Arc<Mutex<QueueHold>>>;

struct Session {
    connection: u64,
    next_epoch: i32,
    partitions: Vec<SharePartitionKey>,
    holds: Holds,
}

/// What a session that ended leaves behind: the member gives up what it has of these.
pub struct Ended {
    /// Whose it was.
    pub key: SessionKey,
    /// What it read.
    pub partitions: Vec<SharePartitionKey>,
}

/// What the request wants of the session.
#[derive(Debug)]
pub struct Change {
    /// The epoch that it names.
    pub epoch: i32,
    /// Partitions to read from now on.
    pub added: Vec<SharePartitionKey>,
    /// Partitions to read no longer.
    pub forgotten: Vec<SharePartitionKey>,
    /// Whether it acknowledges records, which the first request of a session cannot.
    pub acknowledges: bool,
}

/// What is to be read now, and whether the session ends with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// The partitions, the one whose turn it is first.
    pub partitions: Vec<SharePartitionKey>,
    /// Whether this was the last request.
    pub is_final: bool,
}

/// The share sessions of all members: what each reads, so that it need only say what changes (KIP-932).
#[derive(Default)]
pub struct ShareSessions {
    most: usize,
    open: HashMap<SessionKey, Session>,
}

impl ShareSessions {
    /// None yet, and never more than `most`.
    pub fn new(most: usize) -> ShareSessions {
        ShareSessions { most, open: HashMap::new() }
    }

    /// Takes a fetch into its session.
    pub fn fetch(&mut self, key: &SessionKey, connection: u64, change: Change) -> Result<Plan, KafkaError> {
        match change.epoch {
            FINAL_EPOCH => {
                self.open.get(key).ok_or(KafkaError::SHARE_SESSION_NOT_FOUND)?;
                Ok(Plan { partitions: Vec::new(), is_final: true })
            }
            INITIAL_EPOCH => self.begin(key, connection, change),
            epoch => {
                let session = self.at(key, epoch)?;
                let known: HashSet<_> = session.partitions.iter().copied().collect();
                session.partitions.extend(change.added.into_iter().filter(|added| !known.contains(added)));
                let forgotten: HashSet<_> = change.forgotten.into_iter().collect();
                session.partitions.retain(|known| !forgotten.contains(known));
                let mut partitions = session.partitions.clone();
                // Every partition comes first in its turn.
                let turn = usize::try_from(epoch).unwrap_or(0) % partitions.len().max(1);
                partitions.rotate_left(turn);
                if partitions.len() > SESSION_PARTITIONS {
                    return Err(KafkaError::INVALID_REQUEST);
                }
                Ok(Plan { partitions, is_final: false })
            }
        }
    }

    fn begin(&mut self, key: &SessionKey, connection: u64, change: Change) -> Result<Plan, KafkaError> {
        if change.acknowledges || change.added.len() > SESSION_PARTITIONS {
            return Err(KafkaError::INVALID_REQUEST);
        }
        // What the member held before, it still holds.
        let holds = self.open.remove(key).map(|before| before.holds).unwrap_or_default();
        if self.open.len() >= self.most {
            return Err(KafkaError::SHARE_SESSION_LIMIT_REACHED);
        }
        let partitions = change.added;
        let session = Session { connection, next_epoch: 1, partitions: partitions.clone(), holds };
        self.open.insert(key.clone(), session);
        Ok(Plan { partitions, is_final: false })
    }

    /// Takes acknowledgements that come by themselves into their session. Answers whether it ends.
    pub fn acknowledge(&mut self, key: &SessionKey, epoch: i32) -> Result<bool, KafkaError> {
        match epoch {
            INITIAL_EPOCH => Err(KafkaError::INVALID_SHARE_SESSION_EPOCH),
            FINAL_EPOCH => self.open.get(key).map(|_| true).ok_or(KafkaError::SHARE_SESSION_NOT_FOUND),
            epoch => self.at(key, epoch).map(|_| false),
        }
    }

    fn at(&mut self, key: &SessionKey, epoch: i32) -> Result<&mut Session, KafkaError> {
        let session = self.open.get_mut(key).ok_or(KafkaError::SHARE_SESSION_NOT_FOUND)?;
        if session.next_epoch != epoch {
            return Err(KafkaError::INVALID_SHARE_SESSION_EPOCH);
        }
        session.next_epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        Ok(session)
    }

    /// What the member holds of a queue.
    pub fn hold(&self, key: &SessionKey, topic: Uuid) -> Option<Arc<Mutex<QueueHold>>> {
        self.open.get(key)?.holds.get(&topic).cloned()
    }

    /// Remembers what the member holds of a queue; if the session is gone meanwhile, that goes back at once.
    pub fn keep(&mut self, key: &SessionKey, topic: Uuid, hold: Arc<Mutex<QueueHold>>) {
        if let Some(session) = self.open.get_mut(key) {
            session.holds.insert(topic, hold);
        }
    }

    /// Ends a session. What it held of queues goes back.
    pub fn end(&mut self, key: &SessionKey) -> Option<Ended> {
        let session = self.open.remove(key)?;
        Some(Ended { key: key.clone(), partitions: session.partitions })
    }

    /// Ends the sessions of a connection that is gone.
    pub fn disconnected(&mut self, connection: u64) -> Vec<Ended> {
        let gone: Vec<SessionKey> = self
            .open
            .iter()
            .filter(|(_, session)| session.connection == connection)
            .map(|(key, _)| key.clone())
            .collect();
        gone.iter().filter_map(|key| self.end(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(member: &str) -> SessionKey {
        SessionKey { group: GroupName::new("g").unwrap(), member: MemberId::new(member) }
    }

    fn partition(number: i32) -> SharePartitionKey {
        (Uuid([1; 16]), number)
    }

    fn change(epoch: i32, added: &[i32], forgotten: &[i32]) -> Change {
        let all = |numbers: &[i32]| numbers.iter().copied().map(partition).collect();
        Change { epoch, added: all(added), forgotten: all(forgotten), acknowledges: false }
    }

    fn numbers(plan: Plan) -> Vec<i32> {
        plan.partitions.into_iter().map(|(_, number)| number).collect()
    }

    #[test]
    fn a_session_remembers_what_it_reads_and_takes_turns() {
        let mut sessions = ShareSessions::new(10);
        let mut fetch = |change| sessions.fetch(&key("m"), 1, change).map(numbers);
        assert_eq!(fetch(change(0, &[0, 1], &[])), Ok(vec![0, 1]));
        assert_eq!(fetch(change(1, &[], &[])), Ok(vec![1, 0]));
        assert_eq!(fetch(change(2, &[1, 2], &[0])), Ok(vec![1, 2]));
        assert_eq!(fetch(change(2, &[], &[])), Err(KafkaError::INVALID_SHARE_SESSION_EPOCH));
        assert_eq!(fetch(change(0, &[7], &[])), Ok(vec![7]));
    }

    #[test]
    fn sessions_begin_and_end_with_their_epochs_and_connections() {
        let mut sessions = ShareSessions::new(2);
        let not_found = Err(KafkaError::SHARE_SESSION_NOT_FOUND);
        assert_eq!(sessions.fetch(&key("m"), 1, change(1, &[], &[])).map(numbers), not_found);
        assert_eq!(sessions.acknowledge(&key("m"), 1), Err(KafkaError::SHARE_SESSION_NOT_FOUND));
        let first = Change { acknowledges: true, ..change(0, &[0], &[]) };
        assert_eq!(sessions.fetch(&key("m"), 1, first), Err(KafkaError::INVALID_REQUEST));
        for (member, connection) in [("m", 1), ("n", 2)] {
            sessions.fetch(&key(member), connection, change(0, &[0], &[])).unwrap();
        }
        let third = sessions.fetch(&key("o"), 3, change(0, &[0], &[]));
        assert_eq!(third, Err(KafkaError::SHARE_SESSION_LIMIT_REACHED));
        assert_eq!(sessions.acknowledge(&key("m"), 0), Err(KafkaError::INVALID_SHARE_SESSION_EPOCH));
        assert_eq!(sessions.acknowledge(&key("m"), 1), Ok(false));
        assert_eq!(sessions.acknowledge(&key("m"), -1), Ok(true));
        let ended = sessions.end(&key("m")).unwrap();
        assert_eq!(ended.partitions, [partition(0)]);
        assert!(sessions.disconnected(1).is_empty());
        assert_eq!(sessions.disconnected(2).len(), 1);
        assert!(sessions.end(&key("n")).is_none());
    }
}
