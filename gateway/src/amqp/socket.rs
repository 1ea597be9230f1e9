use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use message::ErrorCode;
use tokio::io::Interest;
use tokio::time::sleep_until;
use tracing::debug;

use super::connection::{Connection, Effect, VhostAnswer};
use super::door::{AmqpDoor, Place};
use super::log_reader::LogReader;
use super::login::Mechanism;
use super::metering::{Metering, over};
use super::roster::{Call, Entry, Traffic};
use crate::auth::quota::Measure;
use crate::auth::{Origin, Pass, Waiter};
use crate::tls::{ClientCertificate, Stream};
use crate::topics::session::{ConsumerNumber, Session, SessionEvent};

/// Bytes asked for at a time.
const READ_BYTES: usize = 64 << 10;
/// Stretches written at a time.
const SLICES: usize = 64;
/// Events worked off before the socket gets its turn.
const EVENTS_AT_ONCE: usize = 64;
/// How often a connection looks whether publishers must wait.
const ALARM_CHECK: Duration = Duration::from_millis(500);

/// What tells who a client is, beside what it says.
#[derive(Debug)]
pub(super) enum Proof {
    /// Nothing does.
    None,
    /// Its certificate.
    Certificate(ClientCertificate),
    /// The process that it is part of says which user it acts for.
    Vouched(ClientCertificate),
    /// It is the server itself.
    Own,
}

/// Drives one connection until it ends.
///
/// What drives it is made before the future, which would otherwise keep all arguments beside it.
pub(super) fn serve(
    stream: Stream,
    peer: SocketAddr,
    proof: Proof,
    door: AmqpDoor,
    place: Place,
) -> impl Future<Output = ()> + Send {
    let driver = Driver::begin(stream, peer, proof, door, place);
    async move {
        let Some(driver) = driver else { return };
        if let Err(error) = driver.run().await {
            debug!(%peer, %error, "an AMQP connection broke off");
        }
    }
}

struct Driver {
    connection: Connection,
    entry: Entry,
    traffic: Traffic,
    /// Gone once the connection gave everything back.
    session: Option<Session>,
    readers: HashMap<ConsumerNumber, LogReader>,
    stream: Stream,
    origin: Origin,
    proof: Proof,
    /// Its place in the lobby, until it has logged in.
    waiter: Option<Waiter>,
    /// Ends when the client is not who it said any more.
    lapsed: Pin<Box<dyn Future<Output = &'static str> + Send>>,
    place: Place,
    /// Bytes that were read and do not make a frame yet; without memory while there are none.
    input: BytesMut,
    /// Since when the client takes nothing.
    blocked_since: Option<Instant>,
    metering: Metering,
    door: AmqpDoor,
}

impl Driver {
    /// Takes in whoever connected, if somebody more may be about to log in.
    fn begin(
        stream: Stream,
        peer: SocketAddr,
        proof: Proof,
        door: AmqpDoor,
        place: Place,
    ) -> Option<Box<Driver>> {
        let now = Instant::now();
        let local = stream.local_addr().ok()?;
        // It waits among those who are not known yet until it has logged in.
        let (guard, origin) =
            (door.topics().guard(), Origin { door: "amqp", address: peer.ip().to_canonical() });
        let Some(waiter) = guard.settings().lobby.enter(now) else {
            guard.turned_away(origin, "too many clients are about to log in (auth.max_strangers)");
            debug!(%peer, "too many clients are about to log in (auth.max_strangers)");
            return None;
        };
        // Nothing is done before the login, which says for whom.
        let session = door.topics().acting_for(Pass::Nobody).open_session();
        session.known_as(format!("AMQP connection {peer} -> {local}"));
        Some(Box::new(Driver {
            entry: door.roster().enter(peer, local, session.owner(), session.outlet()),
            traffic: Traffic::default(),
            connection: Connection::new(door.terms(&proof), now),
            session: Some(session),
            readers: HashMap::new(),
            stream,
            origin,
            proof,
            waiter: Some(waiter),
            lapsed: Box::pin(std::future::pending()),
            place,
            input: BytesMut::new(),
            blocked_since: None,
            metering: Metering::default(),
            door,
        }))
    }

