//! The page of settings is what the table of keys says.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use log_engine::TopicConfig;

const INTRODUCTION: &str = "\
# Settings of a log

A log takes the keys of Kafka's topics, in `config` when it is made, later with `PATCH /v1/topics/{topic}`: a value sets a
key, `null` takes it back. Changes hold at once, for what is appended, settled, removed or compacted from then on.
`GET /v1/topics/{topic}/settings` shows every key with its value and where that comes from: the topic itself, the
server's `log.topic_defaults`, or the default. Values are text; numbers may be given as numbers.

Nothing is accepted and ignored: a key is enforced, or takes only the value that describes what happens anyway, or is
refused.

## Enforced

| key | default | meaning |
|---|---|---|
";

/// Every key, as users look it up.
fn page() -> String {
    use std::fmt::Write;
    let defaults = TopicConfig::default().describe();
    let value = |name: &str| {
        let entry = defaults.iter().find(|entry| entry.name == name);
        entry.map(|entry| entry.value.clone()).unwrap_or_default()
    };
    let mut text = INTRODUCTION.to_owned();
    for key in TopicConfig::keys() {
        let _ = writeln!(text, "| `{}` | `{}` | {} |", key.name, value(key.name), key.about);
    }
    text.push_str("\n## Only one value\n\n| key | the value | why |\n|---|---|---|\n");
    for key in TopicConfig::fixed_keys() {
        let value = if key.value.is_empty() { "empty".to_owned() } else { format!("`{}`", key.value) };
        let _ = writeln!(text, "| `{}` | {value} | {} |", key.name, key.why);
    }
    text.push_str(
        "\n## Of older Kafka\n\n\
         `message.timestamp.difference.max.ms` sets `message.timestamp.before.max.ms` and\n\
         `message.timestamp.after.max.ms` together, where they are not set themselves. `message.format.version` may name any\n\
         release from 0.11 on: all of them mean format version 2, the one that is stored.\n\n\
         Every other key is refused, with the nearest known one in the answer.\n",
    );
    text
}

#[test]
fn the_documentation_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/topic-settings.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let printed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        printed,
        page(),
        "run `UPDATE=1 cargo test -p log-engine --test topic_settings` to rewrite {path}"
    );
}
