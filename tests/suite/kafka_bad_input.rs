//! What nobody should send to the Kafka door is answered or ends the connection; the server goes on in little memory.

use blackbox::{Server, deadline};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The answer of a server that closed at once.
const NOTHING: [u8; 0] = [];

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        (self.roll() % most as u64) as usize
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[..], body].concat()
}

fn request(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let head = [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 7], &[0, 2], b"me"];
    frame(&[&head.concat(), body].concat())
}

/// Sends bytes and nothing more; answers what came back until the server closed.
async fn send(server: &Server, bytes: &[u8]) -> Vec<u8> {
    deadline::soon("the server answers or closes", async {
        let mut stream = TcpStream::connect(server.kafka()).await.expect("a connection");
        // The server may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    })
    .await
}

/// The versions of ApiVersions: an answer shows that the server is well.
async fn is_well(server: &Server) {
    let answer = send(server, &request(18, 0, &[])).await;
    assert!(answer.get(4..10).is_some_and(|head| head == [0u8, 0, 0, 7, 0, 0]), "{answer:?}");
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_is_told_which_there_are() {
    let server = Server::shared();
    let answer = send(server, &request(18, 99, &[])).await;
    // Correlation id, UNSUPPORTED_VERSION, one entry: key 18 and its range, without any tagged field.
    let told: [u8; 20] = [0, 0, 0, 16, 0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
    assert_eq!(answer, told);
}

#[tokio::test]
async fn unknown_keys_and_versions_end_the_connection() {
    let server = Server::shared();
    for (key, version) in [(999, 0), (-1, 0), (3, 99), (1, 0), (0, 2), (i16::MAX, i16::MAX)] {
        assert_eq!(send(server, &request(key, version, &[])).await, NOTHING, "API {key} version {version}");
    }
    is_well(server).await;
}

#[tokio::test]
async fn claimed_lengths_reserve_nothing() {
    let server = Server::start();
    is_well(&server).await;
    let before = server.resident_kib();
    let mut held = Vec::new();
    for _ in 0..50 {
        // A frame of 100 MB of which one byte comes.
        let mut stream = TcpStream::connect(server.kafka()).await.expect("a connection");
        stream.write_all(&[&100_000_000u32.to_be_bytes()[..], &[0]].concat()).await.expect("it is taken");
        held.push(stream);
        // A list of two thousand million topics in a frame of a few bytes.
        assert_eq!(send(&server, &request(3, 1, &i32::MAX.to_be_bytes())).await, NOTHING);
        assert_eq!(send(&server, &request(3, 9, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f])).await, NOTHING);
    }
    for length in [-1i32, i32::MIN, i32::MAX, 0] {
        assert_eq!(send(&server, &length.to_be_bytes()).await, NOTHING, "{length}");
    }
    is_well(&server).await;
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 100 << 10, "{grown} KiB more");
}

#[tokio::test]
async fn random_and_mutated_requests_do_no_harm() {
    let mut server = Server::start();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for round in 0..1500 {
        let mut body: Vec<u8> = (0..dice.below(120)).map(|_| dice.roll() as u8).collect();
        // Half of them are mostly zeros, which are valid more often and so get further.
        if round % 2 == 0 {
            body.iter_mut().for_each(|byte| *byte = if dice.below(4) == 0 { *byte } else { 0 });
        }
        let key = (dice.below(93)) as i16;
        let version = (dice.below(14)) as i16;
        let mut sent = request(key, version, &body);
        if dice.below(3) == 0 {
            let at = dice.below(sent.len());
            sent[at] ^= 1 << dice.below(8);
        }
        let mut stream = TcpStream::connect(server.kafka()).await.expect("a connection");
        let _ = stream.write_all(&sent).await;
        drop(stream);
        assert!(server.is_running(), "round {round} ended the server: {sent:?}");
    }
    is_well(&server).await;
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}
