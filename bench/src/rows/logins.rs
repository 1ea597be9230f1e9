//! SCRAM logins of Kafka clients, each over a connection of its own: opened, logged in, closed.
//!
//! A client hashes its password once and keeps the salted hash, as RFC 5802 proposes; the broker keeps no more either.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sluice::auth::ScramHash;

use crate::kafka::{push_sasl_authenticate, push_sasl_handshake, sasl_message};
use crate::process::{Process, Scratch};
use crate::table::{Line, grouped, median};
use crate::tls::Channel;

/// Clients that log in at a time.
const CLIENTS: usize = 4;
/// Logins in a turn. All turns together leave fewer closed connections behind than there are ports.
const LOGINS: u64 = 1500;
const ROUNDS: usize = 3;
const PASSWORD: &str = "pencil";
const NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";

/// Logins a second by each mechanism, plain and inside TLS.
pub fn run() -> Vec<Line> {
    let scratch = Scratch::new("logins");
    let pki = scratch.path("pki");
    let broker = Process::guarded_broker(&scratch.path("data"), &pki, PASSWORD);
    let ca = pki.join("ca.pem");
    let doors = [
        ("", broker.kafka.expect("the door is open"), None),
        (" inside TLS 1.3", broker.kafkas.expect("the door is open"), Some(ca.as_path())),
    ];
    let mut lines = Vec::new();
    for (inside, address, ca) in doors {
        for hash in ScramHash::ALL {
            let client = Client::new(hash, address, ca);
            let (mut rates, mut used) = (Vec::new(), Vec::new());
            for round in 0..=ROUNDS {
                let (began, cpu) = (Instant::now(), broker.cpu_seconds());
                turn(&client);
                // The first round only warms up.
                if round > 0 {
                    rates.push(LOGINS as f64 / began.elapsed().as_secs_f64());
                    used.push((broker.cpu_seconds() - cpu) / LOGINS as f64 * 1e6);
                }
            }
            let rate = median(&rates);
            let workload =
                format!("{} logins of Kafka clients, each over a new connection{inside}", hash.mechanism());
            let line = Line::new(workload, "1,000/s", format!("{}/s", grouped(rate)));
            lines.push(line.met(rate >= 1000.0).cpu(median(&used)));
        }
    }
    lines
}

fn turn(client: &Client<'_>) {
    let left = AtomicU64::new(LOGINS);
    let take = || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while take() {
                    assert!(client.logs_in(), "the password is right");
                }
            });
        }
    });
}

/// Whoever knows the password, and where the broker is.
struct Client<'a> {
    hash: ScramHash,
    address: SocketAddr,
    ca: Option<&'a Path>,
    key: Vec<u8>,
    stored: Vec<u8>,
}

impl Client<'_> {
    fn new<'a>(hash: ScramHash, address: SocketAddr, ca: Option<&'a Path>) -> Client<'a> {
        let mut client = Client { hash, address, ca, key: Vec::new(), stored: Vec::new() };
        let challenge = client.challenge(&mut client.channel());
        let field =
            |name: &str| challenge.split(',').find_map(|field| field.strip_prefix(name)).expect("a field");
        let salt = BASE64.decode(field("s=")).expect("base64");
        let salted = hash.salted(PASSWORD.as_bytes(), &salt, field("i=").parse().expect("a number"));
        client.key = hash.hmac(&salted, b"Client Key");
        client.stored = hash.digest(&client.key);
        client
    }

    fn channel(&self) -> Channel {
        Channel::open(self.address, self.ca)
    }

    /// Begins a login; answers what the broker asks.
    fn challenge(&self, channel: &mut Channel) -> String {
        let mut request = Vec::new();
        push_sasl_handshake(&mut request, self.hash.mechanism());
        channel.send(&request);
        assert!(channel.answer().starts_with(&[0, 0]), "the mechanism is offered");
        let first = format!("n,,n=alice,r={NONCE}");
        let message = say(channel, first.as_bytes()).expect("everybody is asked");
        String::from_utf8(message).expect("text")
    }

    fn logs_in(&self) -> bool {
        let mut channel = self.channel();
        let challenge = self.challenge(&mut channel);
        let nonce = challenge.split(',').next().expect("a nonce");
        let without_proof = format!("c=biws,{nonce}");
        let told = format!("n=alice,r={NONCE},{challenge},{without_proof}");
        let signature = self.hash.hmac(&self.stored, told.as_bytes());
        let proof: Vec<u8> = self.key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        let last = format!("{without_proof},p={}", BASE64.encode(&proof));
        say(&mut channel, last.as_bytes()).is_some_and(|message| message.starts_with(b"v="))
    }
}

fn say(channel: &mut Channel, message: &[u8]) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    push_sasl_authenticate(&mut request, message);
    channel.send(&request);
    sasl_message(channel.answer()).map(<[u8]>::to_vec)
}
