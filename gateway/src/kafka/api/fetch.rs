use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use kafka_wire::RecordsOut;
use kafka_wire::messages::fetch::{
    AbortedTransaction, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use tokio::time::Instant;

use super::Call;
use crate::auth::quota::Measure;
use crate::kafka::broker::LEADER_EPOCH;
use crate::kafka::error::KafkaError;
use crate::kafka::fetch_sessions::{Plan, Told, Wanted};
use crate::kafka::topic_ids;
use crate::topics::{Isolation, LogTopic};

/// Longest wait for records, whatever the client asks.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Uncommitted records are read, or not.
const ISOLATION_LEVELS: std::ops::RangeInclusive<i8> = 0..=1;

pub async fn answer(call: &Call, mut request: FetchRequest) -> FetchResponse {
    if !ISOLATION_LEVELS.contains(&request.isolation_level) {
        return FetchResponse { error_code: KafkaError::INVALID_REQUEST.0, ..FetchResponse::default() };
    }
    let plan = call.door.fetch_sessions().lock().plan(&mut request);
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return FetchResponse { error_code: error.0, ..FetchResponse::default() },
    };
    let targets: Vec<Target> = plan.wanted.iter().map(|wanted| target(call, wanted)).collect();
    let limits = limits(call, &request);
    let parts = gather(call, &plan, &targets, limits).await;
    let bytes: usize = parts.iter().map(|part| part.records.len()).sum();
    call.use_up(Measure::Consume, bytes as u64);
    let told: Vec<(Option<Told>, bool)> =
        parts.iter().map(|part| (part.told(), !part.records.is_empty())).collect();
    if plan.session_id != 0 {
        call.door.fetch_sessions().lock().told(plan.session_id, &told);
    }
    respond(plan, parts)
}

/// The log and partition that is fetched, or why it cannot be.
type Target = Result<(LogTopic, u32), KafkaError>;

/// How much a request may have, and how long it may wait for it. Whose quota is used up gets nothing, at once.
fn limits(call: &Call, request: &FetchRequest) -> Limits {
    let isolation = isolation(request.isolation_level);
    let owed = call.usage().owed(Measure::Consume);
    if !owed.is_zero() {
        call.hold_up(Measure::Consume, owed);
        return Limits { isolation, nothing: true, bytes: 0, enough: 0, wait: Duration::ZERO };
    }
    let allowed = call.usage().limit(Measure::Consume).and_then(|most| usize::try_from(most).ok());
    let bytes = usize::try_from(request.max_bytes).unwrap_or(0).min(call.door.config().max_fetch_bytes);
    Limits {
        isolation,
        nothing: false,
        bytes: bytes.min(allowed.unwrap_or(usize::MAX)),
        enough: usize::try_from(request.min_bytes).unwrap_or(0).min(allowed.unwrap_or(usize::MAX)),
        wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(WAIT_MAX),
    }
}

#[derive(Clone, Copy)]
struct Limits {
    isolation: Isolation,
    /// Whether not even a first batch is sent.
    nothing: bool,
    bytes: usize,
    enough: usize,
    wait: Duration,
}

fn target(call: &Call, wanted: &Wanted) -> Target {
    let topics = call.door.topics();
    let log = if call.version >= 13 {
        let id = topic_ids::log(wanted.topic_id).ok_or(KafkaError::UNKNOWN_TOPIC_ID)?;
        topics.log_by_id(id).map_err(|_| KafkaError::UNKNOWN_TOPIC_ID)?
    } else {
        topics.log(&wanted.topic).map_err(|refusal| KafkaError::from(&refusal))?
    };
    let partition = u32::try_from(wanted.partition).ok().filter(|partition| *partition < log.partitions());
    let partition = partition.ok_or(KafkaError::UNKNOWN_TOPIC_OR_PARTITION)?;
    match wanted.leader_epoch {
        -1 | LEADER_EPOCH => Ok((log, partition)),
        ..LEADER_EPOCH => Err(KafkaError::FENCED_LEADER_EPOCH),
        _ => Err(KafkaError::UNKNOWN_LEADER_EPOCH),
    }
}

