use super::command::CreditGrant;

/// What may still be handed over before the client says that it can take more.
///
/// The message that uses up the last of the bytes still goes whole, as queues do it, so that a message larger than
/// the credit left does not wait for ever; what it took too much is paid back by the next credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    messages: Option<u64>,
    bytes: Option<i64>,
}

impl Credit {
    /// What a grant is worth; what it leaves out is not limited.
    #[must_use]
    pub fn of(grant: CreditGrant) -> Credit {
        Credit { messages: grant.messages.map(u64::from), bytes: grant.bytes.map(saturate) }
    }

    /// Adds to it. What is not limited stays so.
    pub fn add(&mut self, messages: u64, bytes: u64) {
        self.messages = self.messages.map(|have| have.saturating_add(messages));
        self.bytes = self.bytes.map(|have| have.saturating_add(saturate(bytes)));
    }

    /// Uses some of it up for one message, if there is any left.
    #[must_use]
    pub fn pay(&mut self, bytes: u64) -> bool {
        if !self.has_room() {
            return false;
        }
        self.messages = self.messages.map(|have| have - 1);
        self.bytes = self.bytes.map(|have| have.saturating_sub(saturate(bytes)));
        true
    }

    /// Whether a message could go.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.messages.is_none_or(|messages| messages > 0) && self.bytes.is_none_or(|bytes| bytes > 0)
    }
}

fn saturate(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_absent_is_not_limited() {
        let mut credit = Credit::of(CreditGrant { messages: Some(2), bytes: None });
        assert!(credit.pay(u64::MAX) && credit.pay(u64::MAX));
        assert!(!credit.has_room() && !credit.pay(0));
        credit.add(1, 5);
        assert!(credit.pay(u64::MAX));
    }

    proptest! {
        #[test]
        fn never_more_than_granted_and_one_message(
            steps in proptest::collection::vec((any::<bool>(), 0u32..50, 0u64..500), 1..80),
        ) {
            let mut credit = Credit::of(CreditGrant { messages: Some(0), bytes: Some(0) });
            let (mut granted, mut taken, mut last) = ((0u64, 0u64), (0u64, 0u64), 0);
            for (grant, messages, bytes) in steps {
                if grant {
                    credit.add(u64::from(messages), bytes);
                    granted = (granted.0 + u64::from(messages), granted.1 + bytes);
                } else if credit.pay(bytes) {
                    taken = (taken.0 + 1, taken.1 + bytes);
                    last = bytes;
                }
                prop_assert!(taken.0 <= granted.0);
                prop_assert!(taken.1 < granted.1 + last.max(1));
            }
        }
    }
}
