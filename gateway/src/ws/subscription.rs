use std::time::Duration;

use super::command::{AckMode, CreditGrant, From, Subscribe, Subscription};
use super::effect::Farewell;
use super::limits::WsLimits;
use super::log_feed::{LogFeed, Membership};
use super::queue_feed::{DEFAULT_WINDOW, QueueFeed, RENEWING_WINDOW};
use crate::codec::render::ValueMode;
use crate::refusal::Refusal;
use crate::topics::{Hold, StartAt};

/// One open subscription of a socket.
#[derive(Debug)]
pub struct Feed {
    /// How payloads are written in JSON.
    pub values: ValueMode,
    /// What it reads.
    pub source: FeedSource,
}

/// What a subscription reads.
#[derive(Debug)]
pub enum FeedSource {
    /// A queue.
    Queue(QueueFeed),
    /// A log.
    Log(Box<LogFeed>),
}

/// How long a group waits for a silent member when the client does not say.
const SESSION_TIMEOUT_MS: u64 = 30_000;

/// What a queue is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueTerms {
    /// Who acknowledges.
    pub ack: AckMode,
    /// What may be in flight at first.
    pub credit: CreditGrant,
    /// Whether the client left the pace to the socket.
    pub renewing: bool,
    /// How long it may keep each message.
    pub hold: Hold,
}

/// What a log is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct LogTerms {
    /// Who acknowledges.
    pub ack: AckMode,
    /// What may be in flight.
    pub credit: CreditGrant,
    /// How it is read.
    pub reading: Reading,
}

/// How a log is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// By whoever says from where.
    From(From),
    /// By a member of a group.
    Group {
        /// The group.
        group: String,
        /// Where partitions start that have no committed offset.
        fallback: StartAt,
        /// After this silence the group gives the member up.
        session_timeout_ms: u64,
    },
}

/// Checks what holds for either model, so that it is told before the topic is looked up.
pub fn check(ask: &Subscribe, limits: &WsLimits) -> Result<ValueMode, Refusal> {
    if let Some(credit) = ask.credit {
        check_credit(credit, limits)?;
    }
    if ask.lease_ms == Some(0) {
        return Err(Refusal::invalid("/lease_ms", "a lease lasts at least one millisecond"));
    }
    if ask.consumer_timeout_ms == Some(0) {
        return Err(Refusal::invalid("/consumer_timeout_ms", "a timeout is at least one millisecond"));
    }
    match ask.values.as_deref() {
        None => Ok(ValueMode::Auto),
        Some(name) => ValueMode::from_name(name).ok_or_else(|| {
            Refusal::invalid("/values", format!("values is one of {}", ValueMode::NAMES.join(", ")))
        }),
    }
}

/// Refuses more credit than a subscription may have.
pub fn check_credit(credit: CreditGrant, limits: &WsLimits) -> Result<(), Refusal> {
    if credit.messages.is_some_and(|messages| messages > limits.credit_messages) {
        let most = limits.credit_messages;
        return Err(Refusal::invalid(
            "/credit/messages",
            format!("at most {most} messages may be in flight"),
        ));
    }
    if credit.bytes.is_some_and(|bytes| bytes > limits.credit_bytes) {
        let most = limits.credit_bytes;
        return Err(Refusal::invalid("/credit/bytes", format!("at most {most} bytes may be in flight")));
    }
    Ok(())
}

/// What `ask` means for a queue. Fields that only logs know are refused by name.
pub fn for_queue(ask: &Subscribe, limits: &WsLimits) -> Result<QueueTerms, Refusal> {
    let foreign = [
        ("/from", ask.from.is_some()),
        ("/group", ask.group.is_some()),
        ("/partitions", ask.partitions.is_some()),
        ("/session_timeout_ms", ask.session_timeout_ms.is_some()),
    ];
    refuse_foreign(&foreign, "queue", "log", &ask.topic)?;
    let ack = ask.ack.unwrap_or(AckMode::Manual);
    let renewing = ack == AckMode::Auto && ask.credit.is_none();
    let credit = match (ask.credit, ack) {
        (None, AckMode::Manual) => DEFAULT_WINDOW,
        (None, AckMode::Auto) => RENEWING_WINDOW,
        (Some(credit), _) => CreditGrant {
            messages: credit.messages.or(Some(limits.credit_messages)),
            bytes: credit.bytes.or(Some(limits.credit_bytes)),
        },
    };
    Ok(QueueTerms { ack, credit, renewing, hold: hold(ask, ack)? })
}

