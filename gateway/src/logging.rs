//! Log lines: to standard error, as text or JSON, filtered by `log_level`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Nothing of what speaks AMQP for shovels: they say themselves what failed.
const QUIET: [&str; 2] = ["lapin=off", "amq_protocol=off"];

/// Starts logging for the whole process. A second call changes nothing.
pub fn start(config: &Config) {
    // The configuration was checked when it was loaded; should a filter fail here all the same, log what matters.
    let filter = EnvFilter::try_new(&config.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    // The client within the broker would write passwords into its traces.
    let filter = QUIET.iter().filter_map(|one| one.parse().ok()).fold(filter, EnvFilter::add_directive);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
        }
    };
    if started.is_err() {
        tracing::debug!("logging was already started");
    }
}
