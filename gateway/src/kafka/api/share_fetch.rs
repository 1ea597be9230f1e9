use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use kafka_wire::messages::share_fetch::{
    AcquiredRecords, PartitionData, ShareFetchRequest, ShareFetchResponse, ShareFetchableTopicResponse,
};
use kafka_wire::{RecordsOut, Uuid};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::share_settling::{self, Outcomes, RENEW_FROM, Said};
use super::{Call, groups, share_group_heartbeat};
use crate::auth::quota::Measure;
use crate::kafka::error::{KafkaError, Wrong};
use crate::kafka::share_sessions::{Change, SessionKey, SharePartitionKey};
use crate::kafka::topic_ids;
use crate::refusal::Refusal;
use crate::topics::share::{QueueHold, ShareRecords, ShareWish};
use crate::topics::{LogTopic, LogWatch, QueueTopic, Topic};

/// Longest wait for records, whatever the client asks.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// The mode in which a member gets the rest of a batch with its first records.
const BATCH_OPTIMIZED: i8 = 0;

pub async fn answer(call: &Call, request: ShareFetchRequest) -> ShareFetchResponse {
    match fetch(call, request).await {
        Ok(response) => response,
        Err(wrong) => ShareFetchResponse {
            error_code: wrong.error.0,
            error_message: Some(wrong.why),
            ..ShareFetchResponse::default()
        },
    }
}

async fn fetch(call: &Call, request: ShareFetchRequest) -> Result<ShareFetchResponse, Wrong> {
    let key = key(request.group_id.as_deref(), request.member_id.as_deref())?;
    let renews = request.is_renew_ack && call.version >= RENEW_FROM;
    if renews
        && (request.max_bytes, request.min_bytes, request.max_records, request.max_wait_ms) != (0, 0, 0, 0)
    {
        let why = "with is_renew_ack, max_bytes, min_bytes, max_records and max_wait_ms must be 0";
        return Err(Wrong::new(KafkaError::INVALID_REQUEST, why));
    }
    let acquisition_lock_timeout_ms = lock_ms(call, &key).await?;
    let limits = Limits::of(&request, call);
    let (change, said) = asked(request);
    let plan = call.door.share_sessions().lock().fetch(&key, call.client.connection, change);
    let plan = plan.map_err(session_error)?;
    let outcomes = share_settling::settle(call, &key, said, renews).await;
    let parts = match plan.is_final || renews {
        true => Vec::new(),
        false => Gathering::begin(call, &key, plan.partitions, limits).await.finish().await,
    };
    let bytes: usize = parts.iter().map(|part| part.records.bytes()).sum();
    call.use_up(Measure::Consume, bytes as u64);
    if plan.is_final {
        end(call, &key).await;
    }
    let responses = told(parts, outcomes);
    Ok(ShareFetchResponse { acquisition_lock_timeout_ms, responses, ..ShareFetchResponse::default() })
}

/// Whose session a request is about.
pub fn key(group: Option<&str>, member: Option<&str>) -> Result<SessionKey, Wrong> {
    let group = groups::name(group.unwrap_or_default());
    let group = group.map_err(|error| Wrong::new(error, "the group's name is not allowed"))?;
    Ok(SessionKey { group, member: share_group_heartbeat::member(member.unwrap_or_default())? })
}

/// How long members of the group keep records, in milliseconds.
pub async fn lock_ms(call: &Call, key: &SessionKey) -> Result<i32, Wrong> {
    let lock = call.door.topics().share_record_lock(&key.group).await.map_err(Wrong::from)?;
    Ok(i32::try_from(lock.as_millis()).unwrap_or(i32::MAX))
}

