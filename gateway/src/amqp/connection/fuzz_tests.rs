//! Bytes that nobody should send, from seeds: nothing panics, nothing grows without bound, and a connection that was
//! refused stays refused.

use std::time::Duration;

use bytes::BufMut;
use proptest::prelude::*;

use super::trial::World;

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.put_u16(channel);
    out.put_u32(payload.len() as u32);
    out.put_slice(payload);
    out.put_u8(0xCE);
    out
}

fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    frame(1, channel, &[&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat())
}

/// The corpus: what a client may well send, which is then cut, repeated and damaged.
fn corpus() -> Vec<Vec<u8>> {
    let table = [0, 0, 0, 0];
    let header =
        [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5][..], &[0x30, 0], &[0, 0, 0, 4, 1, b'a', b't', 1], &[2]]
            .concat();
    vec![
        b"AMQP\0\0\x09\x01".to_vec(),
        method(0, 10, 11, &[&table[..], b"\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US"].concat()),
        method(0, 10, 31, &[0, 4, 0, 0, 0x20, 0, 0, 10]),
        method(0, 10, 40, b"\x01/\0\0"),
        method(0, 10, 50, &[0; 7]),
        method(0, 10, 51, &[]),
        method(1, 20, 10, &[0]),
        method(2, 20, 10, &[0]),
        method(1, 20, 40, &[0; 7]),
        method(1, 20, 41, &[]),
        method(1, 20, 20, &[1]),
        method(1, 40, 10, &[b"\0\0\x01e\x05topic\x02", &table[..]].concat()),
        method(1, 50, 10, &[b"\0\0\x01q\x02", &table[..]].concat()),
        method(1, 50, 10, &[b"\0\0\0\x04", &table[..]].concat()),
        method(1, 50, 20, &[b"\0\0\0\x01e\x01k\0", &table[..]].concat()),
        method(1, 50, 40, b"\0\0\x01q\0"),
        method(1, 60, 10, &[0, 0, 0, 0, 0, 9, 0]),
        method(1, 60, 10, &[0, 0, 0, 0, 0, 9, 1]),
        method(1, 60, 20, &[b"\0\0\x01q\0\0", &table[..]].concat()),
        method(1, 60, 20, &[b"\0\0\x15amq.rabbitmq.reply-to\x01r\x02", &table[..]].concat()),
        method(1, 60, 30, b"\x01r\0"),
        method(1, 60, 40, b"\0\0\0\x01q\x01"),
        frame(2, 1, &header),
        frame(3, 1, b"hello"),
        frame(3, 1, b"he"),
        [method(1, 60, 40, b"\0\0\0\x01q\0"), frame(2, 1, &header), frame(3, 1, b"hello")].concat(),
        method(1, 60, 70, b"\0\0\x01q\0"),
        method(1, 60, 80, &[0, 0, 0, 0, 0, 0, 0, 1, 0]),
        method(1, 60, 80, &[0, 0, 0, 0, 0, 0, 0, 0, 1]),
        method(1, 60, 120, &[0, 0, 0, 0, 0, 0, 0, 2, 3]),
        method(1, 60, 110, &[1]),
        method(1, 85, 10, &[0]),
        method(1, 90, 10, &[]),
        method(1, 90, 20, &[]),
        method(1, 90, 30, &[]),
        frame(8, 0, &[]),
    ]
}

/// One thing that happens to a connection.
#[derive(Clone, Debug)]
enum Step {
    /// An entry of the corpus comes in.
    Send(usize),
    /// The same, with one byte changed.
    Damage(usize, usize, u8),
    /// The same, cut short.
    Cut(usize, usize),
    /// Anything comes in.
    Raw(Vec<u8>),
    /// The owner answers a batch.
    Answer(bool),
    /// Time passes.
    Wait(u64),
    /// The client reads.
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    let entry = 0..corpus().len();
    prop_oneof![
        12 => entry.clone().prop_map(Step::Send),
        2 => (entry.clone(), 0usize..64, any::<u8>()).prop_map(|(at, byte, to)| Step::Damage(at, byte, to)),
        1 => (entry, 0usize..64).prop_map(|(at, len)| Step::Cut(at, len)),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Raw),
        4 => any::<bool>().prop_map(Step::Answer),
        1 => (0u64..30_000).prop_map(Step::Wait),
        2 => Just(Step::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_a_client_sends_breaks_a_connection(
        logs_in: bool,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let (corpus, mut world) = (corpus(), World::new());
        if logs_in {
            corpus[..4].iter().chain(&corpus[6..8]).for_each(|bytes| world.send(bytes));
        }
        for step in steps {
            match step {
                Step::Send(at) => world.send(&corpus[at]),
                Step::Damage(at, byte, to) => {
                    let mut bytes = corpus[at].clone();
                    let byte = byte % bytes.len();
                    bytes[byte] = to;
                    world.send(&bytes);
                }
                Step::Cut(at, len) => world.send(&corpus[at][..len.min(corpus[at].len())]),
                Step::Raw(bytes) => world.send(&bytes),
                Step::Answer(well) => _ = world.answer(well),
                Step::Wait(ms) => {
                    world.now += Duration::from_millis(ms);
                    world.connection.handle_timeout(world.now);
                }
                Step::Read => drop(world.read()),
            }
            world.check();
        }
        // Time ends every conversation that nobody goes on with.
        for _ in 0..20 {
            world.now += Duration::from_secs(300);
            world.connection.handle_timeout(world.now);
            world.read();
        }
        prop_assert!(world.connection.is_over(world.now) || world.connection.heartbeats.is_off());
    }
}
