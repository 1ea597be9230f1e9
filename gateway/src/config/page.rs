use std::fmt::Write;

use super::Config;
use super::keys;

impl Config {
    /// The whole configuration as a TOML file that would bring it about.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let section = |key: &keys::Key| key.name.rsplit_once('.').map_or("", |(section, _)| section);
        // What has no section comes first, or it would belong to one.
        let mut sections = vec![""];
        for key in keys::all() {
            if !sections.contains(&section(key)) {
                sections.push(section(key));
            }
        }
        let mut text = String::new();
        for wanted in sections {
            if !wanted.is_empty() {
                let _ = writeln!(text, "\n[{wanted}]");
            }
            for key in keys::all().filter(|key| section(key) == wanted) {
                let name = key.name.rsplit_once('.').map_or(key.name, |(_, name)| name);
                let _ = writeln!(text, "{name} = {}", key.get(self));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    const INTRODUCTION: &str = "\
# Configuration

A setting comes from a flag, else an environment variable, else the configuration file, else the default.
`sluice serve --config FILE` (or `SLUICE_CONFIG`) names the file, which is TOML; `key = value` inside `[section]`.
Every key has an environment variable, and `--set KEY=VALUE` sets any key from the command line.
Sizes are in bytes and may be written `64KiB`, `16MiB`, `1GiB`; in the environment a list is separated by commas.
A key or `SLUICE_` variable that is not in this table is an error. `sluice config` prints what is in force.

| key | environment variable | default | range | meaning |
|---|---|---|---|---|
";

    fn page() -> String {
        let defaults = Config::default();
        let mut text = INTRODUCTION.to_string();
        for key in keys::all() {
            let range = key
                .range
                .as_ref()
                .map(|range| format!("{} to {}", range.start(), range.end()))
                .unwrap_or_default();
            let _ = writeln!(
                text,
                "| `{}` | `{}` | `{}` | {range} | {} |",
                key.name,
                key.variable(),
                key.get(&defaults),
                key.about
            );
        }
        text
    }

    #[test]
    fn the_documentation_is_what_the_table_says() {
        crate::printed::page("configuration.md", &page());
    }

    #[test]
    fn what_is_printed_can_be_read_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut config = Config::default();
        config.http.max_connections = 7;
        config.http.cors_origins = vec!["https://example.org".into()];
        config.data_dir = "/tmp/with \"quotes\"".into();
        std::fs::write(file.path(), config.to_toml()).unwrap();
        let read = load(&Sources { file: Some(file.path().into()), ..Sources::default() }).unwrap();
        assert_eq!(read.to_toml(), config.to_toml());
    }
}
