//! The workspace's Rust files, with and without what does not count as production code.

use std::path::{Path, PathBuf};

use blackbox::checkout;

/// One Rust file.
pub struct Source {
    /// Its path from the workspace root.
    pub path: String,
    /// All of it.
    pub text: String,
    /// Its production code: no comments, no string contents, nothing from the first `#[cfg(test)]` on.
    pub code: String,
}

/// Every Rust file under a directory of the workspace.
pub fn files(under: &str) -> Vec<Source> {
    let root = checkout::root();
    let mut paths = Vec::new();
    collect(&root.join(under), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            let relative = path.strip_prefix(&root).expect("below the root").display().to_string();
            Source { path: relative, code: production(&text), text }
        })
        .collect()
}

fn collect(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if name != "target" && name != ".git" && name != "node_modules" {
                collect(&path, into);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Drops comments, the insides of string literals, and the test module at a file's end.
pub fn production(text: &str) -> String {
    // A whole file may be a test's.
    let text = if text.lines().any(|line| line == "#![cfg(test)]") { "" } else { text };
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        let mut chars = line.chars().peekable();
        let mut quoted = false;
        while let Some(char) = chars.next() {
            match char {
                '\\' if quoted => {
                    chars.next();
                }
                '"' => {
                    quoted = !quoted;
                    code.push('"');
                }
                // A quote as a character literal opens no string.
                '\'' if !quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                }
                '/' if !quoted && chars.peek() == Some(&'/') => break,
                _ if quoted => {}
                _ => code.push(char),
            }
        }
        code.push('\n');
    }
    code
}

#[test]
fn production_code_is_told_from_the_rest() {
    let text = "let a = now(\"Instant::now\"); // std::fs\nb();\n#[cfg(test)]\nmod tests { c(); }";
    assert_eq!(production(text), "let a = now(\"\"); \nb();\n");
}
