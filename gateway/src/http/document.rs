//! JSON bodies of a fixed shape, refused with a pointer to what is wrong.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use serde::de::{DeserializeOwned, DeserializeSeed as _, Deserializer, Error as _};
use serde_json::Value;

use super::api::Api;
use super::media;
use super::problem::Problem;
use super::query::Query;
use crate::codec::json_message::is_json;
use crate::codec::json_objects::Objects;
use crate::codec::json_scalar::Whole;
use crate::codec::json_trail::{nearest, without_place};
use crate::refusal::Refusal;

/// Reads the JSON body of a request that has no parameters.
pub async fn of<T: DeserializeOwned>(api: &Api, request: Request) -> Result<T, Problem> {
    let (parts, body) = request.into_parts();
    Query::parse(parts.uri.query(), &[])?;
    read(api, &parts.headers, body).await
}

/// The same as a document, in which `3.0` became `3`, as JSON Schema has it.
pub async fn whole_of(api: &Api, request: Request) -> Result<Value, Problem> {
    let mut document = of::<Value>(api, request).await?;
    make_whole(&mut document);
    Ok(document)
}

/// The same, where the body may be left out.
pub async fn of_or_default<T: DeserializeOwned + Default>(api: &Api, request: Request) -> Result<T, Problem> {
    let (parts, body) = request.into_parts();
    Query::parse(parts.uri.query(), &[])?;
    read_or_default(api, &parts.headers, body).await
}

/// Reads a JSON body.
pub async fn read<T: DeserializeOwned>(api: &Api, headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    let bytes = bytes(api, headers, body).await?;
    Ok(parse(&bytes)?)
}

/// Reads a JSON body that may be left out.
pub async fn read_or_default<T: DeserializeOwned + Default>(
    api: &Api,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let bytes = bytes(api, headers, body).await?;
    if bytes.trim_ascii() == b"null" || (bytes.is_empty() && media::content_type(headers)?.is_none()) {
        return Ok(T::default());
    }
    Ok(parse(&bytes)?)
}

/// Reads a JSON body as a document, in which `3.0` became `3`, as JSON Schema has it.
pub async fn read_document(api: &Api, headers: &HeaderMap, body: Body) -> Result<Value, Problem> {
    let mut document = read::<Value>(api, headers, body).await?;
    make_whole(&mut document);
    Ok(document)
}

fn make_whole(document: &mut Value) {
    match document {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            const EXACT: f64 = 9_007_199_254_740_992.0;
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT);
            if let Some(whole) = whole {
                *document = Value::from(whole as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(members) => members.values_mut().for_each(make_whole),
        _ => {}
    }
}

async fn bytes(api: &Api, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    if let Some(content_type) = media::content_type(headers)?
        && !is_json(content_type)
    {
        let detail = format!("this endpoint reads application/json, not {content_type:.100}");
        return Err(Problem::unsupported_media_type(detail));
    }
    media::check_coding(headers)?;
    Ok(api.bodies().read(body, api.limits().body_bytes).await?.bytes)
}

/// Reads a document of type `T`. Members that are `null` are refused by their types.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(Objects(&mut from)).map_err(|error| refuse(&error))?;
    from.end()
        .map_err(|error| Refusal::invalid("", format!("the body is not one JSON document: {error}")))?;
    Ok(parsed)
}

/// The same from a document that was read already.
pub fn convert<T: DeserializeOwned>(document: Value) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(Objects(document)).map_err(|error| refuse(&error))
}

