//! The flight records and what they become as messages.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use blackbox::checkout;
use serde_json::{Value, json};

/// The package and version that the tests are written for.
const PACKAGE: &str = "vega-datasets@3.2.1";
const FILE: &str = "package/data/flights-20k.json";

/// One flight.
#[derive(Clone, Debug)]
pub struct Flight {
    /// Its number in the file: what identifies it in the tests.
    pub number: usize,
    /// The airport it left from, the key on the log.
    pub origin: String,
    /// Minutes late, which decides the priority on the queue.
    pub delay: i64,
    /// The whole record with its number.
    pub record: Value,
}

impl Flight {
    /// The priority on the queue: the later, the more urgent; on time or early is 0.
    pub fn priority(&self) -> u8 {
        u8::try_from(self.delay.max(0) / 2).unwrap_or(u8::MAX)
    }

    /// As a message for the log.
    pub fn for_log(&self) -> Value {
        json!({"key": self.origin, "value": self.record})
    }

    /// As a message for the queue.
    pub fn for_queue(&self) -> Value {
        json!({"value": self.record, "priority": self.priority()})
    }
}

/// All flights in the order of the file.
pub fn flights() -> &'static [Flight] {
    static FLIGHTS: OnceLock<Vec<Flight>> = OnceLock::new();
    FLIGHTS.get_or_init(|| {
        let text = std::fs::read(fetched()).expect("the data set is a readable file");
        let records: Vec<Value> = serde_json::from_slice(&text).expect("the data set is JSON");
        let flights: Vec<Flight> =
            records.into_iter().enumerate().map(|(number, record)| flight(number, record)).collect();
        assert_eq!(flights.len(), 20_000, "the data set has changed");
        flights
    })
}

fn flight(number: usize, mut record: Value) -> Flight {
    record["number"] = json!(number);
    let origin = record["origin"].as_str().expect("a flight has an origin").to_owned();
    let delay = record["delay"].as_i64().expect("a flight has a delay");
    Flight { number, origin, delay, record }
}

/// The file, fetched once from the npm registry into the build's directory. `BLACKBOX_FLIGHTS` names a copy instead.
fn fetched() -> PathBuf {
    if let Some(path) = std::env::var_os("BLACKBOX_FLIGHTS") {
        return PathBuf::from(path);
    }
    let cache = checkout::profile_dir().parent().expect("a profile lies in target").join("datasets");
    let file = cache.join(FILE);
    if !file.exists() {
        std::fs::create_dir_all(&cache).expect("a cache directory");
        let packed = Command::new("npm").current_dir(&cache).args(["pack", "--silent", PACKAGE]).output();
        let packed = packed.expect("npm is installed; ./tests/run installs it");
        assert!(packed.status.success(), "npm pack {PACKAGE}: {}", String::from_utf8_lossy(&packed.stderr));
        let archive = String::from_utf8_lossy(&packed.stdout).trim().to_owned();
        let unpacked = Command::new("tar").current_dir(&cache).args(["xzf", &archive, FILE]).status();
        assert!(unpacked.expect("tar runs").success(), "{archive} does not hold {FILE}");
        let _ = std::fs::remove_file(cache.join(archive));
    }
    file
}
