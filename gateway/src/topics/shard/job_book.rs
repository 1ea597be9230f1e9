//! What is durable of jobs: what each is to do, how far it came, how it ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use message::{ErrorCode, Timestamp};
use segment_store::{Block, RecordKind};
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::topics::job_spec::{JobDescription, JobKind, JobState, RedriveSpec, ReplaySpec};

/// Ended jobs that can still be asked for.
const REMEMBERED: usize = 1000;
/// Jobs at work at a time.
const AT_WORK: usize = 64;

/// Names a job; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct JobNumber(pub u64);

/// What a job is to do, once everything that may change meanwhile was looked up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum JobWork {
    /// Publishes stretches of a log, one after the other.
    Replay {
        spec: ReplaySpec,
        /// The log by its id, so that another one of the same name is not taken for it.
        log: u64,
        stretches: Vec<Stretch>,
    },
    /// Moves messages of a queue.
    Redrive {
        queue: String,
        /// The queue by its id.
        id: u32,
        spec: RedriveSpec,
        /// The last message that is looked at; `None`: there was none.
        upto: Option<u64>,
    },
}

/// Records of one partition: from an offset up to, and without, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stretch {
    pub partition: u32,
    pub from: i64,
    pub to: i64,
}

/// How far a job came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum JobCursor {
    /// In its stretch of this number, the next record is this one.
    Record { stretch: usize, next: i64 },
    /// The messages up to this one were looked at.
    Message(u64),
    /// All were looked at.
    End,
}

/// What one step of a job did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JobStep {
    pub number: JobNumber,
    pub moved: u64,
    pub cursor: JobCursor,
}

impl JobStep {
    /// Journal bytes that noting a step takes at most.
    pub(crate) const BYTES: usize = 256;
}

/// What a job begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobStart {
    pub destination: Option<String>,
    pub total: u64,
    pub work: JobWork,
}

/// A job that is at work.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JobAtWork {
    pub number: JobNumber,
    pub work: Arc<JobWork>,
    pub moved: u64,
    pub cursor: Option<JobCursor>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Job {
    kind: JobKind,
    source: String,
    destination: Option<String>,
    started_at: i64,
    total: u64,
    moved: u64,
    /// Gone once it ended.
    work: Option<JobWork>,
    cursor: Option<JobCursor>,
    end: Option<End>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct End {
    at: i64,
    state: JobState,
    error: Option<String>,
}

/// One change; written as JSON, since there are few of them.
#[derive(Serialize, Deserialize)]
enum JobRecord {
    /// A job as it stands.
    Is(JobNumber, Box<Job>),
    /// It moved so many messages more.
    Moved(JobNumber, u64, JobCursor),
    /// It is over.
    Ended(JobNumber, End),
    /// The highest number that was given.
    Numbered(JobNumber),
}

/// All jobs that can be asked for. What a job did and that it did so are in one block of the journal.
#[derive(Default)]
pub(crate) struct JobBook {
    last: u64,
    jobs: BTreeMap<JobNumber, Job>,
}

impl JobStart {
    /// Journal bytes that a start takes at most.
    pub(crate) fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(0, |bytes| bytes.len()) + 1024
    }
}

impl JobBook {
    /// Starts a job. The caller made sure of [`JobStart::bytes`].
    pub(crate) fn start(
        &mut self,
        block: &mut Block,
        start: JobStart,
        now: Timestamp,
    ) -> Result<JobAtWork, Refusal> {
        if self.jobs.values().filter(|job| job.end.is_none()).count() >= AT_WORK {
            let detail = format!("{AT_WORK} jobs are at work; wait for one to end or cancel one");
            return Err(Refusal::new(ErrorCode::Overloaded, detail).retry_after(1000));
        }
        let number = JobNumber(self.last + 1);
        let JobStart { destination, total, work } = start;
        let (kind, source) = match &work {
            JobWork::Replay { spec, .. } => (JobKind::Replay, spec.source.clone()),
            JobWork::Redrive { queue, .. } => (JobKind::Redrive, queue.clone()),
        };
        let at_work = JobAtWork { number, work: Arc::new(work.clone()), moved: 0, cursor: None };
        let job = Job {
            kind,
            source,
            destination,
            started_at: now.0,
            total,
            moved: 0,
            work: Some(work),
            cursor: None,
            end: None,
        };
        self.change(block, JobRecord::Is(number, Box::new(job)));
        Ok(at_work)
    }

