use crate::Offset;

/// What a member says of a record that it has (KIP-932, KIP-1222).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcknowledgeType {
    /// There is no record at the offset (0).
    Gap,
    /// Done (1).
    Accept,
    /// To be delivered again (2).
    Release,
    /// Never to be delivered again (3).
    Reject,
    /// Not done yet: the acquisition lock begins anew (4).
    Renew,
}

impl AcknowledgeType {
    /// The type of that number.
    #[must_use]
    pub fn from_number(number: i8) -> Option<AcknowledgeType> {
        Some(match number {
            0 => AcknowledgeType::Gap,
            1 => AcknowledgeType::Accept,
            2 => AcknowledgeType::Release,
            3 => AcknowledgeType::Reject,
            4 => AcknowledgeType::Renew,
            _ => return None,
        })
    }
}

/// What a member says of neighbouring records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    pub(crate) first: Offset,
    pub(crate) last: Offset,
    /// One for all, or one for each.
    kinds: Vec<AcknowledgeType>,
}

impl Acknowledgement {
    /// What is said of the records from `first` to `last`: one type for all, or one for each. None when it is neither, or
    /// when there are no such records.
    #[must_use]
    pub fn new(first: Offset, last: Offset, kinds: Vec<AcknowledgeType>) -> Option<Acknowledgement> {
        let count = usize::try_from(last.0.checked_sub(first.0)?.checked_add(1)?).ok()?;
        let fits =
            count > 0 && first.0 >= 0 && last.0 < i64::MAX && (kinds.len() == 1 || kinds.len() == count);
        fits.then_some(Acknowledgement { first, last, kinds })
    }

    /// The first record.
    #[must_use]
    pub fn first(&self) -> Offset {
        self.first
    }

    /// The last record.
    #[must_use]
    pub fn last(&self) -> Offset {
        self.last
    }

    /// Whether any of the records is renewed.
    #[must_use]
    pub fn renews(&self) -> bool {
        self.kinds.contains(&AcknowledgeType::Renew)
    }

    /// Neighbours of whom the same is said.
    pub fn runs(&self) -> impl Iterator<Item = (Offset, Offset, AcknowledgeType)> {
        let single = match self.kinds.as_slice() {
            [kind] => Some((self.first, self.last, *kind)),
            _ => None,
        };
        let mut at = self.first;
        let chunks = self.kinds.chunk_by(PartialEq::eq).filter(move |_| single.is_none());
        let many = chunks.filter_map(move |alike| {
            let first = at;
            at = at.plus(alike.len() as i64);
            Some((first, at.plus(-1), *alike.first()?))
        });
        single.into_iter().chain(many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_type_counts_for_all_and_several_for_one_each() {
        use AcknowledgeType::{Accept, Reject};
        let runs = |kinds: Vec<AcknowledgeType>| {
            let one = Acknowledgement::new(Offset(5), Offset(8), kinds)?;
            Some(one.runs().map(|(first, last, kind)| (first.0, last.0, kind)).collect::<Vec<_>>())
        };
        assert_eq!(runs(vec![Accept]), Some(vec![(5, 8, Accept)]));
        let mixed = vec![Accept, Accept, Reject, Accept];
        assert_eq!(runs(mixed), Some(vec![(5, 6, Accept), (7, 7, Reject), (8, 8, Accept)]));
        assert_eq!(runs(vec![Accept, Accept]), None);
        assert_eq!(runs(vec![]), None);
        assert_eq!(Acknowledgement::new(Offset(5), Offset(4), vec![Accept]), None);
        assert_eq!(Acknowledgement::new(Offset(-1), Offset(4), vec![Accept]), None);
    }
}
