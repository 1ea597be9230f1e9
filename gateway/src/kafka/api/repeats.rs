use std::collections::HashSet;
use std::hash::Hash;

/// What a request names more than once, though it may only once.
pub fn repeated<T: Eq + Hash + Clone>(names: impl IntoIterator<Item = T>) -> HashSet<T> {
    let mut seen = HashSet::new();
    names.into_iter().filter(|name| !seen.insert(name.clone())).collect()
}
