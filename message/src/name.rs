use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::ErrorCode;

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {name:?} is not valid: {why}")]
pub struct NameError {
    kind: &'static str,
    name: String,
    why: &'static str,
}

impl NameError {
    /// The code that every door maps to its own.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        ErrorCode::InvalidName
    }
}

fn check(kind: &'static str, name: &str, longest: usize) -> Result<Arc<str>, NameError> {
    let refuse = |why| Err(NameError { kind, name: name.chars().take(80).collect(), why });
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.len() > longest {
        return refuse("it is longer than 255 bytes");
    }
    if name.chars().any(char::is_control) {
        return refuse("it contains a control character");
    }
    if name == "." || name == ".." {
        return refuse("it is a path segment that URLs cannot carry");
    }
    Ok(Arc::from(name))
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and keeps a name: 1 to 255 bytes of UTF-8 without control characters.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check($kind, name, 255).map(Self)
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// As a key of maps that are asked by plain text.
        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        /// In quotes: names appear so in what users are told.
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name_type!(
    /// Names a topic of either model.
    TopicName,
    "topic name"
);
name_type!(
    /// Names an exchange. The default exchange has no name and is not one of these.
    ExchangeName,
    "exchange name"
);
name_type!(
    /// Names a consumer group.
    GroupName,
    "group name"
);

impl TopicName {
    /// Whether a log may have this name: Kafka's rule, at most 249 of `[a-zA-Z0-9._-]`. Before it there may be the name of a
    /// virtual host and a slash; whether there is such a host is for others to know.
    pub fn check_for_log(&self) -> Result<(), NameError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let own = self.0.rsplit_once('/').map_or(&*self.0, |(_, own)| own);
        if own.len() > 249 || matches!(own, "" | "." | "..") || !own.bytes().all(legal) {
            let why = "a log's name is at most 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'";
            return Err(NameError { kind: "topic name", name: self.0.chars().take(80).collect(), why });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_urls_logs_and_files_cannot_carry() {
        for bad in ["", ".", "..", "a\nb", &"x".repeat(256)] {
            assert!(TopicName::new(bad).is_err(), "{bad:?}");
        }
        assert!(TopicName::new("vhost/name with space").is_ok());
        assert!(TopicName::new("vhost/name").unwrap().check_for_log().is_ok());
        for bad in ["vhost/", "vhost/..", "vhost/a b", "a b", "a:b"] {
            assert!(TopicName::new(bad).unwrap().check_for_log().is_err(), "{bad}");
        }
        assert!(TopicName::new("a.B_c-9").unwrap().check_for_log().is_ok());
    }
}
