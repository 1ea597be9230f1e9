//! Who asks: HTTP's Basic scheme (RFC 7617) with the same names and passwords as on AMQP's door.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Management;
use super::failure::Failure;
use crate::amqp::login::Credentials;
use crate::auth::Caller;
use crate::http::login;

/// Lets a request pass that says who it is. Where users are configured it is for administrators alone: the API shows and
/// changes what belongs to others.
pub async fn check(State(management): State<Management>, request: Request, next: Next) -> Response {
    if management.topics().guard().is_required() {
        return check_admin(&management, request, next).await;
    }
    match credentials(request.headers()) {
        // As open as the rest of the HTTP listener, where nobody says who they are.
        Some(credentials) if credentials.are_guest_on(true) => next.run(request).await,
        Some(_) => Failure::Login { tried: true }.into_response(),
        None => Failure::Login { tried: false }.into_response(),
    }
}

async fn check_admin(management: &Management, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let tried = parts.headers.contains_key(header::AUTHORIZATION);
    let pass = login::known(management.topics().guard(), &parts).await;
    let is_admin = pass.is_ok_and(|pass| pass.caller().is_some_and(Caller::is_admin));
    if !is_admin || login::check_origin(&parts, &[]).is_err() {
        return Failure::Login { tried }.into_response();
    }
    next.run(Request::from_parts(parts, body)).await
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
