//! What a request carries, and what its answer may be.

use axum::http::{HeaderMap, HeaderValue, header};

use super::problem::Problem;
use crate::codec::batch::BATCH_TYPE;
use crate::codec::json_message::JSON;

/// The media type of newline-delimited JSON.
pub const NDJSON_TYPE: &str = "application/x-ndjson";
/// The media type of server-sent events.
pub const EVENT_STREAM: &str = "text/event-stream";

/// A form that an answer can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON document.
    Json,
    /// A line of JSON per item.
    Ndjson,
    /// The binary batch.
    Batch,
    /// Server-sent events.
    Events,
}

impl Form {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Form::Json => JSON,
            Form::Ndjson => NDJSON_TYPE,
            Form::Batch => BATCH_TYPE,
            Form::Events => EVENT_STREAM,
        }
    }

    /// Its media type as a header.
    #[must_use]
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.media_type())
    }
}

/// The form to answer in: the one of `offered` that the request likes best, the first one when it does not care.
pub fn negotiate(headers: &HeaderMap, offered: &[Form]) -> Result<Form, Problem> {
    let mut accepts = headers.get_all(header::ACCEPT).iter().peekable();
    let first = offered.first().copied().unwrap_or(Form::Json);
    if accepts.peek().is_none() {
        return Ok(first);
    }
    let mut best: Option<(f32, Form)> = None;
    let ranges: Vec<&str> =
        accepts.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).collect();
    for form in offered {
        let quality = quality_of(form.media_type(), &ranges);
        if quality > 0.0 && best.is_none_or(|(have, _)| quality > have) {
            best = Some((quality, *form));
        }
    }
    best.map(|(_, form)| form).ok_or_else(|| {
        Problem::not_acceptable(&offered.iter().map(|form| form.media_type()).collect::<Vec<_>>())
    })
}

/// The quality that the most specific matching range gives a media type (RFC 9110, 12.5.1).
fn quality_of(media_type: &str, ranges: &[&str]) -> f32 {
    let mut found: Option<(u8, f32)> = None;
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let specific = if name.eq_ignore_ascii_case(media_type) {
            2
        } else if name
            .strip_suffix("/*")
            .zip(media_type.split_once('/'))
            .is_some_and(|(kind, (have, _))| kind.eq_ignore_ascii_case(have))
        {
            1
        } else if name == "*/*" {
            0
        } else {
            continue;
        };
        let quality = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if found.is_none_or(|(have, _)| specific > have) {
            found = Some((specific, quality));
        }
    }
    found.map_or(0.0, |(_, quality)| quality)
}

/// The content type of a request, as sent.
pub fn content_type(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    match headers.get(header::CONTENT_TYPE) {
        None => Ok(None),
        Some(value) => value
            .to_str()
            .map(|text| Some(text.trim()).filter(|text| !text.is_empty()))
            .map_err(|_| Problem::unsupported_media_type("the content type is not ASCII".into())),
    }
}

/// The type and subtype alone.
#[must_use]
pub fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Refuses bodies in a coding that would be stored, or read, as something else than it is.
pub fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(coding) if coding.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(_) => Err(Problem::unsupported_content_encoding()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        negotiate(&headers, &[Form::Json, Form::Ndjson, Form::Batch]).ok()
    }

    #[test]
    fn the_best_liked_form_wins() {
        assert_eq!(negotiate(&HeaderMap::new(), &[Form::Batch]).ok(), Some(Form::Batch));
        assert_eq!(chosen("*/*"), Some(Form::Json));
        assert_eq!(chosen("application/x-ndjson"), Some(Form::Ndjson));
        assert_eq!(chosen("application/json;q=0.1, application/*"), Some(Form::Ndjson));
        assert_eq!(chosen("text/html, application/vnd.sluice.batch;q=0.2, */*;q=0.1"), Some(Form::Batch));
        assert_eq!(chosen("application/json;q=0, */*;q=0.1"), Some(Form::Ndjson));
        assert_eq!(chosen("image/png"), None);
        assert_eq!(chosen("*/*;q=0"), None);
    }
}
