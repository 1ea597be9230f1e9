//! Who may know whom: invariants 1 to 6 of the design.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use blackbox::checkout;
use serde_json::Value;

use crate::source::{Source, files};

const ENGINES: [&str; 2] = ["log-engine", "queue-engine"];
/// Crates that open sockets or speak a network protocol.
const NETWORK: [&str; 14] = [
    "axum",
    "hyper",
    "hyper-util",
    "tokio",
    "mio",
    "socket2",
    "tungstenite",
    "tokio-tungstenite",
    "tower",
    "tower-http",
    "reqwest",
    "h2",
    "quinn",
    "rustls",
];

/// The platform of this machine. A fresh checkout has fetched the packages of no other.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

/// Package name to the names of everything it is built from on this platform, dev-dependencies aside.
fn built_from() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(checkout::root())
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", &host()])
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let mut names = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        names.insert(package["id"].as_str().expect("an id"), package["name"].as_str().expect("a name"));
    }
    let mut direct: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().expect("nodes") {
        let into = direct.entry(node["id"].as_str().expect("an id")).or_default();
        for dependency in node["deps"].as_array().expect("deps") {
            let kinds = dependency["dep_kinds"].as_array().expect("kinds");
            if kinds.iter().any(|kind| kind["kind"].is_null()) {
                into.insert(dependency["pkg"].as_str().expect("an id"));
            }
        }
    }
    let mut all = BTreeMap::new();
    for member in metadata["workspace_members"].as_array().expect("members") {
        let member = member.as_str().expect("an id");
        let mut seen = BTreeSet::new();
        let mut next = vec![member];
        while let Some(id) = next.pop() {
            for dependency in direct.get(id).into_iter().flatten() {
                if seen.insert(names[dependency].to_owned()) {
                    next.push(dependency);
                }
            }
        }
        all.insert(names[member].to_owned(), seen);
    }
    all
}

#[test]
fn only_the_gateway_can_reach_the_network() {
    let built_from = built_from();
    for library in ["message", "segment-store", "log-engine", "queue-engine", "kafka-wire"] {
        let network: Vec<_> = NETWORK.iter().filter(|name| built_from[library].contains(**name)).collect();
        assert!(network.is_empty(), "{library} must not be built from {network:?}");
    }
}

#[test]
fn engines_do_not_know_each_other_or_the_gateway() {
    let built_from = built_from();
    for engine in ENGINES {
        for other in ENGINES.into_iter().filter(|other| *other != engine).chain(["sluice", "kafka-wire"]) {
            assert!(!built_from[engine].contains(other), "{engine} must not depend on {other}");
        }
    }
    for engine in ENGINES.into_iter().chain(["sluice"]) {
        assert!(!built_from["segment-store"].contains(engine), "the store must not depend on {engine}");
    }
}

#[test]
fn only_the_seam_names_both_engines() {
    let naming = |source: &Source, engine: &str| source.code.contains(&format!("{engine}::"));
    let mut seam = 0;
    for source in files("gateway/src") {
        if naming(&source, "log_engine") || naming(&source, "queue_engine") {
            assert!(
                source.path.starts_with("gateway/src/topics"),
                "{} names an engine; only the seam, gateway/src/topics, may",
                source.path
            );
            seam += 1;
        }
    }
    assert!(seam > 0, "the seam names no engine: has it moved?");
}

#[test]
fn only_the_store_touches_data_files() {
    // What the gateway may read by itself: its configuration file, and what the kernel says of the process.
    let allowed = ["gateway/src/config", "gateway/src/metrics"];
    // The operator's own: certificates, keys, passwords, the audit log.
    let operators = [
        "gateway/src/auth/audit.rs",
        "gateway/src/auth/issuer_keys.rs",
        "gateway/src/cli/certs.rs",
        "gateway/src/cli/client.rs",
        "gateway/src/cli/security.rs",
        "gateway/src/tls/material.rs",
    ];
    let forbidden = [
        "std::fs",
        "tokio::fs",
        "fs::File",
        "File::open",
        "File::create",
        "memmap2",
        "rustix::fs",
        "OpenOptions",
    ];
    for directory in ["message/src", "log-engine/src", "queue-engine/src", "gateway/src"] {
        for source in files(directory).iter().filter(|source| !operators.contains(&source.path.as_str())) {
            let mut code = source.code.clone();
            if allowed.iter().any(|prefix| source.path.starts_with(prefix)) {
                code = code.replace("std::fs::read_to_string", "").replace("std::fs::read_dir", "");
            }
            for name in forbidden {
                assert!(
                    !code.contains(name),
                    "{} names {name}; data files belong to segment-store",
                    source.path
                );
            }
        }
    }
}

#[test]
fn engines_take_the_time_as_an_argument() {
    for directory in ["message/src", "segment-store/src", "log-engine/src", "queue-engine/src"] {
        for source in files(directory) {
            for clock in ["SystemTime::now", "Instant::now", "::elapsed(", "thread::sleep"] {
                assert!(!source.code.contains(clock), "{} asks a clock: {clock}", source.path);
            }
        }
    }
}

#[test]
fn engines_see_no_socket_and_no_wire() {
    for directory in ["log-engine/src", "queue-engine/src", "segment-store/src"] {
        for source in files(directory) {
            for name in ["std::net", "tokio::", "async fn", "serde_json", "axum::", "hyper::", "WebSocket"] {
                assert!(!source.code.contains(name), "{} names {name}", source.path);
            }
        }
    }
}

#[test]
fn protocol_machines_see_no_socket_clock_or_lock() {
    let machines = [
        "gateway/src/amqp/connection.rs",
        "gateway/src/amqp/connection",
        "gateway/src/amqp/wire",
        "gateway/src/kafka/frames.rs",
        "gateway/src/kafka/fetch_sessions.rs",
        "gateway/src/ws/binary.rs",
        "gateway/src/ws/json_answer.rs",
        "gateway/src/ws/json_command.rs",
        "gateway/src/ws/session",
        "kafka-wire/src",
    ];
    let is_test = |path: &str| path.ends_with("tests.rs") || path.ends_with("/trial.rs");
    let sources: Vec<Source> = ["gateway/src", "kafka-wire/src"].into_iter().flat_map(files).collect();
    for machine in machines {
        let mut seen = 0;
        for source in sources.iter().filter(|one| one.path.starts_with(machine) && !is_test(&one.path)) {
            for name in ["TcpStream", "tokio::", "async ", "::now()", ".elapsed()", "Mutex", "RwLock"] {
                assert!(
                    !source.code.contains(name),
                    "{} names {name}: it takes bytes and the time",
                    source.path
                );
            }
            seen += 1;
        }
        assert!(seen > 0, "there is no {machine}: has it moved?");
    }
}

#[test]
fn only_the_seam_asks_the_rules() {
    let mut seam = 0;
    for source in files("gateway/src").iter().filter(|source| source.code.contains(".may(")) {
        let of_seam = source.path.starts_with("gateway/src/topics");
        assert!(
            of_seam || source.path.starts_with("gateway/src/auth"),
            "{} asks the rules itself; the seam does, whatever door was used",
            source.path
        );
        seam += usize::from(of_seam);
    }
    assert!(seam > 0, "the seam asks no rules: has the question another name?");
}
