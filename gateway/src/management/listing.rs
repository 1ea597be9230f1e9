//! What every list takes: columns, sorting, and pages with a filter by name.

use std::cmp::Ordering;

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use crate::http::reply;

/// Largest page, as in RabbitMQ.
const PAGE_MOST: usize = 500;
/// Page size where none is given.
const PAGE_USUAL: usize = 100;

/// Whether a name is wanted.
type Filter = Box<dyn Fn(&str) -> bool>;

/// How a list is wanted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Listing {
    columns: Option<String>,
    sort: Option<String>,
    sort_reverse: Option<String>,
    page: Option<String>,
    page_size: Option<String>,
    name: Option<String>,
    use_regex: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Listing {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Listing, Failure> {
        let read = Query::<Listing>::try_from_uri(&parts.uri);
        read.map(|Query(listing)| listing).map_err(|error| Failure::bad(error.body_text()))
    }
}

impl Listing {
    /// One thing, with the columns that were asked for.
    pub fn one(&self, thing: Value) -> Response {
        reply::json(StatusCode::OK, &self.pick(thing))
    }

    /// A list, or a page of it.
    pub fn all(&self, mut things: Vec<Value>) -> Result<Response, Failure> {
        let pages = self.pages()?;
        let total = things.len();
        if pages.is_some() {
            let keep = self.filter()?;
            things.retain(|thing| keep(thing.get("name").and_then(Value::as_str).unwrap_or_default()));
        }
        self.sort(&mut things);
        let Some((page, size)) = pages else {
            let things: Vec<Value> = things.into_iter().map(|thing| self.pick(thing)).collect();
            return Ok(reply::json(StatusCode::OK, &things));
        };
        let filtered = things.len();
        let count = filtered.div_ceil(size).max(1);
        if page > count {
            let reason = format!("Page out of range, page: {page} page size: {size}, len: {filtered}");
            return Err(Failure::List { error: "page_out_of_range", reason });
        }
        let start = (page - 1) * size;
        let items: Vec<Value> =
            things.into_iter().skip(start).take(size).map(|thing| self.pick(thing)).collect();
        let answer = json!({
            "filtered_count": filtered, "item_count": items.len(), "items": items, "page": page,
            "page_count": filtered.div_ceil(size), "page_size": size, "total_count": total,
        });
        Ok(reply::json(StatusCode::OK, &answer))
    }

    fn pages(&self) -> Result<Option<(usize, usize)>, Failure> {
        let Some(page) = &self.page else { return Ok(None) };
        let refuse = |reason: String| Failure::List { error: "invalid_pagination_parameters", reason };
        let unreadable =
            || Failure::List { error: "bad_request", reason: "Pagination parameters are invalid".to_owned() };
        let page: usize = page.parse().map_err(|_| unreadable())?;
        let told = self.page_size.as_deref().unwrap_or("undefined");
        let size = match &self.page_size {
            None => PAGE_USUAL,
            Some(text) => text.parse().map_err(|_| unreadable())?,
        };
        if page == 0 || !(1..=PAGE_MOST).contains(&size) {
            let reason = format!("Invalid pagination parameters: page number {page}, page size {told}");
            return Err(refuse(reason));
        }
        Ok(Some((page, size)))
    }

    /// Which names are wanted: those that a text is in, or that an expression is found in.
    fn filter(&self) -> Result<Filter, Failure> {
        let Some(wanted) = self.name.clone().filter(|name| !name.is_empty()) else {
            return Ok(Box::new(|_| true));
        };
        if self.use_regex.as_deref() == Some("true") {
            let expression = Regex::new(&wanted).map_err(|error| Failure::bad(error.to_string()))?;
            return Ok(Box::new(move |name| expression.is_match(name)));
        }
        let wanted = wanted.to_lowercase();
        Ok(Box::new(move |name| name.to_lowercase().contains(&wanted)))
    }

    fn sort(&self, things: &mut [Value]) {
        let Some(path) = self.sort.as_deref().filter(|path| !path.is_empty()) else { return };
        things.sort_by(|a, b| order(at(a, path), at(b, path)));
        if self.sort_reverse.as_deref() == Some("true") {
            things.reverse();
        }
    }

    fn pick(&self, thing: Value) -> Value {
        let Some(columns) = self.columns.as_deref().filter(|columns| !columns.is_empty()) else {
            return thing;
        };
        let mut picked = Map::new();
        for path in columns.split(',') {
            if let Some(value) = at(&thing, path) {
                insert(&mut picked, path, value.clone());
            }
        }
        Value::Object(picked)
    }
}

/// What lies at a path of names with dots between them.
fn at<'a>(thing: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(thing, |thing, name| thing.get(name))
}

fn insert(object: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(object.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

fn order(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => {
            a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0))
        }
        (Some(Value::String(a)), Some(Value::String(b))) => a.cmp(b),
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => a.cmp(b),
        (a, b) => a.map(rank).cmp(&b.map(rank)),
    }
}

/// The order of Erlang's terms, as far as JSON has them.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::Null | Value::Bool(_) => 1,
        Value::Object(_) => 2,
        Value::Array(_) => 3,
        Value::String(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(pairs: &[(&str, &str)]) -> Listing {
        let object = pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        serde_json::from_value(Value::Object(object)).unwrap()
    }

    fn things() -> Vec<Value> {
        [("a", 3), ("B", 1), ("ab", 2)]
            .map(|(name, n)| json!({"name": name, "in": {"n": n}, "x": 1}))
            .to_vec()
    }

    async fn body(response: Response) -> Value {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn lists_are_sorted_and_cut_to_columns() {
        let wanted = listing(&[("sort", "in.n"), ("sort_reverse", "true"), ("columns", "name,in.n")]);
        let got = body(wanted.all(things()).unwrap()).await;
        assert_eq!(got[0], json!({"name": "a", "in": {"n": 3}}));
        assert_eq!(got.as_array().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn pages_tell_what_was_filtered() {
        let wanted = listing(&[("page", "1"), ("page_size", "1"), ("name", "A")]);
        let got = body(wanted.all(things()).unwrap()).await;
        let figures =
            ["filtered_count", "item_count", "page_count", "total_count"].map(|name| got[name].as_u64());
        assert_eq!(figures, [Some(2), Some(1), Some(2), Some(3)]);
        let wanted = listing(&[("page", "1"), ("name", "^a$"), ("use_regex", "true")]);
        assert_eq!(body(wanted.all(things()).unwrap()).await["items"][0]["name"], "a");
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for bad in
            [&[("page", "0")][..], &[("page", "x")], &[("page", "2")], &[("page", "1"), ("page_size", "501")]]
        {
            assert!(matches!(listing(bad).all(things()), Err(Failure::List { .. })), "{bad:?}");
        }
        let bad = listing(&[("page", "1"), ("name", "("), ("use_regex", "true")]);
        assert!(matches!(bad.all(things()), Err(Failure::Bad(_))));
    }
}
