use std::collections::VecDeque;

use bytes::Bytes;

use super::binary;
use super::command::Subscription;
use super::encoding::Encoding;
use super::records::EncodedRecords;
use crate::codec::batch::{BatchWriter, RecordsInfo};
use crate::codec::render::{ValueMode, write_message};
use crate::topics::MessageView;

/// Messages of one subscription keep joining one frame until it has this many bytes.
pub const FRAME_TARGET_BYTES: usize = 64 << 10;

/// A complete frame to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// UTF-8.
    Text(Bytes),
    /// Any bytes.
    Binary(Bytes),
    /// A question for a sign of life.
    Ping,
    /// The end, with its code and reason.
    Close(u16, &'static str),
}

impl Outbound {
    /// Bytes of its content.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Outbound::Text(content) | Outbound::Binary(content) => content.len(),
            Outbound::Ping | Outbound::Close(..) => 0,
        }
    }
}

/// Frames that wait to be written, in order.
///
/// The last frame stays open while it carries messages and nobody asked for it, so that messages which arrive while
/// the socket is busy travel together; a frame that the socket can take leaves at once.
#[derive(Debug)]
pub struct Outbox {
    encoding: Encoding,
    frames: VecDeque<Outbound>,
    open: Option<OpenFrame>,
    bytes: usize,
}

#[derive(Debug)]
struct OpenFrame {
    subscription: Subscription,
    count: u32,
    content: Vec<u8>,
    /// The batch of queued messages that is being written, in the binary encoding.
    batch: Option<BatchWriter>,
}

impl Outbox {
    /// Nothing to write yet.
    #[must_use]
    pub fn new(encoding: Encoding) -> Outbox {
        Outbox { encoding, frames: VecDeque::new(), open: None, bytes: 0 }
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes + self.open.as_ref().map_or(0, |open| open.content.len())
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.open.is_none()
    }

    /// Adds a frame behind all others.
    pub fn push(&mut self, frame: Outbound) {
        self.seal();
        self.append(frame);
    }

    /// Adds a reply or an event, in whatever kind of frame the encoding travels in.
    pub fn push_content(&mut self, content: Vec<u8>) {
        let frame = self.encoding.frame(content.into());
        self.push(frame);
    }

    /// Adds a message of a queue.
    pub fn push_message(&mut self, subscription: Subscription, view: &MessageView<'_>, values: ValueMode) {
        let encoding = self.encoding;
        let open = self.frame_for(subscription);
        open.separate(encoding);
        match encoding {
            Encoding::Json => write_message(&mut open.content, view, values),
            Encoding::Binary => {
                let content = &mut open.content;
                open.batch.get_or_insert_with(|| BatchWriter::messages(content)).push(content, view);
            }
        }
        open.count += 1;
        self.seal_if_full();
    }

    /// Adds records of a log that are encoded already: marks `first` up to, without, `last`.
    pub fn push_records(
        &mut self,
        number: Subscription,
        partition: u32,
        records: &EncodedRecords,
        first: usize,
        last: usize,
    ) {
        if first >= last {
            return;
        }
        let encoding = self.encoding;
        let encoded = records.between(first, last);
        let count = (last - first) as u32;
        let open = self.frame_for(number);
        open.separate(encoding);
        if encoding == Encoding::Binary {
            open.end_batch();
            let next_offset = records.marks.get(last).map_or(records.next, |mark| mark.offset);
            let info = RecordsInfo {
                partition,
                next_offset,
                high_watermark: records.high_watermark,
                log_start_offset: records.log_start,
            };
            binary::begin_records(&mut open.content, info, count, encoded.len());
        }
        open.content.extend_from_slice(encoded);
        open.count += count;
        self.seal_if_full();
    }

    /// The open frame of that subscription.
    fn frame_for(&mut self, subscription: Subscription) -> &mut OpenFrame {
        if self.open.as_ref().is_some_and(|open| open.subscription != subscription) {
            self.seal();
        }
        let encoding = self.encoding;
        self.open.get_or_insert_with(|| {
            let mut content = Vec::with_capacity(1024);
            encoding.begin_messages(&mut content, subscription);
            OpenFrame { subscription, count: 0, content, batch: None }
        })
    }

    fn seal_if_full(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.content.len() >= FRAME_TARGET_BYTES) {
            self.seal();
        }
    }

    /// The next frame to write.
    pub fn pop(&mut self) -> Option<Outbound> {
        if self.frames.is_empty() {
            self.seal();
        }
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.bytes();
        Some(frame)
    }

    fn seal(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        open.end_batch();
        self.encoding.end_messages(&mut open.content);
        let frame = self.encoding.frame(open.content.into());
        self.append(frame);
    }

    fn append(&mut self, frame: Outbound) {
        self.bytes += frame.bytes();
        self.frames.push_back(frame);
    }
}

impl OpenFrame {
    fn separate(&mut self, encoding: Encoding) {
        if self.count > 0 {
            self.content.extend_from_slice(encoding.separator());
        }
    }

    fn end_batch(&mut self) {
        if let Some(batch) = self.batch.take() {
            batch.finish(&mut self.content);
        }
    }
}
