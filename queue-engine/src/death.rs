//! The headers that tell a dead letter's story, as RabbitMQ writes them.
use ::message::{HeaderTable, HeaderTableBuilder, HeaderValue, Timestamp};

use crate::dead_letter::Reason;
use crate::header_edit::replace;
use crate::message::Message;

const DEATHS: &str = "x-death";
const OWN: [&str; 7] = [
    DEATHS,
    "x-first-death-queue",
    "x-first-death-reason",
    "x-first-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
    "x-last-death-exchange",
];

/// One entry of `x-death`: how often a message died in one queue for one reason.
type Death = Vec<(String, HeaderValue)>;

fn text(text: &str) -> HeaderValue {
    HeaderValue::Text(text.to_owned())
}

fn field<'a>(death: &'a Death, name: &str) -> Option<&'a HeaderValue> {
    death.iter().find(|(have, _)| have == name).map(|(_, value)| value)
}

fn is(death: &Death, name: &str, want: &str) -> bool {
    matches!(field(death, name), Some(HeaderValue::Text(have)) if have == want)
}

/// The entries of `x-death`, the latest death first. What a publisher forged may be missing fields.
pub(crate) fn deaths(headers: &HeaderTable) -> Vec<Death> {
    let Some(HeaderValue::List(entries)) = headers.get(DEATHS) else { return Vec::new() };
    let table = |entry| if let HeaderValue::Table(death) = entry { Some(death) } else { None };
    entries.into_iter().filter_map(table).collect()
}

/// Where a dead letter came from last: queue, exchange, first routing key.
pub(crate) fn source(headers: &HeaderTable) -> Option<(String, String, String)> {
    let death = deaths(headers).into_iter().next()?;
    let as_text = |name| match field(&death, name) {
        Some(HeaderValue::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let key = match field(&death, "routing-keys") {
        Some(HeaderValue::List(keys)) => keys.iter().find_map(|key| match key {
            HeaderValue::Text(key) => Some(key.clone()),
            _ => None,
        }),
        _ => None,
    };
    Some((as_text("queue")?, as_text("exchange").unwrap_or_default(), key.unwrap_or_default()))
}

/// Whether a message with these headers came round by itself: it died in `queue` before, and nobody rejected it
/// since. Such a message would go round for ever.
pub(crate) fn is_cycle(headers: &HeaderTable, queue: &str) -> bool {
    for death in deaths(headers) {
        if is(&death, "reason", Reason::Rejected.as_str()) {
            return false;
        }
        if is(&death, "queue", queue) {
            return true;
        }
    }
    false
}

/// The headers of a message that died in `queue`.
pub(crate) fn record_death(message: &Message, queue: &str, reason: Reason, now: Timestamp) -> HeaderTable {
    let mut deaths = deaths(&message.headers);
    let again =
        deaths.iter().position(|death| is(death, "queue", queue) && is(death, "reason", reason.as_str()));
    let death = match again {
        Some(at) => {
            let mut death = deaths.remove(at);
            for (name, value) in &mut death {
                if let ("count", HeaderValue::Int(count)) = (name.as_str(), value) {
                    *count = count.saturating_add(1);
                }
            }
            death
        }
        None => first_death(message, queue, reason, now),
    };
    deaths.insert(0, death);
    let exchange = message.origin.exchange_name();
    let mut first: Vec<(&str, HeaderValue)> = Vec::new();
    for name in ["x-first-death-queue", "x-first-death-reason", "x-first-death-exchange"] {
        let now = match name {
            "x-first-death-queue" => queue,
            "x-first-death-reason" => reason.as_str(),
            _ => exchange,
        };
        first.push((name, message.headers.get(name).unwrap_or_else(|| text(now))));
    }
    let last = [
        ("x-last-death-queue", text(queue)),
        ("x-last-death-reason", text(reason.as_str())),
        ("x-last-death-exchange", text(exchange)),
    ];
    let mut own = HeaderTableBuilder::new();
    let list = (DEATHS, HeaderValue::List(deaths.into_iter().map(HeaderValue::Table).collect()));
    for (name, value) in std::iter::once(list).chain(first).chain(last) {
        // The names are ours and short.
        let _ = own.push(name, &value);
    }
    replace(&message.headers, &OWN, own.build().as_bytes())
}

fn first_death(message: &Message, queue: &str, reason: Reason, now: Timestamp) -> Death {
    let mut death = Vec::with_capacity(7);
    let expiration = message.properties.expiration().map(str::to_owned);
    if let Some(expiration) = expiration.or_else(|| message.ttl_ms.map(|ttl_ms| ttl_ms.to_string())) {
        death.push(("original-expiration".to_owned(), HeaderValue::Text(expiration)));
    }
    let mut keys = vec![text(&message.origin.routing_key)];
    if let Some(HeaderValue::List(more)) = message.headers.get("CC") {
        keys.extend(more.into_iter().filter(|key| matches!(key, HeaderValue::Text(_))));
    }
    death.push(("count".to_owned(), HeaderValue::Int(1)));
    death.push(("reason".to_owned(), text(reason.as_str())));
    death.push(("queue".to_owned(), text(queue)));
    death.push(("time".to_owned(), HeaderValue::Timestamp(u64::try_from(now.0 / 1000).unwrap_or(0))));
    death.push(("exchange".to_owned(), text(message.origin.exchange_name())));
    death.push(("routing-keys".to_owned(), HeaderValue::List(keys)));
    death
}
