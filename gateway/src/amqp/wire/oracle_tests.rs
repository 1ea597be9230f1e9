//! The codec beside an independent one, amq-protocol: what the one writes the other reads as the same, both ways.

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::{AMQPClass, BasicProperties, basic, channel, connection, exchange, queue};
use amq_protocol::types::{AMQPValue, FieldTable, LongString, ShortString};
use bytes::Bytes;
use message::{HeaderTable, HeaderValue};
use proptest::prelude::*;

use super::*;

const FRAME_MOST: usize = 131_072;

/// As the other codec writes it.
fn theirs(frame: &AMQPFrame) -> Vec<u8> {
    let written = gen_frame::<Vec<u8>>(frame)(WriteContext::from(Vec::new()));
    written.expect("it writes its own frames").into_inner().0
}

/// As the other codec reads it.
fn read_by_them(bytes: &[u8]) -> AMQPFrame {
    let (rest, frame) = parse_frame(bytes).expect("it reads what we wrote");
    assert!(rest.is_empty(), "a frame and no more");
    frame
}

fn ours(write: impl FnOnce(&mut Output)) -> Vec<u8> {
    let mut output = Output::default();
    write(&mut output);
    let mut slices = [std::io::IoSlice::new(&[]); 64];
    let filled = output.slices(&mut slices);
    slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect()
}

/// What we write is what they read; what they make of it is written the same.
fn check_reply(reply: &Reply<'_>, number: u16) -> AMQPClass {
    let bytes = ours(|output| reply.put(output, number));
    let frame = read_by_them(&bytes);
    assert_eq!(theirs(&frame), bytes, "{reply:?}");
    match frame {
        AMQPFrame::Method(channel, class) => {
            assert_eq!(channel, number);
            class
        }
        other => panic!("{other:?}"),
    }
}

/// Reads a method that they wrote.
fn read_method(bytes: &[u8], check: impl FnOnce(Method<'_>)) {
    let (frame, taken) = next_frame(bytes, FRAME_MOST).expect("a frame").expect("a whole frame");
    assert_eq!((frame.kind, taken), (FrameKind::Method, bytes.len()));
    check(Method::read(frame.payload).expect("a method"));
}

fn short() -> impl Strategy<Value = String> {
    "[a-zA-Zäß.#*-]{0,40}"
}

fn value() -> impl Strategy<Value = AMQPValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i8>().prop_map(AMQPValue::ShortShortInt),
        any::<i16>().prop_map(AMQPValue::ShortInt),
        any::<i32>().prop_map(AMQPValue::LongInt),
        any::<u32>().prop_map(AMQPValue::LongUInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        (-1e9f64..1e9).prop_map(AMQPValue::Double),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        short().prop_map(|text| AMQPValue::LongString(LongString::from(text))),
        Just(AMQPValue::Void),
    ];
    leaf.prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| AMQPValue::FieldArray(items.into())),
            prop::collection::btree_map("[a-z]{1,8}", inner, 0..3)
                .prop_map(|entries| { AMQPValue::FieldTable(table(entries)) }),
        ]
    })
}

fn table(entries: std::collections::BTreeMap<String, AMQPValue>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}

fn tables() -> impl Strategy<Value = FieldTable> {
    prop::collection::btree_map("[a-z-]{1,12}", value(), 0..5).prop_map(table)
}

/// What they mean by a value, in our words.
fn meant(value: &AMQPValue) -> HeaderValue {
    match value {
        AMQPValue::Boolean(v) => HeaderValue::Bool(*v),
        AMQPValue::ShortShortInt(v) => HeaderValue::Int((*v).into()),
        AMQPValue::ShortInt(v) => HeaderValue::Int((*v).into()),
        AMQPValue::LongInt(v) => HeaderValue::Int((*v).into()),
        AMQPValue::LongUInt(v) => HeaderValue::Int((*v).into()),
        AMQPValue::LongLongInt(v) => HeaderValue::Int(*v),
        AMQPValue::Double(v) => HeaderValue::Float(*v),
        AMQPValue::Timestamp(v) => HeaderValue::Timestamp(*v),
        AMQPValue::LongString(v) => HeaderValue::Text(String::from_utf8_lossy(v.as_bytes()).into_owned()),
        AMQPValue::Void => HeaderValue::Null,
        AMQPValue::FieldArray(items) => HeaderValue::List(items.as_slice().iter().map(meant).collect()),
        AMQPValue::FieldTable(entries) => HeaderValue::Table(
            entries.inner().iter().map(|(name, value)| (name.as_str().to_owned(), meant(value))).collect(),
        ),
        other => panic!("{other:?} is not made here"),
    }
}

fn check_table(raw: &[u8], wanted: &FieldTable) {
    let read = HeaderTable::from_bytes(Bytes::copy_from_slice(raw)).expect("a table");
    let read: Vec<(String, HeaderValue)> =
        read.iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let wanted: Vec<_> =
        wanted.inner().iter().map(|(name, value)| (name.as_str().to_owned(), meant(value))).collect();
    assert_eq!(read, wanted);
}

