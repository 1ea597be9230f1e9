use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use message::ErrorCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::codec::problem::{self, PROBLEM_JSON, ProblemParts};
use crate::http::unavailable::problem_response;
use crate::refusal::Refusal;

/// How long a client that is turned away may take to read why.
const GOODBYE: Duration = Duration::from_secs(1);

/// The answer to a request whose head is larger than allowed.
pub fn head_too_large(limit: usize) -> Response {
    let detail =
        format!("the request line and headers together may have {limit} bytes (http.max_header_bytes)");
    let mut body = Vec::with_capacity(256);
    ProblemParts {
        status: 431,
        code: "headers_too_large",
        title: "Request head too large",
        detail: &detail,
        field: None,
        retryable: false,
        retry_after_ms: None,
    }
    .write(&mut body);
    problem_response(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, body)
}

/// What a client hears that is one too many: the whole response, ready to be written.
pub fn too_many_connections(limit: usize) -> Vec<u8> {
    let detail =
        format!("all {limit} connections (http.max_connections) are taken; close idle ones or try again");
    let mut body = Vec::with_capacity(256);
    problem::write(&mut body, &Refusal::new(ErrorCode::Overloaded, detail).retry_after(1000));
    let mut response = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nretry-after: 1\r\n\
         connection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.extend_from_slice(&body);
    response
}

/// Tells a client why it cannot stay. Reads what it still sends for a moment: closing with unread bytes would reset
/// the connection, and the client might never see the answer.
pub async fn turn_away(mut stream: TcpStream, response: std::sync::Arc<[u8]>) {
    let farewell = async {
        stream.write_all(&response).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(GOODBYE, farewell).await;
}
