//! The keys of logins, permissions and certificates.

use super::keys::{DAY, Key, SECOND, key};

/// In the order in which they are printed.
pub const SECURITY_KEYS: &[Key] = &[
    key!(
        "auth.mode",
        auth.mode,
        None,
        "When clients have to log in: `auto`, once there is a user, or tokens or client certificates are trusted; `required`, always; `off`, never."
    ),
    key!(
        "auth.anonymous_user",
        auth.anonymous_user,
        None,
        "Who a client is that says nothing, where logins are required; rules say what this user may do. Empty: such a client may do nothing."
    ),
    key!(
        "auth.admin_user",
        auth.admin_user,
        None,
        "An administrator that is made when the server starts and has none of this name; empty makes none."
    ),
    key!(
        "auth.admin_password_file",
        auth.admin_password_file,
        None,
        "The file whose first line is the password of `auth.admin_user` when it is made."
    ),
    key!(
        "auth.scram_iterations",
        auth.scram_iterations,
        Some(4096..=10_000_000),
        "How often a new password is hashed. More makes stolen verifiers harder to guess from, and logins slower."
    ),
    key!(
        "auth.failure_delay_ms",
        auth.failure_delay_ms,
        Some(0..=60 * SECOND),
        "How long the next login of a user from an address waits after one failed, in milliseconds; it doubles with each. 0 slows nobody down."
    ),
    key!(
        "auth.max_failure_delay_ms",
        auth.max_failure_delay_ms,
        Some(0..=60 * SECOND),
        "How long it waits at most."
    ),
    key!(
        "auth.login_timeout_ms",
        auth.login_timeout_ms,
        Some(100..=10 * 60 * SECOND),
        "How long a Kafka or WebSocket client that has to log in may take for it, in milliseconds; AMQP has `amqp.handshake_timeout_ms`."
    ),
    key!(
        "auth.max_strangers",
        auth.max_strangers,
        Some(1..=1_000_000),
        "Most clients at a time, of all doors together, that are in the handshake of TLS or have to log in. When another comes, the one that has waited longest is closed."
    ),
    key!(
        "auth.audit_file",
        auth.audit_file,
        None,
        "The file to which every change, failed logins and refusals are appended, a line of JSON each. Empty: they go to the log."
    ),
    key!(
        "auth.jwks",
        auth.jwks,
        None,
        "The public keys of tokens (JWT) that are trusted, as a JSON Web Key Set: a file, or an `https://` URL (`http://` of this machine alone). Empty: no token is."
    ),
    key!(
        "auth.jwks_ca",
        auth.jwks_ca,
        None,
        "The file with the certificate (PEM) of the CA that vouches for the address in `auth.jwks`. Empty: public CAs do."
    ),
    key!("auth.jwt_issuer", auth.jwt_issuer, None, "What a token must have as `iss`; empty is anything."),
    key!(
        "auth.jwt_audience",
        auth.jwt_audience,
        None,
        "What a token must have among its `aud`; empty is anything."
    ),
    key!(
        "auth.jwt_leeway_s",
        auth.jwt_leeway_s,
        Some(0..=3600),
        "By how many seconds the issuer's clock may differ."
    ),
    key!("auth.jwt_user_claim", auth.jwt_user_claim, None, "The claim of a token with the user's name."),
    key!(
        "auth.jwt_groups_claim",
        auth.jwt_groups_claim,
        None,
        "The claim with the user's groups: a list, or names with spaces between them."
    ),
    key!(
        "auth.kerberos_user",
        auth.kerberos_user,
        None,
        "What a Kerberos principal looks like that may log in: a regular expression for the whole of it, whose first group is the user, like `([^/@]+)@EXAMPLE\\.ORG`. For the mechanism `GSSAPI`, which a build with the feature `gssapi` has."
    ),
    key!(
        "auth.delegation_token_secret_file",
        auth.delegation_token_secret_file,
        None,
        "The file whose first line, of 32 characters or more, is the key from which the passwords of delegation tokens (KIP-48) are made. With another key all tokens are worth nothing. Empty: there are none."
    ),
    key!(
        "auth.delegation_token_max_lifetime_ms",
        auth.delegation_token_max_lifetime_ms,
        Some(SECOND..=10 * 365 * DAY),
        "How long a delegation token may last, however often it is renewed, in milliseconds; whoever makes one may ask for less."
    ),
    key!(
        "auth.delegation_token_expiry_time_ms",
        auth.delegation_token_expiry_time_ms,
        Some(SECOND..=10 * 365 * DAY),
        "How long a delegation token lasts that is not renewed, in milliseconds, and by how much it is renewed at most."
    ),
    key!(
        "auth.open_metrics",
        auth.open_metrics,
        None,
        "Whether `/metrics` may be read without a login. Otherwise it needs `describe` on the cluster."
    ),
    key!(
        "tls.cert_file",
        tls.cert_file,
        None,
        "The server's certificate, and those between it and its CA, as PEM. It is read anew when the file changes; open connections stay."
    ),
    key!("tls.key_file", tls.key_file, None, "Its private key, as PEM."),
    key!(
        "tls.client_ca_file",
        tls.client_ca_file,
        None,
        "The CAs whose client certificates are trusted, as PEM. Empty: no certificate names anybody."
    ),
    key!(
        "tls.client_certificates",
        tls.client_certificates,
        None,
        "Whether a client has to show a certificate: `optional` or `required`."
    ),
    key!(
        "tls.user_from",
        tls.user_from,
        None,
        "What of a client's certificate is the user's name: `cn`, the whole `subject` (RFC 4514), or its first `dns`, `email` or `uri` name."
    ),
    key!(
        "tls.handshake_timeout_ms",
        tls.handshake_timeout_ms,
        Some(100..=10 * 60 * SECOND),
        "How long a client may take for the handshake of TLS, in milliseconds."
    ),
    key!(
        "http.tls_addr",
        http.tls_addr,
        None,
        "Where the HTTP door listens with TLS, beside `http.addr`: `host:port`, or `off`."
    ),
    key!(
        "kafka.tls_addr",
        kafka.tls_addr,
        None,
        "Where the Kafka door listens with TLS; several with commas."
    ),
    key!(
        "kafka.tls_advertised",
        kafka.tls_advertised,
        None,
        "What clients of `kafka.tls_addr` are told to connect to, as `kafka.advertised` is for the others."
    ),
    key!("amqp.tls_addr", amqp.tls_addr, None, "Where the AMQP door listens with TLS (`amqps://`)."),
    key!(
        "kafka.mechanisms",
        kafka.mechanisms,
        None,
        "How Kafka clients may log in: some of `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` and `OAUTHBEARER`, and of `GSSAPI` in a build with that feature."
    ),
    key!(
        "kafka.max_session_ms",
        kafka.max_session_ms,
        Some(0..=365 * DAY),
        "How long a Kafka client's login lasts before it has to be renewed (KIP-368), in milliseconds; 0 is as long as its credentials do."
    ),
    key!(
        "insecure",
        insecure,
        None,
        "Lets doors on addresses that are not this machine's own open without TLS or logins. Flag `--insecure`."
    ),
];