fn properties() -> impl Strategy<Value = BasicProperties> {
    let text = || prop::option::of(short());
    let texts = (text(), text(), text(), text(), text(), text(), text(), text());
    let numbers =
        (prop::option::of(any::<u8>()), prop::option::of(any::<u8>()), prop::option::of(any::<u64>()));
    (texts, numbers, prop::option::of(tables())).prop_map(|(texts, numbers, headers)| {
        let (content_type, encoding, correlation, reply_to, expiration, id, kind, app) = texts;
        let mut made = BasicProperties::default();
        let mut set = |value: Option<String>, with: fn(BasicProperties, ShortString) -> BasicProperties| {
            if let Some(value) = value {
                made = with(std::mem::take(&mut made), value.into());
            }
        };
        set(content_type, BasicProperties::with_content_type);
        set(encoding, BasicProperties::with_content_encoding);
        set(correlation, BasicProperties::with_correlation_id);
        set(reply_to, BasicProperties::with_reply_to);
        set(expiration, BasicProperties::with_expiration);
        set(id, BasicProperties::with_message_id);
        set(kind, BasicProperties::with_type);
        set(app, BasicProperties::with_app_id);
        let (mode, priority, timestamp) = numbers;
        made = mode.map_or(made.clone(), |mode| made.with_delivery_mode(mode));
        made = priority.map_or(made.clone(), |priority| made.with_priority(priority));
        made = timestamp.map_or(made.clone(), |timestamp| made.with_timestamp(timestamp));
        headers.map_or(made.clone(), |headers| made.with_headers(headers))
    })
}

