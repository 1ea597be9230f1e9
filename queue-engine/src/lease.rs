use std::fmt;
use std::str::FromStr;

use crate::{MessageId, QueueId};

/// The right to settle one delivery: self-contained, valid from any connection until the lease ends.
///
/// It names the queue, the message and the delivery, so that a token of an earlier delivery is recognised as stale.
/// As text it is 32 hexadecimal digits, as bytes it is 16, all big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseToken {
    pub(crate) queue: QueueId,
    pub(crate) sequence: u64,
    pub(crate) nonce: u32,
}

/// The text or bytes are not a lease token at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lease is 32 hexadecimal digits (16 bytes in binary form), as it was delivered")]
pub struct LeaseTokenError;

impl LeaseToken {
    /// Length of the binary form.
    pub const BYTES: usize = 16;

    /// The queue that the message is in, for authorization.
    #[must_use]
    pub fn queue(&self) -> QueueId {
        self.queue
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> MessageId {
        MessageId(self.sequence)
    }

    /// The binary form.
    #[must_use]
    pub fn to_bytes(self) -> [u8; LeaseToken::BYTES] {
        let number =
            (u128::from(self.queue.0) << 96) | (u128::from(self.sequence) << 32) | u128::from(self.nonce);
        number.to_be_bytes()
    }

    /// Reads the binary form. Any 16 bytes are a token; those that were never given out are stale when settled.
    pub fn from_bytes(bytes: &[u8]) -> Result<LeaseToken, LeaseTokenError> {
        <[u8; LeaseToken::BYTES]>::try_from(bytes).map(LeaseToken::from).map_err(|_| LeaseTokenError)
    }
}

impl From<[u8; LeaseToken::BYTES]> for LeaseToken {
    /// Reads the binary form. Every 16 bytes are some lease; whether it is held is seen when it is settled.
    fn from(bytes: [u8; LeaseToken::BYTES]) -> LeaseToken {
        let number = u128::from_be_bytes(bytes);
        LeaseToken {
            queue: QueueId((number >> 96) as u32),
            sequence: (number >> 32) as u64,
            nonce: number as u32,
        }
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.to_bytes()))
    }
}

impl FromStr for LeaseToken {
    type Err = LeaseTokenError;

    fn from_str(text: &str) -> Result<LeaseToken, LeaseTokenError> {
        // from_str_radix alone would take a leading plus sign.
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(LeaseTokenError);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| LeaseTokenError)?;
        LeaseToken::from_bytes(&number.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_forms_read_back(queue: u32, sequence: u64, nonce: u32) {
            let token = LeaseToken { queue: QueueId(queue), sequence, nonce };
            prop_assert_eq!(LeaseToken::from_bytes(&token.to_bytes()), Ok(token));
            prop_assert_eq!(token.to_string().parse(), Ok(token));
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "zz", "+0000000000000000000000000000001", "0x000000000000000000000000000001", "é"] {
            assert_eq!(text.parse::<LeaseToken>(), Err(LeaseTokenError), "{text:?}");
        }
        assert_eq!(LeaseToken::from_bytes(&[0; 15]), Err(LeaseTokenError));
    }
}
