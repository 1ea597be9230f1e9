//! RabbitMQ's sender-selected distribution: the headers `CC` and `BCC` name further routing keys. Consumers see the
//! first and never the second.
use ::message::{HeaderTable, HeaderValue};

use crate::QueueError;
use crate::header_edit;

const OPEN: &str = "CC";
const BLIND: &str = "BCC";

/// Whether a message has further routing keys. Cheap: looks at names only.
pub(crate) fn is_copied(headers: &HeaderTable) -> bool {
    !headers.is_empty() && (header_edit::has(headers, OPEN) || header_edit::has(headers, BLIND))
}

/// The further routing keys of a message with these headers.
pub fn keys(headers: &HeaderTable) -> Result<Vec<String>, QueueError> {
    let mut keys = Vec::new();
    if !is_copied(headers) {
        return Ok(keys);
    }
    for name in [OPEN, BLIND] {
        match headers.get(name) {
            None => {}
            Some(HeaderValue::List(list)) => {
                // What is no text cannot be a key; RabbitMQ passes over it, too.
                keys.extend(list.into_iter().filter_map(|key| match key {
                    HeaderValue::Text(key) => Some(key),
                    _ => None,
                }));
            }
            Some(_) => return Err(QueueError::CarbonCopy(name)),
        }
    }
    Ok(keys)
}

/// The headers as consumers get them.
pub(crate) fn without_blind(headers: &HeaderTable) -> HeaderTable {
    header_edit::replace(headers, &[BLIND], &[])
}

/// The headers of a message that goes on under a routing key of somebody else's choice.
pub(crate) fn without_open(headers: &HeaderTable) -> HeaderTable {
    if header_edit::has(headers, OPEN) {
        header_edit::replace(headers, &[OPEN], &[])
    } else {
        headers.clone()
    }
}
