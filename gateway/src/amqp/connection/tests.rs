use std::io::IoSlice;
use std::time::{Duration, Instant};

use bytes::BufMut;

use super::*;
use crate::amqp::identity::server_properties;
use crate::amqp::wire::{Frame, FrameKind, MethodId, next_frame};
use crate::topics::session::{Answer, Durability, Outcome, Published, Request, Settlement};

/// A connection and the clock that it sees.
struct Bench {
    connection: Connection,
    now: Instant,
}

fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.put_u16(class);
    payload.put_u16(method);
    payload.put_slice(arguments);
    frame(1, channel, &payload)
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.put_u16(channel);
    out.put_u32(payload.len() as u32);
    out.put_slice(payload);
    out.put_u8(0xCE);
    out
}

fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

fn start_ok(can: &[&str]) -> Vec<u8> {
    let capabilities =
        can.iter().map(|name| ((*name).to_owned(), message::HeaderValue::Bool(true))).collect();
    let properties: HeaderTable =
        [("capabilities".to_owned(), message::HeaderValue::Table(capabilities))].into_iter().collect();
    let mut arguments = Vec::new();
    arguments.put_u32(properties.as_bytes().len() as u32);
    arguments.put_slice(properties.as_bytes());
    arguments.put_slice(&short("PLAIN"));
    arguments.put_u32(12);
    arguments.put_slice(b"\0guest\0guest");
    arguments.put_slice(&short("en_US"));
    method(0, 10, 11, &arguments)
}

fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> Vec<u8> {
    let mut arguments = Vec::new();
    arguments.put_u16(channel_max);
    arguments.put_u32(frame_max);
    arguments.put_u16(heartbeat);
    method(0, 10, 31, &arguments)
}

fn publish(channel: u16, key: &str, persistent: bool, body: &[u8]) -> Vec<u8> {
    let arguments = [&[0, 0, 0][..], &short(key), &[0]].concat();
    let mut header = Vec::new();
    header.put_u32(60 << 16);
    header.put_u64(body.len() as u64);
    header.put_u16(1 << 12);
    header.put_u8(if persistent { 2 } else { 1 });
    let mut all = [method(channel, 60, 40, &arguments), frame(2, channel, &header)].concat();
    for stretch in body.chunks(4000) {
        all.extend(frame(3, channel, stretch));
    }
    all
}

impl Bench {
    fn new() -> Bench {
        let terms = ConnectionTerms {
            limits: AmqpLimits::default(),
            mechanisms: [Mechanism::Plain, Mechanism::AmqPlain].into(),
            properties: server_properties(),
            seed: 7,
            is_own: false,
        };
        let now = Instant::now();
        Bench { connection: Connection::new(terms, now), now }
    }

    /// A connection with channel 1 open, everything said so far taken away.
    fn open() -> Bench {
        let mut bench = Bench::started(&["connection.blocked", "consumer_cancel_notify"]);
        bench.login();
        bench.send(&tune_ok(2047, 131_072, 60));
        bench.send(&method(0, 10, 40, &[&short("/")[..], &[0, 0]].concat()));
        bench.connection.handle_vhost(bench.now, VhostAnswer::Open);
        bench.send(&method(1, 20, 10, &[0]));
        bench.heard();
        bench
    }

    fn started(can: &[&str]) -> Bench {
        let mut bench = Bench::new();
        bench.send(b"AMQP\0\0\x09\x01");
        bench.send(&start_ok(can));
        bench
    }

    fn login(&mut self) {
        assert!(matches!(self.connection.poll_effect(), Some(Effect::Login { .. })));
        self.connection.handle_login(self.now, Mechanism::Plain, Some("guest".into()));
    }

    fn send(&mut self, bytes: &[u8]) {
        self.connection.handle_input(self.now, bytes);
    }

    /// Everything that the server said since it was asked last.
    fn raw(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while !self.connection.output().is_empty() {
            let mut slices = [IoSlice::new(&[]); 16];
            let filled = self.connection.output().slices(&mut slices);
            let next: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            self.connection.handle_written(self.now, next.len());
            all.extend(next);
        }
        all
    }

