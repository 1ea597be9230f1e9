//! Settling leases: done, not done, failed, never, or not done yet.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::api::Api;
use super::media::Form;
use super::parameters::AcksQuery;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ProblemSchema, TakeRefusals};
use super::transactions::{self, TransactionHeader};
use super::{document, reply};
use crate::codec::receipts;
use crate::codec::render::integer;
use crate::refusal::Refusal;
use crate::topics::{Lease, SettleAction, SettleRequest, SettledLease};

/// Most leases in one request.
const MOST: usize = 10_000;

/// Leases to settle, of any queues.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ack": ["000102030405060708090a0b0c0d0e0f"]}))]
pub struct SettleBody {
    /// Done: the messages are deleted.
    #[serde(default)]
    #[schema(required = false, max_items = 2000)]
    ack: Vec<LeaseText>,
    /// Not done: the messages return to their queues.
    #[serde(default)]
    #[schema(required = false, max_items = 2000)]
    nack: Vec<Nack>,
    /// Failed: the messages return to their queues and count towards the delivery limit, after the wait of the queue's
    /// `retry` if it has one.
    #[serde(default)]
    #[schema(required = false, max_items = 2000)]
    fail: Vec<LeaseText>,
    /// Never to be done: the messages are dead-lettered, or dropped where nowhere is set.
    #[serde(default)]
    #[schema(required = false, max_items = 2000)]
    reject: Vec<LeaseText>,
    /// Not done yet: the leases go on.
    #[serde(default)]
    #[schema(required = false, max_items = 2000)]
    extend: Vec<Extend>,
}

/// A message to give back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nack {
    /// Its lease.
    lease: LeaseText,
    /// How long it stays out of sight, in milliseconds.
    #[serde(default, deserialize_with = "document::maybe_whole::<0, 1125899906842624, u64, _>")]
    #[schema(required = false, value_type = u64, minimum = 0, maximum = 1125899906842624u64)]
    delay_ms: Option<u64>,
}

/// A lease to prolong.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Extend {
    /// The lease.
    lease: LeaseText,
    /// How long it goes on from now, in milliseconds.
    #[serde(deserialize_with = "document::whole::<1, 43200000, u64, _>")]
    #[schema(minimum = 1, maximum = 43200000)]
    lease_ms: u64,
}

/// A lease as it was delivered.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9a-fA-F]{32}$", example = "000102030405060708090a0b0c0d0e0f")]
pub struct LeaseText(Lease);

impl<'de> Deserialize<'de> for LeaseText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<LeaseText, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = LeaseText;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a lease")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LeaseText, E> {
                text.parse().map(LeaseText).map_err(E::custom)
            }
        }
        from.deserialize_str(Text)
    }
}

/// What became of one lease; empty when it was acked, returned or rejected.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct SettleResult {
    /// When an extended lease ends, milliseconds since the epoch.
    #[schema(required = false)]
    lease_expires_at: i64,
    /// Why it was not settled.
    #[schema(required = false, value_type = ProblemSchema)]
    error: serde_json::Value,
}

/// One result per lease: those to ack first, then nack, fail, reject and extend, each in the order sent.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct SettleResults {
    results: Vec<SettleResult>,
}

/// Settle leases
///
/// Of any queues, from any connection, whichever door handed them out. Each is settled by itself: 200 when all were,
/// 207 when some had ended.
///
/// With the header `Sluice-Transaction` leases are settled when that transaction is committed, which fails as a whole when
/// one of them has ended by then, and the answer comes when that is on disk, whatever `acks` says. Extending does not
/// wait: each such lease is refused there, in its result.
#[utoipa::path(
    post,
    path = "/v1/settle",
    operation_id = "settle",
    tag = "messages",
    params(AcksQuery, TransactionHeader),
    request_body = SettleBody,
    responses(
        (status = 200, description = "All were settled", body = SettleResults),
        (status = 207, description = "Some were not", body = SettleResults),
        TakeRefusals
    )
)]
pub async fn settle(api: Api, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let acks = Query::parse(parts.uri.query(), &["acks"])?.acks()?;
    let body: SettleBody = document::read(&api, &parts.headers, body).await?;
    let requests = requests(body)?;
    let results = match transactions::named(&parts.headers)? {
        None => api.topics().settle(requests, acks).await?,
        Some(transaction) => api.topics().settle_in_transaction(transaction, requests).await?,
    };
    let mut out = Vec::with_capacity(16 + results.len() * 8);
    let refused = write(&mut out, &results);
    Ok(reply::bytes(if refused { StatusCode::MULTI_STATUS } else { StatusCode::OK }, Form::Json, out))
}

