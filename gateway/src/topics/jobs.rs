//! Work that goes on after the request that asked for it: replays and redrives, with progress and cancel.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use message::ErrorCode;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::job_spec::{JobDescription, JobKind, JobState, RedriveSpec, ReplaySpec, ReplayTarget};
use super::log_topic::LogTopic;
use super::outgoing::{Acks, Outgoing, OutgoingOptions, Receipts};
use super::record_chunk::RecordChunk;
use super::settling::Selection;
use super::view::{HeadersView, MessageView};
use super::{Topic, Topics};
use crate::refusal::Refusal;

/// Ended jobs that can still be asked for.
const REMEMBERED: usize = 1000;
/// Jobs at work at a time.
const AT_WORK: usize = 64;
/// Messages moved at a time.
const STEP: usize = 500;
/// Bytes read at a time.
const STEP_BYTES: usize = 1 << 20;

/// The jobs of this process; they end with it.
#[derive(Default)]
pub(crate) struct Jobs {
    next: AtomicU64,
    known: Mutex<VecDeque<Arc<Job>>>,
}

struct Job {
    number: u64,
    kind: JobKind,
    source: String,
    destination: Option<String>,
    started_at: i64,
    moved: AtomicU64,
    total: AtomicU64,
    end: Mutex<Option<End>>,
    cancelled: CancellationToken,
}

#[derive(Clone)]
struct End {
    at: i64,
    state: JobState,
    error: Option<String>,
}

const UNKNOWN: u64 = u64::MAX;

impl Job {
    fn describe(&self) -> JobDescription {
        let end = self.end.lock().clone();
        let total = self.total.load(Ordering::Relaxed);
        JobDescription {
            id: self.number.to_string(),
            kind: self.kind,
            state: end.as_ref().map_or(JobState::Running, |end| end.state),
            source: self.source.clone(),
            destination: self.destination.clone(),
            moved: self.moved.load(Ordering::Relaxed),
            total: (total != UNKNOWN).then_some(total),
            started_at: self.started_at,
            ended_at: end.as_ref().map(|end| end.at),
            error: end.and_then(|end| end.error),
        }
    }
}

impl Jobs {
    fn start(
        &self,
        topics: &Topics,
        kind: JobKind,
        source: &str,
        destination: Option<String>,
    ) -> Result<Arc<Job>, Refusal> {
        let mut known = self.known.lock();
        let running = known.iter().filter(|job| job.end.lock().is_none()).count();
        if running >= AT_WORK {
            let detail = format!("{AT_WORK} jobs are at work; wait for one to end or cancel one");
            return Err(Refusal::new(ErrorCode::Overloaded, detail).retry_after(1000));
        }
        let job = Arc::new(Job {
            number: self.next.fetch_add(1, Ordering::Relaxed) + 1,
            kind,
            source: source.to_owned(),
            destination,
            started_at: topics.now().0,
            moved: AtomicU64::new(0),
            total: AtomicU64::new(UNKNOWN),
            end: Mutex::new(None),
            cancelled: topics.draining().child_token(),
        });
        known.push_back(Arc::clone(&job));
        if known.len() > REMEMBERED
            && let Some(at) = known.iter().position(|job| job.end.lock().is_some())
        {
            known.remove(at);
        }
        Ok(job)
    }

    fn find(&self, id: &str) -> Result<Arc<Job>, Refusal> {
        let known = self.known.lock();
        let found = known.iter().find(|job| job.number.to_string() == id);
        found
            .map(Arc::clone)
            .ok_or_else(|| Refusal::new(ErrorCode::UnknownJob, format!("there is no job {id}")))
    }
}

/// Keeps a job at or below so many messages a second.
struct Pace {
    started: Instant,
    per_s: Option<u32>,
}

impl Pace {
    fn step(&self) -> usize {
        self.per_s.map_or(STEP, |per_s| (per_s as usize / 10).clamp(1, STEP))
    }

    async fn wait(&self, moved: u64) {
        if let Some(per_s) = self.per_s {
            tokio::time::sleep_until(self.started + Duration::from_secs_f64(moved as f64 / f64::from(per_s)))
                .await;
        }
    }
}

