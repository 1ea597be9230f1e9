//! Which records of a stream a consumer wants: RabbitMQ's stream filtering, record by record.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use message::{HeaderTable, HeaderValue};

use super::error::{AmqpError, ReplyCode};
use crate::refusal::Refusal;
use crate::topics::{HeadersView, MessageView, Place, RecordChunk};

/// The header of a message that filters look at.
const VALUE: &str = "x-stream-filter-value";

/// The values that a consumer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamFilter {
    values: BTreeSet<String>,
    /// Whether it also wants records without a value.
    unfiltered: bool,
}

impl StreamFilter {
    /// Reads `x-stream-filter` and `x-stream-match-unfiltered`; `None` where everything is wanted.
    pub(super) fn read(arguments: &HeaderTable) -> Result<Option<StreamFilter>, AmqpError> {
        let invalid = |name: &str, why: &str| {
            AmqpError::new(ReplyCode::PreconditionFailed, format!("invalid arg '{name}': it is {why}"))
        };
        let no_values = || invalid("x-stream-filter", "a text or a list of texts");
        let text = |value: HeaderValue| match value {
            HeaderValue::Text(text) => Ok(text),
            _ => Err(no_values()),
        };
        let unfiltered = match arguments.get("x-stream-match-unfiltered") {
            None => false,
            Some(HeaderValue::Bool(unfiltered)) => unfiltered,
            Some(_) => return Err(invalid("x-stream-match-unfiltered", "true or false")),
        };
        let values = match arguments.get("x-stream-filter") {
            None => return Ok(None),
            Some(HeaderValue::List(list)) => list.into_iter().map(text).collect::<Result<_, _>>()?,
            Some(one) => BTreeSet::from([text(one)?]),
        };
        Ok(Some(StreamFilter { values, unfiltered }))
    }

    /// Whether a record is wanted.
    pub(super) fn wants(&self, record: &MessageView<'_>) -> bool {
        let HeadersView::Record(headers) = &record.headers else { return true };
        let value = headers.iter().find(|(name, _)| *name == VALUE.as_bytes()).and_then(|(_, value)| *value);
        match value.and_then(|value| std::str::from_utf8(value).ok()) {
            Some(value) => self.values.contains(value),
            None => self.unfiltered,
        }
    }

    /// How many records of a chunk are wanted, up to `most`, and where to read on after those.
    pub(super) fn count(&self, chunk: &RecordChunk, most: usize) -> Result<(usize, i64), Refusal> {
        let (mut wanted, mut next) = (0, chunk.next_offset);
        chunk.for_each(&mut |record| {
            wanted += usize::from(self.wants(&record));
            let Place::Log { offset, .. } = record.place else { return ControlFlow::Continue(()) };
            if wanted < most {
                return ControlFlow::Continue(());
            }
            next = offset + 1;
            ControlFlow::Break(())
        })?;
        Ok((wanted, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[(&str, HeaderValue)]) -> Result<Option<StreamFilter>, AmqpError> {
        let table = arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        StreamFilter::read(&table)
    }

    fn record(value: Option<&'static str>) -> MessageView<'static> {
        let headers = value.map(|value| (VALUE.as_bytes(), Some(value.as_bytes())));
        MessageView {
            key: None,
            headers: HeadersView::Record(headers.into_iter().collect()),
            content_type: None,
            timestamp: 0,
            value: None,
            place: Place::Log { partition: 0, offset: 0 },
        }
    }

    #[test]
    fn records_are_wanted_by_their_value() {
        let text = |text: &str| HeaderValue::Text(text.to_owned());
        assert_eq!(read(&[]).unwrap(), None);
        let one = read(&[("x-stream-filter", text("eu"))]).unwrap().unwrap();
        assert!(one.wants(&record(Some("eu"))));
        assert!(!one.wants(&record(Some("us"))) && !one.wants(&record(None)));
        let list = HeaderValue::List(vec![text("eu"), text("us")]);
        let more = [("x-stream-filter", list), ("x-stream-match-unfiltered", HeaderValue::Bool(true))];
        let more = read(&more).unwrap().unwrap();
        assert!(more.wants(&record(Some("us"))) && more.wants(&record(None)));
        assert!(!more.wants(&record(Some("asia"))));
        assert!(read(&[("x-stream-filter", HeaderValue::Int(1))]).is_err());
        assert!(read(&[("x-stream-match-unfiltered", text("yes"))]).is_err());
    }
}
