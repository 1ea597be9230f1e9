use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{Sink, Stream, StreamExt};
use tokio::time::{Sleep, sleep_until};

use super::client::Client;
use super::command::{Inbound, Subscription};
use super::door::{Place, WsDoor};
use super::effect::Effect;
use super::encoding::Encoding;
use super::errand::{self, Done};
use super::metering::Metering;
use super::outbox::Outbound;
use super::session::Session;
use super::sources::Sources;
use crate::auth::Origin;

/// Frames read before anything else gets its turn.
const FRAMES_AT_ONCE: usize = 64;
/// Rounds before other sockets get their turn.
const ROUNDS_AT_ONCE: usize = 16;
/// How long the client may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Drives one socket until it ends.
pub fn serve(
    socket: WebSocket,
    door: WsDoor,
    client: Client,
    encoding: Encoding,
    (place, metering): (Place, Metering),
) -> impl Future<Output = ()> {
    let now = Instant::now();
    let session = Session::new(encoding, *door.limits(), now, door.topics().now());
    // In a box: an async function keeps a place for each argument beside the one that it ends up in.
    let driver = Box::new(Driver {
        socket,
        session,
        sources: Sources::default(),
        lapsed: lapse(&door, client.origin),
        door,
        client,
        encoding,
        grants: Vec::new(),
        metering,
        unflushed: 0,
        blocked_since: None,
        closing_since: None,
        closed: false,
        deaf: false,
        _place: place,
    });
    drive(driver, now)
}

