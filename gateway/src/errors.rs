//! The one table from `ErrorCode` to what each door says: HTTP status, Kafka error code, AMQP reply code.
//!
//! Exhaustive and without a wildcard, so that a new code cannot be forgotten. `docs/errors.md` is its print.

use message::ErrorCode;

/// How far an AMQP error reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmqpScope {
    /// The channel closes, the connection lives.
    Channel,
    /// The connection closes.
    Connection,
}

/// What each door says for one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// HTTP status (RFC 9110).
    pub status: u16,
    /// The `title` of the problem document (RFC 9457).
    pub title: &'static str,
    /// Kafka error code, as in the protocol's table.
    pub kafka: i16,
    /// AMQP 0-9-1 reply code.
    pub amqp: u16,
    /// What the AMQP error closes.
    pub amqp_scope: AmqpScope,
}

const fn row(status: u16, title: &'static str, kafka: i16, amqp: u16) -> Mapping {
    // Hard errors of AMQP 0-9-1 (320 and 5xx) close the connection, soft ones the channel.
    let amqp_scope = if amqp == 320 || amqp >= 500 { AmqpScope::Connection } else { AmqpScope::Channel };
    Mapping { status, title, kafka, amqp, amqp_scope }
}

/// The table.
#[must_use]
pub fn mapping(code: ErrorCode) -> Mapping {
    match code {
        ErrorCode::InvalidRequest => row(400, "The request is malformed", 42, 406),
        ErrorCode::InvalidName => row(400, "The name is not allowed", 17, 406),
        ErrorCode::InvalidConfig => row(400, "A setting is unknown or out of range", 40, 406),
        ErrorCode::ConflictingSettings => row(409, "Settings do not go together", 40, 406),
        ErrorCode::CorruptMessage => row(400, "The message or batch is broken", 2, 406),
        ErrorCode::InvalidRecord => row(400, "The topic does not take such a record", 87, 406),
        ErrorCode::InvalidTimestamp => row(400, "The timestamp is too far from the server's clock", 32, 406),
        // SASL_AUTHENTICATION_FAILED; a client that has logged in never sees it.
        ErrorCode::Unauthenticated => row(401, "Say who you are", 58, 403),
        ErrorCode::AccessDenied => row(403, "Not allowed", 29, 403),
        ErrorCode::GroupAccessDenied => row(403, "Not allowed", 30, 403),
        ErrorCode::TransactionalIdAccessDenied => row(403, "Not allowed", 53, 403),
        ErrorCode::ServerAccessDenied => row(403, "Not allowed", 31, 403),
        ErrorCode::QuotaExceeded => row(429, "A quota is used up", 89, 406),
        ErrorCode::UnknownUser => row(404, "No such user", 91, 404),
        ErrorCode::UnknownRule => row(404, "No such rule", 91, 404),
        ErrorCode::UnknownQuota => row(404, "No such quota", 91, 404),
        ErrorCode::UnknownTopic => row(404, "No such topic", 3, 404),
        ErrorCode::UnknownPartition => row(404, "No such partition", 3, 404),
        ErrorCode::UnknownExchange => row(404, "No such exchange", 3, 404),
        ErrorCode::UnknownVirtualHost => row(404, "No such virtual host", 42, 530),
        ErrorCode::UnknownPolicy => row(404, "No such policy", 42, 404),
        ErrorCode::UnknownBinding => row(404, "No such binding", 42, 404),
        ErrorCode::UnknownMessage => row(404, "No such message", 42, 404),
        ErrorCode::UnknownGroup => row(404, "No such group", 69, 404),
        ErrorCode::UnknownJob => row(404, "No such job", 42, 404),
        ErrorCode::UnknownMember => row(404, "The group has no such member", 25, 404),
        ErrorCode::WrongModel => row(409, "The topic has the other model", 17, 406),
        ErrorCode::AlreadyExists => row(409, "It exists with other properties", 36, 406),
        ErrorCode::InUse => row(409, "It is in use or not empty", 68, 406),
        ErrorCode::ResourceLocked => row(423, "Kept for another connection or consumer", 68, 405),
        ErrorCode::ExclusiveUse => row(409, "A consumer wants to be the only one", 68, 403),
        ErrorCode::Reserved => row(403, "Reserved for Sluice itself", 44, 403),
        ErrorCode::StaleLease => row(410, "The lease has ended", 121, 406),
        ErrorCode::OffsetOutOfRange => row(416, "The offset is out of range", 1, 406),
        ErrorCode::StaleGeneration => row(409, "The group has moved on", 22, 406),
        ErrorCode::UnknownProducer => row(404, "No such producer", 59, 406),
        ErrorCode::InvalidProducerEpoch => row(409, "A newer incarnation of the producer writes", 47, 406),
        ErrorCode::OutOfOrderSequence => row(409, "The producer left out records", 45, 406),
        ErrorCode::ProducerFenced => row(409, "The producer is fenced", 90, 406),
        ErrorCode::InvalidProducerMapping => row(409, "The transactional id is somebody else's", 49, 406),
        ErrorCode::UnknownTransaction => row(404, "No such transaction", 105, 404),
        ErrorCode::InvalidTransactionState => row(409, "The transaction is not in that state", 48, 406),
        // TRANSACTION_ABORTABLE (KIP-890): the producer may go on once it has aborted.
        ErrorCode::TransactionAborted => row(409, "The transaction was aborted", 120, 406),
        ErrorCode::InvalidTransactionTimeout => row(400, "The timeout is out of range", 50, 406),
        ErrorCode::RebalanceInProgress => row(409, "The group is rebalancing", 27, 406),
        ErrorCode::MemberIdRequired => row(409, "Join again with the id given", 79, 406),
        ErrorCode::InconsistentProtocol => row(409, "The member does not fit the group", 23, 406),
        ErrorCode::FencedInstance => row(409, "Another member has the static name", 82, 406),
        ErrorCode::UnreleasedInstance => row(409, "The static name is still in use", 111, 406),
        ErrorCode::FencedMemberEpoch => row(409, "The member was put out of the group", 110, 406),
        ErrorCode::StaleMemberEpoch => row(409, "The member's epoch has moved on", 113, 406),
        ErrorCode::UnsupportedAssignor => row(400, "No such server-side assignor", 112, 406),
        ErrorCode::InvalidPattern => row(400, "The topic pattern is not valid", 128, 406),
        ErrorCode::InvalidSessionTimeout => row(400, "The session timeout is out of range", 26, 406),
        ErrorCode::GroupFull => row(429, "The group has no room for more members", 81, 406),
        ErrorCode::GroupSubscribed => row(409, "Members of the group read the topic", 86, 406),
        ErrorCode::MetadataTooLarge => row(413, "The commit's metadata is too long", 12, 406),
        ErrorCode::TooLarge => row(413, "Too large", 10, 311),
        ErrorCode::QueueFull => row(429, "The queue is full", 89, 406),
        // 422 and 409 as in draft-ietf-httpapi-idempotency-key-header, section 2.7.
        ErrorCode::IdempotencyMismatch => {
            row(422, "The idempotency key was used for another request", 42, 406)
        }
        ErrorCode::IdempotencyInFlight => row(409, "The same request is being worked on", 51, 406),
        ErrorCode::Overloaded => row(429, "Too much at once", 89, 406),
        ErrorCode::TimedOut => row(504, "Timed out", 7, 406),
        ErrorCode::LoginUnavailable => row(503, "Nobody can be logged in at the moment", 58, 403),
        ErrorCode::ShuttingDown => row(503, "The server is going down", 6, 320),
        ErrorCode::DiskFull => row(507, "No disk space for more messages", 56, 406),
        ErrorCode::LowMemory => row(503, "Too little memory for more messages", 89, 406),
        ErrorCode::StorageFailed => row(503, "Storage has failed", 56, 541),
        ErrorCode::DataDamaged => row(500, "Stored data is damaged", 2, 541),
        ErrorCode::Internal => row(500, "A defect in Sluice", -1, 541),
    }
}

