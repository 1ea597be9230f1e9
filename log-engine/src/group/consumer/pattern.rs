use regex::{Regex, RegexBuilder};

use crate::group::GroupError;

/// Compiled patterns are kept as long as their members, so they may not grow large.
const COMPILED_BYTES_MAX: usize = 256 << 10;

/// A regular expression that whole topic names are matched against, in RE2's syntax as KIP-848 asks.
#[derive(Clone, Debug)]
pub(crate) struct TopicPattern {
    source: Box<str>,
    whole: Regex,
}

impl TopicPattern {
    pub(crate) fn new(source: &str) -> Result<TopicPattern, GroupError> {
        let invalid = |error: regex::Error| GroupError::InvalidPattern(error.to_string().into());
        // By itself first, so that brackets which the frame would balance are refused.
        let build = |text: &str| RegexBuilder::new(text).size_limit(COMPILED_BYTES_MAX).build();
        build(source).map_err(invalid)?;
        let whole = build(&format!("^(?:{source})$")).map_err(invalid)?;
        Ok(TopicPattern { source: source.into(), whole })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.source
    }

    pub(crate) fn matches(&self, topic: &str) -> bool {
        self.whole.is_match(topic)
    }
}

impl PartialEq for TopicPattern {
    fn eq(&self, other: &TopicPattern) -> bool {
        self.source == other.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_whole_names_only() {
        let pattern = TopicPattern::new("a|orders-.*").unwrap();
        assert!(pattern.matches("a") && pattern.matches("orders-1"));
        assert!(!pattern.matches("ab") && !pattern.matches("my-orders-1"));
        assert!(TopicPattern::new("a)(b").is_err());
        assert!(TopicPattern::new(r"(a)\1").is_err());
        assert!(TopicPattern::new("(a{1000}){1000}").is_err());
    }
}
