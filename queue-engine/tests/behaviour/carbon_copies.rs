use message::HeaderValue;
use queue_engine::{Destination, ExchangeKind, NewMessage, QueueError, QueueOptions, SettleAction};

use crate::bench::{Bench, body, table, text};

fn list(keys: &[&str]) -> HeaderValue {
    HeaderValue::List(keys.iter().map(|key| text(key)).collect())
}

fn copied(open: &[&str], blind: &[&str]) -> NewMessage {
    NewMessage {
        headers: table(&[("CC", list(open)), ("BCC", list(blind)), ("own", text("kept"))]),
        ..body("letter")
    }
}

fn queues(names: &[&str]) -> Bench {
    let mut bench = Bench::new();
    names.iter().for_each(|name| bench.declare(name, QueueOptions::default()));
    bench
}

#[test]
fn every_key_is_routed_and_the_blind_ones_stay_unseen() {
    for exchange in ["", "amq.direct"] {
        let mut bench = queues(&["a", "b", "c", "d"]);
        for queue in ["a", "b", "c", "d"] {
            bench.bind_queue("amq.direct", queue, queue);
        }
        let published = bench.publish_to(exchange, "a", copied(&["b", "a", "missing"], &["c"]));
        assert_eq!(published.queues, 3);
        for queue in ["a", "b", "c"] {
            let message = bench.one(queue).message;
            assert_eq!(message.headers.get("BCC"), None);
            assert_eq!(message.headers.get("CC"), Some(list(&["b", "a", "missing"])));
            assert_eq!(message.headers.get("own"), Some(text("kept")));
            assert_eq!(&*message.origin.routing_key, "a", "consumers see the key that it was published with");
        }
        assert_eq!(bench.ready("d"), 0);
    }
}

#[test]
fn patterns_and_batches_look_at_every_key_too() {
    let mut bench = queues(&["a", "b"]);
    bench.bind_queue("amq.topic", "a", "one.*");
    bench.bind_queue("amq.topic", "b", "two.#");
    let to = Destination::Exchange { name: "amq.topic", routing_key: "one.x" };
    let batch = vec![body("plain"), copied(&["two.y"], &[]), body("plain"), copied(&[], &["two.z"])];
    let results = bench.engine.publish_batch(&mut bench.block, to, batch, bench.now).unwrap();
    let reached: Vec<usize> = results.iter().map(|result| result.as_ref().unwrap().queues).collect();
    assert_eq!(reached, [1, 2, 1, 2]);
    bench.commit();
    bench.crash();
    assert_eq!((bench.ready("a"), bench.ready("b")), (4, 2));
    assert_eq!(bench.one("b").message.headers.get("BCC"), None);
}

#[test]
fn keys_that_are_no_list_are_refused() {
    let mut bench = queues(&["a"]);
    let message = NewMessage { headers: table(&[("CC", text("a"))]), ..body("x") };
    let to = Destination::Exchange { name: "", routing_key: "a" };
    let refused = bench.engine.publish(&mut bench.block, to, message, bench.now);
    assert_eq!(refused, Err(QueueError::CarbonCopy("CC")));
    assert_eq!(bench.ready("a"), 0);
}

#[test]
fn a_dead_letter_keeps_its_copies_unless_its_queue_chooses_the_key() {
    let mut bench = queues(&["x", "y", "z"]);
    bench.declare_exchange("dlx", ExchangeKind::Direct);
    for queue in ["x", "y", "z"] {
        bench.bind_queue("dlx", queue, queue);
    }
    let dead = |key: Option<&str>| QueueOptions {
        dead_letter_exchange: Some("dlx".into()),
        dead_letter_routing_key: key.map(str::to_owned),
        ..QueueOptions::default()
    };
    bench.declare("keeps", dead(None));
    bench.declare("chooses", dead(Some("z")));
    bench.bind_queue("amq.direct", "keeps", "x");
    bench.publish_to("amq.direct", "x", copied(&["y"], &["z"]));
    let letter = bench.one("keeps");
    bench.settle(&letter, SettleAction::Reject).unwrap();
    assert_eq!(
        (bench.ready("x"), bench.ready("y"), bench.ready("z")),
        (1, 1, 0),
        "the blind key is forgotten"
    );

    bench.publish_to("", "chooses", copied(&["y"], &[]));
    let letter = bench.one("chooses");
    bench.settle(&letter, SettleAction::Reject).unwrap();
    let letter = bench.one("z").message;
    assert_eq!(letter.headers.get("CC"), None);
    let Some(HeaderValue::List(deaths)) = letter.headers.get("x-death") else { panic!("no x-death") };
    let HeaderValue::Table(death) = &deaths[0] else { panic!("no table") };
    let keys = death.iter().find(|(name, _)| name == "routing-keys").map(|(_, value)| value.clone());
    assert_eq!(keys, Some(list(&["chooses", "y"])));
}
