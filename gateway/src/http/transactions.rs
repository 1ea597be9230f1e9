//! Transactions: messages on several topics, offsets and settlements, all or nothing.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use message::ErrorCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::group_body::TransactionOffsetsBody;
use super::page::Page;
use super::parameters::{PAGE, PageQuery};
use super::path::At;
use super::problem::Problem;
use super::query::Query;
use super::refusals::{ChangeRefusals, CommitRefusals, LookRefusals};
use super::{document, reply};
use crate::refusal::Refusal;
use crate::topics::{NotATransaction, Transaction, TransactionId, TransactionOutcome};

/// The header that names a transaction.
const HEADER: &str = "sluice-transaction";

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct TransactionPath {
    /// The transaction's id.
    #[param(
        min_length = 20,
        max_length = 20,
        pattern = "^[0-7][0-9a-f]{15}[0-7][0-9a-f]{3}$",
        example = "00000000000000070000"
    )]
    id: String,
}

/// The transaction that a request belongs to.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "described, never built")]
pub struct TransactionHeader {
    /// The id of an open transaction: what the request does counts once that is committed.
    #[param(
        rename = "Sluice-Transaction",
        required = false,
        pattern = "^[0-7][0-9a-f]{15}[0-7][0-9a-f]{3}$"
    )]
    transaction: String,
}

/// What to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"transactional_id": "transfers-1", "timeout_ms": 60000}))]
pub struct BeginBody {
    /// The name under which a producer comes back after a restart. Beginning with it fences whoever used it before, and
    /// aborts what was open. Without one the transaction stands alone.
    #[serde(default, deserialize_with = "document::given")]
    #[schema(required = false, value_type = String, min_length = 1, max_length = 1024)]
    transactional_id: Option<String>,
    /// After this time the transaction is aborted if it is still open, in milliseconds. The configuration may allow less.
    #[serde(default = "usual_timeout", deserialize_with = "document::whole::<1, 900000, u64, _>")]
    #[schema(required = false, minimum = 1, maximum = 900000, default = 60000)]
    timeout_ms: u64,
}

fn usual_timeout() -> u64 {
    60_000
}

impl Default for BeginBody {
    fn default() -> BeginBody {
        BeginBody { transactional_id: None, timeout_ms: usual_timeout() }
    }
}

/// Offsets that wait for the commit.
#[derive(Serialize, ToSchema)]
pub struct OffsetsStaged {
    /// How many.
    pub staged: usize,
}

/// A page of transactions.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct TransactionPage {
    transactions: Vec<Transaction>,
    /// Where to go on, if there are more.
    #[schema(required = false)]
    next_cursor: String,
}

/// The transaction that a request names, if it names one.
pub fn named(headers: &HeaderMap) -> Result<Option<TransactionId>, Problem> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let parsed = value.to_str().ok().map(str::parse::<TransactionId>);
    match parsed {
        Some(Ok(id)) => Ok(Some(id)),
        _ => Err(Problem::invalid("Sluice-Transaction", NotATransaction.to_string())),
    }
}

fn in_path(text: &str) -> Result<TransactionId, Refusal> {
    text.parse().map_err(|_| {
        let detail = format!("there is no transaction {text:.64}; {NotATransaction}");
        Refusal::new(ErrorCode::UnknownTransaction, detail)
    })
}

/// Begin a transaction
///
/// Publish to topics of either model and settle leases with the header `Sluice-Transaction`, add offsets of groups, then
/// commit: all of it happens, or none. `docs/transactions.md` tells what that means and what it does not.
#[utoipa::path(
    post,
    path = "/v1/transactions",
    operation_id = "beginTransaction",
    tag = "transactions",
    request_body(content = Option<BeginBody>, content_type = "application/json"),
    responses(
        (status = 201, description = "It is open", body = Transaction, headers(("Location" = String, description = "The transaction"))),
        ChangeRefusals
    )
)]
pub async fn begin(api: Api, request: Request) -> Result<Response, Problem> {
    let body: BeginBody = document::of_or_default(&api, request).await?;
    let timeout = Duration::from_millis(body.timeout_ms);
    let begun = api.topics().begin_transaction(body.transactional_id.as_deref(), timeout).await?;
    let location = format!("/v1/transactions/{}", begun.id);
    Ok(reply::located(reply::json(StatusCode::CREATED, &begun), &location))
}

