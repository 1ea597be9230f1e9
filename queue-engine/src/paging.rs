use std::io;
use std::sync::Arc;

use bytes::Bytes;
use segment_store::{JournalReader, Lsn};

use crate::config::EngineConfig;
use crate::envelope::read_message;
use crate::ledger::Ledger;
use crate::message::Message;
use crate::queue::Queue;

/// Reads back what the engine pushed into the journal's blocks.
///
/// The engine asks only for positions in blocks that were written before the last [`take_outbox`].
///
/// [`take_outbox`]: crate::QueueEngine::take_outbox
pub trait BodyReader: Send + Sync {
    /// Exactly `len` bytes from `lsn` on, headers of records and blocks in between included. Ranges that cross a
    /// block or a segment may be refused; a range within one record may not.
    fn read(&self, lsn: Lsn, len: u32) -> io::Result<Bytes>;
}

impl BodyReader for JournalReader {
    fn read(&self, lsn: Lsn, len: u32) -> io::Result<Bytes> {
        JournalReader::read(self, lsn, len).map_err(io::Error::other)
    }
}

/// Most messages that one read brings back.
const READ_AHEAD_MESSAGES: usize = 4096;

/// A message's memory: the slot's own, or the journal's, with those that leave next brought along.
pub(crate) fn load(
    queue: &mut Queue,
    sequence: u64,
    ledger: &mut Ledger,
    config: &EngineConfig,
    reader: Option<&dyn BodyReader>,
) -> Result<Arc<Message>, String> {
    let slot = queue.slots.get(sequence).ok_or("it is gone")?;
    if let Some(message) = &slot.message {
        return Ok(message.clone());
    }
    let reader = reader.ok_or("no reader of the journal is attached")?;
    let (start, len) = (slot.lsn, slot.envelope_len);
    let room = config.queue_memory_bytes.saturating_sub(queue.counts.loaded);
    let room = room.min(config.memory_bytes.saturating_sub(ledger.loaded)).min(config.read_ahead_bytes);
    let window = start.plus(room.max(u64::from(len)));
    let mut ahead: Vec<(u64, Lsn, u32)> = Vec::new();
    let mut budget = room;
    for (next, slot) in queue.ready_in_order().take(READ_AHEAD_MESSAGES) {
        let end = slot.lsn.plus(u64::from(slot.envelope_len));
        if next == sequence || slot.message.is_some() {
            continue;
        }
        // What it will count once it is loaded is not known yet; this is close for small and for large bodies.
        let cost = u64::from(slot.envelope_len) + 256;
        if slot.lsn < start || end > window || cost > budget {
            break;
        }
        budget -= cost;
        ahead.push((next, slot.lsn, slot.envelope_len));
    }
    let end = ahead.iter().map(|(_, lsn, len)| lsn.plus(u64::from(*len)));
    let end = end.max().unwrap_or(start).max(start.plus(u64::from(len)));
    let wide = u32::try_from(end.0 - start.0).map_err(|_| "the window is too wide")?;
    let chunk = if ahead.is_empty() { None } else { reader.read(start, wide).ok() };
    let chunk = chunk.filter(|chunk| chunk.len() == wide as usize);
    let origin = queue.origin.clone();
    let fetch = |lsn: Lsn, len: u32| {
        let envelope = match &chunk {
            // A copy of its own, so that a message that stays does not keep the whole chunk.
            Some(chunk) => {
                let from = (lsn.0 - start.0) as usize;
                let part = chunk.get(from..from + len as usize);
                Bytes::copy_from_slice(part.ok_or("the chunk is too short")?)
            }
            // The window crosses blocks or segments. What lies next to each other is still cheap to read in a row.
            None => reader.read(lsn, len).map_err(|error| error.to_string())?,
        };
        read_message(&envelope, &origin).map(Arc::new).map_err(|_| NOT_A_MESSAGE.to_owned())
    };
    let message = fetch(start, len)?;
    for (next, lsn, len) in ahead {
        let Ok(message) = fetch(lsn, len) else { break };
        queue.keep(next, &message, ledger);
    }
    Ok(message)
}

const NOT_A_MESSAGE: &str = "the journal holds something else there";

/// A message's memory without disturbing the queue.
pub(crate) fn peek(
    queue: &Queue,
    sequence: u64,
    reader: Option<&dyn BodyReader>,
) -> Result<Arc<Message>, String> {
    let slot = queue.slots.get(sequence).ok_or("it is gone")?;
    if let Some(message) = &slot.message {
        return Ok(message.clone());
    }
    let reader = reader.ok_or("no reader of the journal is attached")?;
    let envelope = reader.read(slot.lsn, slot.envelope_len).map_err(|error| error.to_string())?;
    let message = read_message(&envelope, &queue.origin).ok();
    message.map(Arc::new).ok_or_else(|| NOT_A_MESSAGE.to_owned())
}
