//! Remembers where in a JSON document reading failed.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write as _;

use serde::de::Error;

use crate::refusal::Refusal;

/// Collects the path to the fault while a failed parse unwinds. Costs nothing as long as nothing fails.
#[derive(Debug, Default)]
pub struct Trail(RefCell<Vec<Cow<'static, str>>>);

impl Trail {
    /// A trail without steps.
    #[must_use]
    pub fn new() -> Trail {
        Trail::default()
    }

    /// Notes that the error came from within this member; use in `map_err`.
    pub fn member<E>(&self, name: &'static str) -> impl FnOnce(E) -> E + '_ {
        move |error| {
            self.0.borrow_mut().push(Cow::Borrowed(name));
            error
        }
    }

    /// The same for a member whose name the sender chose.
    pub fn named<'t, E>(&'t self, name: &'t str) -> impl FnOnce(E) -> E + 't {
        move |error| {
            let name = name.chars().take(100).collect::<String>();
            self.0.borrow_mut().push(Cow::Owned(name.replace('~', "~0").replace('/', "~1")));
            error
        }
    }

    /// The same for an element of an array.
    pub fn element<E>(&self, index: usize) -> impl FnOnce(E) -> E + '_ {
        move |error| {
            self.0.borrow_mut().push(Cow::Owned(index.to_string()));
            error
        }
    }

    /// An error that blames a member.
    pub fn blame<E: Error>(&self, name: &'static str, why: impl std::fmt::Display) -> E {
        self.member(name)(E::custom(why))
    }

    /// An unknown member, with the nearest known name.
    pub fn unknown<E: Error>(&self, name: &str, known: &[&str]) -> E {
        let mut why = String::from("no such field");
        if let Some(near) = nearest(name, known) {
            let _ = write!(why, "; did you mean `{near}`?");
        }
        self.named(name)(E::custom(why))
    }

    /// The refusal that names the place as a JSON pointer below `root`.
    #[must_use]
    pub fn refuse(&self, root: &str, error: &serde_json::Error) -> Refusal {
        let mut pointer = String::from(root);
        for step in self.0.borrow().iter().rev() {
            pointer.push('/');
            pointer.push_str(step);
        }
        let detail = match error.classify() {
            serde_json::error::Category::Data => without_place(&error.to_string()).to_owned(),
            _ => format!("the body is not valid JSON: {error}"),
        };
        Refusal::invalid(pointer, detail)
    }
}

/// The known name that a misspelt one is closest to, when it is close at all.
#[must_use]
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name: String = name.chars().take(64).collect();
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 3)
        .map(|(_, candidate)| candidate)
}

/// What a reader says without the line and column: a pointer says where.
#[must_use]
pub fn without_place(text: &str) -> &str {
    match text.rsplit_once(" at line ") {
        Some((said, place)) if place.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) => said,
        _ => text,
    }
}