impl Topics {
    /// Starts to publish a stretch of a log again.
    pub async fn start_replay(&self, spec: ReplaySpec) -> Result<JobDescription, Refusal> {
        let log = self.log(&spec.source)?;
        let destination = match &spec.target {
            ReplayTarget::Topic(name) => {
                if self.topic(name).is_ok_and(|topic| matches!(topic, Topic::Log(_))) && *name == spec.source
                {
                    return Err(Refusal::invalid(
                        "destination",
                        "a log cannot be replayed into itself: it would never end",
                    ));
                }
                self.topic(name)?;
                name.clone()
            }
            ReplayTarget::Exchange { exchange, .. } => {
                if !exchange.is_empty() {
                    self.exchange(exchange).await?;
                }
                exchange.clone()
            }
        };
        let partitions = if spec.partitions.is_empty() {
            (0..log.partitions()).collect()
        } else {
            spec.partitions.clone()
        };
        let mut stretches = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let bounds = log.bounds(partition)?;
            let from = log.resolve(partition, spec.from)?.max(bounds.log_start);
            stretches.push((
                partition,
                from,
                log.resolve(partition, spec.to)?.min(bounds.last_stable_offset),
            ));
        }
        let job = self.jobs().start(self, JobKind::Replay, &spec.source, Some(destination))?;
        let total = stretches.iter().map(|(_, from, to)| u64::try_from(to - from).unwrap_or(0)).sum();
        job.total.store(total, Ordering::Relaxed);
        let described = job.describe();
        let topics = self.clone();
        tokio::spawn(async move {
            let work = replay(&topics, &log, &spec, stretches, &job);
            let outcome = tokio::select! {
                outcome = work => outcome.map(|()| JobState::Done),
                () = job.cancelled.cancelled() => Ok(JobState::Cancelled),
            };
            end(&topics, &job, outcome);
        });
        Ok(described)
    }

    /// Starts to send a queue's dead letters back to where they came from.
    pub async fn start_redrive(&self, queue: &str, spec: RedriveSpec) -> Result<JobDescription, Refusal> {
        let source = self.queue(queue)?;
        let destination = match &spec.destination {
            Some(ReplayTarget::Topic(name)) => {
                self.queue(name).map_err(|refusal| refusal.in_field("/destination"))?;
                Some(name.clone())
            }
            Some(ReplayTarget::Exchange { exchange, .. }) => {
                if !exchange.is_empty() {
                    self.exchange(exchange).await.map_err(|refusal| refusal.in_field("/destination"))?;
                }
                Some(exchange.clone())
            }
            None => None,
        };
        let mut selection = Selection::new(&spec)?;
        let job = self.jobs().start(self, JobKind::Redrive, queue, destination)?;
        let described = job.describe();
        let topics = self.clone();
        tokio::spawn(async move {
            let work = async {
                let pace = Pace { started: Instant::now(), per_s: spec.rate_per_s };
                // What is there now is moved once: a message that fails again at once does not keep the job going.
                let (there, next_id) = topics.ready(&source).await?;
                job.total.store(there, Ordering::Relaxed);
                selection.upto = next_id.checked_sub(1);
                let selection = Arc::new(selection);
                let mut left = spec.max.unwrap_or(u64::MAX);
                let mut after = None;
                while left > 0 {
                    let step = pace.step().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let (moved, more) =
                        topics.redrive_step(&source, Arc::clone(&selection), step, &mut after).await?;
                    left -= moved.min(left);
                    let all = job.moved.fetch_add(moved, Ordering::Relaxed) + moved;
                    if !more {
                        break;
                    }
                    pace.wait(all).await;
                }
                Ok(())
            };
            let outcome = tokio::select! {
                outcome = work => outcome.map(|()| JobState::Done),
                () = job.cancelled.cancelled() => Ok(JobState::Cancelled),
            };
            end(&topics, &job, outcome);
        });
        Ok(described)
    }

    /// How a job stands.
    pub fn job(&self, id: &str) -> Result<JobDescription, Refusal> {
        Ok(self.jobs().find(id)?.describe())
    }

    /// Jobs, the oldest first, from after the job `after`.
    #[must_use]
    pub fn list_jobs(&self, after: Option<u64>, limit: usize) -> Vec<JobDescription> {
        let known = self.jobs().known.lock();
        let later = known.iter().filter(|job| after.is_none_or(|after| job.number > after));
        later.take(limit).map(|job| job.describe()).collect()
    }

    /// Stops a job; what it moved stays moved. Cancelling an ended job changes nothing.
    pub fn cancel_job(&self, id: &str) -> Result<JobDescription, Refusal> {
        let job = self.jobs().find(id)?;
        job.cancelled.cancel();
        Ok(job.describe())
    }
}

