use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::dice::Dice;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    File(u64),
}

/// The names on the disk: as everybody sees them, and as the platter has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) seen: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    /// Changes that no sync of their directory has made durable, oldest first.
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Link(PathBuf, Node),
    Unlink(PathBuf),
    Rename { from: PathBuf, to: PathBuf, node: Node },
}

impl Change {
    fn is_in(&self, dir: &Path) -> bool {
        match self {
            Change::Link(path, _) | Change::Unlink(path) => path.parent() == Some(dir),
            Change::Rename { from, to, .. } => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Change::Link(path, node) => {
                names.insert(path.clone(), *node);
            }
            Change::Unlink(path) => {
                names.remove(path);
            }
            Change::Rename { from, to, node } => {
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
        }
    }
}

impl Names {
    pub(super) fn get(&self, path: &Path) -> Option<Node> {
        if path.as_os_str().is_empty() { Some(Node::Dir) } else { self.seen.get(path).copied() }
    }

    pub(super) fn link(&mut self, path: &Path, node: Node) {
        self.change(Change::Link(path.into(), node));
    }

    pub(super) fn unlink(&mut self, path: &Path) {
        self.change(Change::Unlink(path.into()));
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, node: Node) {
        self.change(Change::Rename { from: from.into(), to: to.into(), node });
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self, dir: &Path) {
        let durable = &mut self.durable;
        self.unsynced.retain(|change| {
            let here = change.is_in(dir);
            if here {
                change.apply(durable);
            }
            !here
        });
    }

    /// Whether some name may stand for this inode after a power loss.
    pub(super) fn may_return(&self, inode: u64) -> bool {
        let node = Node::File(inode);
        self.durable.values().any(|&durable| durable == node)
            || self.unsynced.iter().any(|change| match change {
                Change::Link(_, linked) => *linked == node,
                Change::Rename { node: renamed, .. } => *renamed == node,
                Change::Unlink(_) => false,
            })
    }

    /// What a power loss leaves: each unsynced change has `chances` in 256 to have been made.
    pub(super) fn after_power_loss(&self, chances: u64, dice: &mut Dice) -> Names {
        let mut left = self.durable.clone();
        for change in self.unsynced.iter().filter(|_| dice.happens(chances)) {
            change.apply(&mut left);
        }
        let orphans: Vec<_> = left
            .keys()
            .filter(|path| {
                path.ancestors().skip(1).any(|dir| !dir.as_os_str().is_empty() && !left.contains_key(dir))
            })
            .cloned()
            .collect();
        for path in orphans {
            left.remove(&path);
        }
        Names { seen: left.clone(), durable: left, unsynced: Vec::new() }
    }
}

/// The path without `.` parts.
pub(super) fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}