/// Reads until there is enough, something went wrong, or the wait is over.
async fn gather(call: &Call, plan: &Plan, targets: &[Target], limits: Limits) -> Vec<PartitionData> {
    let deadline = Instant::now() + limits.wait;
    loop {
        let parts = read_all(plan, targets, limits);
        let bytes: usize = parts.iter().map(|part| part.records.len()).sum();
        let failed = parts.iter().any(|part| part.error_code != KafkaError::NONE.0);
        if bytes >= limits.enough || failed || Instant::now() >= deadline {
            return parts;
        }
        let mut grew = FuturesUnordered::new();
        for (target, part) in targets.iter().zip(&parts) {
            if let Ok((log, partition)) = target
                && let Ok(mut watch) = log.watch_isolated(*partition, seen(part, limits), limits.isolation)
            {
                grew.push(async move { watch.changed().await });
            }
        }
        tokio::select! {
            _ = grew.next(), if !grew.is_empty() => {}
            () = tokio::time::sleep_until(deadline) => return parts,
            () = call.door.topics().draining().cancelled() => return parts,
        }
    }
}

/// The end of what the client was shown.
fn seen(part: &PartitionData, limits: Limits) -> i64 {
    match limits.isolation {
        Isolation::ReadUncommitted => part.high_watermark,
        Isolation::ReadCommitted => part.last_stable_offset,
    }
}

fn read_all(plan: &Plan, targets: &[Target], limits: Limits) -> Vec<PartitionData> {
    let mut left = limits.bytes;
    let mut first = !limits.nothing;
    let parts = plan.wanted.iter().zip(targets).map(|(wanted, target)| {
        let part = read(wanted, target, limits.isolation, left, first);
        first &= part.records.is_empty();
        left = left.saturating_sub(part.records.len());
        part
    });
    parts.collect()
}

/// Reads one partition. Only the first that has records sends its first batch however large it is.
fn read(wanted: &Wanted, target: &Target, isolation: Isolation, left: usize, first: bool) -> PartitionData {
    let failed = |error: KafkaError| PartitionData {
        partition_index: wanted.partition,
        error_code: error.0,
        high_watermark: -1,
        ..PartitionData::default()
    };
    let (log, partition) = match target {
        Ok(target) => target,
        Err(error) => return failed(*error),
    };
    let most = usize::try_from(wanted.max_bytes).unwrap_or(0).min(left);
    let read = match most == 0 && !first {
        false => log.read_stored(*partition, wanted.offset, most, isolation),
        true => log.read_nothing(*partition),
    };
    let mut stored = match read {
        Ok(stored) => stored,
        Err(refusal) => return failed(KafkaError::from(&refusal)),
    };
    // A batch that is too large for what is left comes with a later fetch, when it is the first of all.
    if !first && stored.batches.iter().map(bytes::Bytes::len).sum::<usize>() > most {
        stored.batches.clear();
        stored.aborted.clear();
    }
    let aborted = stored.aborted.into_iter();
    PartitionData {
        partition_index: wanted.partition,
        high_watermark: stored.high_watermark,
        last_stable_offset: stored.last_stable,
        log_start_offset: stored.log_start,
        aborted_transactions: Some(
            aborted
                .map(|(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset })
                .collect(),
        ),
        records: RecordsOut(stored.batches),
        ..PartitionData::default()
    }
}

/// The isolation that a request names; whatever is not "committed" reads everything.
pub fn isolation(level: i8) -> Isolation {
    if level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted }
}

trait Telling {
    fn told(&self) -> Option<Told>;
}

impl Telling for PartitionData {
    /// What the client knows after this answer; nothing after an error, so that the next one is told in full.
    fn told(&self) -> Option<Told> {
        (self.error_code == KafkaError::NONE.0).then_some(Told {
            high_watermark: self.high_watermark,
            log_start: self.log_start_offset,
            last_stable: self.last_stable_offset,
        })
    }
}

fn respond(plan: Plan, parts: Vec<PartitionData>) -> FetchResponse {
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    for (wanted, part) in plan.wanted.into_iter().zip(parts) {
        let news = !part.records.is_empty() || part.told().is_none() || part.told() != wanted.told;
        if plan.incremental && !news {
            continue;
        }
        match responses
            .last_mut()
            .filter(|last| last.topic == wanted.topic && last.topic_id == wanted.topic_id)
        {
            Some(last) => last.partitions.push(part),
            None => responses.push(FetchableTopicResponse {
                topic: wanted.topic,
                topic_id: wanted.topic_id,
                partitions: vec![part],
            }),
        }
    }
    FetchResponse { session_id: plan.session_id, responses, ..FetchResponse::default() }
}