/// Why a request does not fit its session.
pub fn session_error(error: KafkaError) -> Wrong {
    let why = match error {
        KafkaError::SHARE_SESSION_NOT_FOUND => {
            "there is no share session of this member (any more); begin one"
        }
        KafkaError::SHARE_SESSION_LIMIT_REACHED => {
            "there are as many share sessions as are allowed; try later"
        }
        KafkaError::INVALID_SHARE_SESSION_EPOCH => "the share session is at another epoch; begin a new one",
        _ => {
            "the first request of a share session acknowledges nothing, and a session has a limit of partitions"
        }
    };
    Wrong::new(error, why)
}

/// Ends a session; what its member has goes back.
pub async fn end(call: &Call, key: &SessionKey) {
    let ended = call.door.share_sessions().lock().end(key);
    if let Some(ended) = ended {
        share_settling::release(&call.door, ended).await;
    }
}

/// What the request changes in its session, and what it says of records.
fn asked(request: ShareFetchRequest) -> (Change, Vec<(SharePartitionKey, Said)>) {
    let (mut added, mut said) = (Vec::new(), Vec::new());
    for topic in request.topics {
        for partition in topic.partitions {
            let at = (topic.topic_id, partition.partition_index);
            added.push(at);
            let batches = partition.acknowledgement_batches.into_iter();
            let batches: Said = batches
                .map(|batch| (batch.first_offset, batch.last_offset, batch.acknowledge_types))
                .collect();
            if !batches.is_empty() {
                said.push((at, batches));
            }
        }
    }
    let forgotten = request.forgotten_topics_data.into_iter();
    let forgotten = forgotten
        .flat_map(|topic| topic.partitions.into_iter().map(move |partition| (topic.topic_id, partition)));
    let change = Change {
        epoch: request.share_session_epoch,
        added,
        forgotten: forgotten.collect(),
        acknowledges: !said.is_empty(),
    };
    (change, said)
}

#[derive(Clone, Copy)]
struct Limits {
    records: u64,
    bytes: usize,
    enough: usize,
    deadline: Instant,
    whole_batches: bool,
}

impl Limits {
    fn of(request: &ShareFetchRequest, call: &Call) -> Limits {
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(WAIT_MAX);
        // Whose quota is used up gets nothing, at once.
        let owed = call.usage().owed(Measure::Consume);
        call.hold_up(Measure::Consume, owed);
        let records = if owed.is_zero() { request.max_records } else { 0 };
        Limits {
            records: u64::try_from(records).unwrap_or(0),
            bytes: usize::try_from(request.max_bytes).unwrap_or(0).min(call.door.config().max_fetch_bytes),
            enough: usize::try_from(request.min_bytes).unwrap_or(0),
            deadline: Instant::now() + wait,
            whole_batches: request.share_acquire_mode == BATCH_OPTIMIZED,
        }
    }
}

/// Where a partition's records come from.
enum Source {
    Log(LogTopic, u32),
    Queue(Arc<Mutex<QueueHold>>),
}

/// One partition and what it gave so far.
struct Part {
    at: SharePartitionKey,
    source: Option<Source>,
    watch: Option<LogWatch>,
    records: ShareRecords,
    error: Option<Wrong>,
}

impl Part {
    fn take(&mut self, gave: Result<ShareRecords, Refusal>) {
        match gave {
            Ok(more) => {
                self.records.batches.extend(more.batches);
                self.records.acquired.extend(more.acquired);
            }
            Err(refusal) => {
                self.source = None;
                self.error = Some(refusal.into());
            }
        }
    }
}

/// A fetch that collects records until it has enough.
struct Gathering<'a> {
    call: &'a Call,
    key: &'a SessionKey,
    limits: Limits,
    parts: Vec<Part>,
}

