use std::time::{Duration, Instant};

use bytes::Bytes;
use message::{ErrorCode, HeaderTable, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Session;
use crate::codec::render::{ValueMode, write_message};
use crate::refusal::Refusal;
use crate::topics::{HeadersView, Lease, MessageView, Place, Receipt, Standing};
use crate::ws::answer::{Position, Seat};
use crate::ws::asyncapi_tests::check_sent_by_server;
use crate::ws::command::{CommandId, Inbound};
use crate::ws::effect::{Effect, Opened, Outcome};
use crate::ws::encoding::Encoding;
use crate::ws::limits::WsLimits;
use crate::ws::outbox::Outbound;
use crate::ws::records::{EncodedRecords, RecordMark};

/// A session with a clock that only moves when told.
struct Rig {
    pub session: Session,
    pub now: Instant,
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with(WsLimits::default())
    }

    pub fn with(limits: WsLimits) -> Rig {
        let now = Instant::now();
        Rig { session: Session::new(Encoding::Json, limits, now, Timestamp(1_000_000)), now }
    }

    pub fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string());
    }

    pub fn send_text(&mut self, text: &str) {
        self.session.handle_frame(self.now, &Inbound::Text(Bytes::copy_from_slice(text.as_bytes())));
    }

    /// Everything that the session says now.
    fn heard(&mut self) -> Vec<Value> {
        let mut heard = Vec::new();
        while let Some(frame) = self.session.poll_frame() {
            heard.push(match frame {
                Outbound::Text(text) => {
                    let frame = serde_json::from_slice(&text).unwrap();
                    check_sent_by_server(&frame);
                    frame
                }
                Outbound::Binary(_) => panic!("a binary frame on a JSON socket"),
                Outbound::Ping => json!("ping"),
                Outbound::Close(code, reason) => json!({"close": code, "reason": reason}),
            });
        }
        heard
    }

    pub fn effects(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.session.poll_effect()).collect()
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
    }

    /// Opens a subscription as `opened`; answers its number.
    pub fn open(&mut self, ask: Value, opened: Opened) -> u32 {
        self.send(ask);
        let effects = self.effects();
        let Some(Effect::Open { id, subscription, ask }) = effects.into_iter().next() else {
            panic!("{:?}", self.heard());
        };
        let outcome = Outcome::Opened { id, subscription, ask, opened: Ok(opened) };
        self.session.handle_outcome(self.now, outcome);
        subscription
    }

    pub fn open_queue(&mut self, extra: Value) -> u32 {
        let mut ask = json!({"id": 1, "type": "subscribe", "topic": "q"});
        ask.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.open(ask, Opened::Queue)
    }

    pub fn open_group(&mut self, extra: Value) -> u32 {
        let mut ask = json!({"id": 1, "type": "subscribe", "topic": "l", "group": "g"});
        ask.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.open(
            ask,
            Opened::Group { seat: seat(1), positions: vec![Position { partition: 0, offset: 10 }] },
        )
    }

    /// Delivers messages with leases numbered by `leases`, which end at `expires_at`.
    pub fn deliver(&mut self, subscription: u32, leases: std::ops::Range<u8>, expires_at: i64) {
        let table = HeaderTable::default();
        let views = leases.map(|n| MessageView {
            key: None,
            headers: HeadersView::Table(&table),
            content_type: None,
            timestamp: 5,
            value: Some(b"payload"),
            place: Place::Queue {
                id: u64::from(n),
                priority: 0,
                attempt: 1,
                redelivered: false,
                failures: &[],
                properties: Vec::new(),
                standing: Standing::Leased { lease: Lease([n; 16]), expires_at },
            },
        });
        views.for_each(|view| self.session.handle_delivery(subscription, &view));
    }
}

fn seat(generation: u32) -> Seat {
    Seat { group: "g".into(), member_id: "m".into(), generation }
}

