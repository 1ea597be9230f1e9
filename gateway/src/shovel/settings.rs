use lapin::types::FieldTable;
use serde_json::Value;

use super::address::Address;
use super::definition::DeleteAfter;
use super::flow::AckMode;
use super::overrides::Overrides;
use super::table;
use super::term::{binary, list_of, term};
use crate::topics::ShovelSettings;

/// Longest name that AMQP can say, in bytes.
const NAME_BYTES: usize = 255;

/// A definition's members, each to be taken once, and what is wrong with them.
pub struct Settings<'a> {
    name: &'a str,
    left: ShovelSettings,
    /// What is wrong with them together.
    faults: Vec<String>,
    /// What is wrong with each, the last first told, as RabbitMQ has it.
    findings: Vec<String>,
}

impl<'a> Settings<'a> {
    /// Those of a definition that is called so.
    pub fn new(name: &'a str, definition: &ShovelSettings) -> Settings<'a> {
        Settings { name, left: definition.clone(), faults: Vec::new(), findings: Vec::new() }
    }

    /// Notes what is wrong with members together.
    pub fn fault(&mut self, why: impl Into<String>) {
        self.faults.push(why.into());
    }

    /// Notes what is wrong with one.
    fn find(&mut self, why: String) {
        self.findings.push(why);
    }

    /// Whether something is said and not taken.
    pub fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// What was made of the members, unless something is wrong with them or nobody took one.
    pub fn finish<T>(mut self, made: T) -> Result<T, Vec<String>> {
        let left = std::mem::take(&mut self.left);
        if !left.is_empty() {
            // Their values are not told: one may be a URI whose name was misspelt.
            let names = list_of(left.keys().map(|name| binary(name)));
            self.find(format!("Unrecognised terms {names} in {}", self.name));
        }
        let mut faults = self.faults;
        faults.extend(self.findings.into_iter().rev());
        if faults.is_empty() { Ok(made) } else { Err(faults) }
    }

    fn unless<T>(&mut self, name: &str, what: &str, value: &Value, read: Option<T>) -> Option<T> {
        if read.is_none() {
            self.find(format!("{name} should be {what}, actually was {}", term(value)));
        }
        read
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let value = self.left.remove(name)?;
        self.unless(name, "binary", &value, value.as_str().map(str::to_owned))
    }

    /// A text that names something on the wire.
    pub fn name(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        if text.len() > NAME_BYTES {
            self.find(format!("{name} should be less than {NAME_BYTES} bytes, actually was {}", text.len()));
        }
        Some(text)
    }

    /// A flag.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.left.remove(name)?;
        self.unless(name, "boolean", &value, value.as_bool())
    }

    /// A whole number within bounds.
    pub fn whole(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.left.remove(name)?;
        self.unless(name, "a number", &value, value.is_number().then_some(()))?;
        let within = value.as_u64().filter(|number| (least..=most).contains(number));
        self.unless(name, &format!("a whole number of {least} to {most}"), &value, within)
    }

    /// How many messages may be on their way. There has to be a limit: they are in memory.
    pub fn prefetch(&mut self, name: &str) -> Option<u16> {
        self.whole(name, 1, u16::MAX.into()).and_then(|number| u16::try_from(number).ok())
    }

    /// Arguments.
    pub fn table(&mut self, name: &str) -> FieldTable {
        let Some(value) = self.left.remove(name) else { return FieldTable::default() };
        let read = table::from_json(&value);
        self.unless(name, "a map whose names have at most 255 bytes", &value, read).unwrap_or_default()
    }

    /// Properties that messages get.
    pub fn overrides(&mut self, name: &str) -> Option<Overrides> {
        let value = self.left.remove(name)?;
        let Some(members) = value.as_object() else {
            self.find(format!("{name} not a list {}", term(&value)));
            return None;
        };
        let mut inner = Settings::new(name, members);
        let overrides = Overrides::read(&mut inner);
        inner.finish(overrides).map_err(|faults| self.findings.extend(faults.into_iter().rev())).ok()
    }

    /// When messages are settled.
    pub fn ack_mode(&mut self) -> AckMode {
        const MODES: [(&str, AckMode); 3] = [
            ("no-ack", AckMode::NoAck),
            ("on-publish", AckMode::OnPublish),
            ("on-confirm", AckMode::OnConfirm),
        ];
        self.one_of("ack-mode", &MODES).unwrap_or_default()
    }

    /// A protocol, of which there is one.
    pub fn protocol(&mut self, name: &str) {
        match self.left.get(name).and_then(Value::as_str) {
            Some(other @ ("amqp10" | "local")) => {
                self.find(format!(
                    "{name} should be amqp091: a shovel of this broker does not speak {other}"
                ));
                self.left.remove(name);
            }
            _ => drop(self.one_of(name, &[("amqp091", ())])),
        }
    }

    fn one_of<T: Copy>(&mut self, name: &str, known: &[(&str, T)]) -> Option<T> {
        let value = self.left.remove(name)?;
        let text = self.unless(name, "binary", &value, value.as_str())?;
        let found = known.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant);
        let words = list_of(known.iter().map(|(word, _)| binary(word)));
        self.unless(name, &format!("one of {words}"), &value, found)
    }

    /// When the shovel is done.
    pub fn delete_after(&mut self, name: &str) -> Option<DeleteAfter> {
        let value = self.left.remove(name)?;
        let read = match value.as_str() {
            Some("never") => Some(DeleteAfter::Never),
            Some("queue-length") => Some(DeleteAfter::QueueLength),
            _ => value.as_u64().map(DeleteAfter::Count),
        };
        let what = "a number greater than or equal to 0, \"never\" or \"queue-length\"";
        self.unless(name, what, &value, read)
    }

    /// One URI, or a list of them to be tried in turn.
    pub fn addresses(&mut self, name: &str) -> Vec<Address> {
        let uris = match self.left.remove(name) {
            None => {
                self.find(format!("Key \"{name}\" not found in {}", self.name));
                return Vec::new();
            }
            Some(Value::String(uri)) => vec![Value::String(uri)],
            Some(Value::Array(uris)) if !uris.is_empty() => uris,
            // What it is instead is not told: a password may be in it.
            Some(_) => {
                self.find(format!("{name} should be a URI or a list of URIs"));
                return Vec::new();
            }
        };
        let mut addresses = Vec::new();
        for uri in &uris {
            match uri.as_str().map(|uri| (uri, Address::parse(uri))) {
                Some((_, Ok(address))) => addresses.push(address),
                Some((uri, Err(why))) => {
                    self.find(format!("\"{}\" not a valid URI: {why}", Address::redacted(uri)));
                }
                None => self.find(format!("{name} should be a URI or a list of URIs")),
            }
        }
        addresses
    }
}
