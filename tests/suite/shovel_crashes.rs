//! Shovels through kills of the source, of the destination, and of the broker that runs them: nothing is lost.

use blackbox::{Server, deadline};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWrite, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::shovels::{get, messages, numbers, publish, put, until_messages};

/// Bytes that a connection through a [`Door`] may carry in either direction: some hundred messages.
const STRETCH: u64 = 100_000;

/// A door in front of a server that comes back at another address. No connection through it gets further than a stretch
/// before the door is opened wide, so that whoever is killed meanwhile is killed in the middle.
struct Door {
    uri: String,
    target: watch::Sender<String>,
    wide: watch::Sender<bool>,
}

impl Door {
    async fn before(server: &Server) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let uri = format!("amqp://guest:guest@{}", listener.local_addr().expect("an address"));
        let (target, seen) = watch::channel(server.amqp().to_owned());
        let (wide, is_wide) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut seen, is_wide) = (seen.clone(), is_wide.clone());
                tokio::spawn(async move {
                    let address = seen.borrow_and_update().clone();
                    if let Ok(server) = TcpStream::connect(address).await {
                        // A connection whose stretch is used up reads nothing, and so does not see that its server is gone.
                        tokio::select! {
                            () = through(client, server, is_wide) => {}
                            _ = seen.changed() => {}
                        }
                    }
                });
            }
        });
        Door { uri, target, wide }
    }
}

/// Ends with the first of both sides that goes away.
async fn through(mut client: TcpStream, mut server: TcpStream, is_wide: watch::Receiver<bool>) {
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    tokio::select! {
        () = one_way(from_client, to_server, is_wide.clone()) => {}
        () = one_way(from_server, to_client, is_wide) => {}
    }
}

async fn one_way(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut is_wide: watch::Receiver<bool>,
) {
    let stretch = copy(&mut (&mut from).take(STRETCH), &mut to).await;
    if stretch.is_ok_and(|bytes| bytes == STRETCH) && is_wide.wait_for(|wide| *wide).await.is_ok() {
        let _ = copy(&mut from, &mut to).await;
    }
}

/// How many messages wait before a shovel that is to be interrupted begins.
const MANY: u32 = 8_000;

/// Waits until a shovel is in the middle of it: so many more have come, and not all.
async fn until_in_the_middle(destination: &Server, already: u64) -> u64 {
    let come = || async { Some(messages(destination, "to").await).filter(|came| *came > already + 200) };
    let came = deadline::until("some messages have come", come).await;
    assert!(came < u64::from(MANY), "no stretch is as long as that");
    came
}

#[tokio::test]
async fn nothing_is_lost_when_the_destination_is_killed() {
    let source = Server::start();
    let mut destination = Server::start();
    let door = Door::before(&destination).await;
    source.http().make_queue("from", json!({})).await;
    publish(&source, "from", 0..MANY).await;
    let value = json!({"src-uri": "amqp://", "src-queue": "from", "dest-uri": door.uri, "dest-queue": "to",
        "reconnect-delay": 1, "src-prefetch-count": 50});
    assert_eq!(put(&source, "s", value).await.status, 201);
    let mut came = 0;
    for _ in 0..4 {
        came = until_in_the_middle(&destination, came).await;
        destination.kill();
        destination.run();
        let _ = door.target.send(destination.amqp().to_owned());
        came = came.max(messages(&destination, "to").await);
    }
    let _ = door.wide.send(true);
    until_messages(&source, "from", 0).await;
    let came = destination.http().drain_queue("to").await;
    assert_eq!(numbers(&came), (0..MANY).collect(), "all that was published is there");
}

#[tokio::test]
async fn nothing_is_lost_when_the_source_is_killed() {
    let mut source = Server::start();
    let destination = Server::start();
    let door = Door::before(&source).await;
    source.http().make_queue("from", json!({})).await;
    publish(&source, "from", 0..MANY).await;
    let value = json!({"src-uri": door.uri, "src-queue": "from", "dest-uri": "amqp://", "dest-queue": "to",
        "reconnect-delay": 1, "src-prefetch-count": 50});
    assert_eq!(put(&destination, "s", value).await.status, 201);
    let mut came = 0;
    for _ in 0..4 {
        came = until_in_the_middle(&destination, came).await;
        source.kill();
        source.run();
        let _ = door.target.send(source.amqp().to_owned());
    }
    let _ = door.wide.send(true);
    until_messages(&source, "from", 0).await;
    let came = destination.http().drain_queue("to").await;
    assert_eq!(numbers(&came), (0..MANY).collect(), "all that was published has come");
}

#[tokio::test]
async fn nothing_is_lost_when_the_broker_with_the_shovel_is_killed_and_it_goes_on_by_itself() {
    let mut source = Server::start();
    let destination = Server::start();
    let door = Door::before(&destination).await;
    source.http().make_queue("from", json!({})).await;
    publish(&source, "from", 0..MANY).await;
    let value = json!({"src-uri": "amqp://", "src-queue": "from", "dest-uri": door.uri, "dest-queue": "to",
        "src-prefetch-count": 50});
    assert_eq!(put(&source, "s", value.clone()).await.status, 201);
    let mut came = 0;
    for life in 0..4 {
        came = until_in_the_middle(&destination, came).await;
        match life % 2 {
            0 => source.kill(),
            _ => {
                source.terminate();
                assert!(source.wait().success());
            }
        }
        source.run();
    }
    let _ = door.wide.send(true);
    until_messages(&source, "from", 0).await;
    let came = destination.http().drain_queue("to").await;
    assert_eq!(numbers(&came), (0..MANY).collect(), "all that was published has come");
    assert_eq!(get(&source, "/api/parameters/shovel/%2F/s").await["value"], value);
}
