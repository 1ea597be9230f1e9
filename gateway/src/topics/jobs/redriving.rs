//! Dead letters sent back to where they came from, step by step.

use std::sync::Arc;
use std::time::Duration;

use message::{ErrorCode, TopicName};
use queue_engine::{Edits, MessageId, QueueError, Redrive, RedriveBounds, RedriveStep, Search, StepNote};

use super::pace::Pace;
use super::{JobAtWork, JobStart, JobWork, Topics};
use crate::refusal::Refusal;
use crate::topics::authorization::Act;
use crate::topics::job_spec::{JobDescription, RedriveSpec, ReplayTarget};
use crate::topics::message_edit::Way;
use crate::topics::outgoing::Acks;
use crate::topics::queue_topic::LOOK;
use crate::topics::shard::{JobCursor, JobNumber, JobStep, Room, Terms, Turn};

/// Journal bytes that a step may take at least; what needs more says so.
const STEP_BYTES: usize = 256 << 10;
/// How long a step waits for logs that take nothing more for now.
const LOGS_FULL: Duration = Duration::from_secs(1);

impl Topics {
    /// Starts to send a queue's dead letters back to where they came from.
    pub async fn start_redrive(&self, queue: &str, spec: RedriveSpec) -> Result<JobDescription, Refusal> {
        let source = self.queue(queue)?;
        source.allow(Act::ChangeMessage)?;
        let in_destination = |refusal: Refusal| refusal.in_field("/destination");
        let destination = match &spec.destination {
            Some(ReplayTarget::Topic(name)) => {
                self.allow(Act::Publish, name)?;
                self.queue(name).map_err(in_destination)?;
                Some(name.clone())
            }
            Some(target) => Some(self.check_target(target).await.map_err(in_destination)?),
            None => None,
        };
        Selection::new(&spec, None)?;
        let name = source.name.clone();
        let look = move |turn: &mut Turn<'_>| Ok::<_, Refusal>(turn.engines.queue.queue_info(&name)?);
        let info = self.shard().call(LOOK, look).await??;
        // What is there now is moved once: a message that fails again at once does not keep the job going.
        let upto = info.next_id.0.checked_sub(1);
        let work = JobWork::Redrive { queue: queue.to_owned(), id: source.id(), spec, upto };
        self.start_job(JobStart { destination, total: info.ready, work }).await
    }

    pub(super) async fn redrive(
        &self,
        job: &JobAtWork,
        queue: &str,
        id: u32,
        spec: &RedriveSpec,
        upto: Option<u64>,
    ) -> Result<(), Refusal> {
        let name = TopicName::new(queue)?;
        let selection = Arc::new(Selection::new(spec, upto)?);
        let mut pace = Pace::new(spec.rate_per_s);
        let mut left = spec.max.map_or(u64::MAX, |max| max.saturating_sub(job.moved));
        let mut after = match job.cursor {
            Some(JobCursor::End) => return Ok(()),
            Some(JobCursor::Message(id)) => Some(MessageId(id)),
            Some(JobCursor::Record { .. }) | None => None,
        };
        while left > 0 {
            let max = pace.step().min(usize::try_from(left).unwrap_or(usize::MAX));
            let bounds = RedriveBounds { after, max };
            let number = job.number;
            let (name, selection) = (name.clone(), Arc::clone(&selection));
            let step = move |turn: &mut Turn<'_>| {
                turn.engines.jobs.check_at_work(number)?;
                check_is_same(turn, &name, id)?;
                match step(turn, number, &name, bounds, &selection) {
                    Err(QueueError::BlockFull) => {
                        // A message that needs a block of its own.
                        turn.ensure(turn.engines.queue.wanted_room())?;
                        let one = RedriveBounds { max: 1, ..bounds };
                        Ok::<_, Refusal>(Some(step(turn, number, &name, one, &selection)?))
                    }
                    Err(QueueError::LogsFull) => Ok(None),
                    outcome => Ok(Some(outcome?)),
                }
            };
            let terms = Terms { acks: Acks::All, weight: STEP_BYTES, room: Room::Ordinary };
            let Some(step) = self.shard().call(terms, step).await?? else {
                tokio::time::sleep(LOGS_FULL).await;
                continue;
            };
            left -= step.moved.min(left);
            after = step.next;
            if after.is_none() {
                break;
            }
            pace.wait(step.moved).await;
        }
        Ok(())
    }
}

/// Refuses a step on another queue than the one that the job was started for.
fn check_is_same(turn: &Turn<'_>, name: &TopicName, id: u32) -> Result<(), Refusal> {
    if turn.engines.queue.queue_info(name)?.id.0 != id {
        let detail = format!("{name} was deleted and made again meanwhile");
        return Err(Refusal::new(ErrorCode::UnknownTopic, detail));
    }
    Ok(())
}

fn step(
    turn: &mut Turn<'_>,
    number: JobNumber,
    name: &TopicName,
    bounds: RedriveBounds,
    selection: &Selection,
) -> Result<RedriveStep, QueueError> {
    let jobs = &mut turn.engines.jobs;
    let mut write = |block: &mut segment_store::Block, step: &RedriveStep| {
        let cursor = step.next.map_or(JobCursor::End, |next| JobCursor::Message(next.0));
        jobs.note(block, JobStep { number, moved: step.moved, cursor });
    };
    let note = StepNote { bytes: JobStep::BYTES, write: &mut write };
    let (queues, block) = (&mut turn.engines.queue, turn.journal.block());
    queues.redrive_noted(block, name, bounds, &selection.redrive(), note, turn.now)
}

/// Which messages a redrive moves, in the engine's words.
struct Selection {
    ids: Vec<MessageId>,
    died_in: Option<TopicName>,
    search: Search,
    way: Option<Way>,
    edits: Edits,
    /// The last message that is looked at.
    upto: Option<u64>,
}

impl Selection {
    fn new(spec: &RedriveSpec, upto: Option<u64>) -> Result<Selection, Refusal> {
        let mut ids: Vec<MessageId> = spec.ids.iter().copied().map(MessageId).collect();
        ids.sort_unstable();
        Ok(Selection {
            ids,
            died_in: spec.died_in.as_deref().map(TopicName::new).transpose()?,
            search: spec.filter.clone().into(),
            way: spec.destination.as_ref().map(Way::new).transpose()?,
            edits: spec.edits.clone().into(),
            upto,
        })
    }

    fn redrive(&self) -> Redrive<'_> {
        Redrive {
            ids: &self.ids,
            died_in: self.died_in.as_ref(),
            search: Some(&self.search),
            // Without messages there is no last one, and nothing to move.
            upto: Some(MessageId(self.upto.unwrap_or(0))),
            to: self.way.as_ref().map(Way::destination),
            edits: Some(&self.edits),
        }
    }
}
