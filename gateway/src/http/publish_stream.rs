//! NDJSON both ways at once: lines are published as they arrive, and each is reported while more come.
//!
//! Bounded: reading stops while enough of this stream's bytes are on their way to the topic, and reports are only
//! made when the client takes them. So a client that does not read its reports is soon not read either. Nor is one whose
//! quota is used up, until it has some again.

use std::collections::VecDeque;
use std::pin::Pin;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use futures_util::{FutureExt as _, stream};
use message::ErrorCode;
use tokio::sync::OwnedSemaphorePermit;

use super::api::Api;
use super::body::next_piece;
use super::media::{self, Form};
use super::problem::Problem;
use super::publish::Target;
use super::reply;
use crate::auth::quota::Measure;
use crate::codec::ndjson::Lines;
use crate::codec::{json_message, receipts};
use crate::refusal::Refusal;
use crate::topics::{Acks, Outgoing, Receipts};

/// Lines published in one go.
const MOST_LINES: usize = 1000;
/// Bytes published in one go, about.
const MOST_BYTES: usize = 1 << 20;
/// Bytes of this stream on their way to the topic, beyond which it is not read.
const IN_FLIGHT: usize = 4 << 20;
/// Requests of this stream on their way to the topic.
const DEEPEST: usize = 16;

type Report = Pin<Box<dyn Future<Output = (Vec<u8>, usize)> + Send>>;

/// Answers a streaming publish.
pub async fn answer(
    api: Api,
    target: Target,
    acks: Acks,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if headers.contains_key("idempotency-key") {
        let detail = "a stream has no idempotency key; send a batch, or give each message an id";
        return Err(Problem::invalid("Idempotency-Key", detail));
    }
    media::negotiate(headers, &[Form::Ndjson])?;
    target.check(&api).await?;
    let lines = Lines::new(api.limits().line_bytes);
    let feed = Feed {
        api,
        target,
        acks,
        body: Some(body),
        lines,
        waiting: VecDeque::new(),
        reports: FuturesOrdered::new(),
        in_flight: 0,
        held_up: None,
    };
    let reports = stream::unfold(feed, |mut feed| async move {
        let report = feed.step().await?;
        Some((Ok::<_, std::convert::Infallible>(report), feed))
    });
    Ok(reply::body(StatusCode::OK, Form::Ndjson, Body::from_stream(reports)))
}

/// One line: a message, or why it is none.
type Line = Result<Outgoing, Box<Refusal>>;

