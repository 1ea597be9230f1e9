use std::net::SocketAddr;

/// Leaders never change here, so there is one epoch.
pub const LEADER_EPOCH: i32 = 0;

/// Where a client is told that the broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// A port.
    pub port: u16,
}

impl Endpoint {
    /// From `host:port`, as the configuration checked it.
    pub fn parse(address: &str) -> Option<Endpoint> {
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Endpoint { host, port: port.parse().ok()? })
    }

    /// The very address that a client reached.
    pub fn reached(address: SocketAddr) -> Endpoint {
        Endpoint { host: address.ip().to_canonical().to_string(), port: address.port() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_told_without_brackets() {
        let endpoint = |host: &str, port| Some(Endpoint { host: host.into(), port });
        assert_eq!(Endpoint::parse("[::1]:9092"), endpoint("::1", 9092));
        assert_eq!(Endpoint::parse("kafka.example.org:1"), endpoint("kafka.example.org", 1));
        assert_eq!(Endpoint::parse("nowhere"), None);
    }
}
