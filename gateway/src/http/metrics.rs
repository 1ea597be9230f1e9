//! Metrics for Prometheus.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::operations::Operations;
use super::problem::Problem;
use super::refusals::LoginRefusals;
use crate::metrics::{Detail, render};

/// Content type of the exposition format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics, summed up
///
/// As many series with ten topics as with ten thousand. Names follow `kafka_exporter` and RabbitMQ where they have
/// one, `sluice_*` otherwise.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operations",
    responses(
        (status = 200, description = "Prometheus text format", body = String, content_type = "text/plain"),
        LoginRefusals
    )
)]
pub async fn metrics(State(operations): State<Operations>, request: Request) -> Result<Response, Problem> {
    exposition(&operations, request, Detail::Aggregated).await
}

/// Metrics of every queue, partition and group
///
/// What `/metrics` says and, in place of sums, one series per object. Scrape it less often.
#[utoipa::path(
    get,
    path = "/metrics/per-object",
    operation_id = "metricsPerObject",
    tag = "operations",
    responses(
        (status = 200, description = "Prometheus text format", body = String, content_type = "text/plain"),
        LoginRefusals
    )
)]
pub async fn metrics_per_object(
    State(operations): State<Operations>,
    request: Request,
) -> Result<Response, Problem> {
    exposition(&operations, request, Detail::PerObject).await
}

async fn exposition(operations: &Operations, request: Request, detail: Detail) -> Result<Response, Problem> {
    operations.allow_metrics(&request.into_parts().0).await?;
    let snapshot = operations.snapshot().await;
    Ok(match render(&operations.process(), snapshot.as_ref(), detail) {
        Ok(text) => ([(header::CONTENT_TYPE, EXPOSITION)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    })
}
