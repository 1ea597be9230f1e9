//! The fuzzers' corpus, and mutations of it from seeds, at the doors' entry points: nothing panics, and memory is bounded
//! by what came, not by what was announced. The fuzzers themselves, in `fuzz/`, search further and take longer.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

/// Most that one input may hold in memory at a time; inputs are a small part of it.
const MEMORY: usize = 8 << 20;
/// Mutations of each entry, unless the environment variable `MUTATIONS` says otherwise.
const MUTATIONS: usize = 1000;
/// Longest input after a mutation.
const LONGEST: usize = 64 << 10;

struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // A thread that ends has no counters any more.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        MOST.with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: everything is passed on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that `work` held at a time.
fn memory_of(work: impl FnOnce()) -> usize {
    let before = HELD.with(Cell::get);
    MOST.with(|most| most.set(before));
    work();
    usize::try_from(MOST.with(Cell::get) - before).unwrap_or(0)
}

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
        (self.roll() % most.max(1) as u64) as usize
    }
}

/// Lengths and counts that a client may claim.
const CLAIMS: [&[u8]; 7] = [
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x7f, 0xff],
    &[0xff],
    &[0, 0, 0, 0, 0, 0, 0, 0],
];

fn mutate(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(input.len());
        match dice.below(6) {
            0 if !input.is_empty() => input[at] ^= 1 << dice.below(8),
            1 if !input.is_empty() => input[at] = dice.roll() as u8,
            2 => {
                let claim = CLAIMS[dice.below(CLAIMS.len())];
                let end = (at + claim.len()).min(input.len());
                input.splice(at..end, claim.iter().copied());
            }
            3 => input.truncate(at),
            4 => {
                let from = dice.below(other.len());
                input.splice(at..at, other[from..].iter().copied());
            }
            _ => {
                let end = at + dice.below(input.len() - at + 1);
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
        }
        input.truncate(LONGEST);
    }
}

fn corpus(door: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(door);
    let entries = std::fs::read_dir(&folder).expect("the corpus is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).expect("it can be read")).collect()
}

/// Feeds the corpus and its mutations to a door.
fn assail(door: &str, feed: fn(&[u8])) {
    let corpus = corpus(door);
    assert!(corpus.len() > 20, "{} entries", corpus.len());
    let wanted = std::env::var("MUTATIONS").ok().and_then(|wanted| wanted.parse().ok());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let try_one = |what: &str, input: &[u8]| {
        let took = memory_of(|| feed(input));
        assert!(took < MEMORY, "{what} took {took} bytes: {input:02x?}");
    };
    // What is made once, whoever comes first, is nobody's.
    feed(&corpus[0]);
    for (number, entry) in corpus.iter().enumerate() {
        try_one("an entry", entry);
        for _ in 0..wanted.unwrap_or(MUTATIONS) {
            let mut input = entry.clone();
            mutate(&mut input, &corpus[dice.below(corpus.len())], &mut dice);
            try_one(&format!("a mutation of entry {number}"), &input);
        }
    }
}

#[test]
fn nothing_that_a_kafka_client_sends_breaks_the_door() {
    assail("kafka", |input| _ = sluice::kafka::dissect(input));
}

#[test]
fn nothing_that_an_amqp_client_sends_breaks_the_door() {
    assail("amqp", sluice::amqp::converse);
}

/// What a client of the corpus is told last, for the method that its entry is named after: its own answer, or why it makes
/// no sense alone.
fn last_word(class: u16, method: u16) -> Vec<(u16, u16)> {
    const CHANNEL_CLOSED: (u16, u16) = (20, 40);
    match (class, method) {
        // Tags that were never given, and no transaction.
        (60, 80 | 90 | 120) | (90, 20 | 30) => vec![CHANNEL_CLOSED],
        (60, 40) => Vec::new(),
        // `get-empty`
        (60, 70) => vec![(60, 72)],
        // `exchange.unbind` is answered by another number.
        (40, 40) => vec![(40, 51)],
        _ => vec![(class, method + 1)],
    }
}

/// The corpus is worth something: its methods are those of clients, and are answered, not refused.
#[test]
fn the_amqp_corpus_is_understood() {
    const LET_IN: [(u16, u16); 4] = [(10, 10), (10, 30), (10, 41), (20, 11)];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/amqp");
    let mut methods = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let told = sluice::amqp::replies(&std::fs::read(&path).expect("it can be read"));
        let after = told.strip_prefix(&LET_IN).unwrap_or_else(|| panic!("{name} is not let in: {told:?}"));
        let numbers = |hex: &str| (u16::from_str_radix(&hex[..4], 16), u16::from_str_radix(&hex[4..], 16));
        match name.strip_prefix("1-").map(numbers) {
            Some((Ok(class), Ok(method))) => {
                assert_eq!(after, last_word(class, method), "{name}");
                methods += 1;
            }
            // Content without the method that announces it.
            _ if name.ends_with("frame") => assert_eq!(after, [(10, 50)], "{name}"),
            _ => {
                assert!(name.starts_with("session") && after.len() >= 3, "{name}: {after:?}");
                assert_eq!(after.last(), Some(&(10, 51)), "{name} comes to its end: {after:?}");
            }
        }
    }
    assert_eq!(methods, 24);
}

/// The corpus is worth something: its requests are read, not refused.
#[test]
fn the_corpus_is_understood() {
    let corpus = corpus("kafka");
    let read: usize = corpus.iter().map(|entry| sluice::kafka::dissect(entry)).sum();
    assert!(read >= corpus.len(), "{read} requests in {} entries", corpus.len());
}