proptest! {
    #[test]
    fn what_the_server_says_is_understood(
        name in short(), key in short(), number in 1u16..2047, tag in any::<u64>(), small in any::<u32>(),
        code in any::<u16>(), yes in any::<bool>(),
    ) {
        let (exchange, routing_key, text) = (name.as_str(), key.as_str(), name.as_str());
        let fault = MethodId { class: 60, method: 40 };
        for reply in [
            Reply::Tune { channel_max: code, frame_max: small, heartbeat: number },
            Reply::ConnectionOpenOk, Reply::ConnectionCloseOk, Reply::ConnectionClose { code, text, fault },
            Reply::Blocked { reason: text }, Reply::Unblocked, Reply::UpdateSecretOk, Reply::ChannelOpenOk,
            Reply::FlowOk { active: yes }, Reply::ChannelClose { code, text, fault }, Reply::ChannelCloseOk,
            Reply::ExchangeDeclareOk, Reply::ExchangeDeleteOk, Reply::ExchangeBindOk, Reply::ExchangeUnbindOk,
            Reply::QueueBindOk, Reply::QueueUnbindOk, Reply::QueuePurgeOk { messages: small },
            Reply::QueueDeleteOk { messages: small }, Reply::QosOk, Reply::ConsumeOk { tag: text },
            Reply::CancelOk { tag: text }, Reply::Cancel { tag: text }, Reply::GetEmpty, Reply::RecoverOk,
            Reply::ConfirmSelectOk, Reply::TxSelectOk, Reply::TxCommitOk, Reply::TxRollbackOk,
            Reply::Ack { tag, multiple: yes }, Reply::Return { code, text, exchange, routing_key },
            Reply::GetOk { delivery: tag, redelivered: yes, exchange, routing_key, messages: small },
        ] {
            check_reply(&reply, number);
        }
        let told = check_reply(&Reply::Nack { tag, multiple: yes }, number);
        let expected = basic::Nack { delivery_tag: tag, multiple: yes, requeue: false };
        prop_assert_eq!(told, AMQPClass::Basic(basic::AMQPMethod::Nack(expected)));
        let deliver = Reply::Deliver { tag: text, delivery: tag, redelivered: yes, exchange, routing_key };
        match check_reply(&deliver, number) {
            AMQPClass::Basic(basic::AMQPMethod::Deliver(told)) => {
                prop_assert_eq!(told.consumer_tag.as_str(), text);
                prop_assert_eq!((told.delivery_tag, told.redelivered), (tag, yes));
                prop_assert_eq!((told.exchange.as_str(), told.routing_key.as_str()), (exchange, routing_key));
            }
            other => panic!("{other:?}"),
        }
        match check_reply(&Reply::QueueDeclareOk { queue: text, messages: small, consumers: 3 }, number) {
            AMQPClass::Queue(queue::AMQPMethod::DeclareOk(told)) => {
                prop_assert_eq!((told.queue.as_str(), told.message_count, told.consumer_count), (text, small, 3));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_clients_say_is_understood(
        name in short(), key in short(), number in 1u16..2047, tag in any::<u64>(), bits in any::<[bool; 5]>(),
        arguments in tables(),
    ) {
        let [a, b, c, d, e] = bits;
        let text = |text: &str| ShortString::from(text.to_owned());
        let write = |class| theirs(&AMQPFrame::Method(number, class));
        let method = queue::Declare {
            queue: text(&name), passive: a, durable: b, exclusive: c, auto_delete: d, nowait: e,
            arguments: arguments.clone(),
        };
        read_method(&write(AMQPClass::Queue(queue::AMQPMethod::Declare(method))), |method| {
            let Method::QueueDeclare { queue, flags, arguments: raw } = method else { panic!("{method:?}") };
            assert_eq!(queue, name);
            let read = (flags.passive, flags.durable, flags.exclusive, flags.auto_delete, flags.nowait);
            assert_eq!(read, (a, b, c, d, e));
            check_table(raw, &arguments);
        });
        let method = exchange::Declare {
            exchange: text(&name), kind: text(&key), passive: a, durable: b, auto_delete: c, internal: d, nowait: e,
            arguments: arguments.clone(),
        };
        read_method(&write(AMQPClass::Exchange(exchange::AMQPMethod::Declare(method))), |method| {
            let Method::ExchangeDeclare { exchange, kind, flags, arguments: raw } = method else { panic!("{method:?}") };
            assert_eq!((exchange, kind), (name.as_str(), key.as_str()));
            let read = (flags.passive, flags.durable, flags.auto_delete, flags.internal, flags.nowait);
            assert_eq!(read, (a, b, c, d, e));
            check_table(raw, &arguments);
        });
        let method = queue::Bind {
            queue: text(&name), exchange: text(&key), routing_key: text(&name), nowait: a, arguments: arguments.clone(),
        };
        read_method(&write(AMQPClass::Queue(queue::AMQPMethod::Bind(method))), |method| {
            let Method::QueueBind(binding) = method else { panic!("{method:?}") };
            assert_eq!((binding.destination, binding.source, binding.routing_key), (name.as_str(), key.as_str(), name.as_str()));
            assert_eq!(binding.nowait, a);
            check_table(binding.arguments, &arguments);
        });
        let method = basic::Consume {
            queue: text(&name), consumer_tag: text(&key), no_local: a, no_ack: b, exclusive: c, nowait: d,
            arguments: arguments.clone(),
        };
        read_method(&write(AMQPClass::Basic(basic::AMQPMethod::Consume(method))), |method| {
            let Method::Consume { queue, tag, flags, arguments: raw } = method else { panic!("{method:?}") };
            assert_eq!((queue, tag), (name.as_str(), key.as_str()));
            assert_eq!((flags.no_ack, flags.exclusive, flags.nowait), (b, c, d));
            check_table(raw, &arguments);
        });
        let method = basic::Publish { exchange: text(&name), routing_key: text(&key), mandatory: a, immediate: b };
        read_method(&write(AMQPClass::Basic(basic::AMQPMethod::Publish(method))), |method| {
            assert_eq!(method, Method::Publish { exchange: &name, routing_key: &key, mandatory: a, immediate: b });
        });
        let method = basic::Nack { delivery_tag: tag, multiple: a, requeue: b };
        read_method(&write(AMQPClass::Basic(basic::AMQPMethod::Nack(method))), |method| {
            assert_eq!(method, Method::Nack { tag, multiple: a, requeue: b });
        });
        let method = basic::Ack { delivery_tag: tag, multiple: a };
        read_method(&write(AMQPClass::Basic(basic::AMQPMethod::Ack(method))), |method| {
            assert_eq!(method, Method::Ack { tag, multiple: a });
        });
        let method = connection::TuneOk { channel_max: number, frame_max: 8192, heartbeat: 7 };
        read_method(&write(AMQPClass::Connection(connection::AMQPMethod::TuneOk(method))), |method| {
            assert_eq!(method, Method::TuneOk { channel_max: number, frame_max: 8192, heartbeat: 7 });
        });
        let method = channel::Flow { active: a };
        read_method(&write(AMQPClass::Channel(channel::AMQPMethod::Flow(method))), |method| {
            assert_eq!(method, Method::Flow { active: a });
        });
    }

    #[test]
    fn properties_and_headers_pass_through_both(properties in properties(), number in 1u16..2047) {
        let header = AMQPContentHeader { class_id: 60, body_size: 0, properties };
        let sent = theirs(&AMQPFrame::Header(number, header.clone()));
        let (frame, _) = next_frame(&sent, FRAME_MOST).expect("a frame").expect("a whole frame");
        let read = ContentHeader::read(frame.payload).expect("a content header");
        if let (Some(raw), Some(wanted)) = (read.headers, header.properties.headers()) {
            check_table(raw, wanted);
        }
        // Kept apart and put together again, it is what it was.
        let kept = read.properties();
        let again = ours(|output| {
            put_content(output, number, &kept, read.headers.unwrap_or_default(), &Bytes::new(), FRAME_MOST);
        });
        prop_assert_eq!(read_by_them(&again), AMQPFrame::Header(number, header));
    }
}
