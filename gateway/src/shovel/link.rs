use std::pin::Pin;
use std::time::Duration;

use async_rs::Runtime as LapinRuntime;
use futures_core::Stream;
use lapin::options::{BasicQosOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties, Error, ErrorKind, Event, Queue};

use tokio_util::sync::{CancellationToken, DropGuard};

use super::address::{Address, Login, Place};
use super::socket::{self, Runtime};
use crate::amqp::AmqpDoor;
use crate::auth::GUEST;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// A connection to a broker, with a channel on it.
pub struct Link {
    connection: Connection,
    /// What everything but declarations is done on.
    pub channel: Channel,
    /// What becomes of the connection.
    pub events: Pin<Box<dyn Stream<Item = Event> + Send + Sync>>,
    /// Where it goes to, without a password.
    pub shown: String,
    /// Ends the stream with this, whatever the broker does.
    _leash: DropGuard,
}

impl Link {
    /// Connects to the first of these brokers that can be reached.
    ///
    /// # Errors
    /// Why none could, for people. Nothing secret is in it.
    pub async fn open(addresses: &[Address], name: &str, door: &AmqpDoor) -> Result<Link, String> {
        let mut faults = Vec::new();
        for address in addresses {
            let tried =
                tokio::time::timeout(address.tuning.patience, Link::open_one(address, name, door)).await;
            match tried {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(error)) => faults.push(format!("{address}: {}", why(&error))),
                Err(_) => faults.push(format!("{address}: it took too long")),
            }
        }
        Err(faults.join("; "))
    }

    async fn open_one(address: &Address, name: &str, door: &AmqpDoor) -> Result<Link, Error> {
        let properties =
            ConnectionProperties::default().with_connection_name(format!("Shovel {name}").into());
        let (to, door) = (address.clone(), door.clone());
        let let_go = CancellationToken::new();
        // Also when this is given up half-way.
        let leash = let_go.clone().drop_guard();
        let open = move |_: AMQPUri, _: LapinRuntime<Runtime>| {
            let (to, door, let_go) = (to.clone(), door.clone(), let_go.clone());
            async move { Ok::<_, Error>(AsyncTcpStream::Plain(socket::open(&to, &door, let_go).await?)) }
        };
        let runtime = LapinRuntime::new(socket::runtime());
        let connection = Connection::connector(uri_of(address), runtime, open, properties).await?;
        let events = Box::pin(connection.events_listener());
        let channel = connection.create_channel().await?;
        Ok(Link { connection, channel, events, shown: address.to_string(), _leash: leash })
    }

    /// The queue of that name, if there is one.
    pub async fn find(&self, queue: &str) -> Result<Option<Queue>, Error> {
        // A channel does not survive that there is none.
        let channel = self.connection.create_channel().await?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match channel.queue_declare(queue.into(), options, FieldTable::default()).await {
            Ok(found) => {
                channel.close(200, "OK".into()).await?;
                Ok(Some(found))
            }
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that a queue is there; one that is stays as it is.
    pub async fn ensure(&self, queue: &str, arguments: &FieldTable, predeclared: bool) -> Result<(), String> {
        if self.find(queue).await.map_err(|error| why(&error))?.is_some() {
            return Ok(());
        }
        if predeclared {
            return Err(format!("there is no queue {queue:?}, which should be there already"));
        }
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let made = self.channel.queue_declare(queue.into(), options, arguments.clone()).await;
        made.map(drop).map_err(|error| why(&error))
    }

    /// Has at most so many messages be delivered and not settled.
    pub async fn limit(&self, prefetch: u16) -> Result<(), Error> {
        self.channel.basic_qos(prefetch, BasicQosOptions::default()).await
    }

    /// Whether the broker takes nothing for now.
    pub fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Says goodbye: what was said before is carried out.
    pub async fn close(self) {
        if self.is_blocked() {
            // Nothing is said to it before it says that it listens again.
            return;
        }
        // Whoever does not answer is left.
        let _ = tokio::time::timeout(GOODBYE, self.connection.close(200, "OK".into())).await;
    }
}

/// What lapin is told; where its bytes go is told apart.
fn uri_of(address: &Address) -> AMQPUri {
    let is_here = address.place == Place::Here;
    let (username, password, mechanism) = match &address.login {
        Login::Unsaid if is_here => (String::new(), String::new(), SASLMechanism::External),
        Login::Named(user) if is_here => (user.clone(), String::new(), SASLMechanism::External),
        Login::Certificate => (String::new(), String::new(), SASLMechanism::External),
        Login::Unsaid => (GUEST.to_owned(), GUEST.to_owned(), SASLMechanism::Plain),
        Login::Named(user) => (user.clone(), GUEST.to_owned(), SASLMechanism::Plain),
        Login::Password(user, password) => (user.clone(), password.clone(), SASLMechanism::Plain),
    };
    let (host, port) = match &address.place {
        Place::Here => (String::new(), 0),
        Place::At { host, port, .. } => (host.clone(), *port),
    };
    AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority { userinfo: AMQPUserInfo { username, password }, host, port },
        vhost: address.vhost.clone(),
        query: AMQPQueryString {
            frame_max: address.tuning.frame_max,
            channel_max: address.tuning.channel_max,
            heartbeat: address.tuning.heartbeat,
            connection_timeout: None,
            auth_mechanism: Some(mechanism),
        },
    }
}

fn is_not_found(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error)
        if *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
}

/// An error in words.
pub fn why(error: &Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        ErrorKind::IOError(error) => error.to_string(),
        _ => error.to_string(),
    }
}
