//! The house rules that a machine can check.

use blackbox::checkout;

use crate::source::files;

const CRATES: [&str; 8] =
    ["message", "segment-store", "log-engine", "queue-engine", "kafka-wire", "gateway", "tests", "bench"];

#[test]
fn files_stay_small() {
    for directory in CRATES {
        for source in files(directory) {
            let lines = source.text.lines().count();
            assert!(lines <= 800, "{} has {lines} lines: split it by concept", source.path);
        }
    }
}

#[test]
fn files_are_named_after_what_is_in_them() {
    let drawers = ["utils", "util", "common", "helpers", "helper", "manager", "misc"];
    for directory in CRATES {
        for source in files(directory) {
            let parts = source.path.trim_end_matches(".rs").split('/');
            for part in parts {
                assert!(
                    !drawers.contains(&part),
                    "{}: {part:?} says nothing about the contents",
                    source.path
                );
            }
        }
    }
}

#[test]
fn every_crate_opens_with_its_purpose() {
    for directory in CRATES {
        let src = checkout::root().join(directory).join("src");
        let entry = ["lib.rs", "main.rs"].map(|name| src.join(name)).into_iter().find(|path| path.exists());
        let Some(entry) = entry else { panic!("{directory} has neither lib.rs nor main.rs") };
        let text = std::fs::read_to_string(&entry).expect("a readable file");
        assert!(text.starts_with("//! "), "{} does not open with what it is for", entry.display());
    }
}

#[test]
fn unwrap_and_expect_are_linted_everywhere_that_serves() {
    for directory in ["message", "segment-store", "log-engine", "queue-engine", "kafka-wire", "gateway"] {
        let manifest =
            std::fs::read_to_string(checkout::root().join(directory).join("Cargo.toml")).expect("a manifest");
        let own = manifest.contains("unwrap_used") && manifest.contains("expect_used");
        let inherited = manifest.contains("[lints]\nworkspace = true");
        assert!(own || inherited, "{directory} does not lint unwrap and expect");
    }
}

#[test]
fn libraries_forbid_unsafe_code_outside_the_store() {
    for directory in ["message/src", "log-engine/src", "queue-engine/src", "kafka-wire/src"] {
        for source in files(directory) {
            assert!(!source.code.contains("unsafe "), "{} holds unsafe code", source.path);
        }
    }
}