    /// The same as methods: channel, class and method, arguments. Content frames are left out.
    fn heard(&mut self) -> Vec<(u16, u16, u16, Vec<u8>)> {
        let raw = self.raw();
        let mut rest = &raw[..];
        let mut methods = Vec::new();
        while let Some((Frame { kind, channel, payload }, taken)) = next_frame(rest, 1 << 20).unwrap() {
            if kind == FrameKind::Method {
                let MethodId { class, method } = crate::amqp::wire::Method::id(payload).unwrap();
                methods.push((channel, class, method, payload[4..].to_vec()));
            }
            rest = &rest[taken..];
        }
        assert!(rest.is_empty());
        methods
    }

    /// The close that is all the server said: channel, code, text.
    fn close(&mut self) -> (u16, u16, String) {
        let heard = self.heard();
        let [(channel, class, number, arguments)] = &heard[..] else { panic!("not just a close: {heard:?}") };
        assert!(matches!((class, number), (10, 50) | (20, 40)), "no close: {heard:?}");
        let text = String::from_utf8(arguments[3..3 + arguments[2] as usize].to_vec()).unwrap();
        (*channel, u16::from_be_bytes([arguments[0], arguments[1]]), text)
    }

    fn operations(&mut self) -> Vec<Operation> {
        let mut all = Vec::new();
        while let Some(effect) = self.connection.poll_effect() {
            if let Effect::Submit(operations) = effect {
                all.extend(operations);
            }
        }
        all
    }

    fn done(&mut self, outcomes: Vec<(ChannelKey, Outcome)>) {
        self.connection.handle_event(self.now, SessionEvent::Done { outcomes });
    }
}

#[test]
fn headers_of_other_versions_are_answered_as_rabbitmq_does() {
    for (sent, answer) in [
        (b"AMQP\x00\x00\x09\x02", Some(b"AMQP\x00\x00\x09\x01")),
        (b"AMQP\x00\x01\x00\x00", Some(b"AMQP\x00\x00\x09\x01")),
        (b"AMQP\x03\x01\x00\x00", Some(b"AMQP\x03\x01\x00\x00")),
        (b"GET / HT", Some(b"AMQP\x00\x00\x09\x01")),
        (b"AMQP\x01\x01\x00\x09", None),
        (b"AMQP\x00\x00\x09\x01", None),
    ] {
        let mut bench = Bench::new();
        bench.send(sent);
        let said = bench.raw();
        match answer {
            Some(answer) => {
                assert_eq!(said, answer);
                assert!(bench.connection.is_over(bench.now));
            }
            None => assert_eq!(&said[7..11], [0, 10, 0, 10], "start"),
        }
    }
}

#[test]
fn a_failed_login_is_told_only_to_who_can_hear_it() {
    let mut bench = Bench::started(&["authentication_failure_close"]);
    bench.raw();
    assert!(matches!(bench.connection.poll_effect(), Some(Effect::Login { .. })));
    bench.connection.handle_login(bench.now, Mechanism::Plain, None);
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.";
    assert_eq!(bench.close(), (0, 403, text.to_owned()));

    let mut bench = Bench::started(&[]);
    bench.raw();
    bench.connection.handle_login(bench.now, Mechanism::Plain, None);
    assert!(bench.raw().is_empty());
    assert!(!bench.connection.is_over(bench.now));
    assert!(bench.connection.is_over(bench.now + Duration::from_secs(2)));
}

#[test]
fn who_does_not_log_in_in_time_is_turned_away_and_who_did_only_goes() {
    let why = "no login came in time (amqp.handshake_timeout_ms)";
    let mut begun = Bench::new();
    begun.send(b"AMQP");
    let mut known = Bench::started(&[]);
    known.login();
    for (bench, told) in [(&mut begun, Some(why)), (&mut known, None)] {
        bench.raw();
        let due = bench.connection.poll_timeout().unwrap();
        bench.connection.handle_timeout(due);
        assert!(bench.connection.is_over(due));
        let effect = bench.connection.poll_effect();
        assert_eq!(
            effect.and_then(|effect| if let Effect::TurnAway(why) = effect { Some(why) } else { None }),
            told
        );
    }
}