/// Records as the cache hands them over: one byte of weight each.
fn records(offsets: std::ops::Range<i64>) -> EncodedRecords {
    let mut content = Vec::new();
    let mut marks = Vec::new();
    for offset in offsets.clone() {
        if !content.is_empty() {
            content.push(b',');
        }
        let start = content.len() as u32;
        let view = MessageView {
            key: None,
            headers: HeadersView::Record(Vec::new()),
            content_type: None,
            timestamp: 5,
            value: Some(b"v"),
            place: Place::Log { partition: 0, offset },
        };
        write_message(&mut content, &view, ValueMode::Auto);
        marks.push(RecordMark { offset, start, end: content.len() as u32, weight: 1 });
    }
    EncodedRecords {
        from: offsets.start,
        next: offsets.end,
        high_watermark: offsets.end,
        log_start: 0,
        content: content.into(),
        marks: marks.into(),
    }
}

fn offsets(frames: &[Value]) -> Vec<i64> {
    let messages = frames.iter().filter(|frame| frame["type"] == "message");
    messages
        .flat_map(|frame| frame["messages"].as_array().unwrap())
        .map(|one| one["offset"].as_i64().unwrap())
        .collect()
}

#[test]
fn every_reply_repeats_the_id() {
    let mut rig = Rig::new();
    rig.send(json!({"id": 7, "type": "ping"}));
    rig.send(json!({"id": "mine", "type": "auth", "token": "t"}));
    rig.send(json!({"id": 8, "type": "pause", "subscription": 3}));
    let logged_in = Outcome::LoggedIn { id: CommandId::Text("mine".into()), user: Ok(None) };
    assert!(!rig.session.wants_frames(), "what comes behind a login waits for it");
    rig.session.handle_outcome(rig.now, logged_in);
    assert!(rig.session.wants_frames());
    let mut heard = rig.heard();
    heard.sort_by_key(|frame| frame["id"] != 7);
    heard[1..].sort_by_key(|frame| frame["id"] != "mine");
    assert_eq!((&heard[0]["id"], &heard[0]["type"]), (&json!(7), &json!("ok")));
    assert_eq!(heard[1]["id"], "mine");
    assert!(heard[1]["note"].as_str().unwrap().contains("no users"));
    assert_eq!((&heard[2]["id"], &heard[2]["type"]), (&json!(8), &json!("error")));
    assert_eq!(heard[2]["error"]["field"], "/subscription");
}

#[test]
fn replies_come_as_commands_finish() {
    let mut rig = Rig::new();
    for id in [1, 2] {
        rig.send(json!({"id": id, "type": "publish", "topic": "t", "messages": [{"value": "x"}]}));
    }
    assert_eq!(rig.effects().len(), 2);
    for id in [2, 1] {
        let results = Ok(vec![Ok(Receipt::Queue { id })]);
        rig.session.handle_outcome(rig.now, Outcome::Published { id: CommandId::Number(id), results });
    }
    let heard = rig.heard();
    assert_eq!(heard[0], json!({"id": 2, "type": "ok", "results": [{"id": 2}]}));
    assert_eq!(heard[1]["id"], 1);
}

#[test]
fn messages_that_wait_travel_in_one_frame() {
    let mut rig = Rig::new();
    let one = rig.open_queue(json!({}));
    rig.heard();
    rig.deliver(one, 1..3, 2_000_000);
    rig.deliver(one, 3..6, 2_000_000);
    let heard = rig.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0]["subscription"], one);
    assert_eq!(heard[0]["messages"].as_array().unwrap().len(), 5);
    assert_eq!(heard[0]["messages"][0]["lease"], "01".repeat(16));
}

#[test]
fn a_settled_or_expired_lease_gives_its_credit_back_once() {
    let mut rig = Rig::new();
    let one = rig.open_queue(json!({"credit": {"messages": 4}}));
    rig.deliver(one, 1..5, 1_000_500);
    rig.effects();
    rig.send(json!({"id": 2, "type": "ack", "leases": ["01".repeat(16), "02".repeat(16)]}));
    let effects = rig.effects();
    let [Effect::Settle { id, settle }, grant] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(*grant, Effect::Grant { subscription: one, messages: 2, bytes: 14 });
    let stale = Err(Box::new(Refusal::new(ErrorCode::StaleLease, "gone")));
    let (id, settle) = (id.clone(), settle.clone());
    rig.session.handle_outcome(rig.now, Outcome::Settled { id, settle, results: Ok(vec![Ok(None), stale]) });
    assert_eq!(rig.effects(), []);
    rig.pass(Duration::from_millis(400));
    assert_eq!(rig.effects(), []);
    rig.pass(Duration::from_millis(200));
    assert_eq!(rig.effects(), [Effect::Grant { subscription: one, messages: 2, bytes: 14 }]);
}

