use std::fmt;

/// Whom a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// One user, by name.
    User(Box<str>),
    /// Everybody who belongs to a group.
    Group(Box<str>),
    /// Everybody, also who gave no name.
    Everyone,
}

impl Subject {
    /// Longest name of a user or group, in bytes.
    pub const NAME_BYTES: usize = 255;

    /// Reads `user:NAME`, `group:NAME` or `*`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Subject> {
        if text == "*" || text == "user:*" {
            return Some(Subject::Everyone);
        }
        let (kind, name) = text.split_once(':')?;
        let name = is_name(name).then(|| name.into())?;
        match kind {
            "user" => Some(Subject::User(name)),
            "group" => Some(Subject::Group(name)),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::User(name) => write!(f, "user:{name}"),
            Subject::Group(name) => write!(f, "group:{name}"),
            Subject::Everyone => f.write_str("*"),
        }
    }
}

/// Whether a user or group may be called so: some text without control characters, and not `*`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name != "*"
        && name.len() <= Subject::NAME_BYTES
        && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_as_it_was() {
        for text in ["user:alice", "group:ops", "user:CN=a,O=b", "*"] {
            assert_eq!(Subject::parse(text).map(|subject| subject.to_string()).as_deref(), Some(text));
        }
        for bad in ["", "alice", "user:", "role:x", "user:a\nb"] {
            assert_eq!(Subject::parse(bad), None, "{bad:?}");
        }
    }
}
