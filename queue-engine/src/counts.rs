//! How many messages of a queue stand where.
use crate::slots::State;

/// Messages of a queue by state, and what they weigh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) ready: u64,
    pub(crate) leased: u64,
    pub(crate) delayed: u64,
    pub(crate) dying: u64,
    pub(crate) damaged: u64,
    pub(crate) ready_bytes: u64,
    pub(crate) bytes: u64,
    /// Memory of messages that slots hold.
    pub(crate) loaded: u64,
}

impl Counts {
    fn of(&mut self, state: State) -> Option<&mut u64> {
        match state {
            State::Vacant => None,
            State::Ready => Some(&mut self.ready),
            State::Leased => Some(&mut self.leased),
            State::Delayed => Some(&mut self.delayed),
            State::Dying => Some(&mut self.dying),
            State::Damaged => Some(&mut self.damaged),
        }
    }

    pub(crate) fn enter(&mut self, state: State, body_len: u32) {
        self.of(state).into_iter().for_each(|count| *count += 1);
        if state == State::Ready {
            self.ready_bytes += u64::from(body_len);
        }
    }

    pub(crate) fn leave(&mut self, state: State, body_len: u32) {
        self.of(state).into_iter().for_each(|count| *count -= 1);
        if state == State::Ready {
            self.ready_bytes -= u64::from(body_len);
        }
    }

    /// All messages.
    pub(crate) fn all(&self) -> u64 {
        self.ready + self.leased + self.delayed + self.dying + self.damaged
    }
}