async fn drive(mut driver: Box<Driver>, now: Instant) {
    // In boxes: a set keeps room for one of what it holds, also while it is empty.
    let mut errands = FuturesUnordered::new();
    let mut timer = pin!(sleep_until((now + Duration::from_secs(1)).into()));
    let token = driver.door.drain().token();
    let mut draining = pin!(token.cancelled());
    let mut drained = false;
    std::future::poll_fn(|cx| {
        for _ in 0..ROUNDS_AT_ONCE {
            let now = Instant::now();
            let mut moved = match driver.read(cx, now) {
                Ok(moved) => moved,
                Err(Gone) => return Poll::Ready(()),
            };
            if !drained && draining.as_mut().poll(cx).is_ready() {
                drained = true;
                moved = true;
                driver.session.handle_drain(now);
            }
            if let Poll::Ready(why) = driver.lapsed.as_mut().poll(cx) {
                driver.lapsed = Box::pin(std::future::pending());
                moved = true;
                driver.session.handle_lapse(why);
            }
            while let Some(effect) = driver.session.poll_effect() {
                if let Some(effect) = driver.apply(effect) {
                    let (door, client) = (driver.door.clone(), driver.client.clone());
                    errands.push(Box::pin(errand::run(door, client, driver.encoding, effect)));
                }
            }
            while let Poll::Ready(Some(done)) = errands.poll_next_unpin(cx) {
                moved = true;
                driver.finish(now, done);
            }
            driver.grant();
            moved |= driver.pull(cx);
            moved |= driver.tick(cx, timer.as_mut(), now);
            match driver.write(cx, now) {
                Ok(wrote) => moved |= wrote,
                Err(Gone) => return Poll::Ready(()),
            }
            if !moved {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    driver.farewell();
}

type Lapsed = Pin<Box<dyn Future<Output = &'static str> + Send>>;

/// Ends when the client of a door is not who it said any more, or does not say it in time.
fn lapse(door: &WsDoor, origin: Origin) -> Lapsed {
    let (guard, pass) = (door.topics().guard().clone(), door.topics().pass().clone());
    Box::pin(async move { guard.lapsed(&pass, origin).await })
}

/// The socket is over: closed, broken, or given up.
struct Gone;

struct Driver {
    socket: WebSocket,
    session: Session,
    sources: Sources,
    door: WsDoor,
    client: Client,
    /// Ends when the client is not who it said any more.
    lapsed: Lapsed,
    encoding: Encoding,
    /// Credit to be granted in this round.
    grants: Vec<(Subscription, u32, u64)>,
    metering: Metering,
    /// Bytes handed to the network and not known to be taken.
    unflushed: usize,
    /// Since when the client has taken nothing.
    blocked_since: Option<Instant>,
    /// When the session was done with this socket: the client has a moment to take the rest and to answer.
    closing_since: Option<Instant>,
    /// Whether the close frame was written.
    closed: bool,
    /// Whether nothing can be read any more: what follows a frame that is too large cannot be told apart.
    deaf: bool,
    _place: Place,
}

impl Driver {
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Gone> {
        let mut moved = self.metering.poll_held_up(cx);
        for _ in 0..FRAMES_AT_ONCE {
            let is_held_up = self.metering.is_held_up() && !self.session.is_closing();
            let wanted = match is_held_up {
                true => self.metering.has_room_ahead(),
                false => self.session.wants_frames() || self.session.is_closing(),
            };
            if is_held_up && !wanted {
                // Its signs of life may be among what is not read.
                self.session.handle_sign_of_life(now);
            }
            if self.deaf || !wanted {
                break;
            }
            if !is_held_up && let Some(kept) = self.metering.next_kept() {
                moved = true;
                self.command(now, &kept);
                continue;
            }
            let Poll::Ready(message) = Pin::new(&mut self.socket).poll_next(cx) else { break };
            moved = true;
            let frame = match message {
                Some(Ok(Message::Text(text))) => Inbound::Text(text.into()),
                Some(Ok(Message::Binary(bytes))) => Inbound::Binary(bytes),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    self.session.handle_frame(now, &Inbound::Heartbeat);
                    continue;
                }
                // The answer to it is written by the next flush; then the stream ends.
                Some(Ok(Message::Close(_))) => continue,
                Some(Err(error)) => {
                    if self.session.is_closing() || !is_oversize(&error) {
                        return Err(Gone);
                    }
                    self.deaf = true;
                    self.session.handle_oversize();
                    continue;
                }
                None => return Err(Gone),
            };
            if is_held_up {
                self.session.handle_sign_of_life(now);
                self.metering.keep(frame);
            } else {
                self.command(now, &frame);
            }
        }
        Ok(moved)
    }

    /// Takes a command, and what it uses of the quota: if it is too much, the next one has to wait.
    fn command(&mut self, now: Instant, frame: &Inbound) {
        self.session.handle_frame(now, frame);
        self.metering.commanded(&mut self.session);
    }

    /// Carries out what takes no time; answers what does.
    fn apply(&mut self, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Grant { subscription, messages, bytes } => {
                self.grants.push((subscription, messages, bytes))
            }
            Effect::Pause(subscription) => {
                if let Some(queue) = self.sources.queue(subscription) {
                    queue.pause();
                }
            }
            Effect::Resume(subscription) => {
                if let Some(queue) = self.sources.queue(subscription) {
                    queue.resume();
                }
            }
            Effect::Watch { subscription, partition, from } => {
                self.sources.watch(&mut self.session, subscription, partition, from);
            }
            Effect::Drop { subscription, farewell } => {
                self.sources.remove(subscription);
                if let Some(farewell) = farewell {
                    self.door.drain().track(errand::leave(self.door.clone(), farewell));
                }
            }
            slow => return Some(slow),
        }
        None
    }

    /// Grants credit behind the settling that freed it: errands that were just begun have reached the owner by now.
    fn grant(&mut self) {
        for (subscription, messages, bytes) in self.grants.drain(..) {
            if let Some(queue) = self.sources.queue(subscription) {
                queue.credit(messages, bytes);
            }
        }
    }

    fn finish(&mut self, now: Instant, done: Option<Done>) {
        let Some(Done { mut outcome, source, pass }) = done else { return };
        if let (Some(pass), super::effect::Outcome::LoggedIn { user, .. }) = (pass, &mut outcome) {
            match self.metering.act_for(&self.door, &pass, self.client.origin) {
                Ok(usage) => {
                    self.door = self.door.acting_for(pass).measured_by(usage);
                    self.lapsed = lapse(&self.door, self.client.origin);
                }
                Err(full) => *user = Err(full.is_reached()),
            }
        }
        if let (Some(source), super::effect::Outcome::Opened { subscription, .. }) = (source, &outcome) {
            self.sources.insert(*subscription, source);
        }
        self.session.handle_outcome(now, outcome);
    }

    /// Takes messages as far as there is room for them.
    fn pull(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = self.metering.allow(cx, &mut self.session);
        moved |= self.sources.poll(cx, &mut self.session);
        while let Some(request) = self.session.poll_read() {
            moved = true;
            self.sources.read(&mut self.session, request);
        }
        self.metering.handed_over(&mut self.session);
        moved
    }

    /// Lets time pass. The timer is only set anew when it rang or would ring too late.
    fn tick(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>, now: Instant) -> bool {
        let rang = timer.as_mut().poll(cx).is_ready();
        if rang {
            self.session.handle_timeout(now);
        }
        let write_due = self.blocked_since.map(|since| since + self.session.write_patience(self.unflushed));
        let close_due = self.closing_since.map(|at| at + CLOSE_TIMEOUT);
        let due = [self.session.poll_timeout(), write_due, close_due].into_iter().flatten().min();
        let due = due.unwrap_or(now + Duration::from_secs(1));
        if rang || due < timer.deadline().into_std() {
            // Never in the past, or one thing that is due would be asked for without end.
            timer.as_mut().reset(due.max(now + Duration::from_millis(1)).into());
            let _ = timer.as_mut().poll(cx);
        }
        rang
    }

    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Gone> {
        let mut moved = false;
        if self.session.is_closing() {
            self.closing_since.get_or_insert(now);
        }
        while !self.closed && self.session.has_frames() {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Err(Gone),
                Poll::Pending => break,
            }
            let Some(frame) = self.session.poll_frame() else { break };
            moved = true;
            self.blocked_since = None;
            self.closed = matches!(frame, Outbound::Close(..));
            self.unflushed += frame.bytes();
            let message = message(frame).ok_or(Gone)?;
            Pin::new(&mut self.socket).start_send(message).map_err(|_| Gone)?;
        }
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Ready(Ok(())) if self.deaf && self.closed => return Err(Gone),
            Poll::Ready(Ok(())) => {
                self.unflushed = 0;
                self.blocked_since = None;
            }
            // After a close this is how the end looks.
            Poll::Ready(Err(_)) => return Err(Gone),
            Poll::Pending => {
                self.blocked_since.get_or_insert(now);
            }
        }
        let stuck = self
            .blocked_since
            .is_some_and(|since| now >= since + self.session.write_patience(self.unflushed));
        let unanswered = self.closing_since.is_some_and(|at| now >= at + CLOSE_TIMEOUT);
        if stuck || unanswered { Err(Gone) } else { Ok(moved) }
    }

    /// The client is gone: what it held returns at once.
    fn farewell(mut self) {
        self.session.handle_gone();
        self.sources.clear();
        while let Some(effect) = self.session.poll_effect() {
            if let Effect::Drop { farewell: Some(farewell), .. } = effect {
                self.door.drain().track(errand::leave(self.door.clone(), farewell));
            }
        }
    }
}

fn message(frame: Outbound) -> Option<Message> {
    Some(match frame {
        Outbound::Text(content) => Message::Text(Utf8Bytes::try_from(content).ok()?),
        Outbound::Binary(content) => Message::Binary(content),
        Outbound::Ping => Message::Ping(Bytes::new()),
        Outbound::Close(code, reason) => Message::Close(Some(CloseFrame { code, reason: reason.into() })),
    })
}

fn is_oversize(error: &axum::Error) -> bool {
    // The error's type belongs to a crate below axum; its text is what it is known by.
    let text = error.to_string();
    text.contains("too long") || text.contains("Space limit exceeded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F>(_: impl FnOnce(Box<Driver>, Instant) -> F) -> usize {
        size_of::<F>()
    }

    /// Sockets that do nothing are many: what each of them takes beside its read buffer is kept in sight.
    #[test]
    fn an_idle_socket_is_small() {
        let (driver, future) = (size_of::<Driver>(), size_of_future(drive));
        assert!(driver + future <= 3 << 10, "{driver} bytes of a socket and {future} of its task");
    }
}