    async fn run(mut self: Box<Self>) -> io::Result<()> {
        let token = self.door.drain().token();
        let mut draining = pin!(token.cancelled());
        let mut drained = false;
        let mut timer = pin!(sleep_until((Instant::now() + Duration::from_secs(1)).into()));
        loop {
            self.write()?;
            // What was written gives credit back. A consumer that had none left would otherwise get nothing more until
            // something else happens: nothing is under way that could wake this.
            self.carry_out().await;
            let now = Instant::now();
            // Inside TLS the last of it may be encrypted and not taken by the socket yet.
            let writes = !self.connection.output().is_empty() || self.stream.owes();
            if !writes && self.connection.is_over(now) {
                return Ok(());
            }
            let due = self.due(now);
            if timer.deadline().into_std() != due {
                timer.as_mut().reset(due.into());
            }
            let interest = match (self.wants_bytes(), writes) {
                (true, false) => Some(Interest::READABLE),
                (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
                (false, true) => Some(Interest::WRITABLE),
                (false, false) => None,
            };
            tokio::select! {
                biased;
                event = next_event(&mut self.session) => self.take_events(event),
                ready = ready(&mut self.stream, interest) => {
                    let ready = ready?;
                    if ready.is_readable() && self.wants_bytes() && !self.read()? {
                        return Ok(());
                    }
                }
                () = over(&mut self.metering.held_up) => {
                    self.metering.held_up = None;
                    self.feed();
                }
                () = over(&mut self.metering.paced) => {
                    self.metering.paced = None;
                    self.connection.handle_pace(false);
                }
                () = &mut timer => self.tick()?,
                () = turned_out(self.waiter.as_ref()) => {
                    let why = "no login came, and others want to log in (auth.max_strangers)";
                    self.door.topics().guard().turned_away(self.origin, why);
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
                why = &mut self.lapsed => {
                    self.lapsed = Box::pin(std::future::pending());
                    self.connection.handle_lapse(Instant::now(), why);
                }
                () = &mut draining, if !drained => {
                    drained = true;
                    self.connection.handle_drain(Instant::now());
                }
            }
            self.carry_out().await;
            if self.metering.delivered(self.connection.take_delivered()) {
                self.connection.handle_pace(true);
            }
        }
    }

    /// Whether more is read: of a client that is held up always a little, so that it is noticed when it leaves.
    fn wants_bytes(&self) -> bool {
        if self.is_held_up() { self.input.len() < READ_BYTES } else { self.connection.wants_input() }
    }

    /// Whether what is read of the client has to wait. Who says goodbye is heard at once.
    fn is_held_up(&self) -> bool {
        self.metering.held_up.is_some() && self.connection.is_open()
    }

    /// When time has to be looked at again.
    fn due(&self, now: Instant) -> Instant {
        let write = self.blocked_since.map(|since| since + self.door.limits().write);
        let alarm = self.connection.is_open().then(|| now + ALARM_CHECK);
        let due = [self.connection.poll_timeout(), write].into_iter().flatten().min();
        // An idle connection is not woken for alarms: it looks when it publishes.
        let alarm = alarm.filter(|_| self.connection.is_blocked());
        due.into_iter().chain(alarm).min().unwrap_or(now + Duration::from_secs(3600))
    }

    fn tick(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if self.blocked_since.is_some_and(|since| now >= since + self.door.limits().write) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing"));
        }
        self.connection.handle_alarm(self.door.alarm());
        if self.is_held_up() {
            // Its heartbeats may be among what is not read.
            self.connection.handle_sign_of_life(now);
        }
        self.connection.handle_timeout(now);
        Ok(())
    }

    /// Reads once; answers whether the client is still there.
    fn read(&mut self) -> io::Result<bool> {
        self.input.reserve(READ_BYTES);
        let read = match self.stream.try_read_buf(&mut self.input) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.traffic.received_bytes += read as u64;
        self.traffic.reads += u64::from(read > 0);
        if read > 0 {
            if self.door.alarm().is_some() {
                self.connection.handle_alarm(self.door.alarm());
            }
            self.feed();
        }
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        Ok(true)
    }

    /// Offers what was read.
    fn feed(&mut self) {
        let now = Instant::now();
        if self.is_held_up() {
            return self.connection.handle_sign_of_life(now);
        }
        let used = self.connection.handle_input(now, &self.input);
        self.input.advance(used);
        if self.place.is_too_much(self.connection.assembling_bytes()) {
            self.connection.refuse_assembling(now, self.door.limits().assembling_bytes);
        }
    }

    fn take_events(&mut self, first: SessionEvent) {
        let now = Instant::now();
        self.take_event(now, first);
        for _ in 1..EVENTS_AT_ONCE {
            let Some(event) = self.session.as_mut().and_then(Session::try_next) else { break };
            self.take_event(now, event);
        }
        // What had to wait for these may go on now.
        if !self.input.is_empty() && self.connection.wants_input() {
            self.feed();
        }
    }

    fn take_event(&mut self, now: Instant, event: SessionEvent) {
        let SessionEvent::Called = event else { return self.connection.handle_event(now, event) };
        for call in self.entry.take_calls() {
            match call {
                Call::Report(answer) => {
                    let waiting_bytes = self.connection.output().len() as u64;
                    // Whoever asked may be gone.
                    let _ =
                        answer.send((self.connection.report(), Traffic { waiting_bytes, ..self.traffic }));
                }
                Call::Leave(reason) => self.connection.handle_expulsion(now, &reason),
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.connection.output().is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.connection.output().slices(&mut slices);
            match self.stream.try_write_vectored(&slices[..filled]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.blocked_since = None;
                    self.traffic.sent_bytes += written as u64;
                    self.traffic.writes += 1;
                    self.connection.handle_written(Instant::now(), written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked_since.get_or_insert_with(Instant::now);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.blocked_since = None;
        Ok(())
    }

    async fn carry_out(&mut self) {
        while let Some(effect) = self.connection.poll_effect() {
            match effect {
                Effect::Submit(operations) => {
                    let Some(session) = &self.session else { continue };
                    self.metering.submitted(&operations);
                    if let Err(refusal) = session.submit(operations).await {
                        self.connection.handle_event(Instant::now(), SessionEvent::Failed(refusal));
                    }
                }
                Effect::Login { mechanism, response } => {
                    // In a box, as what is rare and large: its place would stay in every connection's task.
                    let user = Box::pin(self.login(mechanism, &response)).await;
                    self.connection.handle_login(Instant::now(), mechanism, user);
                    self.feed();
                }
                Effect::TurnAway(why) => self.door.topics().guard().turned_away(self.origin, why),
                Effect::Renew { user, secret } => {
                    let pass = Box::pin(self.door.renew(&user, &secret, self.origin)).await;
                    let renewed = pass.is_some();
                    pass.into_iter().for_each(|pass| self.act_for(pass));
                    self.connection.handle_renewal(Instant::now(), renewed);
                    self.feed();
                }
                Effect::OpenVhost(name) => {
                    let answer = self.open_vhost(&name);
                    self.connection.handle_vhost(Instant::now(), answer);
                    self.feed();
                }
                Effect::ReadLog { consumer, log, start, filter, credit } => {
                    let Some(session) = &self.session else { continue };
                    let from = (start, filter);
                    let reader = LogReader::start(consumer, log, from, credit, session.outlet());
                    self.readers.insert(consumer, reader);
                }
                Effect::AllowRecords { consumer, records } => {
                    if let Some(reader) = self.readers.get(&consumer) {
                        reader.allow(records);
                    }
                }
                Effect::StopLog(consumer) => drop(self.readers.remove(&consumer)),
                Effect::Release => {
                    self.readers.clear();
                    if let Some(session) = self.session.take() {
                        session.end(self.connection.take_leases());
                    }
                }
            }
        }
    }
}

impl Driver {
    async fn login(&mut self, mechanism: Mechanism, response: &[u8]) -> Option<String> {
        let (user, pass) = self.door.login(mechanism, response, (self.origin, &self.proof)).await?;
        self.act_for(pass);
        Some(user)
    }

    fn act_for(&mut self, pass: Pass) {
        self.waiter = None;
        let guard = self.door.topics().guard().clone();
        self.metering.act_for(&guard, &pass, self.connection.client_name(), self.origin);
        if let Some(session) = &mut self.session {
            session.act_for(pass.clone(), self.metering.usage().clone());
        }
        let origin = self.origin;
        self.lapsed = match self.proof {
            // The server stays who it is.
            Proof::Own => Box::pin(std::future::pending()),
            _ => Box::pin(async move { guard.lapsed(&pass, origin).await }),
        };
    }

    fn open_vhost(&mut self, name: &str) -> VhostAnswer {
        let Some(session) = &self.session else { return VhostAnswer::Unknown };
        match session.topics().virtual_host(name) {
            Ok(host) => {
                if let Err(full) = self.metering.connect(self.connection.user()) {
                    return full;
                }
                self.connection.limit_window(self.metering.usage().limit(Measure::Consume));
                session.enter(host);
                VhostAnswer::Open
            }
            Err(refusal) if refusal.code == ErrorCode::UnknownVirtualHost => VhostAnswer::Unknown,
            Err(_) => VhostAnswer::Refused,
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            session.end(self.connection.take_leases());
        }
    }
}

/// Ends when a client that has not logged in has to make room.
async fn turned_out(waiter: Option<&Waiter>) {
    match waiter {
        Some(waiter) => waiter.turned_out().await,
        None => std::future::pending().await,
    }
}

async fn next_event(session: &mut Option<Session>) -> SessionEvent {
    match session {
        Some(session) => session.next().await,
        None => std::future::pending().await,
    }
}

async fn ready(stream: &mut Stream, interest: Option<Interest>) -> io::Result<tokio::io::Ready> {
    match interest {
        Some(interest) => stream.ready(interest).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F>(_: impl FnOnce(Box<Driver>) -> F) -> usize {
        size_of::<F>()
    }

    /// Idle connections are many: what each of them takes beside its session and its channels is kept in sight.
    #[test]
    fn an_idle_connection_is_small() {
        let (driver, future) = (size_of::<Driver>(), size_of_future(Driver::run));
        assert!(driver + future <= 2560, "{driver} bytes of a connection and {future} of its task");
    }
}
