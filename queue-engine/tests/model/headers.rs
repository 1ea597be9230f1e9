//! Headers that messages carry and bindings of a headers exchange ask for.
use message::{HeaderTable, HeaderValue};

/// Which headers a message carries: none, or one of a few sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Headers(pub Option<u8>);

fn text(text: &str) -> HeaderValue {
    HeaderValue::Text(text.to_owned())
}

fn table(entries: &[(&str, HeaderValue)]) -> HeaderTable {
    entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

impl Headers {
    pub fn table(self) -> HeaderTable {
        let (kind, size) = (|kind| ("kind", text(kind)), ("size", HeaderValue::Int(1)));
        match self.0 {
            None => HeaderTable::default(),
            Some(0) => table(&[kind("a")]),
            Some(1) => table(&[kind("b"), size]),
            Some(_) => table(&[size, ("x-kind", text("a"))]),
        }
    }

    /// Whether a binding made with this key takes them; what it asks for is in [`asked`].
    pub fn fit(self, key: &str) -> bool {
        match key {
            "q0" => self.0 == Some(0),
            "q1" => self.0.is_some(),
            _ => matches!(self.0, Some(0 | 1)),
        }
    }
}

/// What a binding with this key asks for: all of one header, any of two, or that one is there.
pub fn asked(key: &str) -> HeaderTable {
    match key {
        "q0" => table(&[("x-match", text("all")), ("kind", text("a"))]),
        "q1" => table(&[("x-match", text("any")), ("kind", text("a")), ("size", HeaderValue::Int(1))]),
        _ => table(&[("kind", HeaderValue::Null)]),
    }
}