/// How long messages stay with the subscriber.
fn hold(ask: &Subscribe, ack: AckMode) -> Result<Hold, Refusal> {
    let until_settled = ask.until_settled.unwrap_or(false);
    let own = [
        ("/lease_ms", ask.lease_ms.is_some()),
        ("/until_settled", until_settled),
        ("/consumer_timeout_ms", ask.consumer_timeout_ms.is_some()),
    ];
    if ack == AckMode::Auto {
        return match own.into_iter().find(|(_, given)| *given) {
            Some((field, _)) => {
                let name = field.trim_start_matches('/');
                let why = format!("with `ack: auto` nothing is leased: leave `{name}` out");
                Err(Refusal::invalid(field, why))
            }
            None => Ok(Hold::Nothing),
        };
    }
    match (until_settled, ask.lease_ms, ask.consumer_timeout_ms) {
        (true, Some(_), _) => {
            let why = "with `until_settled` a lease has no time of its own: leave `lease_ms` out";
            Err(Refusal::invalid("/lease_ms", why))
        }
        (true, None, timeout) => Ok(Hold::UntilSettled(timeout.map(Duration::from_millis))),
        (false, _, Some(_)) => {
            let why = "it bounds how long `until_settled` may be: set that, or use `lease_ms`";
            Err(Refusal::invalid("/consumer_timeout_ms", why))
        }
        (false, lease, None) => Ok(lease.map_or(Hold::QueueTime, |ms| Hold::For(Duration::from_millis(ms)))),
    }
}

/// What `ask` means for a log. Fields that only queues know are refused by name.
pub fn for_log(ask: &Subscribe) -> Result<LogTerms, Refusal> {
    let foreign = [
        ("/lease_ms", ask.lease_ms.is_some()),
        ("/priority", ask.priority.is_some()),
        ("/exclusive", ask.exclusive.is_some()),
        ("/until_settled", ask.until_settled.is_some()),
        ("/consumer_timeout_ms", ask.consumer_timeout_ms.is_some()),
    ];
    refuse_foreign(&foreign, "log", "queue", &ask.topic)?;
    let Some(group) = &ask.group else {
        if ask.session_timeout_ms.is_some() {
            return Err(Refusal::invalid("/session_timeout_ms", "only a member of a `group` has a session"));
        }
        if ask.ack == Some(AckMode::Manual) {
            let why = "without a `group` no position is kept, so there is nothing to acknowledge: \
                       name a `group`, or use `ack: auto`";
            return Err(Refusal::invalid("/ack", why));
        }
        if ask.partitions.is_some() && matches!(ask.from, Some(From::Each(_))) {
            let why = "`from` names the partitions already: leave `partitions` out";
            return Err(Refusal::invalid("/partitions", why));
        }
        let from = ask.from.clone().unwrap_or(From::Everywhere(StartAt::Latest));
        let credit = ask.credit.unwrap_or_default();
        return Ok(LogTerms { ack: AckMode::Auto, credit, reading: Reading::From(from) });
    };
    if ask.partitions.is_some() {
        let why = "a group shares the partitions out among its members: leave `partitions` out";
        return Err(Refusal::invalid("/partitions", why));
    }
    let fallback = match &ask.from {
        None => StartAt::Earliest,
        Some(From::Everywhere(start)) => *start,
        Some(From::Each(_)) => {
            let why =
                "with a `group`, `from` is one place: where partitions start that have no committed offset";
            return Err(Refusal::invalid("/from", why));
        }
    };
    let ack = ask.ack.unwrap_or(AckMode::Manual);
    let credit = ask.credit.unwrap_or(match ack {
        AckMode::Manual => DEFAULT_WINDOW,
        AckMode::Auto => CreditGrant::default(),
    });
    let session_timeout_ms = ask.session_timeout_ms.unwrap_or(SESSION_TIMEOUT_MS);
    if !(1_000..=3_600_000).contains(&session_timeout_ms) {
        let why = "a session lasts from 1,000 to 3,600,000 milliseconds";
        return Err(Refusal::invalid("/session_timeout_ms", why));
    }
    Ok(LogTerms {
        ack,
        credit,
        reading: Reading::Group { group: group.clone(), fallback, session_timeout_ms },
    })
}

fn refuse_foreign(fields: &[(&str, bool)], is: &str, other: &str, topic: &str) -> Result<(), Refusal> {
    match fields.iter().find(|(_, given)| *given) {
        Some((field, _)) => {
            let name = field.trim_start_matches('/');
            let shown: String = topic.chars().take(80).collect();
            let why = format!("{shown:?} is a {is}; `{name}` is for a {other}");
            Err(Refusal::new(message::ErrorCode::WrongModel, why).in_field(*field))
        }
        None => Ok(()),
    }
}

impl Feed {
    /// The membership of the group that it reads for, if any.
    #[must_use]
    pub fn membership(&self) -> Option<&Membership> {
        match &self.source {
            FeedSource::Queue(_) => None,
            FeedSource::Log(log) => log.membership.as_ref(),
        }
    }

    /// The same, to change it.
    pub fn membership_mut(&mut self) -> Option<&mut Membership> {
        match &mut self.source {
            FeedSource::Queue(_) => None,
            FeedSource::Log(log) => log.membership.as_mut(),
        }
    }

    /// What its group must still hear when it ends.
    #[must_use]
    pub fn farewell(&mut self) -> Option<Farewell> {
        match &mut self.source {
            FeedSource::Queue(_) => None,
            FeedSource::Log(feed) => feed.farewell(),
        }
    }
}

/// Refuses a number that names no open subscription.
#[must_use]
pub fn unknown(subscription: Subscription) -> Refusal {
    Refusal::invalid("/subscription", format!("no subscription {subscription} is open on this socket"))
}
