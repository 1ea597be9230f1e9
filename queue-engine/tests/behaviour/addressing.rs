use std::time::Duration;

use queue_engine::{
    Amendment, Destination, Edits, MessageId, MessageState, NewMessage, QueueError, QueueOptions, Redrive,
    RedriveBounds, Search, SearchBounds, SettleAction, SettleError,
};

use crate::bench::{Bench, bodies, body, ms, table, text, topic};

const BOUNDS: SearchBounds = SearchBounds { found: 10, looked_at: 1000, bytes: 1 << 20 };

fn filled(names: &[&str]) -> Bench {
    let mut bench = Bench::new();
    bench.declare("q", QueueOptions { max_priority: Some(9), ..QueueOptions::default() });
    bench.declare("other", QueueOptions::default());
    for name in names {
        bench.publish("q", body(name)).unwrap();
    }
    bench
}

fn amend(bench: &mut Bench, id: u64, amendment: Amendment) -> Result<(), QueueError> {
    bench.engine.amend_message(&mut bench.block, &topic("q"), MessageId(id), amendment, bench.now)
}

fn rank(priority: u8) -> Amendment {
    Amendment { priority: Some(priority), ..Amendment::default() }
}

fn move_to(bench: &mut Bench, id: u64, to: &str, edits: &Edits) -> Result<(), QueueError> {
    let to = topic(to);
    let to = Destination::Queue(&to);
    bench.engine.move_message(&mut bench.block, &topic("q"), MessageId(id), to, edits, bench.now)
}

#[test]
fn one_message_changes_its_priority_and_the_rest_stay() {
    let mut bench = filled(&["a", "b", "c", "d"]);
    amend(&mut bench, 2, rank(5)).unwrap();
    amend(&mut bench, 1, rank(200)).unwrap();
    amend(&mut bench, 1, rank(7)).unwrap();
    bench.commit();
    bench.crash();
    let out = bench.receive("q", 9);
    assert_eq!(bodies(&out), ["b", "c", "a", "d"]);
    assert_eq!(out[0].priority, 7);
    // While it is out, too: it counts when it comes back.
    amend(&mut bench, 3, rank(9)).unwrap();
    for delivery in &out {
        bench.settle(delivery, SettleAction::Nack { delay: Duration::ZERO }).unwrap();
    }
    assert_eq!(bodies(&bench.receive("q", 9)), ["d", "b", "c", "a"]);
    let unknown = amend(&mut bench, 99, rank(1));
    assert!(matches!(unknown, Err(QueueError::UnknownMessage { .. })));
}

#[test]
fn a_new_priority_survives_a_move_in_the_journal() {
    let mut bench = filled(&["a", "b"]);
    amend(&mut bench, 1, rank(5)).unwrap();
    bench.relocate();
    bench.crash();
    assert_eq!(bodies(&bench.receive("q", 9)), ["b", "a"]);
}

#[test]
fn a_message_is_scheduled_anew_and_called_off() {
    let mut bench = filled(&["a", "b", "c"]);
    let at = |bench: &Bench, after| Amendment {
        deliver_at: Some(bench.now.plus(ms(after))),
        ..Amendment::default()
    };
    let later = at(&bench, 100);
    amend(&mut bench, 0, later).unwrap();
    let held = bench.one("q");
    assert_eq!(bodies(std::slice::from_ref(&held)), ["b"]);
    amend(&mut bench, 1, later).unwrap();
    assert_eq!(bench.settle(&held, SettleAction::Ack), Err(SettleError::StaleLease), "it was taken back");
    bench.commit();
    bench.crash();
    assert_eq!(bodies(&bench.receive("q", 9)), ["c"]);
    let now = at(&bench, 0);
    amend(&mut bench, 1, now).unwrap();
    assert_eq!(bodies(&bench.receive("q", 9)), ["b"]);
    bench.engine.delete_message(&mut bench.block, &topic("q"), MessageId(0)).unwrap();
    bench.pass(1000);
    assert!(bench.receive("q", 9).is_empty());
}

#[test]
fn a_moment_may_be_named_instead_of_a_delay() {
    let mut bench = filled(&[]);
    let at = |bench: &Bench, ms: i64| Some(message::Timestamp(bench.now.0 + ms));
    let message = NewMessage { deliver_at: at(&bench, 50), ..body("later") };
    bench.publish("q", message).unwrap();
    let message = NewMessage { deliver_at: at(&bench, -50), ..body("now") };
    bench.publish("q", message).unwrap();
    assert_eq!(bodies(&bench.receive("q", 9)), ["now"]);
    let due = bench.now.plus(ms(50));
    bench.commit();
    bench.crash();
    let waits = Search { state: Some("delayed"), ..Search::default() };
    let found = bench.engine.search(&topic("q"), None, &waits, BOUNDS).unwrap();
    assert_eq!(found.messages[0].state, MessageState::Delayed { until: due });
    bench.pass(50);
    assert!(bodies(&bench.receive("q", 9)).contains(&"later".to_owned()));
}

