//! What a socket's use is measured by, and how long it is held up: no more commands are taken of a client that published
//! or asked too much, and nothing more is handed over to one that got too much.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Context;

use super::command::Inbound;
use super::door::WsDoor;
use super::session::Session;
use crate::auth::quota::{InForce, Measure};
use crate::auth::{ConnectionUsage, Origin, Pass, Usage};

/// Frames and bytes of them that are read ahead of a client that is held up, so that it is noticed when it leaves.
const AHEAD_FRAMES: usize = 64;
const AHEAD_BYTES: usize = 64 << 10;

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The metering of one socket.
#[derive(Default)]
pub struct Metering {
    usage: Usage,
    measured: ConnectionUsage,
    held_up: Option<Wait>,
    paced: Option<Wait>,
    ahead: VecDeque<Inbound>,
    ahead_bytes: usize,
}

impl Metering {
    /// The client is whoever the door acts for from now on; nobody is measured before a login that is due.
    ///
    /// # Errors
    /// When they have as many connections as a quota allows.
    pub fn act_for(&mut self, door: &WsDoor, pass: &Pass, origin: Origin) -> Result<Usage, Box<InForce>> {
        let user = match pass {
            Pass::Nobody => return Ok(Usage::default()),
            Pass::Open => None,
            Pass::As(caller) => Some(caller.user()),
        };
        self.usage = Usage::default();
        self.usage = self.measured.of(door.topics().guard(), user, None, origin)?;
        Ok(self.usage.clone())
    }

    /// Whether commands have to wait.
    pub fn is_held_up(&self) -> bool {
        self.held_up.is_some()
    }

    /// Looks whether commands may be taken again; answers whether that is news.
    pub fn poll_held_up(&mut self, cx: &mut Context<'_>) -> bool {
        let over = self.held_up.as_mut().is_some_and(|wait| wait.as_mut().poll(cx).is_ready());
        if over {
            self.held_up = None;
        }
        over
    }

    /// Takes what a command used.
    pub fn commanded(&mut self, session: &mut Session) {
        let published = session.take_published();
        let waits = [(Measure::Requests, 1), (Measure::Produce, published)];
        let waits = waits.map(|(measure, amount)| (self.usage.take(measure, amount), measure));
        if let Some((wait, measure)) =
            waits.into_iter().max_by_key(|(wait, _)| *wait).filter(|(wait, _)| !wait.is_zero())
        {
            let usage = self.usage.clone();
            self.held_up = Some(Box::pin(async move { usage.waited(measure, wait).await }));
        }
    }

    /// Whether more frames may be read while commands have to wait.
    pub fn has_room_ahead(&self) -> bool {
        self.ahead.len() < AHEAD_FRAMES && self.ahead_bytes < AHEAD_BYTES
    }

    /// Keeps a frame until its command may be taken.
    pub fn keep(&mut self, frame: Inbound) {
        self.ahead_bytes += bytes(&frame);
        self.ahead.push_back(frame);
    }

    /// The next frame that was kept.
    pub fn next_kept(&mut self) -> Option<Inbound> {
        let frame = self.ahead.pop_front()?;
        self.ahead_bytes -= bytes(&frame);
        Some(frame)
    }

    /// Allows the session what the quota allows to hand over; answers whether a wait for it is over.
    pub fn allow(&mut self, cx: &mut Context<'_>, session: &mut Session) -> bool {
        let mut news = false;
        loop {
            if let Some(wait) = &mut self.paced {
                if wait.as_mut().poll(cx).is_pending() {
                    session.allow(Some(0));
                    return news;
                }
                self.paced = None;
                news = true;
            }
            let wait = self.usage.wait(Measure::Consume);
            if wait.is_zero() {
                session.allow(self.usage.left(Measure::Consume));
                return news;
            }
            let usage = self.usage.clone();
            self.paced = Some(Box::pin(async move { usage.waited(Measure::Consume, wait).await }));
        }
    }

    /// Takes what was handed over.
    pub fn handed_over(&mut self, session: &mut Session) {
        let bytes = session.take_delivered();
        if bytes > 0 {
            self.usage.take(Measure::Consume, bytes);
        }
    }
}

fn bytes(frame: &Inbound) -> usize {
    match frame {
        Inbound::Text(bytes) | Inbound::Binary(bytes) => bytes.len(),
        Inbound::Heartbeat => 0,
    }
}
