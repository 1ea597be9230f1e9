use std::net::IpAddr;

use super::{ClientCertificates, Config, Door};
use crate::amqp::Mechanism;

/// What single keys cannot tell: settings that contradict each other, or that nothing could work with.
pub fn problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    let mut expect = |holds: bool, problem: String| {
        if !holds {
            problems.push(problem);
        }
    };
    expect(
        config.http.addr != Door::Off || config.http.tls_addr != Door::Off,
        "http.addr and http.tls_addr are off: nothing could ask how this server is".into(),
    );
    let tls = &config.tls;
    expect(
        tls.cert_file.is_empty() == tls.key_file.is_empty(),
        "tls.cert_file and tls.key_file go together: name both or none".into(),
    );
    let with_tls = [
        ("http.tls_addr", config.http.tls_addr != Door::Off),
        ("kafka.tls_addr", !config.kafka.tls_addr.0.is_empty()),
        ("amqp.tls_addr", config.amqp.tls_addr != Door::Off),
    ];
    for (key, _) in with_tls.into_iter().filter(|(_, on)| *on && tls.cert_file.is_empty()) {
        expect(false, format!("{key} needs tls.cert_file and tls.key_file; `sluice certs` makes a pair"));
    }
    expect(
        tls.client_certificates == ClientCertificates::Optional || !tls.client_ca_file.is_empty(),
        "tls.client_certificates is required, but tls.client_ca_file names no CA to check them against"
            .into(),
    );
    let auth = &config.auth;
    expect(
        auth.login_timeout_ms > auth.max_failure_delay_ms,
        format!(
            "auth.login_timeout_ms ({}) must be above auth.max_failure_delay_ms ({}): who has to wait could never log in",
            auth.login_timeout_ms, auth.max_failure_delay_ms
        ),
    );
    let tls_advertised = &config.kafka.tls_advertised;
    expect(
        tls_advertised.is_empty() || tls_advertised.len() == config.kafka.tls_addr.0.len(),
        "kafka.tls_advertised names one address for each of kafka.tls_addr, or none".into(),
    );
    expect(
        config.http.max_body_bytes >= config.limits.message_bytes,
        format!(
            "http.max_body_bytes ({}) is below limits.message_bytes ({}): the largest message could not come in",
            config.http.max_body_bytes, config.limits.message_bytes
        ),
    );
    expect(
        config.http.max_in_flight_bytes >= config.http.max_body_bytes,
        format!(
            "http.max_in_flight_bytes ({}) is below http.max_body_bytes ({}): the largest request could not come in",
            config.http.max_in_flight_bytes, config.http.max_body_bytes
        ),
    );
    expect(
        config.ws.max_frame_bytes >= config.limits.message_bytes,
        format!(
            "ws.max_frame_bytes ({}) is below limits.message_bytes ({}): the largest message could not come in",
            config.ws.max_frame_bytes, config.limits.message_bytes
        ),
    );
    expect(
        config.limits.decompressed_bytes >= config.limits.message_bytes,
        format!(
            "limits.decompressed_bytes ({}) is below limits.message_bytes ({}): a compressed message of full size could not be read",
            config.limits.decompressed_bytes, config.limits.message_bytes
        ),
    );
    expect(
        config.storage.segment_bytes >= 2 * config.limits.message_bytes as u64,
        format!(
            "storage.segment_bytes ({}) must be at least twice limits.message_bytes ({})",
            config.storage.segment_bytes, config.limits.message_bytes
        ),
    );
    expect(
        config.storage.segment_bytes.is_multiple_of(4096),
        format!("storage.segment_bytes ({}) must be a multiple of 4096", config.storage.segment_bytes),
    );
    expect(
        config.log.unsettled_bytes >= config.log.settle_bytes,
        format!(
            "log.unsettled_bytes ({}) is below log.settle_bytes ({}): publishers would be refused before records settle",
            config.log.unsettled_bytes, config.log.settle_bytes
        ),
    );
    expect(
        config.kafka.max_request_bytes > config.limits.message_bytes,
        format!(
            "kafka.max_request_bytes ({}) must be above limits.message_bytes ({}): the largest message could not come in",
            config.kafka.max_request_bytes, config.limits.message_bytes
        ),
    );
    expect(
        config.kafka.max_in_flight_bytes >= config.kafka.max_request_bytes,
        format!(
            "kafka.max_in_flight_bytes ({}) is below kafka.max_request_bytes ({}): the largest request could not come in",
            config.kafka.max_in_flight_bytes, config.kafka.max_request_bytes
        ),
    );
    let advertised = &config.kafka.advertised;
    expect(
        advertised.is_empty() || advertised.len() == config.kafka.addr.0.len(),
        format!(
            "kafka.advertised names {} addresses, but kafka.addr {}: name one for each, or none",
            advertised.len(),
            config.kafka.addr.0.len()
        ),
    );
    for address in advertised.iter().chain(tls_advertised) {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
        expect(
            port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)),
            format!("kafka.advertised: {address:?} is no host:port"),
        );
    }
    expect(
        config.ws.idle_timeout_ms > config.ws.ping_after_ms,
        format!(
            "ws.idle_timeout_ms ({}) must be above ws.ping_after_ms ({}): sockets would be closed before they are asked",
            config.ws.idle_timeout_ms, config.ws.ping_after_ms
        ),
    );
    for name in &config.kafka.mechanisms {
        expect(
            crate::auth::sasl::Mechanism::from_name(name).is_some(),
            format!(
                "kafka.mechanisms: {name:?} is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER, nor GSSAPI in a build with the feature of that name"
            ),
        );
    }
    let auth = &config.auth;
    expect(
        auth.admin_user.is_empty() == auth.admin_password_file.is_empty(),
        "auth.admin_user and auth.admin_password_file go together: name both or none".into(),
    );
    expect(
        !auth.jwks.starts_with("http://") || is_on_this_machine(&auth.jwks),
        "auth.jwks must be a file, an https:// URL or an http:// URL of this machine (127.0.0.1, [::1], localhost): keys that anybody on the way can change prove nothing"
            .into(),
    );
    expect(
        auth.jwks_ca.is_empty() || auth.jwks.starts_with("https://"),
        "auth.jwks_ca needs an https:// URL in auth.jwks, for whose certificate it vouches".into(),
    );
    let gssapi = config.kafka.mechanisms.iter().any(|name| name == "GSSAPI");
    expect(
        !gssapi || !auth.kerberos_user.is_empty(),
        "kafka.mechanisms has GSSAPI, but auth.kerberos_user does not say whom a principal names".into(),
    );
    for name in &config.amqp.mechanisms {
        expect(
            Mechanism::from_name(name).is_some(),
            format!("amqp.mechanisms: {name:?} is not one of PLAIN, AMQPLAIN, EXTERNAL and ANONYMOUS"),
        );
    }
    expect(
        !config.amqp.mechanisms.is_empty(),
        "amqp.mechanisms is empty: no AMQP client could log in; set amqp.addr to \"off\" instead".into(),
    );
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&config.log_level) {
        expect(false, format!("log_level: {:?} is no level and no filter: {error}", config.log_level));
    }
    for (key, origins) in
        [("http.cors_origins", &config.http.cors_origins), ("ws.allowed_origins", &config.ws.allowed_origins)]
    {
        expect(
            origins.len() < 2 || !origins.iter().any(|origin| origin == "*"),
            format!("{key}: \"*\" is any origin; name it alone"),
        );
        for origin in origins.iter().filter(|origin| *origin != "*") {
            expect(
                is_origin(origin),
                format!("{key}: {origin:?} is no origin; one looks like https://example.org:8443"),
            );
        }
    }
    problems
}