    /// Notes a step in the block that holds what it moved. The caller kept [`JobStep::BYTES`] of it free.
    pub(crate) fn note(&mut self, block: &mut Block, step: JobStep) {
        self.change(block, JobRecord::Moved(step.number, step.moved, step.cursor));
    }

    fn is_at_work(&self, number: JobNumber) -> bool {
        self.jobs.get(&number).is_some_and(|job| job.end.is_none())
    }

    /// Refuses a step of a job that was ended while the step was on its way.
    pub(crate) fn check_at_work(&self, number: JobNumber) -> Result<(), Refusal> {
        match self.is_at_work(number) {
            true => Ok(()),
            false => Err(Refusal::new(ErrorCode::UnknownJob, "the job was ended")),
        }
    }

    /// Ends a job, unless it ended before.
    pub(crate) fn end(
        &mut self,
        block: &mut Block,
        number: JobNumber,
        state: JobState,
        error: Option<String>,
        now: Timestamp,
    ) {
        if self.is_at_work(number) {
            self.change(block, JobRecord::Ended(number, End { at: now.0, state, error }));
        }
    }

    /// How a job stands.
    pub(crate) fn describe(&self, number: JobNumber) -> Option<JobDescription> {
        self.jobs.get(&number).map(|job| job.describe(number))
    }

    /// Jobs, the oldest first, from after the job `after`.
    pub(crate) fn list(&self, after: Option<JobNumber>, limit: usize) -> Vec<JobDescription> {
        let later = self.jobs.iter().filter(|(number, _)| after.is_none_or(|after| **number > after));
        later.take(limit).map(|(number, job)| job.describe(*number)).collect()
    }

    /// The jobs that have not ended.
    pub(crate) fn at_work(&self) -> Vec<JobAtWork> {
        let running = self.jobs.iter().filter(|(_, job)| job.end.is_none());
        let running = running.filter_map(|(number, job)| {
            let work = Arc::new(job.work.clone()?);
            Some(JobAtWork { number: *number, work, moved: job.moved, cursor: job.cursor })
        });
        running.collect()
    }

    fn change(&mut self, block: &mut Block, record: JobRecord) {
        // Maps with keys that are no text are all that JSON cannot write, and there are none.
        let bytes = serde_json::to_vec(&record).unwrap_or_default();
        block.push(RecordKind::JOB, &[&bytes]);
        self.apply(record);
    }

    fn apply(&mut self, record: JobRecord) {
        match record {
            JobRecord::Is(number, job) => {
                self.last = self.last.max(number.0);
                self.jobs.insert(number, *job);
            }
            JobRecord::Moved(number, moved, cursor) => {
                if let Some(job) = self.jobs.get_mut(&number) {
                    job.moved += moved;
                    job.cursor = Some(cursor);
                }
            }
            JobRecord::Ended(number, end) => {
                if let Some(job) = self.jobs.get_mut(&number) {
                    (job.work, job.cursor, job.end) = (None, None, Some(end));
                }
                self.forget_oldest();
            }
            JobRecord::Numbered(last) => self.last = self.last.max(last.0),
        }
    }

    fn forget_oldest(&mut self) {
        let ended = || self.jobs.iter().filter(|(_, job)| job.end.is_some());
        let oldest = ended().next().map(|(number, _)| *number);
        if ended().count() > REMEMBERED
            && let Some(oldest) = oldest
        {
            self.jobs.remove(&oldest);
        }
    }

    /// Folds a journaled change; damaged ones cannot occur below a block's checksum and are passed over.
    pub(crate) fn replay(&mut self, record: &[u8]) {
        if let Ok(record) = serde_json::from_slice(record) {
            self.apply(record);
        }
    }

    /// Records that rebuild it.
    pub(crate) fn checkpoint(&self, emit: &mut dyn FnMut(&[u8])) {
        let jobs = self.jobs.iter().map(|(number, job)| JobRecord::Is(*number, Box::new(job.clone())));
        for record in jobs.chain([JobRecord::Numbered(JobNumber(self.last))]) {
            emit(&serde_json::to_vec(&record).unwrap_or_default());
        }
    }
}