#[test]
fn a_log_hands_over_no_more_than_the_credit() {
    let mut rig = Rig::new();
    let ask =
        json!({"id": 1, "type": "subscribe", "topic": "l", "from": "earliest", "credit": {"messages": 3}});
    let one = rig.open(ask, Opened::Log(vec![Position { partition: 0, offset: 0 }]));
    rig.heard();
    let request = rig.session.poll_read().unwrap();
    assert_eq!((request.subscription, request.partition, request.from), (one, 0, 0));
    rig.session.handle_records(one, 0, &records(0..5), false);
    assert_eq!(offsets(&rig.heard()), [0, 1, 2]);
    assert_eq!(rig.session.poll_read(), None);
    rig.send(json!({"id": 2, "type": "credit", "subscription": one, "messages": 10}));
    assert_eq!(rig.session.poll_read().unwrap().from, 3);
    rig.session.handle_records(one, 0, &records(0..5), false);
    assert_eq!(offsets(&rig.heard()), [3, 4]);
    assert_eq!(rig.effects(), [Effect::Watch { subscription: one, partition: 0, from: 5 }]);
    rig.send(json!({"id": 3, "type": "pause", "subscription": one}));
    rig.session.handle_readable(one, 0);
    assert_eq!(rig.session.poll_read(), None);
    rig.send(json!({"id": 4, "type": "resume", "subscription": one}));
    assert_eq!(rig.session.poll_read().unwrap().from, 5);
}

#[test]
fn one_partition_is_paused_and_resumed_beside_the_others() {
    let mut rig = Rig::new();
    let ask = json!({"id": 1, "type": "subscribe", "topic": "l", "from": "earliest"});
    let positions = [0, 1].map(|partition| Position { partition, offset: 0 });
    let one = rig.open(ask, Opened::Log(positions.to_vec()));
    rig.send(json!({"id": 2, "type": "pause", "subscription": one, "partitions": [0]}));
    assert_eq!(rig.session.poll_read().unwrap().partition, 1);
    assert_eq!(rig.session.poll_read(), None);
    rig.send(json!({"id": 3, "type": "pause", "subscription": one, "partitions": [1, 7]}));
    rig.heard();
    rig.session.handle_records(one, 1, &records(0..2), true);
    assert_eq!(rig.session.poll_read().unwrap().partition, 1, "a pause that names a stranger pauses nothing");
    // The whole subscription's pause is another one.
    rig.send(json!({"id": 4, "type": "resume", "subscription": one}));
    rig.session.handle_records(one, 1, &records(2..4), false);
    assert_eq!(rig.session.poll_read(), None);
    rig.send(json!({"id": 5, "type": "resume", "subscription": one, "partitions": [0]}));
    let request = rig.session.poll_read().unwrap();
    assert_eq!((request.partition, request.from), (0, 0));
    let refused = json!({"id": 6, "type": "pause", "subscription": 99, "partitions": [0]});
    rig.heard();
    rig.send(refused);
    assert_eq!(rig.heard()[0]["error"]["field"], "/subscription");
    rig.effects();
    let queue = rig.open_queue(json!({}));
    rig.heard();
    rig.send(json!({"id": 7, "type": "pause", "subscription": queue, "partitions": [0]}));
    assert_eq!(rig.heard()[0]["error"]["code"], "wrong_model");
}

#[test]
fn acks_out_of_order_commit_the_lowest_contiguous_offset() {
    let mut rig = Rig::new();
    let one = rig.open_group(json!({"credit": {"messages": 5}}));
    rig.session.poll_read().unwrap();
    rig.session.handle_records(one, 0, &records(10..15), false);
    rig.effects();
    rig.heard();
    let ack = |id: u32, offsets: Value| json!({"id": id, "type": "ack", "subscription": one, "records": [{"partition": 0, "offsets": offsets}]});
    rig.send(ack(2, json!([12, 11])));
    assert_eq!(rig.heard(), [json!({"id": 2, "type": "ok", "committed": []})]);
    rig.send(ack(3, json!([10])));
    let Some(Effect::Commit { farewell, .. }) = rig.effects().pop() else { panic!() };
    assert_eq!((farewell.offsets[0].partition, farewell.offsets[0].offset), (0, 13));
    // A second one while the first is under way waits for it.
    rig.send(ack(4, json!([13, 14])));
    assert_eq!(rig.effects(), []);
    let committed = Ok(vec![Position { partition: 0, offset: 13 }]);
    rig.session.handle_outcome(rig.now, Outcome::Committed { subscription: one, result: committed });
    assert_eq!(rig.heard(), [json!({"id": 3, "type": "ok", "committed": [{"partition": 0, "offset": 13}]})]);
    let Some(Effect::Commit { farewell, .. }) = rig.effects().pop() else { panic!() };
    assert_eq!(farewell.offsets[0].offset, 15);
}