fn refuse(error: &serde_path_to_error::Error<serde_json::Error>) -> Refusal {
    let mut pointer = String::new();
    for segment in error.path() {
        use serde_path_to_error::Segment;
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(
                    &key.chars().take(100).collect::<String>().replace('~', "~0").replace('/', "~1"),
                );
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let inner = error.inner();
    let text = inner.to_string();
    if !matches!(inner.classify(), serde_json::error::Category::Data) {
        return Refusal::invalid(pointer, format!("the body is not valid JSON: {text}"));
    }
    let named = |start: &str| text.strip_prefix(start)?.split('`').next().map(str::to_owned);
    if let Some(unknown) = named("unknown field `") {
        // Whether the path ends in the unknown member depends on where the reader noticed it.
        if !pointer.ends_with(&format!("/{unknown}")) {
            pointer.push_str(&format!("/{unknown}"));
        }
        let known: Vec<&str> = text.split('`').skip(3).step_by(2).collect();
        let mut detail = String::from("no such field");
        if let Some(near) = nearest(&unknown, &known) {
            detail.push_str(&format!("; did you mean `{near}`?"));
        } else if !known.is_empty() {
            detail.push_str(&format!("; there are {}", known.join(", ")));
        }
        return Refusal::invalid(pointer, detail);
    }
    if let Some(missing) = named("missing field `") {
        return Refusal::invalid(format!("{pointer}/{missing}"), "this field is required");
    }
    Refusal::invalid(pointer, without_place(&text))
}

/// Refuses every `null` in a document, save below the members named in `except`.
pub fn refuse_nulls(document: &Value, except: &[&str]) -> Result<(), Refusal> {
    fn walk(value: &Value, pointer: &str, except: &[&str]) -> Result<(), Refusal> {
        match value {
            Value::Null => Err(Refusal::invalid(pointer, "this cannot be null; leave it out")),
            Value::Object(members) => members
                .iter()
                .filter(|(name, _)| !except.contains(&name.as_str()))
                .try_for_each(|(name, value)| walk(value, &format!("{pointer}/{name}"), except)),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, value)| walk(value, &format!("{pointer}/{index}"), except)),
            _ => Ok(()),
        }
    }
    walk(document, "", except)
}

/// For `deserialize_with`: a whole number within bounds.
pub fn whole<'de, const MIN: i64, const MAX: i64, T, D>(from: D) -> Result<T, D::Error>
where
    T: TryFrom<i64>,
    D: Deserializer<'de>,
{
    let bounds = || Whole { min: MIN, max: MAX };
    let expected = || format!("expected a whole number from {MIN} to {MAX}");
    let number = bounds().deserialize(from)?.ok_or_else(|| D::Error::custom(expected()))?;
    T::try_from(number).map_err(|_| D::Error::custom(expected()))
}

/// For `deserialize_with`: a whole number within bounds that may be left out but not be `null`.
pub fn maybe_whole<'de, const MIN: i64, const MAX: i64, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<i64>,
    D: Deserializer<'de>,
{
    whole::<MIN, MAX, T, D>(from).map(Some)
}

/// For `deserialize_with`: a member that may be left out but not be `null`.
pub fn given<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(deserialize_with = "whole::<1, 10, u32, _>")]
        max: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        list: Vec<Inner>,
        #[serde(default, deserialize_with = "given")]
        text: Option<String>,
    }

    #[test]
    fn faults_are_pointed_at() {
        let field = |text: &str| parse::<Outer>(text.as_bytes()).unwrap_err().field.unwrap();
        assert_eq!(field(r#"{"list":[{"max":1},{"max":11}]}"#), "/list/1/max");
        assert_eq!(field(r#"{"list":[{"max":"x"}]}"#), "/list/0/max");
        assert_eq!(field(r#"{"list":[{"max":null}]}"#), "/list/0/max");
        assert_eq!(field(r#"{"list":[{"mx":1}]}"#), "/list/0/mx");
        assert_eq!(field(r#"{"list":[{}]}"#), "/list/0/max");
        assert_eq!(field(r#"{"list":[],"texts":""}"#), "/texts");
        assert_eq!(field(r#"{"list":[],"text":null}"#), "/text");
        assert_eq!(field("{}"), "/list");
        assert_eq!(field("{"), "");
        assert_eq!(field("[[]]"), "");
        assert_eq!(field(r#"{"list":[{"max":1},[1]]}"#), "/list/1");
        let good = parse::<Outer>(br#"{"list":[{"max":2.0}],"text":"t"}"#).unwrap();
        assert_eq!((good.list[0].max, good.text.as_deref()), (2, Some("t")));
        assert!(parse::<Outer>(br#"{"list":[]} {}"#).is_err());
        assert!(parse::<Outer>(br#"{"list":[],"texts":""}"#).unwrap_err().detail.contains("`text`"));
    }

    #[test]
    fn nulls_are_pointed_at() {
        let document = serde_json::json!({"a": {"b": [1, null]}, "free": null});
        assert_eq!(refuse_nulls(&document, &["free"]).unwrap_err().field.unwrap(), "/a/b/1");
    }
}
