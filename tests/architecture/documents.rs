//! The documents do not drift: what they name exists.

use std::collections::BTreeSet;

use blackbox::checkout;

/// The words between backquotes in a Markdown text, fenced blocks aside.
fn quoted(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            words.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_path_that_the_architecture_names_exists() {
    let root = checkout::root();
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let paths: Vec<String> = quoted(&text)
        .into_iter()
        .filter(|word| {
            word.contains('/') && !word.starts_with('/') && !word.contains([' ', '<', '*', '{', ':'])
        })
        .collect();
    assert!(paths.len() > 10, "ARCHITECTURE.md should lead into the code: {paths:?}");
    for path in paths {
        assert!(root.join(&path).exists(), "ARCHITECTURE.md names {path}, which is not there");
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let root = checkout::root();
    let mut documents = vec!["README.md".to_owned(), "ARCHITECTURE.md".to_owned(), "CHANGELOG.md".to_owned()];
    for entry in std::fs::read_dir(root.join("docs")).expect("docs/").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            documents.push(format!("docs/{name}"));
        }
    }
    for document in documents {
        let path = root.join(&document);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let target = path.parent().expect("a directory").join(target);
            assert!(target.exists(), "{document} links to {link}, which is not there");
        }
    }
}
