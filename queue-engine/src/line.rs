use std::collections::VecDeque;

/// A double-ended queue that needs no memory of its own for a single element.
///
/// Of many queues most hold at most one message at a time; what is said of it should lie with the queue, not on a page
/// somewhere else for each thing that is said.
#[derive(Debug)]
pub(crate) struct Line<T> {
    /// `None` only when `rest` is empty.
    first: Option<T>,
    #[allow(clippy::box_collection, reason = "what most lines never have should take one word")]
    rest: Option<Box<VecDeque<T>>>,
}

impl<T> Default for Line<T> {
    fn default() -> Line<T> {
        Line { first: None, rest: None }
    }
}

impl<T> Line<T> {
    fn rest(&self) -> impl Iterator<Item = &T> {
        self.rest.iter().flat_map(|rest| rest.iter())
    }

    fn rest_mut(&mut self) -> &mut VecDeque<T> {
        self.rest.get_or_insert_default()
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Elements that it has memory for.
    pub(crate) fn capacity(&self) -> usize {
        1 + self.rest.as_ref().map_or(0, |rest| rest.capacity())
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.first.as_ref()
    }

    pub(crate) fn back(&self) -> Option<&T> {
        self.rest.as_ref().and_then(|rest| rest.back()).or(self.first.as_ref())
    }

    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        match at {
            0 => self.first.as_ref(),
            at => self.rest.as_ref()?.get(at - 1),
        }
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        match at {
            0 => self.first.as_mut(),
            at => self.rest.as_mut()?.get_mut(at - 1),
        }
    }

    pub(crate) fn push_back(&mut self, element: T) {
        match self.first {
            None => self.first = Some(element),
            Some(_) => self.rest_mut().push_back(element),
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let second = self.rest.as_mut().and_then(|rest| rest.pop_front());
        std::mem::replace(&mut self.first, second)
    }

    pub(crate) fn pop_back(&mut self) -> Option<T> {
        self.rest.as_mut().and_then(|rest| rest.pop_back()).or_else(|| self.first.take())
    }

    /// Puts an element before the one at `at`, which is at most the length.
    pub(crate) fn insert(&mut self, at: usize, element: T) {
        match (at, &self.first) {
            (0, None) => self.first = Some(element),
            (0, Some(_)) => {
                let second = self.first.replace(element);
                second.into_iter().for_each(|second| self.rest_mut().push_front(second));
            }
            (at, _) => self.rest_mut().insert(at - 1, element),
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let first = self.first.take().filter(&mut keep);
        if let Some(rest) = &mut self.rest {
            rest.retain(keep);
        }
        self.first = first.or_else(|| self.rest.as_mut()?.pop_front());
    }

    /// How many elements come before the first for which `is_before` is false, if those that do come first.
    pub(crate) fn partition_point(&self, is_before: impl FnMut(&T) -> bool) -> usize {
        let mut is_before = is_before;
        match &self.first {
            Some(first) if is_before(first) => {
                1 + self.rest.as_ref().map_or(0, |rest| rest.partition_point(is_before))
            }
            _ => 0,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(self.rest())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.first.iter_mut().chain(self.rest.iter_mut().flat_map(|rest| rest.iter_mut()))
    }

    /// The elements from the one at `at` on.
    pub(crate) fn iter_from(&self, at: usize) -> impl Iterator<Item = &T> {
        let first = self.first.as_ref().filter(|_| at == 0);
        let rest = self.rest.iter().flat_map(move |rest| rest.range(at.saturating_sub(1).min(rest.len())..));
        first.into_iter().chain(rest)
    }

    pub(crate) fn clear(&mut self) {
        self.first = None;
        if let Some(rest) = &mut self.rest {
            rest.clear();
        }
    }

    /// Gives memory back beyond that of `least` elements.
    pub(crate) fn shrink_to(&mut self, least: usize) {
        match &mut self.rest {
            Some(rest) if rest.is_empty() && least == 0 => self.rest = None,
            Some(rest) => rest.shrink_to(least),
            None => {}
        }
    }
}

impl<T> FromIterator<T> for Line<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Line<T> {
        let mut line = Line::default();
        elements.into_iter().for_each(|element| line.push_back(element));
        line
    }
}

impl<T> IntoIterator for Line<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::collections::vec_deque::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        let rest = self.rest.map(|rest| *rest).unwrap_or_default();
        self.first.into_iter().chain(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_like_a_deque(
            steps in prop::collection::vec((0u8..7, any::<prop::sample::Index>()), 1..200),
        ) {
            let mut line = Line::default();
            let mut model: VecDeque<usize> = VecDeque::new();
            for (number, (step, pick)) in steps.into_iter().enumerate() {
                let at = pick.index(model.len() + 1);
                match step {
                    0 | 1 => {
                        line.push_back(number);
                        model.push_back(number);
                    }
                    2 => prop_assert_eq!(line.pop_front(), model.pop_front()),
                    3 => prop_assert_eq!(line.pop_back(), model.pop_back()),
                    4 => {
                        line.insert(at, number);
                        model.insert(at, number);
                    }
                    5 => {
                        line.retain(|element| element % 3 != at % 3);
                        model.retain(|element| element % 3 != at % 3);
                    }
                    _ => {
                        line.iter_mut().for_each(|element| *element += 1);
                        model.iter_mut().for_each(|element| *element += 1);
                    }
                }
                prop_assert_eq!(line.iter().collect::<Vec<_>>(), model.iter().collect::<Vec<_>>());
                prop_assert_eq!((line.len(), line.is_empty()), (model.len(), model.is_empty()));
                prop_assert_eq!((line.front(), line.back()), (model.front(), model.back()));
                let at = at.min(model.len());
                prop_assert_eq!(line.get(at), model.get(at));
                let behind: Vec<_> = line.iter_from(at).collect();
                prop_assert_eq!(behind, model.range(at..).collect::<Vec<_>>());
            }
            let mut sorted: Vec<usize> = model.into();
            sorted.sort_unstable();
            let line: Line<usize> = sorted.iter().copied().collect();
            let bound = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
            let before = sorted.partition_point(|element| *element < bound);
            prop_assert_eq!(line.partition_point(|element| *element < bound), before);
            prop_assert_eq!(line.into_iter().collect::<Vec<_>>(), sorted);
        }
    }
}
