//! Pages of lists: a limit, an opaque cursor, and where to go on.

use axum::http::StatusCode;
use axum::response::Response;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::problem::Problem;
use super::query::Query;
use super::reply;
use crate::codec::cursor;

/// Which page of the list called `scope` was asked for.
#[derive(Debug)]
pub struct Page {
    scope: &'static str,
    /// Most entries.
    pub limit: usize,
    /// The entry that the last page ended with.
    pub after: Option<String>,
}

impl Page {
    /// Reads `limit` and `cursor`.
    pub fn of(scope: &'static str, query: &Query<'_>) -> Result<Page, Problem> {
        let limit = query.number("limit", 1..=1000)?.unwrap_or(100) as usize;
        let after = match query.text("cursor") {
            Some(text) => Some(cursor::name(scope, "cursor", text)?),
            None => None,
        };
        Ok(Page { scope, limit, after })
    }

    /// Asks the seam for one entry more than the page holds, to know whether there is another page.
    #[must_use]
    pub fn one_more(&self) -> usize {
        self.limit + 1
    }

    /// The answer: the entries under `items`, and `next_cursor` if there are more. `name` is what sorts them.
    pub fn answer<T: Serialize>(
        &self,
        items: &'static str,
        mut entries: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> Response {
        let more = entries.len() > self.limit;
        entries.truncate(self.limit);
        let last = entries.last().filter(|_| more);
        let next_cursor = last.map(|last| cursor::after_name(self.scope, &name(last)));
        reply::json(StatusCode::OK, &Listed { items, entries, next_cursor })
    }
}

/// A page in JSON: entries look as they do alone.
struct Listed<T> {
    items: &'static str,
    entries: Vec<T>,
    next_cursor: Option<String>,
}

impl<T: Serialize> Serialize for Listed<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut body = to.serialize_map(None)?;
        body.serialize_entry(self.items, &self.entries)?;
        if let Some(cursor) = &self.next_cursor {
            body.serialize_entry("next_cursor", cursor)?;
        }
        body.end()
    }
}
