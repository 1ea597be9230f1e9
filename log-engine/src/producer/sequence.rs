/// A record's number among its producer's in one partition: from 0 to `i32::MAX`, then from 0 again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence(pub i32);

impl Sequence {
    /// The number `records` further on.
    pub(crate) fn plus(self, records: i32) -> Sequence {
        Sequence(self.0.wrapping_add(records) & i32::MAX)
    }

    /// The number after this one.
    pub(crate) fn next(self) -> Sequence {
        self.plus(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_again_after_the_last() {
        assert_eq!(Sequence(i32::MAX).next(), Sequence(0));
        assert_eq!(Sequence(i32::MAX - 1).plus(4), Sequence(2));
        assert_eq!(Sequence(7).plus(0), Sequence(7));
    }
}
