//! Who asks: HTTP's Basic scheme (RFC 7617) with the same names and passwords as on AMQP's door.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::failure::Failure;
use super::{Management, users};
use crate::amqp::login::Credentials;
use crate::auth::{GUEST, Origin, Pass, Usage};
use crate::http::login;

/// Who asks, as far as that is told.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The user's name.
    pub name: String,
    /// What RabbitMQ's tools call it.
    pub tags: Vec<String>,
    /// On whose behalf the seam works.
    pass: Pass,
    /// From where.
    origin: Origin,
}

impl FromRequestParts<Management> for Management {
    type Rejection = Failure;

    /// The same, on behalf of whoever asks; what they use is not measured.
    async fn from_request_parts(parts: &mut Parts, management: &Management) -> Result<Management, Failure> {
        let asker = parts.extensions.get::<Asker>().ok_or(Failure::Login { tried: false })?;
        let usage = Usage::unmeasured(asker.origin);
        let topics = management.topics().acting_for(asker.pass.clone()).measured_by(usage);
        Ok(Management(Arc::clone(&management.0), topics))
    }
}

/// Lets a request pass that says who it is. Where users are configured, administrators may do everything: the API shows
/// and changes what belongs to others. Who is tagged with `monitoring` may look, except at users and definitions.
pub async fn check(State(management): State<Management>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match asker(&management, &parts).await {
        Ok(asker) => {
            parts.extensions.insert(asker);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(failure) => failure.into_response(),
    }
}

async fn asker(management: &Management, parts: &Parts) -> Result<Asker, Failure> {
    let (guard, origin) = (management.topics().guard(), login::origin_of(parts));
    let tried = parts.headers.contains_key(header::AUTHORIZATION);
    // Before anything else: the guest's password is no secret to any page.
    login::check_origin(guard, parts, &[]).map_err(|_| Failure::Login { tried })?;
    if !guard.is_required() {
        return match credentials(&parts.headers) {
            // As open as the rest of the HTTP listener, where nobody says who they are.
            Some(credentials) if credentials.are_guest_on(true) => {
                let tags = vec![users::ADMINISTRATOR.to_owned()];
                Ok(Asker { name: GUEST.to_owned(), tags, pass: Pass::Open, origin })
            }
            Some(_) => Err(Failure::Login { tried: true }),
            None => Err(Failure::Login { tried: false }),
        };
    }
    let pass = login::pass_of(guard, parts).await.map_err(|_| Failure::Login { tried })?;
    let caller = pass.caller().ok_or(Failure::Login { tried })?;
    let (_, identities) = guard.seen();
    let tags = identities.user(caller.user()).map(|user| users::tags_of(user));
    let tags: Vec<String> = tags.into_iter().flatten().map(str::to_owned).collect();
    let name = caller.user().to_owned();
    let is_tagged = tags.iter().any(|tag| tag == "monitoring");
    let looks = matches!(parts.method, Method::GET | Method::HEAD);
    if caller.is_admin() {
        Ok(Asker { name, tags, pass: pass.clone(), origin })
    } else if looks && is_tagged && !is_for_administrators(parts.uri.path()) {
        // It sees what is everybody's, whatever rules it has.
        Ok(Asker { name, tags, pass: Pass::Open, origin })
    } else {
        let path: String = parts.uri.path().chars().take(255).collect();
        guard.denied(caller, &format!("{} /api{path}", parts.method));
        Err(Failure::NotTagged(if is_tagged { "administrator" } else { "management" }))
    }
}

/// Whether what a path shows is for administrators alone, as in RabbitMQ.
fn is_for_administrators(path: &str) -> bool {
    let mut parts = path.trim_start_matches('/').split('/');
    match parts.next() {
        Some(
            "users" | "permissions" | "topic-permissions" | "definitions" | "parameters" | "aliveness-test",
        ) => true,
        Some("vhosts") => matches!(parts.nth(1), Some("permissions" | "topic-permissions")),
        _ => false,
    }
}

fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(Credentials { user: user.to_owned(), password: Some(password.as_bytes().to_vec()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(value: &'static str) -> Option<Credentials> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
        credentials(&headers)
    }

    #[test]
    fn what_shows_users_is_for_administrators() {
        for path in
            ["/users", "/users/a", "/permissions/%2F/a", "/definitions/%2F", "/vhosts/%2F/permissions"]
        {
            assert!(is_for_administrators(path), "{path}");
        }
        for path in ["/overview", "/vhosts", "/vhosts/users", "/queues/users", "/vhosts/%2F/connections"] {
            assert!(!is_for_administrators(path), "{path}");
        }
    }

    #[test]
    fn only_the_basic_scheme_with_a_name_and_a_password_is_read() {
        let guest = read("Basic Z3Vlc3Q6Z3Vlc3Q=").unwrap();
        assert!(guest.are_guest_on(true));
        assert_eq!(read("basic Z3Vlc3Q6YTpi").unwrap().password.as_deref(), Some(&b"a:b"[..]));
        assert!(!read("Basic Z3Vlc3Q6eA==").unwrap().are_guest_on(true));
        for other in ["Basic", "Basic !!", "Bearer Z3Vlc3Q6Z3Vlc3Q=", "Basic Z3Vlc3Q="] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
