//! Every socket that the server listens on, opened before anything else so that a mistake shows at once.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::{TcpListener, lookup_host};
use tracing::info;

use crate::config::{Config, Door};
use crate::kafka::{self, Listener};
use crate::tls::Tls;

/// A socket that listens.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The key that says where.
    pub key: &'static str,
    /// How a URL to it begins.
    pub scheme: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Whether with TLS.
    pub tls: bool,
}

/// The sockets of every door.
pub struct Listeners {
    /// Of the HTTP door.
    pub http: Vec<(TcpListener, Option<Tls>)>,
    /// Of the Kafka door.
    pub kafka: Vec<Listener>,
    /// Of the AMQP door.
    pub amqp: Vec<(TcpListener, Option<Tls>)>,
    /// All of them; one of the HTTP door is the first.
    pub openings: Vec<Opening>,
}

/// What is to be listened on, before anything is: an address without a port of its own still has the port 0.
pub async fn wanted(config: &Config) -> anyhow::Result<Vec<Opening>> {
    let one = |door: &Door| match door {
        Door::At(address) => vec![address.clone()],
        Door::Off => Vec::new(),
    };
    let (http, kafka, amqp) = (&config.http, &config.kafka, &config.amqp);
    let mut openings = Vec::new();
    for (key, scheme, addresses, tls) in [
        ("http.addr", "http", one(&http.addr), false),
        ("http.tls_addr", "https", one(&http.tls_addr), true),
        ("kafka.addr", "kafka", kafka.addr.0.clone(), false),
        ("kafka.tls_addr", "kafkas", kafka.tls_addr.0.clone(), true),
        ("amqp.addr", "amqp", one(&amqp.addr), false),
        ("amqp.tls_addr", "amqps", one(&amqp.tls_addr), true),
    ] {
        for name in addresses {
            let found = lookup_host(&name).await;
            let found = found.with_context(|| format!("cannot find out where {name} is ({key})"))?;
            openings.extend(found.map(|address| Opening { key, scheme, address, tls }));
        }
    }
    Ok(openings)
}

impl Listeners {
    /// Opens all that are configured.
    pub async fn open(config: &Config, tls: Option<&Tls>) -> anyhow::Result<Listeners> {
        let mut openings = Vec::new();
        let plain = ("http.addr", "http", &config.http.addr, None);
        let http =
            two([plain, ("http.tls_addr", "https", &config.http.tls_addr, tls)], &mut openings).await?;
        let kafka = kafka::bind(&config.kafka, tls).await?;
        for listener in &kafka {
            let (key, scheme) =
                if listener.has_tls() { ("kafka.tls_addr", "kafkas") } else { ("kafka.addr", "kafka") };
            openings.push(Opening { key, scheme, address: listener.address(), tls: listener.has_tls() });
        }
        let plain = ("amqp.addr", "amqp", &config.amqp.addr, None);
        let amqp =
            two([plain, ("amqp.tls_addr", "amqps", &config.amqp.tls_addr, tls)], &mut openings).await?;
        for Opening { scheme, address, .. } in &openings {
            info!(door = scheme, addr = %address, "listening");
        }
        Ok(Listeners { http, kafka, amqp, openings })
    }
}

type Wanted<'a> = (&'static str, &'static str, &'a Door, Option<&'a Tls>);

async fn two(
    wanted: [Wanted<'_>; 2],
    openings: &mut Vec<Opening>,
) -> anyhow::Result<Vec<(TcpListener, Option<Tls>)>> {
    let mut listeners = Vec::new();
    for (key, scheme, door, tls) in wanted {
        let Door::At(address) = door else { continue };
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("cannot listen on {address} ({key})"))?;
        let address = listener.local_addr().with_context(|| format!("{key} has no address"))?;
        openings.push(Opening { key, scheme, address, tls: tls.is_some() });
        listeners.push((listener, tls.cloned()));
    }
    Ok(listeners)
}
