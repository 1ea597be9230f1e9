use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use kafka_wire::RequestHeader;
use tokio::io::Interest;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{debug, info};

use super::api::{self, Client};
use super::broker::Endpoint;
use super::door::KafkaDoor;
use super::frames::Frames;
use super::in_flight::{Answer, InFlight};
use super::login::Login;
use super::metering::Metering;
use crate::auth::Pass;
use crate::tls::{ClientCertificate, Stream};

/// Frames up to this size need no permit: each connection may buffer as much.
const FREE_FRAME_BYTES: usize = 64 << 10;
/// What a client may send that has to log in first: as much as Kafka's `sasl.server.max.receive.size`.
const LOGIN_FRAME_BYTES: usize = 512 << 10;
/// Answers that may wait to be written before further requests are answered.
const OUT_BYTES: usize = 1 << 20;
/// Pieces given to one system call.
const WRITE_PIECES: usize = 64;
/// How long what is under way may take once a client sends no more.
const HALF_CLOSED: Duration = Duration::from_secs(5);

/// Serves one client until it leaves, misbehaves, stands still for too long, or the process goes down.
pub async fn run(
    stream: Stream,
    peer: SocketAddr,
    certificate: Option<ClientCertificate>,
    endpoint: Endpoint,
    door: KafkaDoor,
) {
    let address = peer.ip().to_canonical();
    let number = door.number_connection();
    let connection = Connection {
        frames: Frames::new(door.config().max_request_bytes),
        client: Arc::new(Client {
            host: address.to_string(),
            connection: number,
            endpoint,
            login: Login::new(door.topics().guard(), address, certificate),
            metering: Metering::default(),
        }),
        watched: None,
        lapsed: Box::pin(std::future::pending()),
        in_flight: InFlight::default(),
        held_up: None,
        out: VecDeque::new(),
        out_bytes: 0,
        permit: None,
        moved: Instant::now(),
        ending: None,
        door: door.clone(),
        stream,
    };
    match connection.serve().await {
        Ok(()) => {}
        Err(End::Client(error)) => debug!(%peer, %error, "a Kafka client went away"),
        Err(End::Protocol(why)) => info!(%peer, why, "closed a Kafka connection"),
    }
    api::disconnected(&door, number).await;
}

/// Why a connection ended before the client closed it in good order.
enum End {
    Client(io::Error),
    Protocol(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        End::Client(error)
    }
}

struct Connection {
    stream: Stream,
    door: KafkaDoor,
    client: Arc<Client>,
    /// For whom `lapsed` watches, which ends when they are not who they said any more.
    watched: Option<Pass>,
    lapsed: Pin<Box<dyn Future<Output = &'static str> + Send>>,
    frames: Frames,
    in_flight: InFlight,
    /// Ends when a client that used too much may go on.
    held_up: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    out: VecDeque<Bytes>,
    out_bytes: usize,
    /// For the large frame that is being received.
    permit: Option<OwnedSemaphorePermit>,
    /// When bytes moved last.
    moved: Instant,
    /// Once no more requests are read: until when what is under way may take.
    ending: Option<Instant>,
}

