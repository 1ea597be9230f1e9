//! SASL: from a mechanism and a response to a user, or not.

use bytes::Bytes;
use message::{HeaderTable, HeaderValue};

use crate::auth::{GUEST, sasl};

/// How clients may say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616: `\0user\0password`.
    Plain,
    /// AMQP's own: a table with `LOGIN` and `PASSWORD`.
    AmqPlain,
    /// Nobody in particular: the default user, or the one who was configured for it.
    Anonymous,
    /// Whom the client's certificate names.
    External,
}

impl Mechanism {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::AmqPlain => "AMQPLAIN",
            Mechanism::Anonymous => "ANONYMOUS",
            Mechanism::External => "EXTERNAL",
        }
    }

    /// The mechanism of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Mechanism> {
        [Mechanism::Plain, Mechanism::AmqPlain, Mechanism::Anonymous, Mechanism::External]
            .into_iter()
            .find(|m| m.name() == name)
    }
}

/// Who a client says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password; `None` where the mechanism asks for none.
    pub password: Option<Vec<u8>>,
}

impl Credentials {
    /// Reads a response.
    #[must_use]
    pub fn read(mechanism: Mechanism, response: &[u8]) -> Option<Credentials> {
        match mechanism {
            Mechanism::Plain => {
                let (user, password) = sasl::plain(response)?;
                Some(Credentials { user: user.to_owned(), password: Some(password.to_vec()) })
            }
            Mechanism::AmqPlain => {
                let table = HeaderTable::from_bytes(Bytes::copy_from_slice(response)).ok()?;
                let HeaderValue::Text(user) = table.get("LOGIN")? else { return None };
                let password = match table.get("PASSWORD")? {
                    HeaderValue::Text(text) => text.into_bytes(),
                    HeaderValue::Bytes(bytes) => bytes.to_vec(),
                    _ => return None,
                };
                Some(Credentials { user, password: Some(password) })
            }
            Mechanism::External => None,
            Mechanism::Anonymous => Some(Credentials { user: GUEST.to_owned(), password: None }),
        }
    }

    /// Whether they are the default user's, which is let in from the machine itself only.
    #[must_use]
    pub fn are_guest_on(&self, from_loopback: bool) -> bool {
        let known =
            self.user == GUEST && self.password.as_deref().is_none_or(|have| have == GUEST.as_bytes());
        known && from_loopback
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mechanism_reads_its_own_form() {
        let guest = Credentials { user: "guest".into(), password: Some(b"guest".to_vec()) };
        assert_eq!(Credentials::read(Mechanism::Plain, b"\0guest\0guest"), Some(guest.clone()));
        let table: HeaderTable = [("LOGIN", "guest"), ("PASSWORD", "guest")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), HeaderValue::Text(value.to_owned())))
            .collect();
        assert_eq!(Credentials::read(Mechanism::AmqPlain, table.as_bytes()), Some(guest));
        let anonymous = Credentials::read(Mechanism::Anonymous, b"").unwrap();
        assert!(anonymous.are_guest_on(true) && !anonymous.are_guest_on(false));
    }

    #[test]
    fn what_is_malformed_is_nobody() {
        for response in [&b""[..], b"guest", b"\0guest", b"\0\xff\0guest"] {
            assert_eq!(Credentials::read(Mechanism::Plain, response), None);
        }
        assert_eq!(Credentials::read(Mechanism::AmqPlain, b"\x05LOGIN"), None);
        let wrong = Credentials::read(Mechanism::Plain, b"\0guest\0Guest").unwrap();
        assert!(!wrong.are_guest_on(true));
    }
}