/// Open transactions, sorted by transactional id
///
/// Those of Kafka clients too. A page ends with `next_cursor` if there are more: repeat the request with it as the
/// parameter `cursor`.
#[utoipa::path(
    get,
    path = "/v1/transactions",
    operation_id = "listTransactions",
    tag = "transactions",
    params(PageQuery),
    responses((status = 200, description = "A page of transactions", body = TransactionPage), LookRefusals)
)]
pub async fn list(api: Api, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &PAGE)?;
    let page = Page::of("transactions", &query)?;
    let found = api.topics().list_transactions(page.after.as_deref(), page.one_more()).await?;
    Ok(page.answer("transactions", found, |one: &Transaction| one.transactional_id.clone()))
}

/// A transaction: open, committed or aborted
///
/// One that ended is known until another begins under its name, or for a while if it had none: who lost the answer to a
/// commit finds it here, or repeats the commit.
#[utoipa::path(
    get,
    path = "/v1/transactions/{id}",
    operation_id = "getTransaction",
    tag = "transactions",
    params(TransactionPath),
    responses((status = 200, description = "The transaction", body = Transaction), LookRefusals)
)]
pub async fn get(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    Ok(reply::json(StatusCode::OK, &api.topics().transaction(in_path(&id)?).await?))
}

/// Add offsets of a group
///
/// They are committed with the transaction, or not at all.
#[utoipa::path(
    post,
    path = "/v1/transactions/{id}/offsets",
    operation_id = "addTransactionOffsets",
    tag = "transactions",
    params(TransactionPath),
    request_body = TransactionOffsetsBody,
    responses((status = 200, description = "They wait for the commit", body = OffsetsStaged), CommitRefusals)
)]
pub async fn offsets(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    let id = in_path(&id)?;
    let body: TransactionOffsetsBody = document::of(&api, request).await?;
    let (group, commit) = body.into_commit();
    let staged = api.topics().commit_offsets_in_transaction(id, &group, commit).await?;
    Ok(reply::json(StatusCode::OK, &OffsetsStaged { staged }))
}

/// Commit a transaction
///
/// All that was done in it counts from now on, on all topics and after any crash. Repeating the request is answered the
/// same. 409 with the code `transaction_aborted` says that nothing of it counts and never will: it took too long, a lease
/// that it was to settle ended, a queue was full, or a message of it was refused.
#[utoipa::path(
    post,
    path = "/v1/transactions/{id}/commit",
    operation_id = "commitTransaction",
    tag = "transactions",
    params(TransactionPath),
    responses((status = 200, description = "Committed", body = Transaction), ChangeRefusals)
)]
pub async fn commit(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    end(&api, &id, TransactionOutcome::Commit).await
}

/// Abort a transaction
///
/// Nothing of it counts. Leases that it was to settle go on. Repeating the request is answered the same.
#[utoipa::path(
    post,
    path = "/v1/transactions/{id}/abort",
    operation_id = "abortTransaction",
    tag = "transactions",
    params(TransactionPath),
    responses((status = 200, description = "Aborted", body = Transaction), ChangeRefusals)
)]
pub async fn abort(api: Api, At(id): At<String>, request: Request) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    end(&api, &id, TransactionOutcome::Abort).await
}

async fn end(api: &Api, id: &str, outcome: TransactionOutcome) -> Result<Response, Problem> {
    Ok(reply::json(StatusCode::OK, &api.topics().end_transaction(in_path(id)?, outcome).await?))
}
