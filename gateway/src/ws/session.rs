use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use message::{ErrorCode, Timestamp};

use super::answer::{Answer, Event, Reply};
use super::command::{CommandId, Inbound, Subscription};
use super::effect::{Effect, Outcome};
use super::encoding::Encoding;
use super::held::HeldLeases;
use super::limits::WsLimits;
use super::outbox::{Outbound, Outbox};
use super::subscription::{Feed, unknown};
use crate::refusal::Refusal;

/// Close codes of RFC 6455, section 7.4.1.
pub mod close {
    /// The server goes down.
    pub const GOING_AWAY: u16 = 1001;
    /// Frames that are not what the subprotocol says.
    pub const INVALID_DATA: u16 = 1007;
    /// Broke a rule that is no rule of the subprotocol.
    pub const POLICY: u16 = 1008;
    /// A frame larger than allowed.
    pub const TOO_BIG: u16 = 1009;
    /// The client has to log in, or its login is over. Of the range that applications may use.
    pub const NOT_LOGGED_IN: u16 = 4401;
}

/// The protocol of one socket: frames, outcomes and the time go in, frames and effects come out.
///
/// Feed it with the `handle_*` methods, in any order. After each, carry out what [`Session::poll_effect`] and
/// [`Session::poll_read`] give until they have nothing more, write what [`Session::poll_frame`] gives as far as the
/// socket takes it, and call [`Session::handle_timeout`] at [`Session::poll_timeout`]. It never waits, and knows no
/// socket, clock or lock.
#[derive(Debug)]
pub struct Session {
    pub(super) limits: WsLimits,
    pub(super) outbox: Outbox,
    pub(super) encoding: Encoding,
    pub(super) effects: VecDeque<Effect>,
    pub(super) feeds: HashMap<Subscription, Feed>,
    pub(super) last_subscription: Subscription,
    /// Subscriptions that are being opened.
    pub(super) opening: usize,
    /// Commands whose reply is owed.
    pub(super) in_flight: usize,
    /// Leases that count against credit.
    pub(super) held: HeldLeases,
    /// A moment on both clocks.
    pub(super) epoch: (Instant, Timestamp),
    /// Partitions in line to be read.
    pub(super) readable: VecDeque<(Subscription, u32)>,
    pub(super) protocol_errors: u32,
    /// Whether the client's login is being looked at.
    pub(super) logging_in: bool,
    pub(super) heard: Instant,
    pub(super) pinged: bool,
    pub(super) phase: Phase,
    /// Bytes that may be handed over before [`Session::allow`] allows more; `None` is without bound.
    pub(super) allowance: Option<u64>,
    /// Bytes that were handed over since [`Session::take_delivered`].
    pub(super) delivered: u64,
    /// Bytes of messages that were to be published since [`Session::take_published`].
    pub(super) published: u64,
}

/// How far a socket's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Everything goes.
    Open,
    /// The server goes down: what was begun is finished, at the latest by then.
    Draining(Instant),
    /// The close frame is on its way.
    Closing,
}

impl Session {
    /// A socket that was just opened.
    #[must_use]
    pub fn new(encoding: Encoding, limits: WsLimits, now: Instant, wall: Timestamp) -> Session {
        Session {
            limits,
            outbox: Outbox::new(encoding),
            encoding,
            effects: VecDeque::new(),
            feeds: HashMap::new(),
            last_subscription: 0,
            opening: 0,
            in_flight: 0,
            held: HeldLeases::default(),
            epoch: (now, wall),
            readable: VecDeque::new(),
            protocol_errors: 0,
            logging_in: false,
            heard: now,
            pinged: false,
            phase: Phase::Open,
            allowance: None,
            delivered: 0,
            published: 0,
        }
    }

    /// A frame came in.
    pub fn handle_frame(&mut self, now: Instant, frame: &Inbound) {
        self.heard = now;
        self.pinged = false;
        if self.phase == Phase::Closing || *frame == Inbound::Heartbeat {
            return;
        }
        match self.encoding.decode(frame) {
            Ok(request) => self.handle_command(request.id, request.command),
            Err(bad) => self.handle_bad_frame(bad),
        }
    }

    /// A frame was larger than allowed: the socket cannot go on behind it.
    pub fn handle_oversize(&mut self) {
        let most = self.limits.frame_bytes;
        let refusal =
            Refusal::new(ErrorCode::TooLarge, format!("a frame has at most {most} bytes")).in_field("frame");
        self.push_reply(None, Err(refusal));
        self.close(close::TOO_BIG, "frame too large");
    }

