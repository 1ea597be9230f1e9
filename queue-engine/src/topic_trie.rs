use std::collections::HashMap;

/// The bindings of a topic exchange, by word: matching looks at the words of the routing key and not at the bindings.
///
/// In a pattern `*` stands for one word and `#` for any number, none included. A key's words are separated by dots.
#[derive(Debug)]
pub(crate) struct TopicTrie<T> {
    nodes: Vec<Node<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Node<T> {
    words: HashMap<Box<str>, u32>,
    star: Option<u32>,
    hash: Option<u32>,
    /// Whether the node stands for `#`, which may take any further word.
    is_hash: bool,
    targets: Vec<T>,
}

const ROOT: u32 = 0;

impl<T> Node<T> {
    fn new(is_hash: bool) -> Node<T> {
        Node { words: HashMap::new(), star: None, hash: None, is_hash, targets: Vec::new() }
    }

    fn is_unused(&self) -> bool {
        self.words.is_empty() && self.star.is_none() && self.hash.is_none() && self.targets.is_empty()
    }

    fn child(&self, word: &str) -> Option<u32> {
        match word {
            "*" => self.star,
            "#" => self.hash,
            word => self.words.get(word).copied(),
        }
    }

    fn set_child(&mut self, word: &str, child: Option<u32>) {
        match (word, child) {
            ("*", child) => self.star = child,
            ("#", child) => self.hash = child,
            (word, Some(child)) => {
                self.words.insert(word.into(), child);
            }
            (word, None) => {
                self.words.remove(word);
            }
        }
    }
}

/// An empty key has no words, as in RabbitMQ.
fn words(key: &str) -> impl Iterator<Item = &str> {
    key.split('.').skip(usize::from(key.is_empty()))
}

impl<T> Default for TopicTrie<T> {
    fn default() -> TopicTrie<T> {
        TopicTrie { nodes: vec![Node::new(false)], free: Vec::new() }
    }
}

impl<T: PartialEq + Clone> TopicTrie<T> {
    fn node(&self, at: u32) -> &Node<T> {
        &self.nodes[at as usize]
    }

    /// Adds a binding. The same target under the same pattern may be added several times.
    pub(crate) fn insert(&mut self, pattern: &str, target: T) {
        let mut at = ROOT;
        for word in words(pattern) {
            at = match self.node(at).child(word) {
                Some(child) => child,
                None => {
                    let node = Node::new(word == "#");
                    let child = match self.free.pop() {
                        Some(free) => {
                            self.nodes[free as usize] = node;
                            free
                        }
                        None => {
                            self.nodes.push(node);
                            (self.nodes.len() - 1) as u32
                        }
                    };
                    self.nodes[at as usize].set_child(word, Some(child));
                    child
                }
            };
        }
        self.nodes[at as usize].targets.push(target);
    }

    /// Takes one such binding out, with the nodes that nothing else needs.
    pub(crate) fn remove(&mut self, pattern: &str, target: &T) {
        let mut path = vec![];
        let mut at = ROOT;
        for word in words(pattern) {
            path.push((at, word));
            match self.node(at).child(word) {
                Some(child) => at = child,
                None => return,
            }
        }
        let targets = &mut self.nodes[at as usize].targets;
        if let Some(found) = targets.iter().position(|have| have == target) {
            targets.swap_remove(found);
        }
        while let Some((parent, word)) = path.pop() {
            if !self.node(at).is_unused() {
                return;
            }
            self.nodes[parent as usize].set_child(word, None);
            self.free.push(at);
            at = parent;
        }
    }

    /// Calls `found` with the targets of every pattern that matches; a target may come several times.
    pub(crate) fn matches(&self, key: &str, found: &mut dyn FnMut(&T)) {
        let mut active = Vec::new();
        self.activate(&mut active, ROOT);
        let mut next = Vec::new();
        for word in words(key) {
            for at in active.drain(..) {
                let node = self.node(at);
                if let Some(child) = node.words.get(word) {
                    self.activate(&mut next, *child);
                }
                if let Some(child) = node.star {
                    self.activate(&mut next, child);
                }
                if node.is_hash {
                    self.activate(&mut next, at);
                }
            }
            // Several ways to the same place count once; that keeps `#.#.#` linear.
            next.sort_unstable();
            next.dedup();
            std::mem::swap(&mut active, &mut next);
        }
        for at in active {
            self.node(at).targets.iter().for_each(&mut *found);
        }
    }

    /// A node, and those behind it that need no word.
    fn activate(&self, active: &mut Vec<u32>, mut at: u32) {
        loop {
            active.push(at);
            match self.node(at).hash {
                Some(child) => at = child,
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(pattern: &[&str], key: &[&str]) -> bool {
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (Some((&"#", rest)), None) => naive(rest, key),
            (Some((&"#", rest)), Some((_, tail))) => naive(rest, key) || naive(pattern, tail),
            (Some((&"*", rest)), Some((_, tail))) => naive(rest, tail),
            (Some((word, rest)), Some((have, tail))) => word == have && naive(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matches_what_the_definition_matches(
            patterns in prop::collection::vec("([ab*#](\\.[ab*#]){0,4})?", 1..12),
            keys in prop::collection::vec("([abc](\\.[abc]){0,4})?", 1..6),
            removed in 0usize..12,
        ) {
            let mut trie = TopicTrie::default();
            for (id, pattern) in patterns.iter().enumerate() {
                trie.insert(pattern, id);
            }
            for (id, pattern) in patterns.iter().enumerate().take(removed) {
                trie.remove(pattern, &id);
            }
            for key in &keys {
                let mut found = Vec::new();
                trie.matches(key, &mut |id| found.push(*id));
                found.sort_unstable();
                let split = |text| words(text).collect::<Vec<_>>();
                let want: Vec<usize> = (removed.min(patterns.len())..patterns.len())
                    .filter(|id| naive(&split(&patterns[*id]), &split(key)))
                    .collect();
                found.dedup();
                prop_assert_eq!(found, want, "key {:?} patterns {:?}", key, patterns);
            }
        }
    }

    #[test]
    fn nothing_stays_behind() {
        let mut trie = TopicTrie::default();
        for round in 0..3 {
            trie.insert("a.*.#.b", round);
            trie.insert("a.c", round);
            trie.remove("a.*.#.b", &round);
            trie.remove("a.c", &round);
        }
        assert!(trie.node(ROOT).is_unused());
        assert_eq!(trie.nodes.len(), 6);
    }
}
