//! Where reading a log starts, as clients write it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::command::From;
use crate::refusal::Refusal;
use crate::topics::StartAt;

/// `"earliest"`, `"latest"`, an offset, `"@time"`, or an object that gives one of these per partition.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum StartField {
    /// For every partition.
    One(PlaceField),
    /// By partition number.
    Each(BTreeMap<String, PlaceField>),
}

/// One place.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum PlaceField {
    /// An offset.
    Offset(i64),
    /// A word or a time.
    Text(String),
}

impl StartField {
    /// The place that is meant; refusals name `field`.
    pub(super) fn read(self, field: &str) -> Result<From, Refusal> {
        match self {
            StartField::One(place) => place.read(field).map(From::Everywhere),
            StartField::Each(places) => {
                let mut each = Vec::with_capacity(places.len());
                for (partition, place) in places {
                    let here = format!("{field}/{}", partition.replace('~', "~0").replace('/', "~1"));
                    let number: u32 = partition.parse().map_err(|_| {
                        Refusal::invalid(&here, "the names of this object are partition numbers")
                    })?;
                    each.push((number, place.read(&here)?));
                }
                if each.is_empty() {
                    return Err(Refusal::invalid(field, "name at least one partition"));
                }
                Ok(From::Each(each))
            }
        }
    }
}

impl PlaceField {
    fn read(self, field: &str) -> Result<StartAt, Refusal> {
        let wrong = || {
            let why = "use \"earliest\", \"latest\", an offset from 0 up, or \"@\" and an RFC 3339 time or milliseconds";
            Refusal::invalid(field, why)
        };
        match self {
            PlaceField::Offset(offset) if offset >= 0 => Ok(StartAt::Offset(offset)),
            PlaceField::Offset(_) => Err(wrong()),
            PlaceField::Text(text) => match text.as_str() {
                "earliest" => Ok(StartAt::Earliest),
                "latest" => Ok(StartAt::Latest),
                text => match text.strip_prefix('@') {
                    Some(time) => read_time(time).map(StartAt::Time).ok_or_else(wrong),
                    None => {
                        text.parse().ok().filter(|offset| *offset >= 0).map(StartAt::Offset).ok_or_else(wrong)
                    }
                },
            },
        }
    }
}

fn read_time(text: &str) -> Option<i64> {
    match text.parse::<i64>() {
        Ok(ms) => Some(ms),
        Err(_) => text.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<From, Refusal> {
        serde_json::from_str::<StartField>(json).unwrap().read("/from")
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(read("\"earliest\""), Ok(From::Everywhere(StartAt::Earliest)));
        assert_eq!(read("\"latest\""), Ok(From::Everywhere(StartAt::Latest)));
        assert_eq!(read("17"), Ok(From::Everywhere(StartAt::Offset(17))));
        assert_eq!(read("\"17\""), Ok(From::Everywhere(StartAt::Offset(17))));
        assert_eq!(read("\"@1500\""), Ok(From::Everywhere(StartAt::Time(1500))));
        assert_eq!(read("\"@1970-01-01T00:00:02Z\""), Ok(From::Everywhere(StartAt::Time(2000))));
        let each = read("{\"0\": 5, \"3\": \"latest\"}");
        assert_eq!(each, Ok(From::Each(vec![(0, StartAt::Offset(5)), (3, StartAt::Latest)])));
    }

    #[test]
    fn faults_name_their_place() {
        for (json, field) in [
            ("-1", "/from"),
            ("\"soon\"", "/from"),
            ("\"@soon\"", "/from"),
            ("{}", "/from"),
            ("{\"a\": 1}", "/from/a"),
            ("{\"0\": \"x\"}", "/from/0"),
        ] {
            assert_eq!(read(json).unwrap_err().field.as_deref(), Some(field), "{json}");
        }
    }
}
