//! Who sends a request: read from its head, judged by the guard.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use message::ErrorCode;

use super::problem::Problem;
use super::server::Peer;
use crate::auth::{Caller, Guard, LoginError, Origin, Pass, Usage};
use crate::refusal::Refusal;
use crate::tls::ClientCertificate;

/// How the guard calls this door.
const DOOR: &str = "http";

/// Where a request comes from.
#[must_use]
pub fn origin_of(parts: &Parts) -> Origin {
    came_from(&parts.extensions)
}

/// The same, by what a request carries with it.
pub fn came_from(extensions: &Extensions) -> Origin {
    let address = extensions.get::<Arc<Peer>>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.address);
    Origin { door: DOOR, address }
}

/// What the sender of a request may do, by what it says in `Authorization`, else by its certificate.
pub async fn pass_of(guard: &Guard, parts: &Parts) -> Result<Pass, Problem> {
    match known(guard, parts).await? {
        Pass::Nobody => {
            guard.turned_away(origin_of(parts), "no login");
            Err(LoginRefusal::Missing.into())
        }
        pass => Ok(pass),
    }
}

/// The same for where a client may say later who it is.
pub async fn known(guard: &Guard, parts: &Parts) -> Result<Pass, Problem> {
    if !guard.is_required() {
        return Ok(Pass::Open);
    }
    let origin = origin_of(parts);
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let credentials = Credentials::read(value).map_err(|(refusal, why)| {
            guard.turned_away(origin, why);
            refusal
        })?;
        let caller = match credentials {
            Credentials::Basic(user, password) => guard.password(&user, &password, origin).await,
            Credentials::Bearer(token) => guard.bearer(token, origin).await,
        };
        return Ok(Pass::As(caller.map_err(LoginRefusal::Login)?));
    }
    let certificate = parts.extensions.get::<Arc<Peer>>().and_then(|peer| peer.certificate.clone());
    Ok(match certificate {
        Some(ClientCertificate { user, ends_at }) => Pass::As(guard.certificate(user, ends_at, origin)),
        None => guard.stranger(origin),
    })
}

/// What a request is measured by. Quotas can be changed whatever they are: who may do so is let in to them.
pub fn usage_of(guard: &Guard, pass: &Pass, parts: &Parts) -> Result<Usage, Refusal> {
    let is_about_quotas = parts.uri.path().starts_with("/v1/quotas");
    let Some(peer) = parts.extensions.get::<Arc<Peer>>().filter(|_| !is_about_quotas) else {
        return Ok(Usage::unmeasured(origin_of(parts)));
    };
    peer.usage(guard, pass.caller().map(Caller::user), origin_of(parts))
}

/// What a request says in `Authorization`.
enum Credentials<'a> {
    /// User and password.
    Basic(String, Vec<u8>),
    /// An API key or a token.
    Bearer(&'a str),
}

impl Credentials<'_> {
    fn read(value: &HeaderValue) -> Result<Credentials<'_>, (LoginRefusal, &'static str)> {
        let malformed = || (LoginRefusal::Malformed, "an Authorization that cannot be read");
        let (scheme, rest) =
            value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let (user, password) = basic(rest).ok_or_else(malformed)?;
                Ok(Credentials::Basic(user, password))
            }
            "bearer" => Ok(Credentials::Bearer(rest.trim())),
            _ => Err((LoginRefusal::Scheme, "an Authorization of an unknown scheme")),
        }
    }
}

/// User and password (RFC 7617).
fn basic(credentials: &str) -> Option<(String, Vec<u8>)> {
    let bytes = BASE64.decode(credentials.trim()).ok()?;
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let user = std::str::from_utf8(bytes.get(..colon)?).ok()?.to_owned();
    Some((user, bytes.get(colon + 1..)?.to_vec()))
}

/// Refuses what a page of another origin makes a browser send, with whatever the browser knows of the user: a page
/// may send a request anywhere, even if it cannot read the answer.
pub fn check_origin(guard: &Guard, parts: &Parts, allowed: &[String]) -> Result<(), Problem> {
    let harmless = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if harmless || is_own_or_allowed(&parts.headers, parts.uri.authority().map(|one| one.as_str()), allowed) {
        return Ok(());
    }
    note_foreign_page(guard, origin_of(parts), &parts.headers);
    Err(Problem::origin_not_allowed())
}

/// Refuses a page of another origin where even a GET changes something.
pub fn check_page(guard: &Guard, request: &Request, allowed: &[String]) -> Result<(), Problem> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    if is_own_or_allowed(request.headers(), authority, allowed) {
        return Ok(());
    }
    note_foreign_page(guard, came_from(request.extensions()), request.headers());
    Err(Problem::origin_not_allowed())
}

/// Writes down that a page was refused.
pub fn note_foreign_page(guard: &Guard, origin: Origin, headers: &HeaderMap) {
    let named = headers.get(header::ORIGIN).and_then(|page| page.to_str().ok()).unwrap_or("another origin");
    guard.turned_away(origin, &format!("a page of {}", named.chars().take(200).collect::<String>()));
}

/// Whether a request comes from no page, from a page of this server, or from one of an origin that is allowed.
pub fn is_own_or_allowed(headers: &HeaderMap, authority: Option<&str>, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        // A page can ask without saying whose it is; browsers still say that it is another's (Fetch Metadata).
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        return matches!(site, None | Some(b"same-origin" | b"none"));
    };
    let origin = origin.to_str().unwrap_or_default();
    if allowed.iter().any(|one| one == "*" || one.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(authority);
    let own = origin.split_once("://").map(|(_, host)| host);
    own.is_some() && own == host
}

/// Why a request's sender is not known.
pub enum LoginRefusal {
    /// It does not say.
    Missing,
    /// What it says does not read.
    Malformed,
    /// It says so in a way that is not known here.
    Scheme,
    /// What it says is not right.
    Login(LoginError),
}

impl From<LoginRefusal> for Refusal {
    fn from(refusal: LoginRefusal) -> Refusal {
        let detail = match refusal {
            LoginRefusal::Missing => {
                "this server wants to know who you are: send `Authorization` with a user and password (Basic), or an API key or token (Bearer)".to_owned()
            }
            LoginRefusal::Malformed => "`Authorization` cannot be read: it is `Basic` or `Bearer`, a space, and the credentials".to_owned(),
            LoginRefusal::Scheme => "only the schemes Basic and Bearer are known here".to_owned(),
            LoginRefusal::Login(LoginError::Unavailable(why)) => {
                return Refusal::new(ErrorCode::LoginUnavailable, why).retry_after(1000);
            }
            LoginRefusal::Login(error) => error.to_string(),
        };
        Refusal::new(ErrorCode::Unauthenticated, detail).in_field("Authorization")
    }
}

impl From<LoginRefusal> for Problem {
    fn from(refusal: LoginRefusal) -> Problem {
        Refusal::from(refusal).into()
    }
}
