use super::field::{Field, Value};
use crate::auth::Mode;

/// Who may do what.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// When clients have to log in.
    pub mode: Mode,
    /// Who somebody is who says nothing; empty is nobody.
    pub anonymous_user: String,
    /// A user that is made when the server starts without one; empty is none.
    pub admin_user: String,
    /// The file with its password.
    pub admin_password_file: String,
    /// How often passwords are hashed.
    pub scram_iterations: u32,
    /// What the first failed login waits.
    pub failure_delay_ms: u64,
    /// What any failed login waits at most.
    pub max_failure_delay_ms: u64,
    /// How long a client may take to log in.
    pub login_timeout_ms: u64,
    /// Clients that are not known yet, of all doors.
    pub max_strangers: usize,
    /// Where changes and refusals are written; empty is the server's log.
    pub audit_file: String,
    /// The file, or the URL, with the keys of tokens; empty is none.
    pub jwks: String,
    /// The file with the CA of that URL; empty is the public ones.
    pub jwks_ca: String,
    /// Who has to have made a token.
    pub jwt_issuer: String,
    /// Whom a token has to be for.
    pub jwt_audience: String,
    /// By how much clocks may differ.
    pub jwt_leeway_s: u64,
    /// The claim with the user's name.
    pub jwt_user_claim: String,
    /// The claim with the groups.
    pub jwt_groups_claim: String,
    /// What of a Kerberos principal is the user; empty knows none.
    pub kerberos_user: String,
    /// The file with the key of delegation tokens; empty makes none.
    pub delegation_token_secret_file: String,
    /// How long one may last.
    pub delegation_token_max_lifetime_ms: u64,
    /// How long one lasts that is not renewed.
    pub delegation_token_expiry_time_ms: u64,
    /// Whether `/metrics` wants no login.
    pub open_metrics: bool,
}

impl Default for AuthConfig {
    fn default() -> AuthConfig {
        AuthConfig {
            mode: Mode::Auto,
            anonymous_user: String::new(),
            admin_user: String::new(),
            admin_password_file: String::new(),
            scram_iterations: 8192,
            failure_delay_ms: 100,
            max_failure_delay_ms: 5000,
            login_timeout_ms: 10_000,
            max_strangers: 2000,
            audit_file: String::new(),
            jwks: String::new(),
            jwks_ca: String::new(),
            jwt_issuer: String::new(),
            jwt_audience: String::new(),
            jwt_leeway_s: 30,
            jwt_user_claim: "sub".into(),
            jwt_groups_claim: "groups".into(),
            kerberos_user: String::new(),
            delegation_token_secret_file: String::new(),
            delegation_token_max_lifetime_ms: 7 * 24 * 60 * 60 * 1000,
            delegation_token_expiry_time_ms: 24 * 60 * 60 * 1000,
            open_metrics: false,
        }
    }
}

/// Certificates, for every door alike.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The server's certificate and those between it and its CA.
    pub cert_file: String,
    /// Its key.
    pub key_file: String,
    /// The CAs whose client certificates are trusted; empty is none.
    pub client_ca_file: String,
    /// Whether clients have to show one.
    pub client_certificates: ClientCertificates,
    /// What of a certificate is the user's name.
    pub user_from: CertificateName,
    /// How long a handshake may take.
    pub handshake_timeout_ms: u64,
}

impl Default for TlsConfig {
    fn default() -> TlsConfig {
        TlsConfig {
            cert_file: String::new(),
            key_file: String::new(),
            client_ca_file: String::new(),
            client_certificates: ClientCertificates::default(),
            user_from: CertificateName::default(),
            handshake_timeout_ms: 10_000,
        }
    }
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They may, and are known by it.
    #[default]
    Optional,
    /// They have to.
    Required,
}

/// What of a certificate is the user's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateName {
    /// The common name of its subject.
    #[default]
    CommonName,
    /// Its whole subject (RFC 4514).
    Subject,
    /// Its first DNS name.
    Dns,
    /// Its first e-mail address.
    Email,
    /// Its first URI.
    Uri,
}

macro_rules! choice {
    ($type:ty { $($name:literal = $value:path),* }) => {
        impl Field for $type {
            fn get(&self) -> Value {
                $(if *self == $value {
                    return Value::Text($name.into());
                })*
                Value::Text(String::new())
            }
            fn set(&mut self, value: Value) -> Result<(), String> {
                let wrong = || format!("must be one of {}", [$($name),*].join(", "));
                let Value::Text(text) = value else { return Err(wrong()) };
                *self = match text.as_str() {
                    $($name => $value,)*
                    _ => return Err(wrong()),
                };
                Ok(())
            }
        }
    };
}

choice!(Mode { "auto" = Mode::Auto, "required" = Mode::Required, "off" = Mode::Off });
choice!(ClientCertificates { "optional" = ClientCertificates::Optional, "required" = ClientCertificates::Required });
choice!(CertificateName {
    "cn" = CertificateName::CommonName,
    "subject" = CertificateName::Subject,
    "dns" = CertificateName::Dns,
    "email" = CertificateName::Email,
    "uri" = CertificateName::Uri
});
