//! Records of a partition, as one page or as a stream that reads on only as fast as it is taken.

use std::ops::ControlFlow;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;

use super::api::Api;
use super::media::Form;
use super::pace::paced;
use crate::codec::batch::{BatchWriter, RecordsInfo};
use crate::codec::render::{ValueMode, integer, write_message};
use crate::refusal::Refusal;
use crate::topics::{Isolation, LogTopic, MessageView, RecordChunk};

/// Stored bytes read at a time when streaming.
const STEP: usize = 512 << 10;

/// How much an answer may hold. One record always fits.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most records.
    pub records: u64,
    /// Most bytes of keys, values and headers, about.
    pub bytes: u64,
}

/// Reads forward through a partition within bounds.
pub struct RecordReader {
    log: LogTopic,
    partition: u32,
    next: i64,
    /// Where a stream ends: what could be read when it began.
    end: i64,
    /// Records from here on are not shown.
    until: i64,
    left: Bounds,
    values: ValueMode,
    isolation: Isolation,
    /// Stored bytes read at a time.
    step: usize,
    chunk: Option<RecordChunk>,
    started: bool,
    finished: bool,
}

impl RecordReader {
    /// A reader from `from` on.
    #[must_use]
    pub fn new(
        log: LogTopic,
        partition: u32,
        from: i64,
        left: Bounds,
        values: ValueMode,
        isolation: Isolation,
    ) -> RecordReader {
        RecordReader {
            log,
            partition,
            next: from,
            end: i64::MAX,
            until: i64::MAX,
            left,
            values,
            isolation,
            step: STEP,
            chunk: None,
            started: false,
            finished: false,
        }
    }

    /// Shows nothing from `until` on.
    pub fn stop_before(&mut self, until: i64) {
        self.until = until;
    }

    /// Reads no more than about so many bytes at a time.
    pub fn step_by(&mut self, bytes: u64) {
        self.step = usize::try_from(bytes).unwrap_or(STEP).clamp(1, STEP);
    }

    /// Reads the first chunk, waiting up to `wait` when there is nothing.
    pub async fn first(&mut self, wait: Duration) -> Result<(), Refusal> {
        let step = self.step();
        let chunk = if wait.is_zero() {
            self.log.read_isolated(self.partition, self.next, step, self.isolation)?
        } else {
            self.log.read_wait(self.partition, self.next, step, wait, self.isolation).await?
        };
        self.end = chunk.end.min(self.until);
        self.chunk = Some(chunk);
        Ok(())
    }

    fn step(&self) -> usize {
        usize::try_from(self.left.bytes).unwrap_or(usize::MAX).clamp(1, self.step)
    }

    /// Shows the records of the chunk at hand, as far as the bounds allow.
    fn show(&mut self, show: &mut dyn FnMut(&MessageView<'_>)) -> Result<(), Refusal> {
        let Some(chunk) = self.chunk.take() else { return Ok(()) };
        let RecordReader { left, started, next, until, .. } = self;
        let mut full = false;
        chunk.for_each(&mut |view| {
            let size = size_of(&view);
            let beyond = matches!(view.place, crate::topics::Place::Log { offset, .. } if offset >= *until);
            if beyond || left.records == 0 || (*started && size > left.bytes) {
                full = true;
                return ControlFlow::Break(());
            }
            *started = true;
            left.records -= 1;
            left.bytes = left.bytes.saturating_sub(size);
            if let crate::topics::Place::Log { offset, .. } = view.place {
                *next = offset + 1;
            }
            show(&view);
            ControlFlow::Continue(())
        })?;
        if full {
            self.finished = true;
        } else {
            // What follows the last shown record in the chunk is nothing to show: compacted away, aborted, or a marker.
            let stuck = chunk.next_offset <= self.next && chunk.is_empty();
            self.next = self.next.max(chunk.next_offset);
            self.finished = stuck || self.left.records == 0 || self.next >= self.end;
        }
        Ok(())
    }

    /// Gets the next chunk unless the end is reached.
    fn advance(&mut self) -> Result<(), Refusal> {
        if !self.finished && self.chunk.is_none() {
            let (next, step) = (self.next, self.step());
            self.chunk = Some(self.log.read_isolated(self.partition, next, step, self.isolation)?);
        }
        Ok(())
    }

    /// One JSON document.
    pub async fn page(mut self) -> Result<Vec<u8>, Refusal> {
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(b"{\"records\":[");
        let values = self.values;
        let mut first = true;
        loop {
            self.show(&mut |view| {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                write_message(&mut out, view, values);
            })?;
            if self.finished {
                break;
            }
            self.advance()?;
        }
        out.extend_from_slice(b"],");
        self.write_position(&mut out)?;
        out.push(b'}');
        Ok(out)
    }

    fn write_position(&self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let bounds = self.log.bounds(self.partition)?;
        out.extend_from_slice(b"\"next_offset\":");
        integer(out, self.next);
        out.extend_from_slice(b",\"high_watermark\":");
        integer(out, bounds.high_watermark.max(self.next));
        out.extend_from_slice(b",\"last_stable_offset\":");
        integer(out, bounds.last_stable_offset);
        out.extend_from_slice(b",\"log_start_offset\":");
        integer(out, bounds.log_start);
        Ok(())
    }

    /// A body that is made while it is sent. What goes wrong on the way ends the connection: the status is out.
    pub fn stream(self, api: Api, form: Form) -> Body {
        Body::from_stream(paced(
            api,
            stream::unfold(Some(self), move |reader| async move {
                let mut reader = reader?;
                match reader.piece(form) {
                    Ok(piece) => Some((Ok(piece), Some(reader).filter(|reader| !reader.is_over()))),
                    Err(refusal) => Some((Err(refusal), None)),
                }
            }),
        ))
    }

    fn is_over(&self) -> bool {
        self.finished && self.chunk.is_none()
    }

    fn piece(&mut self, form: Form) -> Result<Bytes, Refusal> {
        self.advance()?;
        let mut out = Vec::with_capacity(STEP + (STEP >> 2));
        if form == Form::Batch {
            let bounds = self.log.bounds(self.partition)?;
            let info = RecordsInfo {
                partition: self.partition,
                next_offset: self.next,
                high_watermark: bounds.high_watermark,
                log_start_offset: bounds.log_start,
            };
            let mut batch = BatchWriter::records(&mut out, info);
            self.show(&mut |view| batch.push(&mut out, view))?;
            batch.set_next_offset(&mut out, self.next);
            batch.finish(&mut out);
        } else {
            let values = self.values;
            self.show(&mut |view| {
                write_message(&mut out, view, values);
                out.push(b'\n');
            })?;
            if self.finished {
                out.push(b'{');
                self.write_position(&mut out)?;
                out.extend_from_slice(b"}\n");
            }
        }
        Ok(out.into())
    }
}

/// What counts against `bytes`.
fn size_of(view: &MessageView<'_>) -> u64 {
    let headers = match &view.headers {
        crate::topics::HeadersView::Record(list) => {
            list.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum()
        }
        crate::topics::HeadersView::Table(table) => table.as_bytes().len(),
    };
    (headers + view.key.map_or(0, <[u8]>::len) + view.value.map_or(0, <[u8]>::len)) as u64
}
