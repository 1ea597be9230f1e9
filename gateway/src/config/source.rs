use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::field::Value;
use super::keys::{all, find, nearest};
use super::{Config, check};

/// The variable that names the configuration file.
const FILE_VARIABLE: &str = "SLUICE_CONFIG";
/// How the variables of commands begin that ask a running server.
const CLIENT_PREFIX: &str = "SLUICE_CLI_";
/// A short form of `SLUICE_LOG_LEVEL`.
const LOG_VARIABLE: &str = "SLUICE_LOG";

/// Where settings come from besides the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`, before `SLUICE_CONFIG`.
    pub file: Option<PathBuf>,
    /// The environment; only names that begin with `SLUICE_` are looked at.
    pub environment: Vec<(String, String)>,
    /// Key and value of every flag given.
    pub flags: Vec<(String, String)>,
}

/// Everything that is wrong with the configuration, so that one look mends it all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// One sentence each.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// Puts the configuration together: flags before environment before file before defaults.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    let mut problems = Vec::new();
    let variables: BTreeMap<&str, &str> = sources
        .environment
        .iter()
        .filter(|(name, _)| name.starts_with("SLUICE_"))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();

    let file = sources.file.clone().or_else(|| variables.get(FILE_VARIABLE).map(PathBuf::from));
    if let Some(path) = file {
        match std::fs::read_to_string(&path) {
            Ok(text) => from_file(&mut config, &path.display().to_string(), &text, &mut problems),
            Err(error) => {
                problems.push(format!("cannot read the configuration file {}: {error}", path.display()))
            }
        }
    }
    from_environment(&mut config, &variables, &mut problems);
    for (name, value) in &sources.flags {
        set(&mut config, name, Value::Text(value.clone()), "command line", &mut problems);
    }
    if problems.is_empty() {
        problems = check::problems(&config);
    }
    if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
}

fn from_file(config: &mut Config, origin: &str, text: &str, problems: &mut Vec<String>) {
    match text.parse::<toml::Table>() {
        Ok(table) => walk(config, origin, "", table, problems),
        Err(error) => problems.push(format!("{origin} is not TOML: {error}")),
    }
}

fn walk(config: &mut Config, origin: &str, prefix: &str, table: toml::Table, problems: &mut Vec<String>) {
    for (name, value) in table {
        let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        let value = match value {
            toml::Value::Table(section) => {
                let inside = format!("{name}.");
                if find(&name).is_none() && all().any(|key| key.name.starts_with(&inside)) {
                    walk(config, origin, &name, section, problems);
                } else {
                    problems.push(unknown(&name, origin));
                }
                continue;
            }
            toml::Value::String(text) => Ok(Value::Text(text)),
            toml::Value::Boolean(truth) => Ok(Value::Truth(truth)),
            toml::Value::Integer(number) => {
                u64::try_from(number).map(Value::Number).map_err(|_| "must not be negative")
            }
            toml::Value::Array(items) => items
                .into_iter()
                .map(|item| item.as_str().map(str::to_string))
                .collect::<Option<Vec<_>>>()
                .map(Value::List)
                .ok_or("must be a list of strings"),
            _ => Err("must be a string, a whole number, true or false, or a list of strings"),
        };
        match value {
            Ok(value) => set(config, &name, value, origin, problems),
            Err(reason) => problems.push(format!("{name} ({origin}): {reason}")),
        }
    }
}

fn from_environment(config: &mut Config, variables: &BTreeMap<&str, &str>, problems: &mut Vec<String>) {
    for (&variable, &value) in variables {
        let key = match variable {
            FILE_VARIABLE => continue,
            // Of the commands that ask a running server.
            _ if variable.starts_with(CLIENT_PREFIX) => continue,
            LOG_VARIABLE => find("log_level"),
            _ => all().find(|key| key.variable() == variable),
        };
        match key {
            Some(key) => set(config, key.name, Value::Text(value.into()), variable, problems),
            None => {
                let known = all().map(super::keys::Key::variable).chain([FILE_VARIABLE.into()]);
                let hint = nearest(variable, known)
                    .map(|near| format!("; did you mean {near}?"))
                    .unwrap_or_default();
                problems.push(format!("unknown environment variable {variable}{hint}"));
            }
        }
    }
}

fn set(config: &mut Config, name: &str, value: Value, origin: &str, problems: &mut Vec<String>) {
    match find(name) {
        Some(key) => {
            if let Err(reason) = key.set(config, value) {
                problems.push(format!("{name} ({origin}): {reason}"));
            }
        }
        None => problems.push(unknown(name, origin)),
    }
}

fn unknown(name: &str, origin: &str) -> String {
    let hint = nearest(name, all().map(|key| key.name.to_string()))
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default();
    format!("unknown key {name} ({origin}){hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Door;

    fn sources(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> (Sources, tempfile::NamedTempFile) {
        let written = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(written.path(), file).unwrap();
        let own =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        let sources =
            Sources { file: Some(written.path().into()), environment: own(environment), flags: own(flags) };
        (sources, written)
    }

    fn problems(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
        load(&sources(file, environment, flags).0).unwrap_err().to_string()
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let file = "[http]\naddr = \"file:1\"\nmax_connections = 1\nmax_body_bytes = \"64MiB\"\n";
        let environment =
            [("SLUICE_HTTP_ADDR", "env:2"), ("SLUICE_HTTP_MAX_CONNECTIONS", "2"), ("PATH", "/bin")];
        let (sources, _file) = sources(file, &environment, &[("http.addr", "flag:3")]);
        let config = load(&sources).unwrap();
        assert_eq!(config.http.addr, Door::At("flag:3".into()));
        assert_eq!(config.http.max_connections, 2);
        assert_eq!(config.http.max_body_bytes, 64 << 20);
        assert_eq!(config.http.max_header_bytes, Config::default().http.max_header_bytes);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        assert!(
            problems("[http]\nmax_conections = 1", &[], &[]).contains("did you mean http.max_connections?")
        );
        assert!(problems("[htp]\naddr = \"x:1\"", &[], &[]).contains("unknown key htp"));
        assert!(problems("", &[("SLUICE_HTTP_ADR", "off")], &[]).contains("did you mean SLUICE_HTTP_ADDR?"));
        assert!(problems("", &[], &[("data-dir", "x")]).contains("did you mean data_dir?"));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let told = problems(
            "log_format = \"xml\"\n[limits]\nkey_bytes = -1",
            &[("SLUICE_LOG_LEVEL", "info"), ("SLUICE_X", "1")],
            &[],
        );
        assert_eq!(told.lines().count(), 3, "{told}");
    }

    #[test]
    fn a_wrong_type_is_told_with_its_place() {
        assert!(problems("data_dir = 5", &[], &[]).contains("data_dir ("));
        assert!(problems("http = \"127.0.0.1:1\"", &[], &[]).contains("unknown key http"));
        assert!(problems("[http]\nmax_connections = 0", &[], &[]).contains("must be from 1 to"));
        assert!(problems("[data_dir]\nx = 1", &[], &[]).contains("unknown key data_dir"));
    }

    #[test]
    fn the_short_name_of_the_log_level_works() {
        let (sources, _file) = sources("", &[("SLUICE_LOG", "debug")], &[]);
        assert_eq!(load(&sources).unwrap().log_level, "debug");
    }
}
