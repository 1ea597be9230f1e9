use std::collections::BTreeMap;

/// When a message is settled at the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckMode {
    /// Once the destination has confirmed it: nothing is lost.
    #[default]
    OnConfirm,
    /// Once it is on its way to the destination.
    OnPublish,
    /// Before it is sent on.
    NoAck,
}

/// The source's number of a delivery.
pub type Tag = u64;

/// Our number of what was sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Passage(pub u64);

/// What the destination says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has it.
    Taken,
    /// It does not want it.
    Refused,
}

/// What the source is told of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// It is done with.
    Ack(Tag),
    /// It is to be delivered again.
    Return(Tag),
}

/// What is between source and destination: which delivery is settled when, and how many are still to be moved.
///
/// It knows no connection and no time. Ask [`Flow::may_forward`] before [`Flow::forward`]; tell when the message was
/// written ([`Flow::published`]) and what became of it ([`Flow::judged`]). When a connection is lost, tell it by
/// [`Flow::interrupted`] and begin anew.
#[derive(Debug)]
pub struct Flow {
    mode: AckMode,
    /// Most messages that the destination has not judged yet.
    window: usize,
    /// How many are still to be moved, where that is bounded.
    remaining: Option<u64>,
    /// How many of them are not on their way.
    unsent: Option<u64>,
    on_their_way: BTreeMap<Passage, Tag>,
    next: u64,
    forwarded: u64,
}

impl Flow {
    /// A flow of at most so many messages, or of any number.
    #[must_use]
    pub fn new(mode: AckMode, window: usize, limit: Option<u64>) -> Flow {
        Flow {
            mode,
            window: window.max(1),
            remaining: limit,
            unsent: limit,
            on_their_way: BTreeMap::new(),
            next: 0,
            forwarded: 0,
        }
    }

    /// Whether one more message may be sent on now.
    #[must_use]
    pub fn may_forward(&self) -> bool {
        self.unsent != Some(0) && self.on_their_way.len() < self.window
    }

    /// A message is sent on. Answers its number, and what the source is told before.
    pub fn forward(&mut self, tag: Tag) -> (Passage, Option<Settle>) {
        let passage = Passage(self.next);
        self.next += 1;
        self.forwarded += 1;
        self.unsent = self.unsent.map(|unsent| unsent.saturating_sub(1));
        self.on_their_way.insert(passage, tag);
        let before = (self.mode == AckMode::NoAck).then(|| {
            self.moved();
            Settle::Ack(tag)
        });
        (passage, before)
    }

    /// A message was written to the destination. Answers what the source is told.
    pub fn published(&mut self, passage: Passage) -> Option<Settle> {
        let tag = self.on_their_way.get(&passage).copied().filter(|_| self.mode == AckMode::OnPublish)?;
        self.moved();
        Some(Settle::Ack(tag))
    }

    /// The destination judged a message. Answers what the source is told.
    pub fn judged(&mut self, passage: Passage, verdict: Verdict) -> Option<Settle> {
        let tag = self.on_their_way.remove(&passage)?;
        match (self.mode, verdict) {
            (AckMode::OnConfirm, Verdict::Taken) => {
                self.moved();
                Some(Settle::Ack(tag))
            }
            (AckMode::OnConfirm, Verdict::Refused) => {
                self.unsent = self.unsent.map(|unsent| unsent + 1);
                Some(Settle::Return(tag))
            }
            (AckMode::OnPublish | AckMode::NoAck, _) => None,
        }
    }

