use message::Timestamp;

use super::classic::{JoinAnswer, SyncAnswer};
use super::{GroupConfig, GroupError, Ticket};
use crate::group_settings::ConsumerPace;

/// An answer that a member waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupAnswer {
    /// To a join.
    Joined(Result<JoinAnswer, GroupError>),
    /// To a sync.
    Synced(Result<SyncAnswer, GroupError>),
}

/// What a group needs to decide: the time, its limits, what it chose, and a place for the answers that come of it.
pub(crate) struct Moment<'a> {
    pub now: Timestamp,
    pub config: &'a GroupConfig,
    pub pace: ConsumerPace,
    pub answers: &'a mut Vec<(Ticket, GroupAnswer)>,
}

impl Moment<'_> {
    pub(crate) fn joined(&mut self, ticket: Ticket, answer: Result<JoinAnswer, GroupError>) {
        self.answers.push((ticket, GroupAnswer::Joined(answer)));
    }

    pub(crate) fn synced(&mut self, ticket: Ticket, answer: Result<SyncAnswer, GroupError>) {
        self.answers.push((ticket, GroupAnswer::Synced(answer)));
    }
}