    /// An effect was carried out.
    pub fn handle_outcome(&mut self, now: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Opened { id, subscription, ask, opened } => {
                self.opened(now, id, subscription, &ask, opened)
            }
            Outcome::LoggedIn { id, user } => {
                self.in_flight -= 1;
                self.logging_in = false;
                self.push_reply(Some(id), user.map(|user| match user {
                    Some(_) => Answer::Done,
                    None => Answer::Noted(
                        "no users are configured: every client may do everything, and the token was not checked",
                    ),
                }));
            }
            Outcome::Published { id, results } => {
                self.in_flight -= 1;
                self.push_reply(Some(id), results.map(Answer::Published));
            }
            Outcome::Message { id, answer } => {
                self.in_flight -= 1;
                self.push_reply(Some(id), answer);
            }
            Outcome::Settled { id, settle, results } => {
                self.in_flight -= 1;
                self.extend_leases(&settle, &results);
                self.push_reply(Some(id), results.map(Answer::Settled));
            }
            Outcome::Committed { subscription, result } => self.committed(subscription, result),
            Outcome::Joined { subscription, result } => self.joined(now, subscription, result),
        }
        self.finish_drain();
    }

    /// The server goes down: leases return, what was begun is finished, then the socket is closed.
    pub fn handle_drain(&mut self, now: Instant) {
        if self.phase != Phase::Open {
            return;
        }
        self.phase = Phase::Draining(now + self.limits.drain_timeout);
        self.drop_all();
        let event = self.encoding.event(&Event::Goodbye { retry_after_ms: 1000 });
        self.outbox.push_content(event);
        self.finish_drain();
    }

    /// The client is not who it said any more: what it held returns, and the socket closes.
    pub fn handle_lapse(&mut self, why: &'static str) {
        self.close(close::NOT_LOGGED_IN, why);
    }

    /// The client is gone: what it held returns.
    pub fn handle_gone(&mut self) {
        self.phase = Phase::Closing;
        self.drop_all();
    }

    /// The time of [`Session::poll_timeout`] has come, or any other.
    pub fn handle_timeout(&mut self, now: Instant) {
        let silence = now.saturating_duration_since(self.heard);
        match self.phase {
            Phase::Open if silence >= self.limits.idle_timeout => {
                self.drop_all();
                self.close(close::POLICY, "no sign of life");
            }
            Phase::Open => {
                if silence >= self.limits.ping_after && !self.pinged {
                    self.pinged = true;
                    self.outbox.push(Outbound::Ping);
                }
                self.expire_leases(now);
                self.send_heartbeats(now);
            }
            Phase::Draining(deadline) if now >= deadline => self.close(close::GOING_AWAY, "going down"),
            Phase::Draining(_) | Phase::Closing => {}
        }
    }

    /// When [`Session::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open => {
                let silence = if self.pinged { self.limits.idle_timeout } else { self.limits.ping_after };
                let mut due = self.heard + silence.min(self.limits.idle_timeout);
                for other in [self.next_heartbeat(), self.next_lease_end()].into_iter().flatten() {
                    due = due.min(other);
                }
                Some(due)
            }
            Phase::Draining(deadline) => Some(deadline),
            Phase::Closing => None,
        }
    }

    /// The next thing to be done outside.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next frame to write.
    pub fn poll_frame(&mut self) -> Option<Outbound> {
        self.outbox.pop()
    }

    /// Whether there is something to write.
    #[must_use]
    pub fn has_frames(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether more may be read from the client: not while it is owed too many replies, or takes none.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        // What comes behind a login is asked on behalf of who logged in.
        !self.logging_in
            && self.in_flight < self.limits.commands_in_flight
            && self.outbox.bytes() < 2 * self.limits.outbound_bytes
    }

    /// Whether more may be pulled from the topics.
    #[must_use]
    pub fn wants_deliveries(&self) -> bool {
        self.phase == Phase::Open
            && self.allowance != Some(0)
            && self.outbox.bytes() < self.limits.outbound_bytes
    }

    /// Allows so many bytes of messages to be handed over; the one that uses up the last of them still goes whole.
    pub fn allow(&mut self, bytes: Option<u64>) {
        self.allowance = bytes;
    }

    /// Bytes of messages that were handed over since it was asked last.
    pub fn take_delivered(&mut self) -> u64 {
        std::mem::take(&mut self.delivered)
    }

    /// Bytes of messages that the client wanted to publish since it was asked last.
    pub fn take_published(&mut self) -> u64 {
        std::mem::take(&mut self.published)
    }

    /// Frames came in that are looked at later: the client lives.
    pub fn handle_sign_of_life(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = false;
    }

    /// Whether the close frame was queued: nothing follows it.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.phase == Phase::Closing
    }

    /// How long a write may make no progress while `unflushed` bytes are on their way. It grows with what waits, so that
    /// a slow line may take a large message.
    #[must_use]
    pub fn write_patience(&self, unflushed: usize) -> Duration {
        const SLOWEST_BYTES_PER_MS: u64 = 64;
        let waiting = (unflushed + self.outbox.bytes()) as u64;
        self.limits.write_timeout + Duration::from_millis(waiting / SLOWEST_BYTES_PER_MS)
    }

    pub(super) fn push_reply(&mut self, id: Option<CommandId>, outcome: Result<Answer, Refusal>) {
        let reply = self.encoding.reply(&Reply { id, outcome });
        self.outbox.push_content(reply);
    }

    pub(super) fn feed(&mut self, subscription: Subscription) -> Result<&mut Feed, Refusal> {
        self.feeds.get_mut(&subscription).ok_or_else(|| unknown(subscription))
    }

    pub(super) fn drop_feed(&mut self, subscription: Subscription) {
        if let Some(mut feed) = self.feeds.remove(&subscription) {
            self.abandon_commits(&mut feed);
            self.held.forget(subscription);
            let farewell = feed.farewell();
            self.effects.push_back(Effect::Drop { subscription, farewell });
        }
    }

    fn drop_all(&mut self) {
        let mut open: Vec<Subscription> = self.feeds.keys().copied().collect();
        open.sort_unstable();
        open.into_iter().for_each(|subscription| self.drop_feed(subscription));
    }

    fn finish_drain(&mut self) {
        if matches!(self.phase, Phase::Draining(_)) && self.in_flight == 0 {
            self.close(close::GOING_AWAY, "going down");
        }
    }

    pub(super) fn close(&mut self, code: u16, reason: &'static str) {
        if self.phase != Phase::Closing {
            self.phase = Phase::Closing;
            self.drop_all();
            self.outbox.push(Outbound::Close(code, reason));
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
