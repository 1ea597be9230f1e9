use message::Timestamp;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::auth::is_name;
use crate::config::CertificateName;

/// What a client's certificate says of it. That it can be trusted was made sure of in the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whom it names.
    pub user: Box<str>,
    /// When it ends.
    pub ends_at: Timestamp,
}

impl ClientCertificate {
    /// Reads one; `None` when it names nobody.
    #[must_use]
    pub fn read(der: &[u8], from: CertificateName) -> Option<ClientCertificate> {
        let ends_at = Timestamp(end_of(der)?.saturating_mul(1000));
        Some(ClientCertificate { user: user_of(der, from)?, ends_at })
    }
}

/// The user that a certificate names. That it can be trusted was made sure of before.
#[must_use]
pub fn user_of(der: &[u8], from: CertificateName) -> Option<Box<str>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let alternative = |pick: fn(&GeneralName<'_>) -> Option<String>| {
        let names = certificate.subject_alternative_name().ok()??;
        names.value.general_names.iter().find_map(pick)
    };
    let name = match from {
        CertificateName::CommonName => subject.iter_common_name().next()?.as_str().ok()?.to_owned(),
        // As RFC 4514 writes it: what is most specific comes first.
        CertificateName::Subject => {
            let told = subject.to_string();
            let mut parts: Vec<&str> = told.split(", ").collect();
            parts.reverse();
            parts.join(",")
        }
        CertificateName::Dns => alternative(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })?,
        CertificateName::Email => alternative(|name| match name {
            GeneralName::RFC822Name(name) => Some((*name).to_owned()),
            _ => None,
        })?,
        CertificateName::Uri => alternative(|name| match name {
            GeneralName::URI(name) => Some((*name).to_owned()),
            _ => None,
        })?,
    };
    is_name(&name).then(|| name.into())
}

/// When a certificate ends, in seconds since the epoch.
#[must_use]
pub fn end_of(der: &[u8]) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn each_rule_finds_its_part_of_a_certificate() {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Shop");
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.subject_alt_names = vec![
            SanType::DnsName("alice.example".try_into().unwrap()),
            SanType::Rfc822Name("alice@example.org".try_into().unwrap()),
            SanType::URI("spiffe://example/alice".try_into().unwrap()),
        ];
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let user = |from| user_of(certificate.der(), from);
        assert_eq!(user(CertificateName::CommonName).as_deref(), Some("alice"));
        assert_eq!(user(CertificateName::Subject).as_deref(), Some("CN=alice,O=Shop"));
        assert_eq!(user(CertificateName::Dns).as_deref(), Some("alice.example"));
        assert_eq!(user(CertificateName::Email).as_deref(), Some("alice@example.org"));
        assert_eq!(user(CertificateName::Uri).as_deref(), Some("spiffe://example/alice"));
        assert_eq!(user_of(b"nonsense", CertificateName::CommonName), None);
        assert!(end_of(certificate.der()).is_some_and(|end| end > 0));
        let bare = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(user_of(bare.der(), CertificateName::Dns), None);
    }
}