impl Connection {
    async fn serve(mut self) -> Result<(), End> {
        let draining = self.door.drain().token();
        let idle = Duration::from_millis(self.door.config().idle_timeout_ms);
        loop {
            self.watch_login();
            self.write()?;
            // After writing: nothing else may come that would bring back requests which waited for room to answer.
            self.begin_requests().await?;
            // Inside TLS the end of an answer may be encrypted and not taken by the socket yet.
            let writes = !self.out.is_empty() || self.stream.owes();
            if self.ending.is_some() && self.in_flight.is_empty() && !writes {
                return Ok(());
            }
            // Who is held up keeps no memory from others.
            let wanted = if self.held_up.is_none() { self.wanted_permit()? } else { None };
            let reads = self.ending.is_none() && wanted.is_none() && self.may_buffer();
            let interest = match (reads, writes) {
                (true, false) => Some(Interest::READABLE),
                (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
                (false, true) => Some(Interest::WRITABLE),
                (false, false) => None,
            };
            let answers = !self.in_flight.is_empty() && self.out_bytes < OUT_BYTES;
            let waits = self.held_up.is_some() || !self.in_flight.is_empty() && self.out.is_empty();
            let deadline = self.ending.unwrap_or(self.moved + idle);
            tokio::select! {
                biased;
                answer = poll_fn(|cx| self.in_flight.poll_front(cx)), if answers => self.take(answer)?,
                ready = self.stream.ready(interest.unwrap_or(Interest::READABLE)), if interest.is_some() => {
                    if ready?.is_readable() && reads {
                        self.read()?;
                    }
                }
                permit = self.door.in_flight().clone().acquire_many_owned(wanted.unwrap_or(0)), if wanted.is_some() => {
                    self.permit = permit.ok();
                }
                () = over(&mut self.held_up), if self.held_up.is_some() => {
                    self.held_up = None;
                    self.moved = Instant::now();
                }
                // A request that waits (for records, for members of a group) is no standstill.
                () = tokio::time::sleep_until(deadline), if !waits || self.ending.is_some() => {
                    if self.ending.is_some() || self.moved + idle <= Instant::now() {
                        return Err(End::Protocol("nothing moved for too long (kafka.idle_timeout_ms)".into()));
                    }
                }
                why = &mut self.lapsed, if self.ending.is_none() => return Err(End::Protocol(why.to_owned())),
                () = draining.cancelled(), if self.ending.is_none() => {
                    self.ending = Some(Instant::now() + HALF_CLOSED);
                }
            }
        }
    }

    /// Whether more may be received: always a little, so that a client that leaves is noticed.
    fn may_buffer(&self) -> bool {
        self.permit.is_some() || self.frames.buffered() < FREE_FRAME_BYTES
    }

    /// The permit that the frame which is being received needs.
    fn wanted_permit(&self) -> Result<Option<u32>, End> {
        let announced = self.frames.announced().map_err(|error| End::Protocol(error.to_string()))?;
        if announced.is_some_and(|len| len > LOGIN_FRAME_BYTES) && self.client.login.is_due() {
            return Err(End::Protocol("a request larger than any login came before the login".into()));
        }
        let large = announced.filter(|len| *len > FREE_FRAME_BYTES && self.permit.is_none());
        Ok(large.and_then(|len| u32::try_from(len).ok()))
    }

    /// Works on every complete request that may be worked on now.
    async fn begin_requests(&mut self) -> Result<(), End> {
        let most = self.door.config().max_requests_in_flight;
        while self.ending.is_none() && self.out_bytes < OUT_BYTES && !self.is_held_up() {
            let front = self.frames.peek().map_err(|error| End::Protocol(error.to_string()))?;
            let Some(front) = front else { break };
            let header = RequestHeader::peek(front).filter(|_| !self.client.login.is_bare());
            if header.is_none() && !self.client.login.is_bare() {
                return Err(End::Protocol("a request is too short for its header".into()));
            }
            let pipelined = header.is_some_and(|(key, ..)| api::is_pipelined(key));
            if !self.in_flight.admits(pipelined, most) {
                break;
            }
            let Ok(Some(frame)) = self.frames.next() else { break };
            let door = self.door.acting_for(self.client.login.pass());
            let answering = match header {
                Some(header) => api::begin(&door, &self.client, header, frame),
                None => api::begin_bare(&door, &self.client, frame),
            };
            let permit = self.permit.take();
            let mut started = Some((answering, permit));
            poll_fn(|cx| {
                if let Some((answering, permit)) = started.take() {
                    self.in_flight.push(answering, pipelined, permit, cx);
                }
                std::task::Poll::Ready(())
            })
            .await;
        }
        Ok(())
    }

    /// Whether the client used more than it may, so that nothing more of it is worked on yet.
    fn is_held_up(&mut self) -> bool {
        if let Some(hold_up) = self.client.metering.take_hold_up() {
            self.held_up = Some(Box::pin(hold_up.over()));
        }
        self.held_up.is_some()
    }

    /// Watches for the end of the login that is in force now.
    fn watch_login(&mut self) {
        let pass = self.client.login.pass();
        let is_same = match (&pass, &self.watched) {
            (Pass::Open, Some(Pass::Open)) | (Pass::Nobody, Some(Pass::Nobody)) => true,
            (Pass::As(one), Some(Pass::As(other))) => one.is_same(other),
            _ => false,
        };
        if !is_same {
            let (guard, origin) = (self.door.topics().guard().clone(), self.client.login.origin());
            self.watched = Some(pass.clone());
            self.lapsed = Box::pin(async move { guard.lapsed(&pass, origin).await });
        }
    }

    fn take(&mut self, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Frame(pieces) => {
                self.out_bytes += pieces.iter().map(Bytes::len).sum::<usize>();
                self.out.extend(pieces);
                self.moved = Instant::now();
                Ok(())
            }
            Answer::Last(pieces) => {
                self.ending = Some(Instant::now() + HALF_CLOSED);
                self.take(Answer::Frame(pieces))
            }
            Answer::Silence => Ok(()),
            Answer::Close(why) => Err(End::Protocol(why)),
        }
    }

    fn read(&mut self) -> Result<(), End> {
        match self.stream.try_read_buf(self.frames.room()) {
            Ok(0) => self.ending = Some(Instant::now() + HALF_CLOSED),
            Ok(_) => self.moved = Instant::now(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Writes as much as the client takes.
    fn write(&mut self) -> Result<(), End> {
        while !self.out.is_empty() {
            let pieces: Vec<IoSlice<'_>> =
                self.out.iter().take(WRITE_PIECES).map(|piece| IoSlice::new(piece)).collect();
            match self.stream.try_write_vectored(&pieces) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => self.wrote(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn wrote(&mut self, mut written: usize) {
        self.moved = Instant::now();
        self.out_bytes -= written;
        while let Some(front) = self.out.front_mut() {
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.out.pop_front();
        }
    }
}

async fn over(held_up: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    if let Some(held_up) = held_up {
        held_up.await;
    }
}
