use std::collections::BTreeMap;
use std::sync::Arc;

use segment_store::{Block, RecordKind};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::topics::shovels::{ShovelDefinition, ShovelName, ShovelSettings, ShovelTable};

/// The definitions of shovels: a fold over changes, and what everybody else is shown of it.
pub(crate) struct ShovelBook {
    definitions: ShovelTable,
    /// Counts definitions, so that one that replaced another is told from it.
    revision: u64,
    shown: watch::Sender<Arc<ShovelTable>>,
}

/// A change, as it is journaled.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Set { vhost: Box<str>, name: Box<str>, value: ShovelSettings },
    Deleted { vhost: Box<str>, name: Box<str> },
}

impl Record {
    fn set(name: &ShovelName, value: ShovelSettings) -> Record {
        Record::Set { vhost: name.vhost.clone(), name: name.name.clone(), value }
    }

    fn bytes(&self) -> Vec<u8> {
        // Strings, numbers, lists and objects of them cannot fail to serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Default for ShovelBook {
    fn default() -> ShovelBook {
        let (shown, _) = watch::channel(Arc::default());
        ShovelBook { definitions: BTreeMap::new(), revision: 0, shown }
    }
}

impl ShovelBook {
    /// Where the definitions are shown.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<ShovelTable>> {
        self.shown.subscribe()
    }

    pub(crate) fn get(&self, name: &ShovelName) -> Option<&Arc<ShovelDefinition>> {
        self.definitions.get(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.definitions.len()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &ShovelName> {
        self.definitions.keys()
    }

    /// Journal bytes that a definition takes.
    pub(crate) fn size(name: &ShovelName, value: &ShovelSettings) -> usize {
        Record::set(name, value.clone()).bytes().len()
    }

    /// Journals a definition and takes it in.
    pub(crate) fn set(&mut self, block: &mut Block, name: ShovelName, value: ShovelSettings) {
        block.push(RecordKind::SHOVEL, &[&Record::set(&name, value.clone()).bytes()]);
        self.insert(name, value);
    }

    /// Journals that a definition is gone, and takes that in.
    pub(crate) fn delete(&mut self, block: &mut Block, name: &ShovelName) {
        let record = Record::Deleted { vhost: name.vhost.clone(), name: name.name.clone() };
        block.push(RecordKind::SHOVEL, &[&record.bytes()]);
        self.definitions.remove(name);
    }

    fn insert(&mut self, name: ShovelName, value: ShovelSettings) {
        self.revision += 1;
        let definition = ShovelDefinition { value, revision: self.revision };
        self.definitions.insert(name, Arc::new(definition));
    }

    /// Takes a journaled change in; answers whether it is one.
    pub(crate) fn replay(&mut self, bytes: &[u8]) -> bool {
        match serde_json::from_slice(bytes) {
            Ok(Record::Set { vhost, name, value }) => self.insert(ShovelName { vhost, name }, value),
            Ok(Record::Deleted { vhost, name }) => drop(self.definitions.remove(&ShovelName { vhost, name })),
            Err(_) => return false,
        }
        true
    }

    /// Records that make all of it anew.
    pub(crate) fn records(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.definitions.iter().map(|(name, definition)| Record::set(name, definition.value.clone()).bytes())
    }

    /// Shows everybody the definitions as they are now.
    pub(crate) fn show(&self) {
        self.shown.send_replace(Arc::new(self.definitions.clone()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_noted_is_read_and_a_newer_definition_is_another_one() {
        let name = |name: &str| ShovelName { vhost: "/".into(), name: name.into() };
        let value = |queue: &str| json!({"src-queue": queue}).as_object().cloned().unwrap_or_default();
        let mut book = ShovelBook::default();
        for (shovel, queue) in [("a", "one"), ("a", "two"), ("b", "three")] {
            assert!(book.replay(&Record::set(&name(shovel), value(queue)).bytes()));
        }
        let before = book.get(&name("a")).unwrap().revision;
        let gone = Record::Deleted { vhost: "/".into(), name: "b".into() };
        assert!(book.replay(&gone.bytes()) && !book.replay(b"{\"moved\":{}}"));
        let mut again = ShovelBook::default();
        assert!(book.records().all(|record| again.replay(&record)));
        assert_eq!(again.names().collect::<Vec<_>>(), [&name("a")]);
        assert_eq!(again.get(&name("a")).unwrap().value, value("two"));
        book.replay(&Record::set(&name("a"), value("two")).bytes());
        assert_ne!(book.get(&name("a")).unwrap().revision, before);
    }
}