fn requests(body: SettleBody) -> Result<Vec<SettleRequest>, Refusal> {
    let SettleBody { ack, nack, fail, reject, extend } = body;
    let total = ack.len() + nack.len() + fail.len() + reject.len() + extend.len();
    if total > MOST {
        let detail = format!("a request settles at most {MOST} leases, this one has {total}");
        return Err(Refusal::invalid("", detail));
    }
    let mut requests = Vec::with_capacity(total);
    let mut add = |LeaseText(lease): LeaseText, action| requests.push(SettleRequest { lease, action });
    ack.into_iter().for_each(|lease| add(lease, SettleAction::Ack));
    nack.into_iter().for_each(|nack| add(nack.lease, SettleAction::Nack { delay_ms: nack.delay_ms }));
    fail.into_iter().for_each(|lease| add(lease, SettleAction::Fail));
    reject.into_iter().for_each(|lease| add(lease, SettleAction::Reject));
    extend
        .into_iter()
        .for_each(|extend| add(extend.lease, SettleAction::Extend { lease_ms: extend.lease_ms }));
    Ok(requests)
}

/// Answers whether any lease was refused.
fn write(out: &mut Vec<u8>, results: &[Result<SettledLease, Box<Refusal>>]) -> bool {
    let mut refused = false;
    out.extend_from_slice(b"{\"results\":[");
    for (index, result) in results.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match result {
            Ok(SettledLease { lease_expires_at: None }) => out.extend_from_slice(b"{}"),
            Ok(SettledLease { lease_expires_at: Some(ends) }) => {
                out.extend_from_slice(b"{\"lease_expires_at\":");
                integer(out, *ends);
                out.push(b'}');
            }
            Err(refusal) => {
                refused = true;
                receipts::write_error(out, refusal);
            }
        }
    }
    out.extend_from_slice(b"]}");
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: &str = "000102030405060708090a0b0c0d0e0f";

    #[test]
    fn the_order_of_results_is_the_order_of_the_lists() {
        let text = format!(
            r#"{{"extend":[{{"lease":"{LEASE}","lease_ms":5}}],"reject":["{LEASE}"],"fail":["{LEASE}"],"nack":[{{"lease":"{LEASE}","delay_ms":3}}],"ack":["{LEASE}"]}}"#
        );
        let requests = requests(document::parse(text.as_bytes()).unwrap()).unwrap();
        let actions: Vec<_> = requests.iter().map(|request| request.action).collect();
        let expected = [
            SettleAction::Ack,
            SettleAction::Nack { delay_ms: Some(3) },
            SettleAction::Fail,
            SettleAction::Reject,
            SettleAction::Extend { lease_ms: 5 },
        ];
        assert_eq!(actions, expected);
    }

    #[test]
    fn faults_name_their_lease() {
        let field = |text: &str| document::parse::<SettleBody>(text.as_bytes()).unwrap_err().field.unwrap();
        assert_eq!(field(r#"{"ack":["x"]}"#), "/ack/0");
        assert_eq!(field(r#"{"ack":"x"}"#), "/ack");
        assert_eq!(field(r#"{"acks":[]}"#), "/acks");
        assert_eq!(field(r#"{"nack":[{"delay_ms":1}]}"#), "/nack/0/lease");
        assert_eq!(field(&format!(r#"{{"extend":[{{"lease":"{LEASE}"}}]}}"#)), "/extend/0/lease_ms");
    }

    #[test]
    fn results_tell_who_was_refused() {
        let mut out = Vec::new();
        let stale = Refusal::new(message::ErrorCode::StaleLease, "it ended");
        let results = [
            Ok(SettledLease { lease_expires_at: None }),
            Ok(SettledLease { lease_expires_at: Some(9) }),
            Err(Box::new(stale)),
        ];
        assert!(write(&mut out, &results));
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["results"][1]["lease_expires_at"], 9);
        assert_eq!(json["results"][2]["error"]["status"], 410);
    }
}