impl Job {
    fn describe(&self, number: JobNumber) -> JobDescription {
        JobDescription {
            id: number.0.to_string(),
            kind: self.kind,
            state: self.end.as_ref().map_or(JobState::Running, |end| end.state),
            source: self.source.clone(),
            destination: self.destination.clone(),
            moved: self.moved,
            total: Some(self.total),
            started_at: self.started_at,
            ended_at: self.end.as_ref().map(|end| end.at),
            error: self.end.as_ref().and_then(|end| end.error.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use message::HeaderValue;
    use segment_store::Lsn;

    use super::*;
    use crate::topics::{MessageEdits, MessageFilter, ReplayTarget};

    fn redrive() -> JobStart {
        let filter = MessageFilter { state: Some("ready"), ..MessageFilter::default() };
        let set_headers =
            vec![("n".to_owned(), HeaderValue::Int(-7)), ("f".to_owned(), HeaderValue::Bool(true))];
        let edits = MessageEdits { set_headers, ..MessageEdits::default() };
        let destination = Some(ReplayTarget::Topic("q".to_owned()));
        let spec = RedriveSpec { destination, ids: vec![3, 9], filter, edits, ..RedriveSpec::default() };
        let work = JobWork::Redrive { queue: "dead".to_owned(), id: 4, spec, upto: Some(9) };
        JobStart { destination: Some("q".to_owned()), total: 2, work }
    }

    fn again(block: &Block) -> JobBook {
        let mut book = JobBook::default();
        block.iter().for_each(|(_, _, record)| book.replay(record));
        book
    }

    #[test]
    fn a_job_goes_on_where_it_was_after_a_restart() {
        let mut block = Block::for_test(Lsn(0));
        let mut book = JobBook::default();
        let job = book.start(&mut block, redrive(), Timestamp(5)).unwrap();
        assert!(block.len() <= redrive().bytes());
        let cursor = JobCursor::Message(3);
        book.note(&mut block, JobStep { number: job.number, moved: 1, cursor });
        let back = again(&block);
        let wanted = JobAtWork { moved: 1, cursor: Some(cursor), ..job };
        assert_eq!(back.at_work(), [wanted]);
        assert_eq!(back.describe(JobNumber(1)), book.describe(JobNumber(1)));

        let mut from_checkpoint = JobBook::default();
        book.checkpoint(&mut |record| from_checkpoint.replay(record));
        assert_eq!(from_checkpoint.at_work(), back.at_work());
        let next = from_checkpoint.start(&mut block, redrive(), Timestamp(6)).unwrap();
        assert_eq!(next.number, JobNumber(2));
    }

    #[test]
    fn an_ended_job_stays_ended_and_drops_what_it_was_to_do() {
        let mut block = Block::for_test(Lsn(0));
        let mut book = JobBook::default();
        let number = book.start(&mut block, redrive(), Timestamp(5)).unwrap().number;
        book.end(&mut block, number, JobState::Cancelled, None, Timestamp(7));
        book.end(&mut block, number, JobState::Done, None, Timestamp(9));
        let back = again(&block);
        assert!(back.at_work().is_empty());
        let described = back.describe(number).unwrap();
        assert_eq!((described.state, described.ended_at), (JobState::Cancelled, Some(7)));
        assert!(back.jobs.values().all(|job| job.work.is_none()));
    }

    #[test]
    fn jobs_at_work_and_remembered_are_bounded() {
        let mut block = Block::for_test(Lsn(0));
        let mut book = JobBook::default();
        for _ in 0..AT_WORK {
            book.start(&mut block, redrive(), Timestamp(1)).unwrap();
        }
        assert_eq!(book.start(&mut block, redrive(), Timestamp(1)).unwrap_err().code, ErrorCode::Overloaded);
        for _ in 0..2 * REMEMBERED {
            let number = JobNumber(book.last);
            book.end(&mut block, number, JobState::Done, None, Timestamp(2));
            book.start(&mut block, redrive(), Timestamp(3)).unwrap();
        }
        assert_eq!(book.jobs.len(), AT_WORK + REMEMBERED);
        assert_eq!(again(&block).jobs, book.jobs, "what is forgotten is a fold of the records too");
    }

    #[test]
    fn the_longest_note_fits_what_is_kept_for_it() {
        let cursor = JobCursor::Record { stretch: usize::MAX, next: i64::MAX };
        let record = JobRecord::Moved(JobNumber(u64::MAX), u64::MAX, cursor);
        assert!(serde_json::to_vec(&record).unwrap().len() <= JobStep::BYTES);
    }
}
