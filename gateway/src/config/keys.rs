//! The table of keys: names, ranges, meaning. Files, environment, flags, `sluice config` and the
//! documentation all read it.

use std::ops::RangeInclusive;

use super::Config;
use super::door_keys::DOOR_KEYS;
use super::engine_keys::ENGINE_KEYS;
use super::field::{Field, Value};
use super::security_keys::SECURITY_KEYS;

/// One thing that can be set.
pub struct Key {
    /// Its dotted name, as in a TOML file.
    pub name: &'static str,
    /// What it does, in a sentence or two.
    pub about: &'static str,
    /// What a number may be.
    pub range: Option<RangeInclusive<u64>>,
    pub(super) field: fn(&mut Config) -> &mut dyn Field,
    pub(super) peek: fn(&Config) -> &dyn Field,
}

impl Key {
    /// The environment variable that sets it: `http.max_connections` is `SLUICE_HTTP_MAX_CONNECTIONS`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("SLUICE_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// What it is in `config`.
    #[must_use]
    pub fn get(&self, config: &Config) -> Value {
        (self.peek)(config).get()
    }

    /// Sets it in `config`, or says what it must be.
    pub fn set(&self, config: &mut Config, value: Value) -> Result<(), String> {
        (self.field)(config).set(value)?;
        match (&self.range, self.get(config)) {
            (Some(range), Value::Number(number)) if !range.contains(&number) => {
                Err(format!("must be from {} to {}, not {number}", range.start(), range.end()))
            }
            _ => Ok(()),
        }
    }
}

macro_rules! key {
    ($name:literal, $($field:ident).+, $range:expr, $about:literal) => {
        Key {
            name: $name,
            about: $about,
            range: $range,
            field: |config| &mut config.$($field).+,
            peek: |config| &config.$($field).+,
        }
    };
}

pub(super) use key;

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const SECOND: u64 = 1000;
pub(super) const DAY: u64 = 24 * 60 * 60 * SECOND;

/// Every key, in the order in which they are printed.
pub fn all() -> impl Iterator<Item = &'static Key> {
    DOOR_KEYS.iter().chain(ENGINE_KEYS).chain(SECURITY_KEYS)
}

/// The key of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// Of `candidates` the one that looks most like `name`.
#[must_use]
pub fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(name, &candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