/// The `type` of a problem document: a name, not a link.
pub const PROBLEM_TYPE_PREFIX: &str = "urn:sluice:problem:";

/// When a client may try again if the refusal itself does not say, in milliseconds.
#[must_use]
pub fn default_retry_after_ms(code: ErrorCode) -> Option<u64> {
    match code {
        ErrorCode::IdempotencyInFlight => Some(200),
        ErrorCode::RebalanceInProgress => Some(500),
        ErrorCode::Overloaded | ErrorCode::QuotaExceeded | ErrorCode::QueueFull | ErrorCode::GroupFull => {
            Some(1_000)
        }
        ErrorCode::LowMemory => Some(2_000),
        ErrorCode::ShuttingDown | ErrorCode::DiskFull => Some(5_000),
        ErrorCode::StorageFailed => Some(30_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn page() -> String {
        let mut page = String::from(
            "# Error codes\n\n\
             Every refusal carries one of these codes, whatever door it leaves through. Over HTTP it is the `code` of an\n\
             `application/problem+json` document (RFC 9457) whose `type` is `urn:sluice:problem:` and the code. *Retry* means that\n\
             the same request may succeed later unchanged; `retry_after_ms` and the header `Retry-After` then say when.\n\
             429 asks the client to slow down; 503 and 507 are the server's own trouble. 410 is a lease that has ended: whoever\n\
             held it must expect the message to be handed out again, unless it was settled already.\n\n\
             This page is printed from `gateway/src/errors.rs` by a test (`UPDATE=1 cargo test -p sluice errors`).\n\n\
             | code | HTTP | title | retry | Kafka | AMQP |\n|---|---|---|---|---|---|\n",
        );
        for code in ErrorCode::ALL {
            let Mapping { status, title, kafka, amqp, amqp_scope } = mapping(code);
            let retry = if code.is_retryable() { "yes" } else { "" };
            let scope = format!("{amqp_scope:?}").to_lowercase();
            let _ = writeln!(
                page,
                "| `{}` | {status} | {title} | {retry} | {kafka} | {amqp} ({scope}) |",
                code.as_str()
            );
        }
        page.push_str(
            "\n## Only over HTTP\n\nThese concern the request itself and have no counterpart elsewhere.\n\n\
             | code | HTTP | when |\n|---|---|---|\n",
        );
        for (code, status, when) in crate::codec::problem::HTTP_ONLY {
            let _ = writeln!(page, "| `{code}` | {status} | {when} |");
        }
        page
    }

    #[test]
    fn the_printed_table_is_current() {
        crate::printed::page("errors.md", &page());
    }

    #[test]
    fn statuses_agree_with_whether_a_retry_helps() {
        for code in ErrorCode::ALL {
            let status = mapping(code).status;
            if matches!(status, 429 | 503 | 504 | 507) {
                assert!(code.is_retryable(), "{code:?} has status {status} but is not retryable");
            }
            if default_retry_after_ms(code).is_some() {
                assert!(code.is_retryable(), "{code:?} says when to retry but not that it helps");
            }
        }
    }
}
