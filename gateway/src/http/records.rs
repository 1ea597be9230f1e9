//! Reading a partition of a log, without state on the server.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::{IntoParams, ToSchema};

use super::api::Api;
use super::media::{self, Form};
use super::parameters::ValuesQuery;
use super::path::{self, At};
use super::problem::Problem;
use super::query::Query;
use super::record_stream::{Bounds, RecordReader};
use super::refusals::ReadRefusals;
use super::reply;
use super::shapes::Record;
use super::start_at;
use crate::auth::quota::Measure;
use crate::topics::Isolation;

/// Records of one answer unless said, and bytes of them, about.
const USUAL_RECORDS: u64 = 500;
const USUAL_BYTES: u64 = 1 << 20;
/// Most bytes of a JSON answer, which is made in memory.
const MOST_JSON_BYTES: u64 = 32 << 20;
const MOST: i64 = 1 << 40;

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "described, never built")]
pub struct PartitionPath {
    /// The log's name.
    #[param(min_length = 1, max_length = 255, example = "events")]
    topic: String,
    /// The partition, counted from 0.
    #[param(minimum = 0, maximum = 2147483647)]
    partition: u32,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described, never built")]
pub struct RecordsQuery {
    /// Where to start: `earliest`, `latest`, an offset, or `@` and a time (RFC 3339, or milliseconds since the epoch).
    #[param(
        required = false,
        pattern = "^(earliest|latest|[0-9]{1,15}|@[0-9]{1,13})$",
        default = "earliest",
        example = "earliest"
    )]
    offset: String,
    /// Where to stop, before the record there: the same forms. What comes later is not shown; without it everything is.
    #[param(required = false, pattern = "^(earliest|latest|[0-9]{1,15}|@[0-9]{1,13})$", example = "latest")]
    to: String,
    /// Most records; 500 unless said, and as many as there are in streamed forms.
    #[param(required = false, minimum = 1, maximum = 1099511627776u64)]
    limit: u64,
    /// About as many bytes, but at least one record; 1 MiB unless said, and as many as there are in streamed forms. A
    /// JSON answer has at most 32 MiB whatever is asked.
    #[param(required = false, minimum = 1, maximum = 1099511627776u64)]
    max_bytes: u64,
    /// How long to wait when there is nothing, in milliseconds.
    #[param(required = false, minimum = 0, maximum = 60000, default = 0)]
    wait_ms: u64,
    /// Which records are shown: only those that count for good (the default), or also those of transactions that are
    /// open or were aborted.
    #[param(inline, required = false)]
    isolation: IsolationName,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "described, never built")]
enum IsolationName {
    ReadCommitted,
    ReadUncommitted,
}

/// A stretch of a partition.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub struct Records {
    records: Vec<Record>,
    /// Where to go on reading.
    #[schema(minimum = 0)]
    next_offset: i64,
    /// The end of what is there.
    #[schema(minimum = 0)]
    high_watermark: i64,
    /// The end of what counts for good: where the first open transaction begins.
    #[schema(minimum = 0)]
    last_stable_offset: i64,
    /// The first offset that is kept.
    #[schema(minimum = 0)]
    log_start_offset: i64,
}

const KNOWN: [&str; 7] = ["offset", "to", "limit", "max_bytes", "wait_ms", "isolation", "values"];

/// Read records of a partition
///
/// `application/json` is one page. `application/x-ndjson` and `application/vnd.sluice.batch` stream up to the end of
/// the partition, as fast as the reader takes it; the last line of NDJSON has `next_offset` instead of a record, a
/// batch has it in its header.
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}/partitions/{partition}/records",
    operation_id = "readRecords",
    tag = "messages",
    params(PartitionPath, RecordsQuery, ValuesQuery),
    responses(
        (status = 200, description = "Records", content((Records = "application/json"), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.sluice.batch"))),
        ReadRefusals
    )
)]
pub async fn records(
    api: Api,
    At((topic, partition)): At<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &KNOWN)?;
    let form = media::negotiate(request.headers(), &[Form::Json, Form::Ndjson, Form::Batch])?;
    let start = start_at::parse(query.text("offset").unwrap_or("earliest"))?;
    let to = query.text("to").map(start_at::parse).transpose();
    let to = to.map_err(|refusal| refusal.in_field("to"))?;
    let limit = query.number("limit", 1..=MOST)?.map(|limit| limit as u64);
    let max_bytes = query.number("max_bytes", 1..=MOST)?.map(|bytes| bytes as u64);
    let wait = Duration::from_millis(query.number("wait_ms", 0..=60_000)?.unwrap_or(0) as u64);
    let wait = wait.min(api.limits().wait);
    let isolations =
        [("read_committed", Isolation::ReadCommitted), ("read_uncommitted", Isolation::ReadUncommitted)];
    let isolation = query.choice("isolation", &isolations)?.unwrap_or(Isolation::ReadCommitted);
    let values = query.values()?;
    let partition = path::partition(&partition)?;
    api.usage().admit(Measure::Consume, 1)?;
    let log = api.topics().log(&topic)?;
    let from = log.resolve_isolated(partition, start, isolation)?;
    let to = to.map(|to| log.resolve_isolated(partition, to, isolation)).transpose()?;
    let bounds = match form {
        Form::Json => Bounds {
            records: limit.unwrap_or(USUAL_RECORDS),
            bytes: max_bytes.unwrap_or(USUAL_BYTES).min(MOST_JSON_BYTES),
        },
        _ => Bounds { records: limit.unwrap_or(u64::MAX), bytes: max_bytes.unwrap_or(u64::MAX) },
    };
    let mut reader = RecordReader::new(log, partition, from, bounds, values, isolation);
    if let Some(most) = api.usage().limit(Measure::Consume) {
        reader.step_by(most);
    }
    if let Some(to) = to {
        reader.stop_before(to);
    }
    // The first read happens before the status goes out, so that what is wrong is told by it.
    reader.first(wait).await?;
    Ok(match form {
        Form::Json => {
            let page = reader.page().await?;
            api.usage().take(Measure::Consume, page.len() as u64);
            reply::bytes(StatusCode::OK, form, page)
        }
        _ => reply::body(StatusCode::OK, form, reader.stream(api, form)),
    })
}
