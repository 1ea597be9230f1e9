use std::fmt;
use std::str::FromStr;

/// The opaque token of one delivery: whoever holds it may settle the message, from any connection and any door.
///
/// 16 bytes, as text 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease(pub [u8; 16]);

/// The text is not a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lease is 32 hexadecimal digits, exactly as it was delivered")]
pub struct NotALease;

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for Lease {
    type Err = NotALease;

    fn from_str(text: &str) -> Result<Lease, NotALease> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotALease);
        }
        u128::from_str_radix(text, 16).map(|number| Lease(number.to_be_bytes())).map_err(|_| NotALease)
    }
}