impl<'a> Gathering<'a> {
    async fn begin(
        call: &'a Call,
        key: &'a SessionKey,
        partitions: Vec<SharePartitionKey>,
        limits: Limits,
    ) -> Gathering<'a> {
        let mut parts = Vec::with_capacity(partitions.len());
        for at in partitions {
            let (source, error) = match source(call, key, at).await {
                Ok(source) => (Some(source), None),
                Err(wrong) => (None, Some(wrong)),
            };
            parts.push(Part { at, source, watch: None, records: ShareRecords::default(), error });
        }
        Gathering { call, key, limits, parts }
    }

    /// Collects until there is enough, something went wrong, or the wait is over.
    async fn finish(mut self) -> Vec<Part> {
        let topics = self.call.door.topics();
        let bell = topics.share_bell(&self.key.group);
        loop {
            let freed = bell.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            self.collect().await;
            if self.is_done() {
                break;
            }
            let deadline = self.limits.deadline;
            let came = {
                let mut waits: FuturesUnordered<_> = self.waits().collect();
                let draining = topics.draining();
                tokio::select! {
                    came = waits.next(), if !waits.is_empty() => came.flatten(),
                    () = &mut freed => None,
                    () = tokio::time::sleep_until(deadline) => None,
                    () = draining.cancelled() => None,
                }
            };
            if let Some((at, gave)) = came
                && let Some(part) = self.parts.get_mut(at)
            {
                part.take(gave);
            }
            self.calm().await;
            if self.is_done() {
                break;
            }
        }
        topics.leave_share_bell(&self.key.group, bell);
        self.parts
    }

    fn is_done(&self) -> bool {
        let bytes: usize = self.parts.iter().map(|part| part.records.bytes()).sum();
        let failed = self.parts.iter().any(|part| part.error.is_some());
        let over =
            Instant::now() >= self.limits.deadline || self.call.door.topics().draining().is_cancelled();
        bytes >= self.limits.enough || failed || self.left() == 0 || over
    }

    /// Records that are still wanted.
    fn left(&self) -> u64 {
        let got: u64 = self.parts.iter().map(|part| part.records.count()).sum();
        self.limits.records.saturating_sub(got)
    }

    /// Takes what is there now.
    async fn collect(&mut self) {
        let wish = |records, bytes| ShareWish {
            group: self.key.group.clone(),
            member: self.key.member.clone(),
            records,
            bytes,
            whole_batches: self.limits.whole_batches,
        };
        let mut bytes: usize = self.parts.iter().map(|part| part.records.bytes()).sum();
        let mut left = self.left();
        for part in &mut self.parts {
            let room = self.limits.bytes.saturating_sub(bytes);
            if left == 0 || (room == 0 && bytes > 0) {
                break;
            }
            let gave = match &part.source {
                None => continue,
                Some(Source::Log(log, partition)) => {
                    let topics = self.call.door.topics();
                    let shared = topics.share_records(&wish(left, room), log, *partition, bytes == 0).await;
                    shared.map(|shared| {
                        part.watch = Some(shared.watch);
                        shared.records
                    })
                }
                Some(Source::Queue(hold)) => hold.lock().await.take(self.call.door.topics(), left).await,
            };
            if let Ok(records) = &gave {
                left = left.saturating_sub(records.count());
                bytes += records.bytes();
            }
            part.take(gave);
        }
    }

    /// What ends the wait for more: a log that grew, or messages of a queue.
    fn waits(
        &mut self,
    ) -> impl Iterator<Item = BoxFuture<'_, Option<(usize, Result<ShareRecords, Refusal>)>>> {
        let left = self.left();
        let topics = self.call.door.topics();
        self.parts.iter_mut().enumerate().filter_map(move |(at, part)| match &part.source {
            Some(Source::Log(..)) => {
                let watch = part.watch.as_mut()?;
                Some(async move { watch.changed().await }.map(|()| None).boxed())
            }
            Some(Source::Queue(hold)) => {
                let hold = Arc::clone(hold);
                Some(async move { Some((at, hold.lock().await.arrived(topics, left).await)) }.boxed())
            }
            None => None,
        })
    }

    /// Ends the wait at queues. What they pushed meanwhile is taken along.
    async fn calm(&mut self) {
        for part in &mut self.parts {
            let Some(Source::Queue(hold)) = &part.source else { continue };
            let gave = hold.lock().await.calm(self.call.door.topics()).await;
            part.take(gave);
        }
    }
}

