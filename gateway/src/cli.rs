//! The command line.

mod certs;
mod client;
mod listeners;
mod memory_watch;
mod notify;
mod quota;
mod security;
mod serve;
mod standard_output;
mod user;
mod wiring;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError, Sources, load};

/// A broker in which every topic is a queue or a log.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, about, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server.
    Serve(Settings),
    /// Print the configuration that `serve` would use, as TOML.
    Config(Settings),
    /// Make, list and delete users of a running server.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Allow and deny what users of a running server may do.
    #[command(subcommand)]
    Acl(user::AclCommand),
    /// Limit what users, clients and addresses may use of a running server.
    #[command(subcommand)]
    Quota(quota::QuotaCommand),
    /// Make a certificate authority for development, and certificates of it.
    #[command(subcommand)]
    Certs(certs::CertsCommand),
    /// Print the OpenAPI description of the HTTP API, as JSON.
    Openapi,
    /// Print the version.
    Version,
}

/// What `serve` and `config` take. Each flag is also a key of the file and an environment variable.
#[derive(Args, Debug, Default)]
struct Settings {
    /// TOML file to read settings from.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory that holds all data [default: ./data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Where the HTTP door listens, or `off` [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Where the Kafka door listens, or `off` [default: 127.0.0.1:9092]
    #[arg(long, value_name = "ADDR")]
    kafka: Option<String>,
    /// Where the AMQP door listens, or `off` [default: 127.0.0.1:5672]
    #[arg(long, value_name = "ADDR")]
    amqp: Option<String>,
    /// Open doors to other machines without TLS or logins.
    #[arg(long)]
    insecure: bool,
    /// Any key of docs/configuration.md; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Settings {
    fn load(self, environment: Vec<(String, String)>) -> Result<Config, ConfigError> {
        let named = [
            ("data_dir", self.data_dir),
            ("http.addr", self.http),
            ("kafka.addr", self.kafka),
            ("amqp.addr", self.amqp),
        ];
        let mut flags: Vec<(String, String)> =
            named.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect();
        if self.insecure {
            flags.push(("insecure".into(), "true".into()));
        }
        for pair in self.set {
            let (key, value) = pair.split_once('=').ok_or_else(|| ConfigError {
                problems: vec![format!("--set takes KEY=VALUE, not {pair:?}")],
            })?;
            flags.push((key.trim().into(), value.trim().into()));
        }
        load(&Sources { file: self.config, environment, flags })
    }
}

/// Runs the command and says how the process should end. Mistakes in the configuration exit with 2, as mistakes on
/// the command line do.
pub fn run(cli: Cli, environment: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    let settings = match cli.command {
        Command::Version => {
            println!("sluice {}", env!("CARGO_PKG_VERSION"));
            return Ok(ExitCode::SUCCESS);
        }
        Command::User(command) => {
            user::user(command)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Certs(command) => {
            certs::certs(command)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Acl(command) => {
            user::acl(command)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Quota(command) => {
            quota::quota(command)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Openapi => {
            standard_output::print(crate::http::docs::specification())?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Config(settings) => {
            return Ok(match settings.load(environment) {
                Ok(config) => {
                    standard_output::print(&config.to_toml())?;
                    ExitCode::SUCCESS
                }
                Err(error) => refuse(&error),
            });
        }
        Command::Serve(settings) => settings,
    };
    match settings.load(environment) {
        Ok(config) => serve::serve(config),
        Err(error) => Ok(refuse(&error)),
    }
}

fn refuse(error: &ConfigError) -> ExitCode {
    for problem in &error.problems {
        eprintln!("sluice: {problem}");
    }
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Door;

    fn settings(arguments: &[&str]) -> Settings {
        let cli = Cli::try_parse_from([&["sluice", "serve"], arguments].concat()).unwrap();
        match cli.command {
            Command::Serve(settings) => settings,
            other => panic!("parsed as {other:?}"),
        }
    }

    #[test]
    fn flags_reach_their_keys() {
        let config = settings(&[
            "--data-dir",
            "/tmp/x",
            "--http",
            "[::1]:0",
            "--kafka",
            "off",
            "--set",
            "log_format = json",
        ])
        .load(vec![("SLUICE_HTTP_ADDR".into(), "off".into())])
        .unwrap();
        assert_eq!(config.data_dir, PathBuf::from("/tmp/x"));
        assert_eq!(config.http.addr, Door::At("[::1]:0".into()));
        assert_eq!(config.log_format, crate::config::LogFormat::Json);
    }

    #[test]
    fn a_setting_without_a_value_is_refused() {
        assert!(settings(&["--set", "log_format"]).load(Vec::new()).is_err());
    }
}
