//! The README's five minutes, carried out: every command is run, every answer shown is compared.

use std::process::{Command, Stdio};

use blackbox::{Server, checkout, list};
use serde_json::Value;

/// A fenced block: what stands after the fence, and its lines.
struct Block {
    language: String,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in markdown.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), text: String::new() })
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Members whose values differ from run to run; only their kind is compared.
const VOLATILE: [&str; 3] = ["timestamp", "lease", "lease_expires_at"];

/// Everything that is shown is there, and as shown.
fn compare(shown: &Value, real: &Value, path: &str) {
    match (shown, real) {
        (Value::Object(shown), Value::Object(real)) => {
            for (name, value) in shown {
                let at = format!("{path}/{name}");
                let Some(real) = real.get(name) else {
                    panic!("the README shows {at}, the server does not: {real:?}")
                };
                if VOLATILE.contains(&name.as_str()) {
                    let same_kind = std::mem::discriminant(value) == std::mem::discriminant(real);
                    assert!(same_kind, "{at}: the README shows {value}, the server {real}");
                } else {
                    compare(value, real, &at);
                }
            }
        }
        (Value::Array(shown), Value::Array(real)) => {
            assert_eq!(shown.len(), real.len(), "{path}: the README shows {shown:?}, the server {real:?}");
            for (at, (shown, real)) in shown.iter().zip(real).enumerate() {
                compare(shown, real, &format!("{path}/{at}"));
            }
        }
        _ => assert_eq!(shown, real, "{path} is not as the README shows it"),
    }
}

#[tokio::test]
async fn the_readme_s_tour_works_as_written() {
    let readme = std::fs::read_to_string(checkout::root().join("README.md")).expect("README.md");
    for command in ["cargo run --release -p sluice -- serve", "./tests/run"] {
        assert!(readme.contains(&format!("```console\n{command}\n```")), "the README names {command:?}");
    }
    let socket = checkout::built("tour");
    let mut server = Server::start();
    let mut output = String::new();
    let mut steps = 0;
    for block in blocks(&readme) {
        match block.language.as_str() {
            "bash" if block.text.contains("pkill -9") => server.crash(),
            "bash" => {
                let script = block.text.replace("localhost:8080", server.address()).replace(
                    "cargo run -q --release -p tour --",
                    &format!("{} ws://{}/v1/ws", socket.display(), server.address()),
                );
                output = run(&script);
                steps += 1;
            }
            "json" => {
                let shown: Value = serde_json::from_str(&block.text).expect("the README shows JSON");
                let real: Value = serde_json::from_str(output.lines().last().unwrap_or_default())
                    .unwrap_or_else(|_| panic!("no JSON came: {output}"));
                compare(&shown, &real, "");
            }
            _ => {}
        }
    }
    assert!(steps >= 8, "the tour has become short: {steps} steps");
    let http = server.http();
    let stats = http.queue_stats("orders").await;
    let left = stats["ready"].as_u64().unwrap_or(0) + stats["leased"].as_u64().unwrap_or(0);
    assert_eq!(left, 1, "one of two was acked: {stats}");
    let mut records = 0;
    for partition in 0..3 {
        records += list(&http.records("events", partition, "offset=earliest").await, "records").len();
    }
    assert_eq!(records, 2);
}

fn run(script: &str) -> String {
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let output = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{script}\n{output}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(!output.contains("urn:sluice:problem"), "{script}\nwas refused: {output}");
    output
}