async fn source(
    call: &Call,
    key: &SessionKey,
    (topic, partition): SharePartitionKey,
) -> Result<Source, Wrong> {
    let found = topic_ids::topic(call.door.topics(), topic);
    let found =
        found.ok_or_else(|| Wrong::new(KafkaError::UNKNOWN_TOPIC_ID, "no topic has this id (any more)"))?;
    let unknown = || Wrong::new(KafkaError::UNKNOWN_TOPIC_OR_PARTITION, "the topic has no such partition");
    let number = u32::try_from(partition).map_err(|_| unknown())?;
    match found {
        Topic::Log(log) if number < log.partitions() => Ok(Source::Log(log, number)),
        Topic::Queue(queue) if number == 0 => Ok(Source::Queue(hold(call, key, topic, &queue).await?)),
        Topic::Log(_) | Topic::Queue(_) => Err(unknown()),
    }
}

/// What the member holds of a queue, from now on if it holds nothing yet.
async fn hold(
    call: &Call,
    key: &SessionKey,
    topic: Uuid,
    queue: &QueueTopic,
) -> Result<Arc<Mutex<QueueHold>>, Wrong> {
    let topics = call.door.topics();
    let known = call.door.share_sessions().lock().hold(key, topic);
    if let Some(hold) = known {
        hold.lock().await.allow(topics, queue)?;
        return Ok(hold);
    }
    let lock = topics.share_record_lock(&key.group).await?;
    let client = call.client_id.as_deref().unwrap_or("a client");
    let holder =
        format!("share group {}, member {} ({client} at {})", key.group, key.member, call.client.host);
    let hold = Arc::new(Mutex::new(QueueHold::open(topics, queue, &key.group, &holder, lock).await?));
    call.door.share_sessions().lock().keep(key, topic, Arc::clone(&hold));
    Ok(hold)
}

/// Puts records and what became of acknowledgements together. A partition of which there is nothing to tell is left out.
fn told(parts: Vec<Part>, mut outcomes: Outcomes) -> Vec<ShareFetchableTopicResponse> {
    let mut responses: Vec<ShareFetchableTopicResponse> = Vec::new();
    let mut tell = |(topic_id, _): SharePartitionKey, data: PartitionData| match responses
        .iter_mut()
        .find(|response| response.topic_id == topic_id)
    {
        Some(response) => response.partitions.push(data),
        None => responses.push(ShareFetchableTopicResponse { topic_id, partitions: vec![data] }),
    };
    for part in parts {
        let outcome = outcomes.remove(&part.at);
        if part.records.acquired.is_empty() && part.error.is_none() && outcome.is_none() {
            continue;
        }
        let acquired = part.records.acquired.iter().map(|run| AcquiredRecords {
            first_offset: run.first.0,
            last_offset: run.last.0,
            delivery_count: i16::try_from(run.deliveries).unwrap_or(i16::MAX),
        });
        let data = PartitionData {
            partition_index: part.at.1,
            error_code: part.error.as_ref().map_or(KafkaError::NONE, |wrong| wrong.error).0,
            error_message: part.error.map(|wrong| wrong.why),
            acquired_records: acquired.collect(),
            records: RecordsOut(part.records.batches),
            ..PartitionData::default()
        };
        tell(part.at, with_outcome(data, outcome));
    }
    for (at, outcome) in outcomes {
        let data = PartitionData { partition_index: at.1, ..PartitionData::default() };
        tell(at, with_outcome(data, Some(outcome)));
    }
    responses
}

fn with_outcome(data: PartitionData, outcome: Option<Result<(), Wrong>>) -> PartitionData {
    match outcome {
        Some(Err(wrong)) => PartitionData {
            acknowledge_error_code: wrong.error.0,
            acknowledge_error_message: Some(wrong.why),
            ..data
        },
        Some(Ok(())) | None => data,
    }
}