struct Feed {
    api: Api,
    target: Target,
    acks: Acks,
    body: Option<Body>,
    lines: Lines,
    /// Read but not published yet, with their sizes.
    waiting: VecDeque<(Line, usize)>,
    reports: FuturesOrdered<Report>,
    in_flight: usize,
    /// Ends when the quota lets more in.
    held_up: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Feed {
    /// The next report lines; `None` after the last.
    async fn step(&mut self) -> Option<Bytes> {
        loop {
            self.send().await;
            let may_read = self.waiting.is_empty() && self.in_flight < IN_FLIGHT;
            let drain = self.api.drain().clone();
            if let Some(held_up) = &mut self.held_up {
                tokio::select! {
                    biased;
                    Some((report, bytes)) = self.reports.next(), if !self.reports.is_empty() => {
                        self.in_flight -= bytes;
                        return Some(report.into());
                    }
                    () = held_up => {}
                    () = drain.begun() => self.body = None,
                }
                self.held_up = None;
                continue;
            }
            let Some(body) = self.body.as_mut().filter(|_| may_read) else {
                // Either nothing more comes, or enough is on its way.
                let (report, bytes) = self.reports.next().await?;
                self.in_flight -= bytes;
                return Some(report.into());
            };
            tokio::select! {
                biased;
                Some((report, bytes)) = self.reports.next(), if !self.reports.is_empty() => {
                    self.in_flight -= bytes;
                    return Some(report.into());
                }
                piece = next_piece(body) => self.take(piece),
                // The client learns by the end of the answer which of its lines were published.
                () = drain.begun() => self.body = None,
            }
        }
    }

    /// Takes a piece of the body and what else has arrived.
    fn take(&mut self, piece: Result<Option<Bytes>, Problem>) {
        let mut piece = Some(piece);
        let mut taken = 0;
        while let Some(next) = piece.take() {
            match next {
                Ok(Some(data)) => {
                    taken += data.len();
                    self.lines.push(data);
                    while let Some(line) = self.lines.next() {
                        self.enqueue(line);
                    }
                    if taken < MOST_BYTES
                        && let Some(body) = &mut self.body
                    {
                        piece = next_piece(body).now_or_never();
                    }
                }
                Ok(None) => {
                    self.body = None;
                    if let Some(line) = self.lines.finish() {
                        self.enqueue(line);
                    }
                }
                // The connection broke: nobody reads the reports of what was sent, but it was sent.
                Err(_) => self.body = None,
            }
        }
    }

    fn enqueue(&mut self, line: Result<Bytes, crate::codec::ndjson::LineTooLong>) {
        let (message, bytes) = match line {
            Ok(line) => (json_message::parse_one(&line, "").map_err(Box::new), line.len()),
            Err(error) => {
                let refusal = Refusal::new(ErrorCode::TooLarge, error.to_string());
                (Err(Box::new(refusal)), 0)
            }
        };
        self.waiting.push_back((message, bytes));
    }

    /// Sends what waits on its way, as far as there is room.
    async fn send(&mut self) {
        while self.held_up.is_none()
            && !self.waiting.is_empty()
            && self.in_flight < IN_FLIGHT
            && self.reports.len() < DEEPEST
        {
            let mut bytes = 0;
            let mut count = 0;
            for (_, size) in self.waiting.iter().take(MOST_LINES) {
                if count > 0 && bytes + size > MOST_BYTES {
                    break;
                }
                bytes += size;
                count += 1;
            }
            let share = match self.api.bodies().try_share(bytes) {
                Ok(share) => Some(share),
                // What is on its way gives room back; only without it is there something to wait for.
                Err(_) if !self.reports.is_empty() => return,
                Err(_) => self.api.bodies().share(bytes).await,
            };
            let lines = self.waiting.drain(..count).map(|(line, _)| line).collect();
            self.in_flight += bytes;
            self.use_up(bytes);
            let (api, target) = (self.api.clone(), self.target.clone());
            self.reports.push_back(Box::pin(report(api, target, self.acks, lines, bytes, share)));
        }
    }
}

impl Feed {
    /// Takes what is sent from the quota; nothing more is sent or read until it lets more in.
    fn use_up(&mut self, bytes: usize) {
        let wait = self.api.usage().take(Measure::Produce, bytes as u64);
        if !wait.is_zero() {
            let usage = self.api.usage().clone();
            self.held_up = Some(Box::pin(async move { usage.waited(Measure::Produce, wait).await }));
        }
    }
}

/// Publishes the good lines and reports all of them in order.
async fn report(
    api: Api,
    target: Target,
    acks: Acks,
    lines: Vec<Line>,
    bytes: usize,
    share: Option<OwnedSemaphorePermit>,
) -> (Vec<u8>, usize) {
    let mut faults = Vec::with_capacity(lines.len());
    let mut messages = Vec::with_capacity(lines.len());
    for line in lines {
        match line {
            Ok(message) => {
                messages.push(message);
                faults.push(None);
            }
            Err(refusal) => faults.push(Some(refusal)),
        }
    }
    let outcome = if messages.is_empty() {
        Ok(Receipts::new())
    } else {
        target.publish(&api, messages, acks, None).await
    };
    drop(share);
    let mut out = Vec::with_capacity(faults.len() * 64);
    let (mut published, failure) = match outcome {
        Ok(receipts) => {
            (receipts.into_iter(), Refusal::new(ErrorCode::Internal, "this message got no answer"))
        }
        Err(refusal) => (Receipts::new().into_iter(), refusal),
    };
    for fault in faults {
        match fault.map_or_else(|| published.next(), |refusal| Some(Err(refusal))) {
            Some(Ok(receipt)) => receipts::write_receipt(&mut out, &receipt),
            Some(Err(refusal)) => receipts::write_error(&mut out, &refusal),
            None => receipts::write_error(&mut out, &failure),
        }
        out.push(b'\n');
    }
    (out, bytes)
}
