//! A log's past published again, step by step.

use std::ops::ControlFlow;

use bytes::Bytes;
use message::ErrorCode;

use super::pace::Pace;
use super::{JobAtWork, JobStart, JobWork, Topics};
use crate::refusal::Refusal;
use crate::topics::authorization::Act;
use crate::topics::job_spec::{JobDescription, ReplaySpec, ReplayTarget};
use crate::topics::outgoing::{Acks, Outgoing, OutgoingOptions, Receipts};
use crate::topics::publishing::Beside;
use crate::topics::record_batches;
use crate::topics::record_chunk::RecordChunk;
use crate::topics::shard::{JobCursor, JobStep, Stretch};
use crate::topics::view::{HeadersView, MessageView, Place};
use crate::topics::{LogTopic, Topic};

/// Bytes read at a time.
const STEP_BYTES: usize = 1 << 20;

impl Topics {
    /// Starts to publish a stretch of a log again.
    pub async fn start_replay(&self, spec: ReplaySpec) -> Result<JobDescription, Refusal> {
        let log = self.log(&spec.source)?;
        log.allow(Act::Consume)?;
        if matches!(&spec.target, ReplayTarget::Topic(name) if *name == spec.source) {
            let detail = "a log cannot be replayed into itself: it would never end";
            return Err(Refusal::invalid("destination", detail));
        }
        let destination = Some(self.check_target(&spec.target).await?);
        let stretches = stretches(&log, &spec)?;
        let total = stretches.iter().map(|one| u64::try_from(one.to - one.from).unwrap_or(0)).sum();
        let work = JobWork::Replay { log: log.id(), spec, stretches };
        self.start_job(JobStart { destination, total, work }).await
    }

    pub(super) async fn replay(
        &self,
        job: &JobAtWork,
        spec: &ReplaySpec,
        log: u64,
        stretches: &[Stretch],
    ) -> Result<(), Refusal> {
        let log = self.log_by_id(log)?;
        let tombstones =
            matches!(&spec.target, ReplayTarget::Topic(name) if matches!(self.topic(name)?, Topic::Log(_)));
        let mut pace = Pace::new(spec.rate_per_s);
        // Messages at a time, once more were too many for the journal.
        let mut most = usize::MAX;
        // With keys of their own they go one by one.
        let whole = !matches!(&spec.target, ReplayTarget::Exchange { routing_key: None, .. });
        let (first, mut resumed) = match job.cursor {
            Some(JobCursor::Record { stretch, next }) => (stretch, Some(next)),
            Some(JobCursor::End) => return Ok(()),
            Some(JobCursor::Message(_)) | None => (0, None),
        };
        for (at, stretch) in stretches.iter().enumerate().skip(first) {
            let mut from = resumed.take().unwrap_or(stretch.from);
            while from < stretch.to {
                let chunk = log.read(stretch.partition, from, STEP_BYTES)?;
                if chunk.next_offset <= from {
                    break;
                }
                let (messages, next) = outgoing(&chunk, stretch.to, pace.step().min(most), tombstones)?;
                let count = messages.len();
                let upto = |next| JobStep {
                    number: job.number,
                    moved: 1,
                    cursor: JobCursor::Record { stretch: at, next },
                };
                match self.publish_step(&spec.target, messages, next, &upto).await {
                    // All that it leads to together: fewer at a time.
                    Err(refusal) if refusal.code == ErrorCode::TooLarge && whole && count > 1 => {
                        most = count / 2;
                        continue;
                    }
                    outcome => outcome?,
                }
                from = next;
                pace.wait(count as u64).await;
            }
        }
        Ok(())
    }

    /// Publishes what one step read; how far the job came is in the same block as what it published.
    async fn publish_step(
        &self,
        target: &ReplayTarget,
        messages: Vec<(i64, Outgoing)>,
        next: i64,
        upto: &impl Fn(i64) -> JobStep,
    ) -> Result<(), Refusal> {
        let moved = messages.len() as u64;
        let all = JobStep { moved, ..upto(next) };
        if messages.is_empty() {
            return Ok(());
        }
        match target {
            ReplayTarget::Topic(name) => {
                let messages = messages.into_iter().map(|(_, message)| message).collect();
                check(self.publish_beside(name, messages, Acks::All, Beside::Step(all)).await?)
            }
            ReplayTarget::Exchange { exchange, routing_key: Some(key) } => {
                let messages = messages.into_iter().map(|(_, message)| message).collect();
                let beside = Beside::Step(all);
                check(self.publish_through(exchange, key, messages, Acks::All, beside).await?)
            }
            ReplayTarget::Exchange { exchange, routing_key: None } => {
                for (offset, message) in messages {
                    let key =
                        message.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
                    let beside = Beside::Step(upto(offset + 1));
                    check(self.publish_through(exchange, &key, vec![message], Acks::All, beside).await?)?;
                }
                Ok(())
            }
        }
    }
}

fn stretches(log: &LogTopic, spec: &ReplaySpec) -> Result<Vec<Stretch>, Refusal> {
    let partitions = match spec.partitions.as_slice() {
        [] => (0..log.partitions()).collect(),
        named => named.to_vec(),
    };
    let stretch = |partition| {
        let bounds = log.bounds(partition)?;
        let from = log.resolve(partition, spec.from)?.max(bounds.log_start);
        let to = log.resolve(partition, spec.to)?.min(bounds.last_stable_offset);
        Ok(Stretch { partition, from, to })
    };
    partitions.into_iter().map(stretch).collect()
}

fn check(receipts: Receipts) -> Result<(), Refusal> {
    receipts.into_iter().find_map(Result::err).map_or(Ok(()), |refusal| Err(*refusal))
}

/// At most `max` records of the chunk below `to`, as messages with their offsets, and where to read on.
fn outgoing(
    chunk: &RecordChunk,
    to: i64,
    max: usize,
    tombstones: bool,
) -> Result<(Vec<(i64, Outgoing)>, i64), Refusal> {
    let mut messages = Vec::new();
    let mut next = chunk.next_offset.min(to);
    chunk.for_each(&mut |view| {
        let Place::Log { offset, .. } = view.place else { return ControlFlow::Continue(()) };
        if offset >= to || messages.len() >= max {
            next = offset.min(to);
            return ControlFlow::Break(());
        }
        messages.push((offset, copy(&view, tombstones)));
        ControlFlow::Continue(())
    })?;
    Ok((messages, next))
}

fn copy(view: &MessageView<'_>, tombstones: bool) -> Outgoing {
    let headers = match &view.headers {
        HeadersView::Record(headers) => headers.iter().map(|(name, value)| {
            let name = String::from_utf8_lossy(name).into_owned();
            (name, record_batches::typed_header(*value))
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