fn end(topics: &Topics, job: &Job, outcome: Result<JobState, Refusal>) {
    let at = topics.now().0;
    *job.end.lock() = Some(match outcome {
        Ok(state) => End { at, state, error: None },
        Err(refusal) => End { at, state: JobState::Failed, error: Some(refusal.to_string()) },
    });
}

async fn replay(
    topics: &Topics,
    log: &LogTopic,
    spec: &ReplaySpec,
    stretches: Vec<(u32, i64, i64)>,
    job: &Job,
) -> Result<(), Refusal> {
    let pace = Pace { started: Instant::now(), per_s: spec.rate_per_s };
    let tombstones = matches!(&spec.target, ReplayTarget::Topic(name) if topics.log(name).is_ok());
    for (partition, mut from, to) in stretches {
        while from < to {
            let chunk = log.read(partition, from, STEP_BYTES)?;
            if chunk.next_offset <= from {
                break;
            }
            let (messages, next) = outgoing(&chunk, to, pace.step(), tombstones)?;
            let count = messages.len() as u64;
            if count > 0 {
                publish(topics, &spec.target, messages).await?;
            }
            from = next;
            let moved = job.moved.fetch_add(count, Ordering::Relaxed) + count;
            pace.wait(moved).await;
        }
    }
    Ok(())
}

/// At most `max` records of the chunk below `to`, as messages, and where to read on.
fn outgoing(
    chunk: &RecordChunk,
    to: i64,
    max: usize,
    tombstones: bool,
) -> Result<(Vec<Outgoing>, i64), Refusal> {
    let mut messages = Vec::new();
    let mut next = chunk.next_offset.min(to);
    chunk.for_each(&mut |view| {
        let super::view::Place::Log { offset, .. } = view.place else { return ControlFlow::Continue(()) };
        if offset >= to || messages.len() >= max {
            next = offset.min(to);
            return ControlFlow::Break(());
        }
        messages.push(copy(&view, tombstones));
        ControlFlow::Continue(())
    })?;
    Ok((messages, next))
}

fn copy(view: &MessageView<'_>, tombstones: bool) -> Outgoing {
    let headers = match &view.headers {
        HeadersView::Record(headers) => headers.iter().map(|(name, value)| {
            let name = String::from_utf8_lossy(name).into_owned();
            (name, super::record_batches::typed_header(*value))
        }),
        HeadersView::Table(_) => unreachable!("only a log is replayed"),
    };
    Outgoing {
        key: view.key.map(Bytes::copy_from_slice),
        // A queue has no tombstones; an empty body is the nearest that it can carry.
        value: view.value.map(Bytes::copy_from_slice).or((!tombstones).then(Bytes::new)),
        headers: headers.collect(),
        content_type: view.content_type.map(str::to_owned),
        options: OutgoingOptions { timestamp: Some(view.timestamp), ..OutgoingOptions::default() },
    }
}

async fn publish(topics: &Topics, target: &ReplayTarget, messages: Vec<Outgoing>) -> Result<(), Refusal> {
    let check = |receipts: Receipts| {
        receipts.into_iter().find_map(Result::err).map_or(Ok(()), |refusal| Err(*refusal))
    };
    match target {
        ReplayTarget::Topic(name) => check(topics.publish(name, messages, Acks::All, None).await?),
        ReplayTarget::Exchange { exchange, routing_key: Some(key) } => {
            check(topics.publish_to_exchange(exchange, key, messages, Acks::All, None).await?)
        }
        ReplayTarget::Exchange { exchange, routing_key: None } => {
            for message in messages {
                let key =
                    message.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
                check(topics.publish_to_exchange(exchange, &key, vec![message], Acks::All, None).await?)?;
            }
            Ok(())
        }
    }
}
