//! What clients do to what is kept, for the audit log: told where it is done, so whatever door it came through.
//!
//! What changes who may do what is told with its record (`identities`). What goes with something else, as bindings go
//! with their queue, has no line of its own.

use std::net::Ipv4Addr;

use super::Topics;
use crate::auth::{Guard, Origin, Pass};

/// Longest description of what was done.
const ABOUT_CHARS: usize = 500;
/// The door of what the server does by itself.
const SERVER: Origin = Origin { door: "server", address: std::net::IpAddr::V4(Ipv4Addr::LOCALHOST) };

/// Who makes a change, for the audit log.
pub(crate) type Author = (Box<str>, Origin);

macro_rules! deeds {
    ($($(#[doc = $doc:literal])* $deed:ident => $name:literal;)*) => {
        /// A change that is no change of who may do what.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Deed {
            $($(#[doc = $doc])* $deed,)*
        }

        impl Deed {
            /// How the audit log calls it.
            const fn as_str(self) -> &'static str {
                match self {
                    $(Deed::$deed => $name,)*
                }
            }

            /// The names of all with what they are.
            #[cfg(test)]
            const ALL: &[(&str, &str)] = &[$(($name, concat!($($doc),*)),)*];
        }
    };
}

deeds! {
    /// A queue or log was made
    MakeTopic => "topic_made";
    /// A queue's or log's settings or number of partitions were changed
    ChangeTopic => "topic_changed";
    /// A queue or log was deleted; by `server`, because nobody used it any more
    DeleteTopic => "topic_deleted";
    /// The ready messages of a queue were deleted
    PurgeQueue => "queue_purged";
    /// Records of a log were deleted
    DeleteRecords => "records_deleted";
    /// A single message of a queue was changed
    ChangeMessage => "message_changed";
    /// A single message of a queue was moved elsewhere
    MoveMessage => "message_moved";
    /// A single message of a queue was deleted
    DeleteMessage => "message_deleted";
    /// An exchange was made
    MakeExchange => "exchange_made";
    /// An exchange was deleted
    DeleteExchange => "exchange_deleted";
    /// A binding was made
    Bind => "binding_made";
    /// A binding was taken away
    Unbind => "binding_deleted";
    /// A policy was set
    SetPolicy => "policy_set";
    /// A policy was taken away
    DeletePolicy => "policy_deleted";
    /// A virtual host was made
    MakeHost => "vhost_made";
    /// A virtual host was deleted with all that was in it
    DeleteHost => "vhost_deleted";
    /// Offsets of a group were set by somebody who is none of its members: a reset, or a reader that assigns itself partitions
    SetOffsets => "group_offsets_set";
    /// Offsets of a group were forgotten
    DeleteOffsets => "group_offsets_deleted";
    /// A group was deleted
    DeleteGroup => "group_deleted";
    /// Settings of a group were changed
    ChangeGroup => "group_changed";
    /// A transaction that its producer left open was aborted by an administrator
    AbortTransaction => "transaction_aborted";
    /// A replay or redrive was begun
    StartJob => "job_started";
    /// A replay or redrive was cancelled
    CancelJob => "job_cancelled";
    /// Clients of AMQP were put out by an administrator
    CloseConnection => "connection_closed";
}

impl Topics {
    /// For whom these topics act, in the audit log.
    pub(crate) fn author(&self) -> Author {
        author(&self.1, &self.2)
    }

    /// Writes down that the client has done something.
    pub(crate) fn did(&self, deed: Deed, about: &str) {
        tell(self.guard(), deed, &self.author(), about);
    }
}

/// For whom something acts that has this pass and is used so.
pub(super) fn author(pass: &Pass, usage: &crate::auth::Usage) -> Author {
    match pass {
        Pass::As(caller) => {
            let identity = caller.identity();
            (identity.user.clone(), Origin { door: identity.door, address: identity.address })
        }
        Pass::Open | Pass::Nobody => ("".into(), usage.origin().unwrap_or(SERVER)),
    }
}

/// Writes down that somebody has done something.
pub(super) fn tell(guard: &Guard, deed: Deed, (user, origin): &Author, about: &str) {
    let end = about.char_indices().nth(ABOUT_CHARS).map_or(about.len(), |(end, _)| end);
    guard.did(deed.as_str(), user, *origin, about.get(..end).unwrap_or_default());
}

/// Writes down that the server has done something by itself.
pub(super) fn tell_own(guard: &Guard, deed: Deed, about: &str) {
    tell(guard, deed, &("".into(), SERVER), about);
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const BEGIN: &str = "<!-- printed by a test from gateway/src/topics/deeds.rs -->\n";
    const END: &str = "<!-- end of what is printed -->\n";

    #[test]
    fn the_printed_list_of_changes_is_current() {
        let mut table = String::from("| event | what |\n|---|---|\n");
        for (name, what) in Deed::ALL {
            let _ = writeln!(table, "| `{name}` |{what} |");
        }
        crate::printed::part("security.md", (BEGIN, END), &table);
    }
}
