//! Places in a log as users write them: `earliest`, `latest`, an offset, or `@` and a time.

use crate::refusal::Refusal;
use crate::topics::StartAt;

const HELP: &str =
    "this is `earliest`, `latest`, an offset, or `@` and a time (RFC 3339, or milliseconds since the epoch)";

/// Reads a place; a refusal names the field `offset`.
pub fn parse(text: &str) -> Result<StartAt, Refusal> {
    let start = match text {
        "earliest" => Some(StartAt::Earliest),
        "latest" => Some(StartAt::Latest),
        other => match other.strip_prefix('@') {
            Some(when) => time(when).map(StartAt::Time),
            None => digits(other).map(StartAt::Offset),
        },
    };
    start.ok_or_else(|| Refusal::invalid("offset", HELP))
}

/// Milliseconds since the epoch, given as such or as in RFC 3339.
pub fn time(text: &str) -> Option<i64> {
    digits(text).or_else(|| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()))
}

fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_is_read() {
        assert_eq!(parse("earliest"), Ok(StartAt::Earliest));
        assert_eq!(parse("latest"), Ok(StartAt::Latest));
        assert_eq!(parse("17"), Ok(StartAt::Offset(17)));
        assert_eq!(parse("@1700000003000"), Ok(StartAt::Time(1_700_000_003_000)));
        assert_eq!(parse("@2023-11-14T22:13:25Z"), Ok(StartAt::Time(1_700_000_005_000)));
        assert_eq!(parse("@2023-11-14T23:13:25+01:00"), Ok(StartAt::Time(1_700_000_005_000)));
        for bad in ["", "-1", "+1", "1.5", "soon", "@", "@yesterday", "99999999999999999999"] {
            assert_eq!(parse(bad).unwrap_err().field.as_deref(), Some("offset"), "{bad}");
        }
    }
}
