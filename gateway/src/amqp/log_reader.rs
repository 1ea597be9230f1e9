use std::sync::Arc;

use futures_channel::mpsc;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::connection::Start;
use super::stream_filter::StreamFilter;
use crate::refusal::Refusal;
use crate::topics::session::{ConsumerNumber, SessionEvent};
use crate::topics::{LogTopic, StartAt};

/// Stored bytes read at a time.
const READ_BYTES: usize = 256 << 10;
/// RabbitMQ's streams have one partition, and so have logs that AMQP reads.
const PARTITION: u32 = 0;

/// Reads a log for one subscription, as far as its credit goes. Dropping it ends the reading.
pub(super) struct LogReader {
    credit: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl LogReader {
    /// Begins to read; records come as [`SessionEvent::Records`].
    pub(super) fn start(
        consumer: ConsumerNumber,
        log: LogTopic,
        (start, filter): (Start, Option<Arc<StreamFilter>>),
        credit: u32,
        outlet: mpsc::UnboundedSender<SessionEvent>,
    ) -> LogReader {
        let credit = Arc::new(Semaphore::new(credit as usize));
        let allowed = Arc::clone(&credit);
        let task = tokio::spawn(async move {
            if let Err(refusal) = read(consumer, &log, start, filter.as_deref(), &allowed, &outlet).await {
                let _ = outlet.unbounded_send(SessionEvent::Records { consumer, chunk: Err(refusal) });
            }
        });
        LogReader { credit, task }
    }

    /// Allows more records.
    pub(super) fn allow(&self, records: u32) {
        self.credit.add_permits(records as usize);
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(
    consumer: ConsumerNumber,
    log: &LogTopic,
    start: Start,
    filter: Option<&StreamFilter>,
    credit: &Semaphore,
    outlet: &mpsc::UnboundedSender<SessionEvent>,
) -> Result<(), Refusal> {
    let mut from = first_offset(log, &start)?;
    loop {
        let mut watch = log.watch_from(PARTITION, from)?;
        watch.changed().await;
        let Ok(permit) = credit.acquire().await else { return Ok(()) };
        permit.forget();
        let extra = credit.available_permits();
        // Where the beginning was cut off meanwhile, reading goes on with what is left.
        from = from.max(log.bounds(PARTITION)?.log_start);
        let mut chunk = log.read(PARTITION, from, READ_BYTES)?;
        let records = match filter {
            Some(filter) => {
                let (wanted, next) = filter.count(&chunk, 1 + extra)?;
                chunk.next_offset = next;
                wanted
            }
            None => {
                chunk = chunk.limited(1 + extra);
                chunk.offsets()?.len()
            }
        };
        from = chunk.next_offset.max(from);
        match records {
            0 => credit.add_permits(1),
            more => {
                let used = (more - 1).min(extra);
                credit.acquire_many(used as u32).await.into_iter().for_each(|permits| permits.forget());
            }
        }
        if records > 0 && outlet.unbounded_send(SessionEvent::Records { consumer, chunk: Ok(chunk) }).is_err()
        {
            return Ok(());
        }
    }
}

fn first_offset(log: &LogTopic, start: &Start) -> Result<i64, Refusal> {
    let bounds = log.bounds(PARTITION)?;
    let at = |start| log.resolve(PARTITION, start);
    Ok(match start {
        Start::First => bounds.log_start,
        // RabbitMQ begins with the last chunk it wrote; the last record is the nearest there is to that.
        Start::Last => (bounds.high_watermark - 1).max(bounds.log_start),
        Start::Next => bounds.high_watermark,
        Start::Offset(offset) => (*offset).max(bounds.log_start),
        Start::Time(ms) => at(StartAt::Time(*ms))?,
        Start::Ago(ms) => at(StartAt::Time(now_ms() - ms))?,
    })
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