#[test]
fn tuning_above_what_was_offered_is_refused() {
    for (answer, text) in [
        (
            tune_ok(0, 131_072, 0),
            "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)",
        ),
        (
            tune_ok(2048, 131_072, 0),
            "negotiated channel_max = 2048 is higher than the maximum allowed value (2047)",
        ),
        (tune_ok(10, 4096, 0), "negotiated frame_max = 4096 is lower than the minimum allowed value (8192)"),
        (
            tune_ok(10, 0, 0),
            "negotiated frame_max = 0 (no limit) is higher than the maximum allowed value (131072)",
        ),
    ] {
        let mut bench = Bench::started(&[]);
        bench.login();
        bench.raw();
        bench.send(&answer);
        assert_eq!(bench.close(), (0, 530, format!("NOT_ALLOWED - {text}")));
    }
}

#[test]
fn frames_before_tuning_are_small() {
    let mut bench = Bench::started(&[]);
    bench.raw();
    bench.login();
    bench.raw();
    bench.send(&frame(1, 0, &vec![0; 9000]));
    assert_eq!(bench.close().1, 501);
}

#[test]
fn publishes_of_one_read_are_one_batch_and_one_confirm() {
    let mut bench = Bench::open();
    bench.send(&method(1, 85, 10, &[0]));
    let all: Vec<u8> = (0..5).flat_map(|n| publish(1, "q", n % 2 == 0, &vec![7; 5000])).collect();
    // What is not used is offered again with what follows, as a socket does.
    let mut kept = Vec::new();
    for stretch in all.chunks(999) {
        kept.extend_from_slice(stretch);
        let used = bench.connection.handle_input(bench.now, &kept);
        kept.drain(..used);
    }
    assert_eq!((kept.len(), bench.operations().len()), (0, 5));

    let mut bench = Bench::open();
    bench.send(&method(1, 85, 10, &[0]));
    bench.heard();
    bench.send(&all);
    let operations = bench.operations();
    assert_eq!(operations.len(), 5);
    let durabilities = operations.iter().map(|operation| match &operation.action {
        Action::Publish(publish) => {
            assert_eq!((&*publish.routing_key, publish.body.len()), ("q", 5000));
            publish.durability
        }
        other => panic!("{other:?}"),
    });
    use Durability::{Cache, Disk};
    assert_eq!(durabilities.collect::<Vec<_>>(), [Disk, Cache, Disk, Cache, Disk]);
    let key = operations[0].channel;
    bench.done(vec![(key, Outcome::Published(Published { count: 5, ..Published::default() }))]);
    let ack = [&5u64.to_be_bytes()[..], &[1]].concat();
    assert_eq!(bench.heard(), [(1, 60, 80, ack)]);
}

#[test]
fn a_refused_publish_is_told_apart_from_its_neighbours() {
    let mut bench = Bench::open();
    bench.send(&method(1, 85, 10, &[1]));
    let all: Vec<u8> = (0..4).flat_map(|_| publish(1, "q", true, b"x")).collect();
    bench.send(&all);
    let key = bench.operations()[0].channel;
    let exceptions = vec![(2, crate::topics::session::PublishFailure::Refused)];
    bench.done(vec![(key, Outcome::Published(Published { count: 4, exceptions, fatal: None }))]);
    let tag = |tag: u64, multiple: u8| [&tag.to_be_bytes()[..], &[multiple]].concat();
    assert_eq!(bench.heard(), [(1, 60, 80, tag(2, 1)), (1, 60, 120, tag(3, 0)), (1, 60, 80, tag(4, 0))]);
}