    fn moved(&mut self) {
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(1));
    }

    /// A connection is lost: what was on its way and not settled comes again.
    pub fn interrupted(&mut self) {
        self.on_their_way.clear();
        self.unsent = self.remaining;
    }

    /// Whether all that was to be moved is, and the destination has it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.remaining == Some(0) && self.on_their_way.is_empty()
    }

    /// How many are still to be moved, where that is bounded.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.remaining
    }

    /// How many of them are not on their way.
    #[must_use]
    pub fn unsent(&self) -> Option<u64> {
        self.unsent
    }

    /// How many were sent on.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.forwarded
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    /// A source that delivers again what was not settled, and a destination that may lose its connection.
    struct World {
        flow: Flow,
        mode: AckMode,
        /// Messages at the source, in order.
        ready: VecDeque<u32>,
        /// Delivered and not settled.
        unsettled: BTreeMap<Tag, u32>,
        next_tag: Tag,
        /// Sent, written, not judged.
        sent: VecDeque<(Passage, Tag, u32)>,
        taken: Vec<u32>,
        acked: Vec<u32>,
    }

    impl World {
        fn new(mode: AckMode, window: usize, limit: Option<u64>, messages: u32) -> World {
            World {
                flow: Flow::new(mode, window, limit),
                mode,
                ready: (0..messages).collect(),
                unsettled: BTreeMap::new(),
                next_tag: 1,
                sent: VecDeque::new(),
                taken: Vec::new(),
                acked: Vec::new(),
            }
        }

        fn settle(&mut self, settle: Option<Settle>) {
            match settle {
                Some(Settle::Ack(tag)) => {
                    let message = self.unsettled.remove(&tag).expect("each is settled once");
                    if self.mode == AckMode::OnConfirm {
                        assert!(self.taken.contains(&message), "{message} is acked before it is confirmed");
                    }
                    self.acked.push(message);
                }
                Some(Settle::Return(tag)) => {
                    let message = self.unsettled.remove(&tag).expect("each is settled once");
                    self.ready.push_front(message);
                }
                None => {}
            }
        }

        fn step(&mut self, action: u8, pick: usize) {
            match action {
                0..=3 => {
                    if !self.flow.may_forward() {
                        return;
                    }
                    let Some(message) = self.ready.pop_front() else { return };
                    let tag = self.next_tag;
                    self.next_tag += 1;
                    self.unsettled.insert(tag, message);
                    let (passage, before) = self.flow.forward(tag);
                    self.settle(before);
                    let after = self.flow.published(passage);
                    self.settle(after);
                    self.sent.push_back((passage, tag, message));
                }
                4..=7 => {
                    if self.sent.is_empty() {
                        return;
                    }
                    let (passage, _, message) =
                        self.sent.remove(pick % self.sent.len()).expect("it is there");
                    let verdict = if action == 7 { Verdict::Refused } else { Verdict::Taken };
                    if verdict == Verdict::Taken {
                        self.taken.push(message);
                    }
                    let settle = self.flow.judged(passage, verdict);
                    self.settle(settle);
                }
                _ => {
                    // The destination may have taken what it could not say any more.
                    let lost: Vec<_> = self.sent.drain(..).collect();
                    self.taken.extend(lost.iter().take(pick % 3).map(|(_, _, message)| *message));
                    self.flow.interrupted();
                    for message in std::mem::take(&mut self.unsettled).into_values().rev() {
                        self.ready.push_front(message);
                    }
                }
            }
        }

        fn finish(&mut self) {
            for _ in 0..10_000 {
                self.step(0, 0);
                self.step(4, 0);
                if self.flow.is_done() || (self.ready.is_empty() && self.sent.is_empty()) {
                    return;
                }
            }
            panic!("it never ends");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_acked_before_it_is_confirmed_and_as_many_as_asked_are_moved(
            steps in prop::collection::vec((0u8..10, 0usize..8), 0..200),
            window in 1usize..6,
            limit in prop::option::of(0u64..30),
            messages in 0u32..40,
        ) {
            let mut world = World::new(AckMode::OnConfirm, window, limit, messages);
            for (action, pick) in steps {
                world.step(action, pick);
                prop_assert!(world.sent.len() <= window);
            }
            world.finish();
            // What was acked is exactly what was to be moved, each once; the rest is at the source.
            let wanted = limit.map_or(u64::from(messages), |limit| limit.min(messages.into()));
            prop_assert_eq!(world.acked.len() as u64, wanted);
            let acked: BTreeSet<_> = world.acked.iter().copied().collect();
            let left: BTreeSet<_> = world.ready.iter().copied().collect();
            prop_assert_eq!(acked.len(), world.acked.len());
            prop_assert!(acked.is_disjoint(&left));
            prop_assert_eq!(acked.union(&left).count() as u32, messages);
            prop_assert!(acked.iter().all(|message| world.taken.contains(message)));
        }

        #[test]
        fn the_other_modes_move_as_many_as_asked_too(
            steps in prop::collection::vec((0u8..10, 0usize..8), 0..200),
            on_publish in any::<bool>(),
            limit in 0u64..30,
            messages in 0u32..40,
        ) {
            let mode = if on_publish { AckMode::OnPublish } else { AckMode::NoAck };
            let mut world = World::new(mode, 4, Some(limit), messages);
            steps.into_iter().for_each(|(action, pick)| world.step(action, pick));
            world.finish();
            prop_assert_eq!(world.acked.len() as u64, limit.min(messages.into()));
            prop_assert_eq!(world.ready.len() as u64, u64::from(messages) - world.acked.len() as u64);
        }
    }

    #[test]
    fn a_refused_message_is_not_counted() {
        let mut flow = Flow::new(AckMode::OnConfirm, 8, Some(1));
        let (first, _) = flow.forward(5);
        assert!(!flow.may_forward());
        assert_eq!(flow.judged(first, Verdict::Refused), Some(Settle::Return(5)));
        assert!(flow.may_forward() && !flow.is_done());
        let (second, _) = flow.forward(6);
        assert_eq!(flow.judged(second, Verdict::Taken), Some(Settle::Ack(6)));
        assert!(flow.is_done());
        assert_eq!(flow.judged(second, Verdict::Taken), None);
    }
}
