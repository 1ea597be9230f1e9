//! Work that waits for the disk, several pieces at a time.
use std::panic::resume_unwind;
use std::thread;

/// Shares `items` out among up to `lanes` threads, this one among them; what `work` answers for each item comes back
/// in the order of the items. Without a thread a share is done here: one lane never makes any.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    lanes: usize,
    work: impl Fn(&[T]) -> Vec<R> + Sync,
) -> Vec<R> {
    let share = items.len().div_ceil(lanes.max(1)).max(1);
    thread::scope(|scope| {
        let work = &work;
        let mut shares = items.chunks(share);
        let first = shares.next().unwrap_or_default();
        let others: Vec<_> = shares
            .map(|share| {
                let thread = thread::Builder::new().name("settle".into());
                thread.spawn_scoped(scope, || work(share)).map_err(|_| work(share))
            })
            .collect();
        let mut answers = work(first);
        for other in others {
            let joined = other.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            answers.extend(joined.unwrap_or_else(|here| here));
        }
        answers
    })
}

#[cfg(test)]
mod tests {
    use super::side_by_side;

    #[test]
    fn answers_keep_the_order_of_the_items() {
        let items: Vec<u32> = (0..10).collect();
        for lanes in 0..12 {
            let doubled = side_by_side(&items, lanes, |share| share.iter().map(|item| item * 2).collect());
            assert_eq!(doubled, (0..10).map(|item| item * 2).collect::<Vec<_>>(), "with {lanes} lanes");
        }
        assert!(side_by_side(&items[..0], 4, |share| share.to_vec()).is_empty());
    }
}
