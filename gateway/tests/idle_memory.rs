//! What idle AMQP connections and idle queues keep in memory: many are there at a time, and what each keeps grows without
//! anybody noticing. The bench `amqp-memory` measures the same from outside, with what the allocator adds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use sluice::amqp::{AmqpDoor, AmqpLimits, LocalUser, Mechanism};
use sluice::drain::Drain;
use sluice::topics::{Topics, TopicsSettings};

struct Counting;

/// Bytes that the whole process holds.
static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PROPOSE: &[u8] = b"AMQP\x00\x00\x09\x01";
const CHANNEL_OPEN_OK: &[u8] = b"\x00\x14\x00\x0b\x00\x00\x00\x00\xce";
const DECLARE_OK: &[u8] = b"\x00\x32\x00\x0b";

fn method(channel: u8, class: u8, number: u8, arguments: &[&[u8]]) -> Vec<u8> {
    let arguments = arguments.concat();
    let size = u32::try_from(4 + arguments.len()).unwrap().to_be_bytes();
    [&[1, 0, channel][..], &size, &[0, class, 0, number], &arguments, b"\xce"].concat()
}

fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// Reads until `wanted` came so many times.
fn hear(stream: &mut UnixStream, wanted: &[u8], times: usize) {
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    while heard.windows(wanted.len()).filter(|bytes| bytes == &wanted).count() < times {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "the server hung up: {}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&piece[..read]);
    }
}

/// A client with one channel, which says everything that it has to say at once.
fn client(door: &AmqpDoor) -> UnixStream {
    let mut stream = door.connect(LocalUser::LogsIn).unwrap().into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let login = [&[0; 4][..], &short("PLAIN"), b"\x00\x00\x00\x0c\x00guest\x00guest", &short("en_US")];
    let tune = [&2047_u16.to_be_bytes()[..], &131_072_u32.to_be_bytes(), &[0; 2]];
    let handshake = [
        PROPOSE.to_vec(),
        method(0, 10, 11, &login),
        method(0, 10, 31, &tune),
        method(0, 10, 40, &[&short("/"), &[0; 2]]),
        method(1, 20, 10, &[&[0]]),
    ];
    stream.write_all(&handshake.concat()).unwrap();
    hear(&mut stream, CHANNEL_OPEN_OK, 1);
    stream
}

fn declare(stream: &mut UnixStream, names: std::ops::Range<usize>) {
    for at in names.clone().step_by(100) {
        let some = at..names.end.min(at + 100);
        let requests = some
            .clone()
            .map(|number| method(1, 50, 10, &[&[0; 2], &short(&format!("idle-{number}")), &[2], &[0; 4]]));
        stream.write_all(&requests.collect::<Vec<_>>().concat()).unwrap();
        hear(stream, DECLARE_OK, some.len());
    }
}

/// Bytes that `work` adds, for each of `count`.
fn added(count: usize, work: impl FnOnce()) -> usize {
    let before = HELD.load(Relaxed);
    work();
    HELD.load(Relaxed).saturating_sub(before) / count
}

/// One test, so that nothing else of the process is counted.
#[test]
fn idle_connections_and_queues_keep_little() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let (topics, _owner) = Topics::open(TopicsSettings::new(home.path().to_owned())).unwrap();
    let door = AmqpDoor::new(topics, AmqpLimits::default(), vec![Mechanism::Plain], Drain::default());
    let mut first = client(&door);
    declare(&mut first, 0..100);

    let mut clients = Vec::with_capacity(200);
    let connection = added(200, || clients.extend((0..200).map(|_| client(&door))));
    assert!(connection <= 7 << 10, "{connection} bytes for an idle connection with a channel");
    let queue = added(4000, || declare(&mut first, 100..4100));
    assert!(queue <= 1500, "{queue} bytes for an idle queue");
}
