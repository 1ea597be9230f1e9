//! Work that goes on after the request that asked for it, and after a restart: replays and redrives, with progress and
//! cancel. What is to be done and how far it came is in the shard's job book; here are the tasks that do it.

mod pace;
mod redriving;
mod replaying;

use dashmap::DashMap;
use message::ErrorCode;
use tokio_util::sync::CancellationToken;

use super::Topics;
use super::authorization::Act;
use super::deeds::Deed;
use super::job_spec::{JobDescription, JobKind, JobState, ReplayTarget};
use super::outgoing::Acks;
use super::queue_topic::LOOK;
use super::shard::{JobAtWork, JobNumber, JobStart, JobWork, Room, Terms, Turn};
use crate::auth::Pass;
use crate::auth::routing_keys::KeyUse;
use crate::refusal::Refusal;

/// Cancels the tasks of jobs that are at work in this process.
#[derive(Default)]
pub(crate) struct Jobs(DashMap<JobNumber, CancellationToken>);

/// Changes of a job's state are on disk before they are told.
const CHANGE: Terms = Terms { acks: Acks::All, weight: 1024, room: Room::Reserved };

/// A job for the audit log.
fn job_in_words(job: &JobDescription) -> String {
    let kind = match job.kind {
        JobKind::Replay => "replay",
        JobKind::Redrive => "redrive",
    };
    let to = job.destination.as_deref().unwrap_or("where each came from");
    format!("job {}: {kind} {} to {to}", job.id, job.source)
}

fn unknown(id: &str) -> Refusal {
    Refusal::new(ErrorCode::UnknownJob, format!("there is no job {id}"))
}

fn number(id: &str) -> Result<JobNumber, Refusal> {
    let number = id.parse().ok().filter(|number: &u64| number.to_string() == id);
    number.map(JobNumber).ok_or_else(|| unknown(id))
}

impl Topics {
    /// How a job stands.
    pub async fn job(&self, id: &str) -> Result<JobDescription, Refusal> {
        let number = number(id)?;
        let look = move |turn: &mut Turn<'_>| turn.engines.jobs.describe(number);
        let described: JobDescription = self.shard().call(LOOK, look).await?.ok_or_else(|| unknown(id))?;
        self.allow(Act::SeeTopic, &described.source)?;
        Ok(described)
    }

    /// Jobs, the oldest first, from after the job `after`.
    pub async fn list_jobs(&self, after: Option<u64>, limit: usize) -> Result<Vec<JobDescription>, Refusal> {
        let look = move |turn: &mut Turn<'_>| turn.engines.jobs.list(after.map(JobNumber), limit);
        let mut jobs = self.shard().call(LOOK, look).await?;
        jobs.retain(|job: &JobDescription| self.may(Act::SeeTopic, &job.source));
        Ok(jobs)
    }

    /// Stops a job; what it moved stays moved. Cancelling an ended job changes nothing.
    pub async fn cancel_job(&self, id: &str) -> Result<JobDescription, Refusal> {
        let source = self.job(id).await?.source;
        self.allow(Act::Consume, &source)?;
        let (number, topics) = (number(id)?, self.clone());
        let cancel = move |turn: &mut Turn<'_>| {
            let (jobs, block) = (&mut turn.engines.jobs, turn.journal.block());
            jobs.end(block, number, JobState::Cancelled, None, turn.now);
            topics.did(Deed::CancelJob, &format!("job {} of {source}", number.0));
            jobs.describe(number)
        };
        let described = self.shard().call(CHANGE, cancel).await?.ok_or_else(|| unknown(id))?;
        if let Some((_, task)) = self.jobs().0.remove(&number) {
            task.cancel();
        }
        Ok(described)
    }

    /// Has the jobs go on that were at work when the process ended.
    pub(crate) fn resume_jobs(&self, jobs: Vec<JobAtWork>) {
        jobs.into_iter().for_each(|job| self.set_to_work(job));
    }

    /// Writes a job down and starts it.
    async fn start_job(&self, start: JobStart) -> Result<JobDescription, Refusal> {
        self.check_not_draining()?;
        let terms = Terms { acks: Acks::All, weight: start.bytes(), room: Room::Ordinary };
        let topics = self.clone();
        let begin = move |turn: &mut Turn<'_>| {
            let (jobs, block) = (&mut turn.engines.jobs, turn.journal.block());
            let job = jobs.start(block, start, turn.now)?;
            let described = jobs.describe(job.number);
            if let Some(job) = &described {
                topics.did(Deed::StartJob, &job_in_words(job));
            }
            Ok::<_, Refusal>((job, described))
        };
        let (job, described) = self.shard().call(terms, begin).await??;
        let id = job.number.0.to_string();
        self.set_to_work(job);
        described.ok_or_else(|| unknown(&id))
    }

    fn set_to_work(&self, job: JobAtWork) {
        let number = job.number;
        let cancelled = self.draining().child_token();
        self.jobs().0.insert(number, cancelled.clone());
        // Whoever may start a job may have it carried out, also when their login is over or the server was restarted.
        let topics = self.acting_for(Pass::Open);
        tokio::spawn(async move {
            // A cancelled job has ended in the book; one that a drain stops goes on with the next start.
            if let Some(outcome) = cancelled.run_until_cancelled(topics.work(&job)).await {
                topics.end_job(number, outcome).await;
            }
            topics.jobs().0.remove(&number);
        });
    }

    async fn work(&self, job: &JobAtWork) -> Result<(), Refusal> {
        match job.work.as_ref() {
            JobWork::Replay { spec, log, stretches } => self.replay(job, spec, *log, stretches).await,
            JobWork::Redrive { queue, id, spec, upto } => self.redrive(job, queue, *id, spec, *upto).await,
        }
    }

    async fn end_job(&self, number: JobNumber, outcome: Result<(), Refusal>) {
        let (state, error) = match outcome {
            Ok(()) => (JobState::Done, None),
            // The restart that this needs brings the job back.
            Err(refusal) if matches!(refusal.code, ErrorCode::ShuttingDown | ErrorCode::StorageFailed) => {
                return;
            }
            Err(refusal) => (JobState::Failed, Some(refusal.to_string())),
        };
        let weight = CHANGE.weight + error.as_ref().map_or(0, |why| 6 * why.len());
        let end = move |turn: &mut Turn<'_>| {
            turn.engines.jobs.end(turn.journal.block(), number, state, error, turn.now);
        };
        // When this fails, so does everything: the next start goes on from here.
        let _ = self.shard().call(Terms { weight, ..CHANGE }, end).await;
    }

    pub(super) fn allow_target(&self, target: &ReplayTarget) -> Result<(), Refusal> {
        match target {
            ReplayTarget::Topic(name) => self.allow(Act::Publish, name),
            ReplayTarget::Exchange { exchange, routing_key } => {
                self.allow_publish_through(exchange, routing_key.as_deref().unwrap_or_default())?;
                self.allow_routing_key(KeyUse::Publish, exchange, routing_key.as_deref())
            }
        }
    }

    /// Makes sure that what a job writes to is there, and answers its name.
    async fn check_target(&self, target: &ReplayTarget) -> Result<String, Refusal> {
        self.allow_target(target)?;
        match target {
            ReplayTarget::Topic(name) => {
                self.topic(name)?;
                Ok(name.clone())
            }
            ReplayTarget::Exchange { exchange, .. } => {
                if !exchange.is_empty() {
                    self.exchange(exchange).await?;
                }
                Ok(exchange.clone())
            }
        }
    }
}
