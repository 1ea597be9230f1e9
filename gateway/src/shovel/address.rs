use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// How long connecting may take unless the URI says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);
const PLAIN_PORT: u16 = 5672;
const TLS_PORT: u16 = 5671;

/// Where one end of a shovel is, as an AMQP URI says. There may be a password in it: what prints it leaves that out.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Which broker.
    pub place: Place,
    /// The virtual host.
    pub vhost: String,
    /// Who to log in as.
    pub login: Login,
    /// What to agree on, where the URI says it.
    pub tuning: Tuning,
    shown: String,
}

/// Which broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The one that the shovel runs in.
    Here,
    /// Another one.
    At {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
        /// How TLS is spoken with it, if it is.
        tls: Option<TlsTerms>,
    },
}

/// Who to log in as.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// The URI does not say.
    Unsaid,
    /// Somebody, without a password.
    Named(String),
    /// Somebody with a password.
    Password(String, String),
    /// Whom the certificate names.
    Certificate,
}

/// What connections agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Seconds between heartbeats.
    pub heartbeat: Option<u16>,
    /// Most channels.
    pub channel_max: Option<u16>,
    /// Largest frame.
    pub frame_max: Option<u32>,
    /// How long connecting may take.
    pub patience: Duration,
}

/// How TLS is spoken with a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsTerms {
    /// Who has to have signed its certificate; without it one of the public authorities.
    pub authorities: Option<PathBuf>,
    /// The certificate to show, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that its certificate has to have, if not the host's.
    pub server_name: Option<String>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

/// Without what logs in, and without what a query says.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Address {
    /// Reads a URI; why it is none never tells what is in it.
    pub fn parse(uri: &str) -> Result<Address, String> {
        let (scheme, rest) = uri.split_once("://").ok_or("it does not begin with amqp:// or amqps://")?;
        let has_tls = match scheme.to_ascii_lowercase().as_str() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err("it does not begin with amqp:// or amqps://".to_owned()),
        };
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.find('/').map_or((rest, None), |at| {
            let (authority, path) = rest.split_at(at);
            (authority, Some(path))
        });
        let (userinfo, endpoint) = match authority.rsplit_once('@') {
            Some((userinfo, endpoint)) => (Some(userinfo), endpoint),
            None => (None, authority),
        };
        let (host, port) = endpoint_of(endpoint)?;
        let vhost = match path.map(|path| path.trim_start_matches('/')) {
            None => "/".to_owned(),
            Some(vhost) if vhost.contains('/') || path.is_some_and(|path| path.starts_with("//")) => {
                return Err("its virtual host has a slash in it; write %2F".to_owned());
            }
            // It may be a password with a slash in it that goes on here.
            Some(vhost) if vhost.contains('@') => {
                return Err("there is an @ in it after a slash; write %40".to_owned());
            }
            Some(vhost) => decoded(vhost)?,
        };
        let mut said = Said::default();
        for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
            said.take(pair, has_tls)?;
        }
        let place = match (host.is_empty(), port) {
            (true, Some(_)) => return Err("a port needs a host".to_owned()),
            (true, None) if has_tls => return Err("TLS needs a host".to_owned()),
            (true, None) => Place::Here,
            (false, port) => {
                let tls = if has_tls { Some(said.tls()?) } else { None };
                let port = port.unwrap_or(if has_tls { TLS_PORT } else { PLAIN_PORT });
                Place::At { host: decoded(host)?, port, tls }
            }
        };
        let login = match userinfo.map(|userinfo| userinfo.split_once(':').unwrap_or((userinfo, ""))) {
            _ if said.is_external => Login::Certificate,
            None => Login::Unsaid,
            Some((user, _)) if !userinfo.is_some_and(|userinfo| userinfo.contains(':')) => {
                Login::Named(decoded(user)?)
            }
            Some((user, password)) => Login::Password(decoded(user)?, decoded(password)?),
        };
        if said.is_external
            && !matches!(&place, Place::At { tls: Some(TlsTerms { identity: Some(_), .. }), .. })
        {
            return Err("auth_mechanism=external needs TLS with certfile and keyfile".to_owned());
        }
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("{scheme}://{}{port}{}", shown_host(endpoint), path.unwrap_or_default());
        Ok(Address { place, vhost, login, tuning: said.tuning, shown })
    }

    /// A URI, right or wrong, without what may be a password.
    #[must_use]
    pub fn redacted(uri: &str) -> String {
        if let Ok(address) = Address::parse(uri) {
            return address.shown;
        }
        let Some((scheme, rest)) = uri.split_once("://") else { return "(no URI)".to_owned() };
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        let rest = rest.split('?').next().unwrap_or_default();
        let scheme: String = scheme.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        format!("{scheme}://{}", rest.chars().take(255).collect::<String>())
    }
}

