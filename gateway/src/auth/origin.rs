//! Where a client comes from, and whom that keeps out.

use std::net::IpAddr;

/// The user that is there before any is made. Its password is known to everybody, so it is let in from the machine itself
/// only, whatever that is by now.
pub const GUEST: &str = "guest";

/// Where somebody comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Through which door.
    pub door: &'static str,
    /// From which address.
    pub address: IpAddr,
}

impl Origin {
    /// Whether a user of that name may come from here with a password.
    pub(super) fn lets_in(self, user: &str) -> bool {
        user != GUEST || self.address.to_canonical().is_loopback()
    }
}