#[test]
fn a_new_assignment_is_told_and_old_partitions_are_not_acknowledged() {
    let mut rig = Rig::new();
    let one = rig.open_group(json!({"credit": {"messages": 2}}));
    rig.session.poll_read().unwrap();
    rig.session.handle_records(one, 0, &records(10..15), false);
    rig.effects();
    rig.heard();
    rig.pass(Duration::from_secs(1));
    assert!(matches!(rig.effects()[..], [Effect::Rejoin { .. }]));
    let result = Ok((seat(2), Some(vec![Position { partition: 3, offset: 7 }])));
    rig.session.handle_outcome(rig.now, Outcome::Joined { subscription: one, result });
    let heard = rig.heard();
    assert_eq!(heard[0]["type"], "assignment");
    assert_eq!(heard[0]["generation"], 2);
    assert_eq!(heard[0]["partitions"], json!([{"partition": 3, "offset": 7}]));
    // What was in flight of partition 0 no longer counts, so there is credit for partition 3.
    assert_eq!(rig.session.poll_read().unwrap().partition, 3);
    rig.send(
        json!({"id": 5, "type": "ack", "subscription": one, "records": [{"partition": 0, "offsets": [10]}]}),
    );
    assert_eq!(rig.heard()[0]["error"]["code"], "stale_generation");
}

#[test]
fn commands_of_the_other_model_are_told_apart() {
    let mut rig = Rig::new();
    let queue = rig.open_queue(json!({}));
    let log = rig.open_group(json!({}));
    rig.heard();
    rig.effects();
    rig.send(json!({"id": 1, "type": "ack", "subscription": queue, "records": []}));
    rig.send(
        json!({"id": 2, "type": "nack", "subscription": log, "records": [{"partition": 0, "offsets": [1]}]}),
    );
    rig.send(json!({"id": 3, "type": "commit", "subscription": queue, "offsets": []}));
    for heard in rig.heard() {
        assert_eq!(heard["error"]["code"], "wrong_model", "{heard}");
    }
}

#[test]
fn garbage_is_answered_and_then_closes_the_socket() {
    let mut rig = Rig::with(WsLimits { protocol_errors: 3, ..WsLimits::default() });
    for text in ["{", "[]", "\"x\""] {
        rig.send_text(text);
    }
    let heard = rig.heard();
    assert!(heard[..3].iter().all(|frame| frame["type"] == "error" && frame["id"].is_null()), "{heard:?}");
    assert_eq!(heard[3]["close"], 1007);
    rig.send(json!({"id": 1, "type": "ping"}));
    assert_eq!(rig.heard(), Vec::<Value>::new());
}

