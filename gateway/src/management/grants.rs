//! What permissions and topic permissions have in common: lists of what users were given in virtual hosts.

use axum::extract::Path;
use axum::response::Response;
use message::ErrorCode;
use serde_json::{Value, json};

use super::failure::Failure;
use super::listing::Listing;
use super::{Management, users};
use crate::auth::GUEST;
use crate::refusal::Refusal;

/// A kind of them. Each has members `user` and `vhost`.
pub trait Grant: 'static {
    /// Those of everybody, everywhere.
    fn all(management: &Management) -> Vec<Value>;
}

/// All of them.
pub async fn list<G: Grant>(management: Management, listing: Listing) -> Result<Response, Failure> {
    listing.all(G::all(&management))
}

/// Those of a user.
pub async fn of_user<G: Grant>(
    management: Management,
    Path(user): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    if !users::is_known(&management, &user) {
        return Err(Failure::NotFound);
    }
    listing.all(with(G::all(&management), "user", &user))
}

/// Those in a virtual host.
pub async fn of_vhost<G: Grant>(
    management: Management,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.host(&vhost)?;
    listing.all(with(G::all(&management), "vhost", &vhost))
}

/// Those of a list in which a member has a value.
pub fn with(all: Vec<Value>, member: &str, value: &str) -> Vec<Value> {
    all.into_iter().filter(|one| one[member] == value).collect()
}

/// Refuses a virtual host or a user who is not there, in RabbitMQ's words.
pub fn check_both(management: &Management, vhost: &str, user: &str) -> Result<(), Failure> {
    let are_known = management.host(vhost).is_ok() && users::is_known(management, user);
    if are_known { Ok(()) } else { Err(Failure::bad("vhost_or_user_not_found")) }
}

/// Why something could not be given to a user.
pub fn not_given(refusal: Refusal, user: &str) -> Failure {
    match refusal.code {
        ErrorCode::UnknownUser if user == GUEST => {
            Failure::bad("guest may do everything as long as there are no users; make an administrator first")
        }
        ErrorCode::UnknownUser => Failure::bad("vhost_or_user_not_found"),
        ErrorCode::InvalidPattern => Failure::Bad(json!(["invalid_regexp", refusal.detail])),
        _ => refusal.into(),
    }
}
