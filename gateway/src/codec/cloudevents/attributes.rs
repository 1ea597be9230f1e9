//! The context attributes of an event and their rules.

use bytes::Bytes;
use message::HeaderValue;

use super::HEADER_PREFIX;
use crate::topics::Outgoing;

const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// Attributes in the order given.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<(String, HeaderValue)>);

impl Attributes {
    /// Adds one, with what the specification says about its name and value.
    pub fn push(&mut self, name: &str, value: String) -> Result<(), String> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if name.is_empty() || name.len() > 250 || !name.bytes().all(legal) {
            return Err("attribute names consist of the characters a-z and 0-9".into());
        }
        if self.get(name).is_some() {
            return Err("this attribute appears twice".into());
        }
        check_text(name, &value)?;
        self.0.push((format!("{HEADER_PREFIX}{name}"), HeaderValue::Text(value)));
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.0.iter().find(|(have, _)| have.strip_prefix(HEADER_PREFIX) == Some(name)).map(|(_, value)| value)
    }

    /// Whether all required ones are there; names the missing one otherwise.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match REQUIRED.iter().find(|name| self.get(name).is_none()) {
            Some(missing) => Err((missing, "a CloudEvent needs this attribute")),
            None => Ok(()),
        }
    }

    /// A message without a payload yet.
    pub fn into_message(self) -> Outgoing {
        let key = match self.get("partitionkey") {
            Some(HeaderValue::Text(key)) => Some(Bytes::copy_from_slice(key.as_bytes())),
            _ => None,
        };
        Outgoing { key, headers: self.0, ..Outgoing::default() }
    }
}

fn check_text(name: &str, text: &str) -> Result<(), String> {
    if REQUIRED.contains(&name) && text.is_empty() {
        return Err("this attribute cannot be empty".into());
    }
    match name {
        "specversion" if text != "1.0" => Err("only version 1.0 of CloudEvents is understood".into()),
        "time" if text.parse::<jiff::Timestamp>().is_err() => {
            Err("this is not a time as in RFC 3339, for example 2026-01-31T12:00:00Z".into())
        }
        "subject" | "dataschema" | "partitionkey" if text.is_empty() => {
            Err("this attribute cannot be empty; leave it out".into())
        }
        _ => Ok(()),
    }
}
