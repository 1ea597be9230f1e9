//! A log over all its partitions as server-sent events.

use std::ops::ControlFlow;

use axum::body::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::select_all;
use message::ErrorCode;

use super::api::Api;
use super::events::{COMMENT, HEARTBEAT, begin, end};
use super::problem::Problem;
use crate::codec::cursor;
use crate::codec::render::{ValueMode, write_message};
use crate::refusal::Refusal;
use crate::topics::{LogTopic, Place, StartAt};

/// Stored bytes read from one partition at a time, and events sent in one piece, about.
const STEP: usize = 64 << 10;

/// Reads on only as fast as the client takes it.
pub struct LogEvents {
    api: Api,
    log: LogTopic,
    scope: String,
    /// The next offset of each partition.
    positions: Vec<(u32, i64)>,
    /// The partition that is read next, so that none starves.
    turn: usize,
    values: ValueMode,
}

impl LogEvents {
    /// From `resume`, the id of the last event that the client saw, or from `start`.
    pub fn open(
        api: Api,
        log: LogTopic,
        start: StartAt,
        resume: Option<&str>,
        values: ValueMode,
    ) -> Result<LogEvents, Problem> {
        let scope = format!("events {}", log.name());
        let known = match resume {
            Some(id) => Some(cursor::positions(&scope, "Last-Event-ID", id)?),
            None => None,
        };
        let mut positions = Vec::with_capacity(log.partitions() as usize);
        for partition in 0..log.partitions() {
            let resumed = known.as_ref().map(|known| {
                // A partition that was added meanwhile is read from its start.
                known.iter().find(|(have, _)| *have == partition).map_or(0, |(_, offset)| *offset)
            });
            let position = match resumed {
                Some(offset) => offset,
                None => log.resolve(partition, start)?,
            };
            positions.push((partition, position));
        }
        Ok(LogEvents { api, log, scope, positions, turn: 0, values })
    }

    /// A first line with the position, so that a client that breaks off before the first event resumes from here.
    #[must_use]
    pub fn opening(&self) -> Bytes {
        format!("id: {}\n", cursor::at_positions(&self.scope, &self.positions)).into()
    }

    /// The next events, or a sign of life; `None` when the server goes down.
    pub async fn next(&mut self) -> Option<Result<Bytes, Refusal>> {
        loop {
            if self.api.drain().has_begun() {
                return None;
            }
            // Watches first: what comes between reading and waiting must wake us.
            let mut watches = Vec::with_capacity(self.positions.len());
            for (partition, position) in &self.positions {
                match self.log.watch_from(*partition, *position) {
                    Ok(watch) => watches.push(watch),
                    Err(refusal) => return Some(Err(refusal)),
                }
            }
            match self.read() {
                Ok(piece) if !piece.is_empty() => return Some(Ok(piece.into())),
                Ok(_) => {}
                Err(refusal) => return Some(Err(refusal)),
            }
            let changes = watches.iter_mut().map(|watch| watch.changed().boxed());
            tokio::select! {
                _ = select_all(changes) => {
                    // A deleted log rings its bells, too.
                    if let Err(refusal) = self.api.topics().log(self.log.name().as_str()) {
                        return Some(Err(refusal));
                    }
                }
                () = tokio::time::sleep(HEARTBEAT) => return Some(Ok(Bytes::from_static(COMMENT))),
                () = self.api.drain().begun() => return None,
            }
        }
    }

    /// What can be read now, of one partition after the other, up to a piece.
    fn read(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut out = Vec::new();
        for _ in 0..self.positions.len() {
            if out.len() >= STEP {
                break;
            }
            let at = self.turn % self.positions.len();
            self.turn = at + 1;
            let Some((partition, position)) = self.positions.get(at).copied() else { break };
            let chunk = match self.log.read(partition, position, STEP) {
                Err(refusal) if refusal.code == ErrorCode::OffsetOutOfRange => {
                    // Retention overtook this reader: go on at the first record that is left.
                    let start = self.log.bounds(partition)?.log_start;
                    self.log.read(partition, start, STEP)?
                }
                read => read?,
            };
            let LogEvents { positions, scope, values, .. } = self;
            chunk.for_each(&mut |view| {
                if let Place::Log { offset, .. } = view.place
                    && let Some(position) = positions.get_mut(at)
                {
                    position.1 = offset + 1;
                }
                begin(&mut out, &cursor::at_positions(scope, positions));
                write_message(&mut out, &view, *values);
                end(&mut out);
                ControlFlow::Continue(())
            })?;
            if let Some(position) = positions.get_mut(at) {
                position.1 = position.1.max(chunk.next_offset);
            }
        }
        Ok(out)
    }
}