#[test]
fn a_wrong_field_costs_nothing_but_the_command() {
    let mut rig = Rig::with(WsLimits { protocol_errors: 1, ..WsLimits::default() });
    for (frame, field) in [
        (json!({"id": 1, "type": "subscribe"}), ""),
        (json!({"id": 1, "type": "subscribe", "topic": 5}), "/topic"),
        (json!({"id": 1, "type": "subscribe", "topic": "t", "form": 1}), "/form"),
        (json!({"id": 1, "type": "subscribe", "topic": "t", "credit": {"messages": -1}}), "/credit/messages"),
        (
            json!({"id": 1, "type": "subscribe", "topic": "t", "credit": {"messages": 1_000_000}}),
            "/credit/messages",
        ),
        (json!({"id": 1, "type": "subscribe", "topic": "t", "values": "xml"}), "/values"),
        (json!({"id": 1, "type": "subscribe", "topic": "t", "from": "soon"}), "/from"),
        (json!({"id": 1, "type": "publish", "topic": "t"}), ""),
        (json!({"id": 1, "type": "publish", "messages": []}), "/topic"),
        (json!({"id": 1, "type": "publish", "topic": "t", "messages": [{"valu": 1}]}), "/messages/0/valu"),
        (json!({"id": 1, "type": "publish", "topic": "t", "exchange": "e", "messages": []}), "/exchange"),
        (json!({"id": 1, "type": "publish", "topic": "t", "acks": "most", "messages": []}), "/acks"),
        (json!({"id": 1, "type": "ack", "leases": ["x"]}), "/leases/0"),
        (json!({"id": 1, "type": "ack"}), "/leases"),
        (json!({"id": 1, "type": "subscrbe"}), "/type"),
        (json!({"id": 1}), "/type"),
    ] {
        rig.send(frame.clone());
        let heard = rig.heard();
        assert_eq!(heard[0]["type"], "error", "{frame}");
        assert_eq!(heard[0]["id"], 1, "{frame}");
        if field.is_empty() {
            assert!(
                heard[0]["error"]["detail"].as_str().unwrap().contains("missing field"),
                "{frame}: {heard:?}"
            );
        } else {
            assert_eq!(heard[0]["error"]["field"], field, "{frame}: {heard:?}");
        }
        assert_eq!(heard.len(), 1);
    }
    assert!(rig.effects().is_empty());
}

#[test]
fn limits_hold() {
    let mut rig = Rig::with(WsLimits { subscriptions: 1, commands_in_flight: 2, ..WsLimits::default() });
    rig.open_queue(json!({}));
    rig.heard();
    rig.send(json!({"id": 2, "type": "subscribe", "topic": "q"}));
    assert_eq!(rig.heard()[0]["error"]["code"], "overloaded");
    for id in 3..5 {
        assert!(rig.session.wants_frames());
        rig.send(json!({"id": id, "type": "publish", "topic": "t", "messages": []}));
    }
    assert!(!rig.session.wants_frames());
}

#[test]
fn a_client_that_does_not_read_stops_what_is_pulled_for_it() {
    let mut rig = Rig::with(WsLimits { outbound_bytes: 5000, ..WsLimits::default() });
    let ask = json!({"id": 1, "type": "subscribe", "topic": "l", "from": 0});
    let one = rig.open(ask, Opened::Log(vec![Position { partition: 0, offset: 0 }]));
    let mut next = 0;
    while let Some(request) = rig.session.poll_read() {
        assert_eq!(request.from, next);
        next += 10;
        rig.session.handle_records(one, 0, &records(next - 10..next), true);
        assert!(next < 1000);
    }
    assert!(!rig.session.wants_deliveries());
    rig.heard();
    assert_eq!(rig.session.poll_read().unwrap().from, next);
}

#[test]
fn silence_is_asked_about_and_then_ends_the_socket() {
    let mut rig = Rig::new();
    let one = rig.open_queue(json!({}));
    rig.heard();
    let due = rig.session.poll_timeout().unwrap();
    rig.pass(due - rig.now);
    assert_eq!(rig.heard(), [json!("ping")]);
    rig.session.handle_frame(rig.now, &Inbound::Heartbeat);
    rig.pass(Duration::from_secs(30));
    assert_eq!(rig.heard(), [json!("ping")]);
    rig.pass(Duration::from_secs(30));
    assert_eq!(rig.heard()[0]["close"], 1008);
    assert_eq!(rig.effects(), [Effect::Drop { subscription: one, farewell: None }]);
}

#[test]
fn a_drain_says_goodbye_finishes_what_was_begun_and_closes() {
    let mut rig = Rig::new();
    let one = rig.open_queue(json!({}));
    rig.send(json!({"id": 2, "type": "publish", "topic": "t", "messages": []}));
    rig.effects();
    rig.heard();
    rig.session.handle_drain(rig.now);
    assert_eq!(rig.effects(), [Effect::Drop { subscription: one, farewell: None }]);
    assert_eq!(rig.heard()[0]["type"], "goodbye");
    rig.send(json!({"id": 3, "type": "subscribe", "topic": "t"}));
    assert_eq!(rig.heard()[0]["error"]["code"], "shutting_down");
    rig.session
        .handle_outcome(rig.now, Outcome::Published { id: CommandId::Number(2), results: Ok(Vec::new()) });
    let heard = rig.heard();
    assert_eq!(heard[0]["id"], 2);
    assert_eq!(heard[1]["close"], 1001);
}

