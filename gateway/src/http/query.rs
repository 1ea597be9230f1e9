//! Query strings, read strictly: an unknown, repeated or malformed parameter is refused by its name.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use percent_encoding::percent_decode_str;

use super::problem::Problem;
use crate::codec::json_trail::nearest;
use crate::codec::render::ValueMode;
use crate::topics::Acks;

/// The parameters of one request. Without a query string nothing is allocated.
#[derive(Debug, Default)]
pub struct Query<'q>(Vec<(&'static str, Cow<'q, str>)>);

impl<'q> Query<'q> {
    /// Reads the query string of an endpoint that knows these parameters.
    pub fn parse(raw: Option<&'q str>, known: &[&'static str]) -> Result<Query<'q>, Problem> {
        let Some(raw) = raw.filter(|raw| !raw.is_empty()) else { return Ok(Query::default()) };
        let mut pairs: Vec<(&'static str, Cow<'q, str>)> = Vec::new();
        for part in raw.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(name).ok_or_else(|| Problem::invalid("query", "a name is not UTF-8"))?;
            let Some(name) = known.iter().find(|known| **known == name) else {
                return Err(unknown(&name, known));
            };
            let value = decode(value).ok_or_else(|| Problem::invalid(*name, "the value is not UTF-8"))?;
            if pairs.iter().any(|(have, _)| have == name) {
                return Err(Problem::invalid(*name, "this parameter appears twice"));
            }
            pairs.push((name, value));
        }
        Ok(Query(pairs))
    }

    /// A parameter as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| *have == name).map(|(_, value)| value.as_ref())
    }

    /// A text that may not be empty nor longer than `longest` characters.
    pub fn filled(&self, name: &'static str, longest: usize) -> Result<Option<&str>, Problem> {
        match self.text(name) {
            Some(text) if text.is_empty() || text.chars().count() > longest => {
                Err(Problem::invalid(name, format!("this parameter has 1 to {longest} characters")))
            }
            text => Ok(text),
        }
    }

    /// The virtual host that is named.
    pub fn host(&self) -> Result<Option<&str>, Problem> {
        self.filled("vhost", 127)
    }

    /// A whole number within bounds.
    pub fn number(&self, name: &'static str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<i64>() {
            Ok(number) if plain && range.contains(&number) => Ok(Some(number)),
            _ => {
                let (low, high) = (range.start(), range.end());
                Err(Problem::invalid(name, format!("this parameter is a whole number from {low} to {high}")))
            }
        }
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid(name, "this parameter is `true` or `false`")),
        }
    }

    /// One of a few names.
    pub fn choice<T: Copy>(&self, name: &'static str, choices: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match choices.iter().find(|(choice, _)| *choice == text) {
            Some((_, chosen)) => Ok(Some(*chosen)),
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                Err(Problem::invalid(name, format!("this parameter is one of {}", names.join(", "))))
            }
        }
    }

    /// The parameter `acks`.
    pub fn acks(&self) -> Result<Acks, Problem> {
        if self.0.is_empty() {
            return Ok(Acks::All);
        }
        let choices = [("all", Acks::All), ("leader", Acks::Leader), ("none", Acks::None)];
        Ok(self.choice("acks", &choices)?.unwrap_or_default())
    }

    /// The parameter `values`.
    pub fn values(&self) -> Result<ValueMode, Problem> {
        let Some(text) = self.text("values") else { return Ok(ValueMode::Auto) };
        ValueMode::from_name(text).ok_or_else(|| {
            Problem::invalid("values", format!("this parameter is one of {}", ValueMode::NAMES.join(", ")))
        })
    }
}

fn unknown(name: &str, known: &[&'static str]) -> Problem {
    let name: String = name.chars().take(100).collect();
    let mut detail = String::from("there is no such query parameter");
    if let Some(near) = nearest(&name, known) {
        detail.push_str(&format!("; did you mean `{near}`?"));
    } else if !known.is_empty() {
        detail.push_str(&format!("; there are {}", known.join(", ")));
    }
    Problem::invalid(name, detail)
}

/// Percent-decoding, with `+` as a space.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8().ok().map(|decoded| Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    const KNOWN: [&str; 3] = ["limit", "acks", "prefix"];

    fn refused(raw: &str) -> bool {
        let query = match Query::parse(Some(raw), &KNOWN) {
            Ok(query) => query,
            Err(problem) => return problem.into_response().status() == 400,
        };
        query.number("limit", 1..=10).is_err() || query.acks().is_err()
    }

    #[test]
    fn good_parameters_are_read() {
        let query = Query::parse(Some("limit=7&prefix=a%2Fb+c&acks=leader"), &KNOWN).unwrap();
        assert_eq!(query.number("limit", 1..=10).unwrap(), Some(7));
        assert_eq!(query.text("prefix"), Some("a/b c"));
        assert_eq!(query.acks().unwrap(), Acks::Leader);
        assert_eq!(Query::parse(None, &[]).unwrap().acks().unwrap(), Acks::All);
    }

    #[test]
    fn everything_else_is_refused() {
        for raw in [
            "limt=7",
            "limit=0",
            "limit=11",
            "limit=+1",
            "limit=1.0",
            "limit=",
            "limit=1&limit=2",
            "acks=some",
            "acks",
            "prefix=%ff",
            "limit=9999999999999999999",
        ] {
            assert!(refused(raw), "{raw}");
        }
    }
}
