//! Commands that ask a running server over HTTP.

use std::io::Read;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use serde_json::Value;

use super::standard_output;

/// Which server is asked, and as whom. Secrets come from the environment or a file, never from the command line, where
/// others could see them.
#[derive(Args, Debug)]
pub struct Server {
    /// Where the server is.
    #[arg(long, env = "SLUICE_CLI_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    server: String,
    /// The CA that the server's certificate is checked against, as PEM; the system's unless said.
    #[arg(long, env = "SLUICE_CLI_CA", value_name = "FILE")]
    ca: Option<String>,
    /// Who asks: `USER:PASSWORD`, an API key or a token.
    #[arg(env = "SLUICE_CLI_LOGIN", hide_env_values = true, hide = true, long = "login-from-environment")]
    login: Option<String>,
    /// A file whose first line says who asks, as the variable `SLUICE_CLI_LOGIN` does.
    #[arg(long, value_name = "FILE")]
    login_file: Option<String>,
}

impl Server {
    /// Sends a request; answers the body, or what the server said against it.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.server.trim_end_matches('/'));
        let mut request = ureq::http::Request::builder().method(method).uri(&url);
        if let Some(login) = self.login()? {
            let value = match login.contains(':') {
                true => format!("Basic {}", BASE64.encode(login)),
                false => format!("Bearer {login}"),
            };
            request = request.header("authorization", value);
        }
        let bytes = body.map(Value::to_string).unwrap_or_default();
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(bytes).with_context(|| format!("{url} cannot be asked"))?;
        let mut response = self.agent()?.run(request).with_context(|| format!("cannot ask {url}"))?;
        let text = response.body_mut().read_to_string().context("the answer cannot be read")?;
        let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if response.status().is_success() {
            return Ok(answer);
        }
        let detail = answer["detail"].as_str().unwrap_or(&text);
        anyhow::bail!("{} {}", response.status(), detail)
    }

    fn login(&self) -> anyhow::Result<Option<String>> {
        match &self.login_file {
            Some(path) => first_line(path).map(Some),
            None => Ok(self.login.clone()),
        }
    }

    fn agent(&self) -> anyhow::Result<ureq::Agent> {
        let mut tls = ureq::tls::TlsConfig::builder();
        if let Some(path) = &self.ca {
            let pem = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
            let certificates = ureq::tls::parse_pem(&pem).filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            tls = tls.root_certs(ureq::tls::RootCerts::from(certificates));
        }
        let agent = ureq::Agent::config_builder().http_status_as_error(false).tls_config(tls.build());
        Ok(agent.build().into())
    }
}

/// The first line of a file, or of standard input for `-`.
pub fn first_line(path: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    if path == "-" {
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    }
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Prints an answer for people and programs alike.
pub fn print(answer: &Value) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(answer).context("cannot print the answer")?;
    Ok(standard_output::print(&format!("{text}\n"))?)
}