#[test]
fn violations_close_what_rabbitmq_closes() {
    let body_first = frame(3, 1, b"x");
    let header_first = frame(2, 1, &[0; 14]);
    let heartbeat = frame(8, 1, &[]);
    let immediate = method(1, 60, 40, &[0, 0, 0, 0, 2]);
    let unknown_tag = method(1, 60, 80, &[0, 0, 0, 0, 0, 0, 0, 9, 0]);
    for (sent, channel, code, text) in [
        (method(1, 20, 10, &[0]), 0, 504, "CHANNEL_ERROR - second 'channel.open' seen"),
        (method(2, 60, 80, &[0; 9]), 0, 504, "CHANNEL_ERROR - expected 'channel.open'"),
        (body_first, 0, 505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead"),
        (header_first, 0, 505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead"),
        (heartbeat, 0, 505, "UNEXPECTED_FRAME - type 8, all octets = <<>>"),
        (immediate, 0, 540, "NOT_IMPLEMENTED - immediate=true"),
        (unknown_tag, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 9"),
        (method(1, 20, 20, &[0]), 0, 540, "NOT_IMPLEMENTED - active=false"),
        (method(1, 60, 110, &[0]), 0, 540, "NOT_IMPLEMENTED - requeue=false"),
        (method(1, 60, 10, &[0, 0, 0, 8, 0, 1, 0]), 0, 540, "NOT_IMPLEMENTED - prefetch_size!=0 (8)"),
        (method(1, 90, 20, &[]), 1, 406, "PRECONDITION_FAILED - channel is not transactional"),
        (method(1, 50, 30, &[0, 0, 0, 0]), 1, 404, "NOT_FOUND - no previously declared queue"),
        (
            method(1, 40, 20, &[0, 0, 0, 0]),
            1,
            403,
            "ACCESS_REFUSED - operation not permitted on the default exchange",
        ),
    ] {
        let mut bench = Bench::open();
        bench.send(&sent);
        assert_eq!(bench.close(), (channel, code, text.to_owned()));
    }
}

#[test]
fn a_channel_that_is_being_closed_hears_nothing_but_the_answer() {
    let mut bench = Bench::open();
    bench.send(&method(1, 60, 80, &[0, 0, 0, 0, 0, 0, 0, 9, 0]));
    assert_eq!(bench.close().1, 406);
    let key = ChannelKey(1);
    assert!(
        matches!(&bench.operations()[..], [Operation { channel, action: Action::CloseChannel { .. } }] if *channel == key)
    );
    bench.send(&publish(1, "q", true, b"late"));
    bench.send(&method(1, 60, 80, &[0, 0, 0, 0, 0, 0, 0, 9, 0]));
    assert_eq!(bench.heard(), []);
    assert!(bench.operations().is_empty());
    bench.send(&method(1, 20, 41, &[]));
    bench.send(&method(1, 20, 10, &[0]));
    assert_eq!(bench.heard(), [(1, 20, 11, vec![0, 0, 0, 0])]);
}

#[test]
fn leaving_waits_for_what_was_asked_before() {
    let mut bench = Bench::open();
    bench.send(&[publish(1, "q", true, b"x"), method(0, 10, 50, &[0; 7])].concat());
    let operations = bench.operations();
    assert_eq!(bench.heard(), []);
    let Action::Ask(request) = &operations.last().unwrap().action else { panic!("{operations:?}") };
    assert_eq!(**request, Request::EndOwner);
    let key = operations.last().unwrap().channel;
    bench.done(vec![(key, Outcome::Asked(Ok(Answer::Done)))]);
    assert_eq!(bench.heard(), [(0, 10, 51, vec![])]);
    assert!(bench.connection.is_over(bench.now));
}

#[test]
fn heartbeats_go_out_and_are_missed() {
    let mut bench = Bench::open();
    let half = bench.connection.poll_timeout().unwrap();
    assert_eq!(half, bench.now + Duration::from_secs(30));
    bench.connection.handle_timeout(half);
    assert_eq!(bench.raw(), [8, 0, 0, 0, 0, 0, 0, 0xCE]);
    bench.connection.handle_timeout(bench.now + Duration::from_secs(119));
    assert!(bench.connection.is_open());
    bench.connection.handle_timeout(bench.now + Duration::from_secs(121));
    assert!(!bench.connection.is_open());
}

#[test]
fn a_transaction_is_handed_over_whole_or_not_at_all() {
    let mut bench = Bench::open();
    bench.send(&method(1, 90, 10, &[]));
    bench.send(&publish(1, "q", false, b"one"));
    bench.send(&publish(1, "q", false, b"two"));
    assert!(bench.operations().is_empty());
    assert!(bench.connection.assembling_bytes() > 6);
    bench.send(&method(1, 90, 30, &[]));
    assert_eq!(bench.connection.assembling_bytes(), 0);
    bench.send(&publish(1, "q", false, b"three"));
    bench.send(&method(1, 90, 20, &[]));
    let operations = bench.operations();
    let [Operation { action: Action::Commit(steps), .. }] = &operations[..] else { panic!("{operations:?}") };
    assert!(matches!(&steps[..], [Action::Publish(publish)] if publish.body == "three"));
}

#[test]
fn settlements_of_one_read_go_together() {
    let mut bench = Bench::open();
    let channel = bench.connection.channels.get_mut(&1).unwrap();
    for tag in 1..=4 {
        channel.next_delivery = tag;
        let lease = Some(crate::topics::Lease([tag as u8; 16]));
        channel.unsettled.push(crate::amqp::unsettled::Pending { tag, lease, consumer: None });
    }
    let tag = |tag: u64, rest: &[u8]| [&tag.to_be_bytes()[..], rest].concat();
    bench.send(
        &[
            method(1, 60, 80, &tag(2, &[1])),
            method(1, 60, 120, &tag(4, &[2])),
            method(1, 60, 90, &tag(3, &[0])),
        ]
        .concat(),
    );
    let operations = bench.operations();
    let [Operation { action: Action::Settle(settles), .. }] = &operations[..] else {
        panic!("{operations:?}")
    };
    let order: Vec<_> = settles.iter().map(|(lease, settlement)| (lease.0[0], *settlement)).collect();
    use Settlement::{Ack, Discard, Requeue};
    assert_eq!(order, [(1, Ack), (2, Ack), (4, Requeue), (3, Discard)]);
    bench.send(&method(1, 60, 80, &tag(2, &[0])));
    assert_eq!(bench.close().2, "PRECONDITION_FAILED - unknown delivery tag 2");
}

#[test]
fn made_up_names_do_not_repeat() {
    let mut bench = Bench::new();
    let names: std::collections::HashSet<String> =
        (0..1000).map(|_| bench.connection.make_up_name("amq.gen-")).collect();
    assert_eq!(names.len(), 1000);
    assert!(names.iter().all(|name| name.len() == 30));
}

/// A subscription that kept a message for too long, told to a client with these abilities.
fn timed_out(can: &[&str]) -> Bench {
    let mut bench = Bench::started(can);
    bench.login();
    bench.send(&tune_ok(2047, 131_072, 60));
    bench.send(&method(0, 10, 40, &[&short("/")[..], &[0, 0]].concat()));
    bench.connection.handle_vhost(bench.now, VhostAnswer::Open);
    bench.send(&method(1, 20, 10, &[0]));
    bench.send(&method(1, 60, 20, &[&[0, 0][..], &short("q"), &short("tag"), &[0], &[0; 4]].concat()));
    let key = bench.connection.channels[&1].key;
    bench.done(vec![(key, Outcome::Asked(Ok(Answer::Done)))]);
    bench.heard();
    let ended = SessionEvent::Ended { consumer: ConsumerNumber(1), timed_out: true };
    bench.connection.handle_event(bench.now, ended);
    bench
}

#[test]
fn a_consumer_timeout_costs_the_channel_of_who_cannot_be_told() {
    let mut told = timed_out(&["consumer_cancel_notify"]);
    assert_eq!(told.heard().iter().map(|told| (told.1, told.2)).collect::<Vec<_>>(), [(60, 30)]);
    let text = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out";
    assert_eq!(timed_out(&[]).close(), (1, 406, text.to_owned()));
}
