//! Who somebody is and what they may do: decided once, for every door.
//!
//! Pure, given the time and random bytes: verifiers, the SCRAM exchange, rules and their index, buckets, the fold of
//! changes. The [`Guard`] holds what is known and judges credentials; a [`Caller`] is what comes out, and the seam asks
//! it before it does anything. Nothing here knows a wire format.
//!
//! Quotas: `quota` is what is set and for whom, `quota_book` what is used of it now, in buckets (`bucket`); a `Usage` is one
//! client's view of both, and a door asks it. Who may wait at a door before logging in is up to the `lobby`. RabbitMQ's
//! permissions are views: `host_permissions` of rules, `routing_keys` of what topic exchanges are published to with. The `audit`
//! log has every change and refusal; `repeats` keeps floods out of it, and
//! what is no change of users, rules or quotas it is told by the seam (`topics::deeds`).

pub mod api_key;
pub mod audit;
mod bucket;
mod caller;
mod connection_usage;
mod delegation_token;
mod failed_logins;
mod guard;
mod host_permissions;
mod identities;
pub mod identity_record;
mod issuer_keys;
#[cfg(feature = "gssapi")]
mod kerberos;
mod lobby;
mod origin;
pub mod permission;
mod proven;
pub mod quota;
mod quota_book;
mod repeats;
pub mod routing_keys;
pub mod rule_index;
pub mod sasl;
pub mod scram;
mod subject;
mod tickets;
pub mod token;
mod usage;
mod user;
mod verifier;

pub use caller::{Caller, Identity, Lapse, Pass, Proof};
pub use connection_usage::ConnectionUsage;
pub use delegation_token::{DelegationRules, DelegationToken, TokenSecret};
pub use guard::{Guard, GuardSettings, LoginCounts, LoginError, Mode, random};
pub use host_permissions::HostPermissions;
pub use identities::Identities;
pub use lobby::{Lobby, Waiter};
pub use origin::{GUEST, Origin};
pub use quota_book::{QuotaBook, ThrottleFigures};
pub use subject::{Subject, is_name};
pub use tickets::TICKET_LIFE;
pub use usage::{Connected, Usage};
pub use user::User;
pub use verifier::{ScramHash, Verifier};
