use std::fmt;
use std::sync::Arc;

macro_rules! text_id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Takes an id as a client sent it; whether it means anybody is seen when it is used.
            #[must_use]
            pub fn new(id: &str) -> Self {
                Self(Arc::from(id))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        /// In quotes: ids appear so in what users are told.
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

text_id!(
    /// Names one member of a group. Whoever makes one sees to it that it is unique, also across restarts.
    MemberId
);
text_id!(
    /// What a static member is called in its own configuration (`group.instance.id`, KIP-345): it stays the same when
    /// the member comes back under another [`MemberId`].
    InstanceId
);

/// Counts a group's rebalances: the generation of the classic protocol, the epoch of KIP-848.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

impl Generation {
    /// The one after this. Stays within what the wire formats of clients can carry.
    #[must_use]
    pub fn next(self) -> Generation {
        Generation(if self.0 >= i32::MAX as u32 { 1 } else { self.0 + 1 })
    }
}

/// Where a member comes from, for people who look at the group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOrigin {
    /// What the client calls itself.
    pub id: Arc<str>,
    /// Its address.
    pub host: Arc<str>,
}

/// Names an answer that may come later. The shell gives each request one that no other request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);
