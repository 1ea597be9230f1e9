//! From the configuration to a guard, and whether the doors may be opened so.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use regex::Regex;

use super::listeners::Opening;
use crate::auth::audit::Audit;
use crate::auth::token::{KeySource, TokenJudge, TokenRules};
use crate::auth::{DelegationRules, Guard, GuardSettings, Lobby, Mode, ScramHash, TokenSecret};
use crate::config::{AuthConfig, Config};
use crate::tls::Tls;
use crate::topics::{Topics, UserChange};

/// The guard that a configuration asks for.
pub fn guard(config: &Config) -> anyhow::Result<Guard> {
    let auth = &config.auth;
    let path = Some(Path::new(&auth.audit_file)).filter(|path| !path.as_os_str().is_empty());
    let audit = Audit::open(path)
        .with_context(|| format!("cannot write to {} (auth.audit_file)", auth.audit_file))?;
    Ok(Guard::new(GuardSettings {
        mode: auth.mode,
        anonymous_user: Some(auth.anonymous_user.as_str()).filter(|name| !name.is_empty()).map(Into::into),
        scram_iterations: auth.scram_iterations,
        failure_delay: Duration::from_millis(auth.failure_delay_ms),
        failure_delay_max: Duration::from_millis(auth.max_failure_delay_ms),
        login_timeout: Duration::from_millis(auth.login_timeout_ms),
        lobby: Lobby::new(auth.max_strangers),
        tokens: tokens(auth),
        delegation: delegation(auth)?.map(Arc::new),
        kerberos_user: kerberos_user(auth)?,
        certificates: !config.tls.client_ca_file.is_empty(),
        open_metrics: auth.open_metrics,
        audit,
    }))
}

fn delegation(auth: &AuthConfig) -> anyhow::Result<Option<DelegationRules>> {
    let path = &auth.delegation_token_secret_file;
    if path.is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {path} (auth.delegation_token_secret_file)"))?;
    let secret = TokenSecret::new(text.lines().next().unwrap_or_default().trim()).with_context(|| {
        let shortest = TokenSecret::SHORTEST;
        format!(
            "the first line of {path} (auth.delegation_token_secret_file) has less than {shortest} characters"
        )
    })?;
    Ok(Some(DelegationRules {
        secret,
        max_lifetime: Duration::from_millis(auth.delegation_token_max_lifetime_ms),
        renewal: Duration::from_millis(auth.delegation_token_expiry_time_ms),
    }))
}

fn kerberos_user(auth: &AuthConfig) -> anyhow::Result<Option<Regex>> {
    let rule = Some(auth.kerberos_user.as_str()).filter(|rule| !rule.is_empty());
    let whole = rule.map(|rule| Regex::new(&format!("^(?:{rule})$")));
    whole.transpose().context("auth.kerberos_user is no regular expression")
}

fn tokens(auth: &AuthConfig) -> Option<TokenJudge> {
    let source = match auth.jwks.as_str() {
        "" => return None,
        url if url.starts_with("https://") || url.starts_with("http://") => {
            let authority = Some(&auth.jwks_ca).filter(|path| !path.is_empty()).map(Into::into);
            KeySource::Url { url: url.to_owned(), authority }
        }
        path => KeySource::File(path.into()),
    };
    let rules = TokenRules {
        issuer: auth.jwt_issuer.clone(),
        audience: auth.jwt_audience.clone(),
        leeway: Duration::from_secs(auth.jwt_leeway_s),
        user_claim: auth.jwt_user_claim.clone(),
        groups_claim: auth.jwt_groups_claim.clone(),
    };
    Some(TokenJudge::new(source, rules))
}

/// The certificates that the configuration names, if it does.
pub fn tls(config: &Config, guard: &Guard) -> anyhow::Result<Option<Tls>> {
    if config.tls.cert_file.is_empty() {
        return Ok(None);
    }
    Ok(Some(Tls::load(config.tls.clone(), guard.clone())?))
}

/// Makes the administrator that the configuration names, unless there is a user of that name.
pub async fn make_admin(auth: &AuthConfig, topics: &Topics) -> anyhow::Result<()> {
    let name = &auth.admin_user;
    if name.is_empty() || topics.guard().seen().1.user(name).is_some() {
        return Ok(());
    }
    let path = &auth.admin_password_file;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {path} (auth.admin_password_file)"))?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    let verifiers = topics.hash_password(password, ScramHash::ALL.to_vec()).await?;
    let change = UserChange { verifiers: Some(verifiers), admin: Some(true), ..UserChange::default() };
    topics
        .put_user(name, change)
        .await
        .with_context(|| format!("cannot make the user {name} (auth.admin_user)"))?;
    Ok(())
}

/// Whether it is sure already, before the users are read, that clients will have to log in.
pub fn will_want_logins(config: &Config, guard: &Guard) -> bool {
    guard.is_required() || (config.auth.mode == Mode::Auto && !config.auth.admin_user.is_empty())
}

/// Refuses to open a door to others without TLS, or without logins: says which, and what to do.
pub fn check(config: &Config, openings: &[Opening], wants_logins: bool) -> anyhow::Result<()> {
    let exposed = openings.iter().filter(|opening| !opening.address.ip().to_canonical().is_loopback());
    let mut problems = Vec::new();
    for Opening { key, address, tls, .. } in exposed {
        if !tls {
            problems.push(format!(
                "{key} = {address} is reachable from other machines without TLS: listen there with {}, after setting tls.cert_file and tls.key_file (`sluice certs` makes a pair)",
                key.replace(".addr", ".tls_addr")
            ));
        }
        if !wants_logins {
            problems.push(format!(
                "{key} = {address} is reachable from other machines and nobody has to log in: set auth.admin_user and auth.admin_password_file, or make a user with `sluice user add --admin NAME` while listening on 127.0.0.1"
            ));
        }
    }
    if problems.is_empty() || config.insecure {
        return Ok(());
    }
    problems.push("to open the doors to everybody all the same, start with --insecure".into());
    anyhow::bail!("{}", problems.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_reach_has_to_be_secured() {
        let opening = |address: &str, tls| Opening {
            key: "http.addr",
            scheme: "http",
            address: address.parse().unwrap(),
            tls,
        };
        let told = |openings: &[Opening], wants_logins| {
            check(&Config::default(), openings, wants_logins).err().map(|error| error.to_string())
        };
        assert_eq!(told(&[opening("127.0.0.1:1", false), opening("[::1]:1", false)], false), None);
        assert_eq!(told(&[opening("10.0.0.1:1", true)], true), None);
        let both = told(&[opening("0.0.0.0:1", false)], false).unwrap();
        assert!(
            both.contains("without TLS") && both.contains("log in") && both.contains("--insecure"),
            "{both}"
        );
        assert!(!told(&[opening("0.0.0.0:1", true)], false).unwrap().contains("without TLS"));
        assert!(!told(&[opening("[::]:1", false)], true).unwrap().contains("log in"));
        let insecure = Config { insecure: true, ..Config::default() };
        assert!(check(&insecure, &[opening("0.0.0.0:1", false)], false).is_ok());
    }
}
