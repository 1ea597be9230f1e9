use crate::ConsumerId;

/// Who holds a leased message, in the six bytes that a slot has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder([u8; 6]);

/// The highest bit: whether the lease ends with the consumer's patience rather than by its own time.
const TIMED: u64 = 1 << 47;

impl Holder {
    /// Holds what no subscription holds.
    pub(crate) const NOBODY: Holder = Holder([0; 6]);

    /// A subscription. At a million new ones a second, their numbers last for four years.
    pub(crate) fn new(consumer: ConsumerId, is_timed: bool) -> Holder {
        debug_assert!(consumer.0 < TIMED);
        let number = consumer.0 | if is_timed { TIMED } else { 0 };
        let [a, b, c, d, e, f, ..] = number.to_le_bytes();
        Holder([a, b, c, d, e, f])
    }

    fn number(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }

    /// The subscription, alive or not.
    pub(crate) fn consumer(self) -> ConsumerId {
        ConsumerId(self.number() & !TIMED)
    }

    /// Whether the end of the lease is a consumer timeout.
    pub(crate) fn is_timed(self) -> bool {
        self.number() & TIMED != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_reads_back() {
        for (consumer, is_timed) in [(0, false), (7, true), (TIMED - 1, true), (TIMED - 1, false)] {
            let holder = Holder::new(ConsumerId(consumer), is_timed);
            assert_eq!((holder.consumer().0, holder.is_timed()), (consumer, is_timed));
        }
    }
}