#[test]
fn leaving_a_group_commits_what_was_acknowledged() {
    let mut rig = Rig::new();
    let one = rig.open_group(json!({"ack": "auto"}));
    rig.session.poll_read().unwrap();
    rig.session.handle_records(one, 0, &records(10..12), false);
    let effects = rig.effects();
    let Some(Effect::Commit { farewell, .. }) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(farewell.offsets[0].offset, 12);
    rig.session.handle_readable(one, 0);
    rig.session.handle_records(one, 0, &records(12..20), false);
    rig.send(json!({"id": 4, "type": "unsubscribe", "subscription": one}));
    let effects = rig.effects();
    let Some(Effect::Drop { farewell: Some(farewell), .. }) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(farewell.offsets[0].offset, 20);
}

#[test]
fn oversize_closes_with_a_reason() {
    let mut rig = Rig::new();
    rig.session.handle_oversize();
    let heard = rig.heard();
    assert_eq!(heard[0]["error"]["code"], "too_large");
    assert_eq!(heard[1]["close"], 1009);
}

fn any_frame() -> impl Strategy<Value = Inbound> {
    let name = proptest::sample::select(vec![
        "subscribe",
        "publish",
        "ack",
        "nack",
        "reject",
        "extend",
        "credit",
        "pause",
        "resume",
        "commit",
        "unsubscribe",
        "auth",
        "ping",
        "nonsense",
    ]);
    let field = proptest::sample::select(vec![
        "topic",
        "from",
        "group",
        "credit",
        "leases",
        "records",
        "subscription",
        "messages",
        "offsets",
        "delay_ms",
        "acks",
        "token",
        "values",
    ]);
    let value = prop_oneof![
        Just(json!(null)),
        any::<i64>().prop_map(|n| json!(n)),
        ".{0,8}".prop_map(|text| json!(text)),
        Just(json!({})),
        Just(json!([])),
        Just(json!({"messages": 5})),
        Just(json!([{"partition": 0, "offsets": [i64::MAX, i64::MIN]}])),
        Just(json!([{"partition": 0, "offset": 3}])),
        (0u32..4).prop_map(|n| json!(n)),
    ];
    let command = (name, proptest::collection::vec((field, value), 0..4)).prop_map(|(name, fields)| {
        let mut frame = json!({"id": 1, "type": name});
        frame
            .as_object_mut()
            .unwrap()
            .extend(fields.into_iter().map(|(field, value)| (field.to_owned(), value)));
        Inbound::Text(frame.to_string().into())
    });
    prop_oneof![
        4 => command,
        1 => ".{0,40}".prop_map(|text| Inbound::Text(text.into())),
        1 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Inbound::Binary(bytes.into())),
        1 => Just(Inbound::Heartbeat),
    ]
}

proptest! {
    #[test]
    fn nothing_that_a_client_sends_breaks_a_session(
        frames in proptest::collection::vec((any_frame(), 0u64..2000), 0..40),
        binary: bool,
    ) {
        let mut rig = Rig::new();
        if binary {
            rig.session = Session::new(Encoding::Binary, WsLimits::default(), rig.now, Timestamp(0));
        }
        for (frame, ms) in frames {
            rig.session.handle_frame(rig.now, &frame);
            for effect in rig.effects() {
                if let Effect::Open { id, subscription, ask } = effect {
                    let positions = vec![Position { partition: 0, offset: 0 }];
                    let opened = match &ask.group {
                        Some(_) => Opened::Group { seat: seat(1), positions },
                        None if subscription % 2 == 0 => Opened::Queue,
                        None => Opened::Log(positions),
                    };
                    let outcome = Outcome::Opened { id, subscription, ask, opened: Ok(opened) };
                    rig.session.handle_outcome(rig.now, outcome);
                }
            }
            while let Some(request) = rig.session.poll_read() {
                let stretch = records(request.from..request.from + 3);
                rig.session.handle_records(request.subscription, request.partition, &stretch, request.from < 30);
            }
            while rig.session.poll_frame().is_some() {}
            rig.pass(Duration::from_millis(ms));
        }
        rig.session.handle_gone();
        rig.effects();
        prop_assert_eq!(rig.session.poll_read(), None);
    }
}