/// Whether a URL leads to this machine by its name or address alone.
fn is_on_this_machine(url: &str) -> bool {
    let uri = url.parse::<axum::http::Uri>().unwrap_or_default();
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(problems(&Config::default()), Vec::<String>::new());
    }

    #[test]
    fn contradictions_are_told() {
        fn told(change: impl FnOnce(&mut Config)) -> String {
            let mut config = Config::default();
            change(&mut config);
            problems(&config).join("\n")
        }
        assert!(told(|c| c.http.addr = Door::Off).contains("nothing could ask"));
        assert!(told(|c| c.http.max_body_bytes = 1024).contains("largest message"));
        assert!(told(|c| c.http.max_in_flight_bytes = 1 << 20).contains("largest request"));
        assert!(told(|c| c.kafka.advertised = vec!["a:1".into(), "b:2".into()]).contains("one for each"));
        assert!(told(|c| c.kafka.advertised = vec!["a".into()]).contains("no host:port"));
        assert!(told(|c| c.amqp.mechanisms = vec!["CRAM".into()]).contains("not one of"));
        assert!(told(|c| c.amqp.mechanisms.clear()).contains("no AMQP client"));
        assert!(told(|c| c.log_level = "sluice=loud".into()).contains("log_level"));
        assert!(
            told(|c| c.http.cors_origins = vec!["*".into(), "https://a.b".into()]).contains("name it alone")
        );
        assert!(told(|c| c.ws.allowed_origins = vec!["https://a.b/path".into()]).contains("is no origin"));
        assert_eq!(told(|c| c.ws.allowed_origins = vec!["http://localhost:3000".into()]), "");
        for here in
            ["http://127.0.0.1:1/keys", "http://[::1]/", "http://localhost/keys", "https://a.example/"]
        {
            assert_eq!(told(|c| c.auth.jwks = here.into()), "");
        }
        for far in ["http://a.example/keys", "http://127.0.0.1@a.example/", "http://127.0.0.1.a.example/"] {
            assert!(told(|c| c.auth.jwks = far.into()).contains("auth.jwks"), "{far}");
        }
        assert!(told(|c| c.auth.jwks_ca = "ca.pem".into()).contains("auth.jwks_ca"));
    }
}
