//! Pages of `docs/` that are printed from the code: a test of each says when one is stale, and prints it anew where
//! `UPDATE` is set.

#![cfg(test)]

use std::path::Path;

use parking_lot::Mutex;

/// Two tests print parts of one page.
static PRINTING: Mutex<()> = Mutex::new(());

/// A page of the folder `docs` is this text.
pub fn page(name: &str, text: &str) {
    check(name, |_| text.to_owned());
}

/// What stands between two marks of a page is this text.
pub fn part(name: &str, (begin, end): (&str, &str), text: &str) {
    check(name, |page| {
        let (before, rest) = page.split_once(begin).expect("the mark where it begins");
        let (_, after) = rest.split_once(end).expect("the mark where it ends");
        format!("{before}{begin}{text}{end}{after}")
    });
}

fn check(name: &str, current: impl FnOnce(&str) -> String) {
    let _printing = PRINTING.lock();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let printed = std::fs::read_to_string(&path).unwrap_or_default();
    let current = current(&printed);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, current).expect("a page that can be written");
    } else {
        assert!(printed == current, "docs/{name} is stale: run `UPDATE=1 cargo test --workspace --lib`");
    }
}