#[test]
fn a_message_moves_in_one_step_whoever_holds_it() {
    let mut bench = filled(&["a", "b"]);
    let held = bench.one("q");
    let edits =
        Edits { set_headers: vec![("moved".to_owned(), text("yes"))], priority: Some(3), ..Edits::default() };
    move_to(&mut bench, 0, "other", &edits).unwrap();
    assert_eq!(bench.settle(&held, SettleAction::Ack), Err(SettleError::StaleLease));
    bench.commit();
    bench.crash();
    let moved = bench.one("other");
    assert_eq!(moved.message.body, "a");
    assert_eq!((moved.message.headers.get("moved"), moved.message.priority), (Some(text("yes")), Some(3)));
    assert_eq!(bodies(&bench.receive("q", 9)), ["b"]);
    assert!(matches!(move_to(&mut bench, 1, "nowhere", &edits), Err(QueueError::UnknownQueue(_))));
    let full = QueueOptions {
        max_length: Some(0),
        overflow: queue_engine::Overflow::RejectPublish,
        ..QueueOptions::default()
    };
    bench.declare("full", full);
    assert!(matches!(move_to(&mut bench, 1, "full", &edits), Err(QueueError::InUse(_))));
    assert!(bench.engine.get(&topic("q"), MessageId(1)).is_ok(), "it stays where it was");
}

#[test]
fn messages_are_found_by_what_they_are() {
    let mut bench = filled(&[]);
    let message = |n: u32| NewMessage {
        key: Some(format!("k{}", n % 2).into()),
        headers: table(&[("n", message::HeaderValue::Int(i64::from(n))), ("kind", text("order"))]),
        ..body(&format!("order number {n} of the day"))
    };
    for n in 0..20 {
        bench.publish("q", message(n)).unwrap();
    }
    bench.receive("q", 3);
    let find = |bench: &Bench, search: &Search| {
        let page = bench.engine.search(&topic("q"), None, search, BOUNDS).unwrap();
        page.messages.iter().map(|found| found.id.0).collect::<Vec<_>>()
    };
    let any = Search::default;
    assert_eq!(find(&bench, &Search { state: Some("leased"), ..any() }), [0, 1, 2]);
    assert_eq!(find(&bench, &Search { body: Some(b"number 7".to_vec()), ..any() }), [7]);
    assert_eq!(
        find(&bench, &Search { header: Some(("n".to_owned(), Some("12".to_owned()))), ..any() }),
        [12]
    );
    assert_eq!(find(&bench, &Search { header: Some(("kind".to_owned(), None)), ..any() }).len(), 10);
    assert_eq!(
        find(&bench, &Search { key: Some(b"k1".to_vec()), body: Some(b"1".to_vec()), ..any() })[..3],
        [1, 11, 13]
    );
    assert!(find(&bench, &Search { header: Some(("none".to_owned(), None)), ..any() }).is_empty());
}

#[test]
fn a_search_does_a_bounded_piece_of_work_at_a_time() {
    let mut bench = filled(&[]);
    for n in 0..100 {
        bench.publish("q", body(&format!("m{n}"))).unwrap();
    }
    let search = Search { body: Some(b"m99".to_vec()), ..Search::default() };
    let bounds = SearchBounds { looked_at: 30, ..BOUNDS };
    let mut after = None;
    let mut steps = 0;
    loop {
        steps += 1;
        let page = bench.engine.search(&topic("q"), after, &search, bounds).unwrap();
        after = page.next;
        if after.is_none() {
            assert_eq!(page.messages.len(), 1);
            break;
        }
        assert!(page.messages.is_empty());
    }
    assert_eq!(steps, 4);
}

#[test]
fn a_redrive_selects_edits_and_leads_elsewhere() {
    let mut bench = filled(&["apple", "pear", "apple pie", "plum"]);
    let search = Search { body: Some(b"apple".to_vec()), ..Search::default() };
    let edits = Edits {
        set_headers: vec![("again".to_owned(), message::HeaderValue::Int(1))],
        remove_headers: vec!["x".to_owned()],
        priority: None,
    };
    let to = topic("other");
    let redrive = Redrive {
        search: Some(&search),
        upto: Some(MessageId(1)),
        to: Some(Destination::Queue(&to)),
        edits: Some(&edits),
        ..Redrive::default()
    };
    let step = |bench: &mut Bench, redrive: &Redrive<'_>| {
        bench
            .engine
            .redrive(
                &mut bench.block,
                &topic("q"),
                RedriveBounds { after: None, max: 99 },
                redrive,
                bench.now,
            )
            .unwrap()
    };
    let first = step(&mut bench, &redrive);
    assert_eq!((first.moved, first.skipped, first.next), (1, 1, None));
    assert_eq!(bench.one("other").message.headers.get("again"), Some(message::HeaderValue::Int(1)));
    let rest = step(&mut bench, &Redrive { upto: None, search: None, ..redrive });
    assert_eq!(rest.moved, 3);
}