fn shown_host(endpoint: &str) -> &str {
    match endpoint.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => endpoint,
    }
}

/// Host and port; an IPv6 address stands in brackets.
fn endpoint_of(endpoint: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = if let Some(rest) = endpoint.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("its address has no closing bracket")?;
        (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or("its host is odd")?) })
    } else {
        endpoint.split_once(':').map_or((endpoint, None), |(host, port)| (host, Some(port)))
    };
    let port = match port {
        None | Some("") => None,
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => return Err("its port is not 1 to 65535".to_owned()),
            Ok(port) => Some(port),
        },
    };
    Ok((host, port))
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| "something in it is not UTF-8".to_owned())
}

/// What a query says.
struct Said {
    tuning: Tuning,
    is_external: bool,
    authorities: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    server_name: Option<String>,
}

impl Default for Said {
    fn default() -> Said {
        let tuning = Tuning { heartbeat: None, channel_max: None, frame_max: None, patience: PATIENCE };
        Said {
            tuning,
            is_external: false,
            authorities: None,
            certificate: None,
            key: None,
            server_name: None,
        }
    }
}

impl Said {
    fn take(&mut self, pair: &str, has_tls: bool) -> Result<(), String> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value)?;
        let number = || format!("{name} is not a number that can be used");
        match name {
            "heartbeat" => self.tuning.heartbeat = Some(value.parse().map_err(|_| number())?),
            "channel_max" => self.tuning.channel_max = Some(value.parse().map_err(|_| number())?),
            "frame_max" => self.tuning.frame_max = Some(value.parse().map_err(|_| number())?),
            "connection_timeout" => {
                self.tuning.patience =
                    Duration::from_millis(value.parse::<u32>().map_err(|_| number())?.into());
            }
            "auth_mechanism" => match value.as_str() {
                "plain" | "amqplain" => {}
                "external" => self.is_external = true,
                _ => return Err("auth_mechanism is plain or external".to_owned()),
            },
            "cacertfile" if has_tls => self.authorities = Some(value.into()),
            "certfile" if has_tls => self.certificate = Some(value.into()),
            "keyfile" if has_tls => self.key = Some(value.into()),
            "server_name_indication" if has_tls && value != "disable" => self.server_name = Some(value),
            "verify" if has_tls && value == "verify_peer" => {}
            "verify" if has_tls => {
                return Err("verify is verify_peer: whoever else answered would get the password".to_owned());
            }
            "cacertfile" | "certfile" | "keyfile" | "verify" => return Err(format!("{name} needs amqps://")),
            // A name that nobody knows may have been meant to be secret.
            _ => return Err("there is a parameter in its query that is not known here".to_owned()),
        }
        Ok(())
    }

    fn tls(&self) -> Result<TlsTerms, String> {
        let identity = match (self.certificate.clone(), self.key.clone()) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            _ => return Err("certfile and keyfile go together".to_owned()),
        };
        let (authorities, server_name) = (self.authorities.clone(), self.server_name.clone());
        Ok(TlsTerms { authorities, identity, server_name })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn remote(uri: &str) -> (String, u16, bool) {
        match Address::parse(uri).unwrap().place {
            Place::At { host, port, tls } => (host, port, tls.is_some()),
            Place::Here => panic!("{uri} is here"),
        }
    }

    #[test]
    fn hosts_ports_and_virtual_hosts_are_read_as_rabbitmq_reads_them() {
        assert_eq!(remote("amqp://h"), ("h".into(), 5672, false));
        assert_eq!(remote("amqps://h:5/v"), ("h".into(), 5, true));
        assert_eq!(remote("amqp://u:p@[::1]:7/%2f"), ("::1".into(), 7, false));
        for (uri, vhost) in [("amqp://", "/"), ("amqp:///", ""), ("amqp:///%2fa", "/a"), ("amqp://h/v", "v")]
        {
            assert_eq!(Address::parse(uri).unwrap().vhost, vhost, "{uri}");
        }
        assert_eq!(Address::parse("AMQP:///x").unwrap().place, Place::Here);
        assert_eq!(
            Address::parse("amqp://h?heartbeat=7&connection_timeout=9").unwrap().tuning.heartbeat,
            Some(7)
        );
        let login = |uri: &str| Address::parse(uri).unwrap().login;
        assert!(login("amqp://h") == Login::Unsaid && login("amqp://a%40b@h") == Login::Named("a@b".into()));
        assert!(login("amqp://a:b%3a@h") == Login::Password("a".into(), "b:".into()));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for uri in [
            "http://h",
            "h",
            "amqp://h:0",
            "amqp://h:99999",
            "amqp://:5672",
            "amqp://h/a/b",
            "amqps://",
            "amqp://h?verify=verify_peer",
            "amqps://h?verify=verify_none",
            "amqps://h?certfile=/a",
            "amqp://h?colour=red",
            "amqp://h?heartbeat=often",
            "amqp://h?auth_mechanism=external",
            "amqp://[::1",
        ] {
            assert!(Address::parse(uri).is_err(), "{uri}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_where_a_password_does_is_not_shown(
            before in "[0-9a-z%/?#:&=@]{0,8}",
            after in "[0-9a-z%/?#:&=@]{0,8}",
            host in "(h|h:7|)(/v)?",
        ) {
            let uri = format!("amqp://u:{before}SECRET{after}@{host}");
            let why = Address::parse(&uri).map_or_else(|why| why, |address| format!("{address} {address:?}"));
            let shown = [why, Address::redacted(&uri)];
            prop_assert!(shown.iter().all(|shown| !shown.contains("SECRET")), "{uri}: {shown:?}");
        }

        #[test]
        fn no_text_is_too_odd(uri in any::<String>()) {
            let _ = (Address::parse(&uri), Address::redacted(&uri));
            let _ = Address::parse(&format!("amqps://{uri}"));
        }
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        for uri in [
            "amqp://u:secret@h:1/v?heartbeat=1",
            "amqp://u:secret@h/a/b",
            "http://u:secret@h",
            "u:secret@h",
            "amqp://u:se?secret@h",
            "amqps://u:secret@h?password=secret",
            "secret://h:secret",
        ] {
            let why = Address::parse(uri).map_or_else(|why| why, |address| format!("{address} {address:?}"));
            assert!(!why.contains("secret"), "{uri}: {why}");
        }
        for (uri, shown) in [
            ("amqp://u:secret@h:1/v?heartbeat=1", "amqp://h:1/v"),
            ("amqp://", "amqp://"),
            ("amqp://u:secret@h/a/b", "amqp://h/a/b"),
            ("amqp://u:se?secret@h", "amqp://h"),
            ("amqp://u:secret@[::1]:1", "amqp://[::1]:1"),
            ("secret", "(no URI)"),
        ] {
            assert_eq!(Address::redacted(uri), shown);
        }
    }
}
