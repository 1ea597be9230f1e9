use ::message::{HeaderTable, HeaderValue};

use crate::QueueError;

/// When a message's headers satisfy a binding of a headers exchange.
///
/// The binding's `x-match` argument chooses: `all` (without it, too), `any`, and the `-with-x` forms, which also look
/// at arguments whose names start with `x-`. An argument without a value asks only for the header to be there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeaderMatch {
    any: bool,
    wanted: Vec<(String, HeaderValue)>,
}

impl HeaderMatch {
    /// Reads a binding's arguments.
    pub(crate) fn from_arguments(arguments: &HeaderTable) -> Result<HeaderMatch, QueueError> {
        let (any, with_x) = match arguments.get("x-match") {
            None => (false, false),
            Some(HeaderValue::Text(mode)) => match mode.as_str() {
                "all" => (false, false),
                "any" => (true, false),
                "all-with-x" => (false, true),
                "any-with-x" => (true, true),
                other => return Err(invalid(&format!("{other:?}"))),
            },
            Some(other) => return Err(invalid(&format!("{other:?}"))),
        };
        let counts = |name: &str| name != "x-match" && (with_x || !name.starts_with("x-"));
        let wanted = arguments.iter().filter(|(name, _)| counts(name));
        Ok(HeaderMatch { any, wanted: wanted.map(|(name, value)| (name.to_owned(), value)).collect() })
    }

    /// Whether these headers satisfy it. `all` of nothing is satisfied, `any` of nothing is not.
    pub(crate) fn matches(&self, headers: &[(&str, HeaderValue)]) -> bool {
        let mut wanted = self.wanted.iter().map(|(name, want)| {
            let have = headers.iter().find(|(have, _)| have == name);
            have.is_some_and(|(_, have)| *want == HeaderValue::Null || equal(want, have))
        });
        if self.any { wanted.any(|met| met) } else { wanted.all(|met| met) }
    }
}

fn invalid(have: &str) -> QueueError {
    let why = format!("is {have}; use \"all\", \"any\", \"all-with-x\" or \"any-with-x\"");
    QueueError::InvalidOption { field: "x-match", why }
}

/// Values are compared, not the types that carried them: text in either form, whole numbers of any width.
fn equal(want: &HeaderValue, have: &HeaderValue) -> bool {
    match (want, have) {
        (HeaderValue::Text(a), HeaderValue::Bytes(b)) | (HeaderValue::Bytes(b), HeaderValue::Text(a)) => {
            a.as_bytes() == b
        }
        _ => want == have,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(&str, HeaderValue)]) -> HeaderTable {
        entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn text(text: &str) -> HeaderValue {
        HeaderValue::Text(text.to_owned())
    }

    fn check(arguments: &[(&str, HeaderValue)], headers: &[(&str, HeaderValue)]) -> bool {
        HeaderMatch::from_arguments(&table(arguments)).unwrap().matches(headers)
    }

    #[test]
    fn all_any_and_their_forms_with_x() {
        let wanted = [("format", text("pdf")), ("pages", HeaderValue::Int(3)), ("x-origin", text("fax"))];
        let with = |mode: &str| {
            let mut all = wanted.to_vec();
            all.push(("x-match", text(mode)));
            all
        };
        let both = [("format", text("pdf")), ("pages", HeaderValue::Int(3))];
        let one = [("pages", HeaderValue::Int(3)), ("format", text("doc"))];
        let only_x = [("x-origin", text("fax"))];
        let everything = [both[0].clone(), both[1].clone(), only_x[0].clone()];
        for (mode, on_both, on_one, on_x, on_everything) in [
            ("all", true, false, false, true),
            ("any", true, true, false, true),
            ("all-with-x", false, false, false, true),
            ("any-with-x", true, true, true, true),
        ] {
            assert_eq!(check(&with(mode), &both), on_both, "{mode}");
            assert_eq!(check(&with(mode), &one), on_one, "{mode}");
            assert_eq!(check(&with(mode), &only_x), on_x, "{mode}");
            assert_eq!(check(&with(mode), &everything), on_everything, "{mode}");
        }
    }

    #[test]
    fn no_value_asks_for_presence_and_nothing_asks_for_nothing() {
        assert!(check(&[("format", HeaderValue::Null)], &[("format", HeaderValue::Bool(false))]));
        assert!(!check(&[("format", HeaderValue::Null)], &[]));
        assert!(check(&[], &[]));
        assert!(!check(&[("x-match", text("any"))], &[("format", text("pdf"))]));
    }

    #[test]
    fn another_mode_is_refused() {
        for bad in [text("some"), HeaderValue::Int(1)] {
            let refused = HeaderMatch::from_arguments(&table(&[("x-match", bad)]));
            assert!(matches!(refused, Err(QueueError::InvalidOption { field: "x-match", .. })));
        }
    }
}
