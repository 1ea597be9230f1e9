use std::collections::HashMap;
use std::sync::Arc;

use message::TopicName;
use segment_store::RecordKind;

use super::command::Turn;
use super::engines::Engines;
use crate::auth::Usage;
use crate::auth::identity_record::{self, Entry};
use crate::auth::quota::{Consumer, Measure, QuotaEntity};
use crate::refusal::Refusal;

/// Who made which topic, so that a quota can bound how many somebody has.
#[derive(Debug, Default)]
pub(crate) struct Makers {
    made: HashMap<TopicName, Arc<Consumer>>,
    /// Who made the last one: most are made in rows, and their maker need not be kept for each.
    last: Option<Arc<Consumer>>,
    /// How many topics are there of each for whom they are counted.
    counts: HashMap<QuotaEntity, u64>,
}

impl Makers {
    /// A topic is there, and of somebody, or of nobody in particular.
    pub(crate) fn set(&mut self, topic: TopicName, by: Option<Consumer>) {
        self.forget(&topic);
        let Some(by) = by else { return };
        for holder in by.holders() {
            *self.counts.entry(holder).or_default() += 1;
        }
        let by = match &self.last {
            Some(last) if **last == by => Arc::clone(last),
            _ => Arc::clone(self.last.insert(Arc::new(by))),
        };
        self.made.insert(topic, by);
    }

    /// A topic is gone.
    pub(crate) fn forget(&mut self, topic: &TopicName) {
        let Some(by) = self.made.remove(topic) else { return };
        for holder in by.holders() {
            if let Some(count) = self.counts.get_mut(&holder) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&holder);
                }
            }
        }
    }

    /// Forgets those that are not there: they went while their makers were not looked at.
    pub(crate) fn keep(&mut self, is_there: impl Fn(&TopicName) -> bool) {
        let gone: Vec<TopicName> = self.made.keys().filter(|topic| !is_there(topic)).cloned().collect();
        gone.iter().for_each(|topic| self.forget(topic));
    }

    fn count(&self, holder: &QuotaEntity) -> u64 {
        self.counts.get(holder).copied().unwrap_or(0)
    }

    /// Records that make all of it anew.
    pub(crate) fn records(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.made.iter().map(|(topic, by)| encode(topic, Some(by)))
    }
}

fn encode(topic: &TopicName, by: Option<&Consumer>) -> Vec<u8> {
    identity_record::encode_entry(&Entry::Maker(topic.clone(), by.cloned()))
}

impl Turn<'_> {
    /// Whether somebody may make one more topic.
    pub(crate) fn check_may_make_topic(&self, usage: &Usage) -> Result<(), Refusal> {
        let limits = usage.limits(Measure::Topics);
        let full = limits.iter().find(|one| self.engines.makers.count(&one.holder) >= one.limit);
        full.map_or(Ok(()), |full| Err(usage.refused(full)))
    }

    /// Notes whose a topic is that was just made; for as long as the topic lasts.
    pub(crate) fn note_maker(&mut self, topic: &TopicName, usage: &Usage, durable: bool) {
        let by = usage.consumer();
        if durable {
            self.journal.block().push(RecordKind::IDENTITY, &[&encode(topic, by)]);
        }
        self.engines.makers.set(topic.clone(), by.cloned());
    }
}

impl Engines {
    /// A topic is gone.
    pub(crate) fn forget_topic(&mut self, topic: &TopicName) {
        self.directory.remove(topic);
        self.makers.forget(topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::quota::Part;

    #[test]
    fn topics_are_counted_until_they_are_gone() {
        let mut makers = Makers::default();
        let by =
            |user: &str| Consumer { user: Some(user.into()), client_id: None, address: [10, 0, 0, 1].into() };
        let user = |name: &str| QuotaEntity { user: Some(Part::of(name)), ..QuotaEntity::default() };
        let address = QuotaEntity { address: Some(Part::of("10.0.0.1")), ..QuotaEntity::default() };
        let topic = |name: &str| TopicName::new(name).unwrap();
        makers.set(topic("a"), Some(by("alice")));
        makers.set(topic("b"), Some(by("alice")));
        makers.set(topic("c"), Some(by("bob")));
        makers.set(topic("c"), Some(by("bob")));
        assert_eq!([user("alice"), user("bob"), address.clone()].map(|one| makers.count(&one)), [2, 1, 3]);
        // Who makes many in a row is kept once.
        assert!(Arc::ptr_eq(&makers.made[&topic("a")], &makers.made[&topic("b")]));
        let Some(Entry::Maker(name, again)) = makers.records().find_map(|record| {
            let entry = identity_record::decode(&record)?;
            matches!(&entry, Entry::Maker(name, _) if name.as_str() == "c").then_some(entry)
        }) else {
            panic!("a maker is written as it is read")
        };
        assert_eq!((name, again), (topic("c"), Some(by("bob"))));
        makers.forget(&topic("a"));
        makers.set(topic("b"), None);
        makers.keep(|_| false);
        assert_eq!((makers.count(&address), makers.counts.len()), (0, 0));
    }
}
