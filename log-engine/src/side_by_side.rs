//! Work that waits for the disk, several pieces at a time.
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Has up to `lanes` threads, this one among them, work through `items`, of which each takes the next `most` at a time, fewer
/// where there is not so much for every lane. What `work` answers for each item comes back in the order of the items. Where
/// there is no thread to be had the others do its part; one lane never makes any.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    lanes: usize,
    most: usize,
    work: impl Fn(&[T]) -> Vec<R> + Sync,
) -> Vec<R> {
    let fair = items.len().div_ceil(lanes.max(1));
    let pieces: Vec<&[T]> = items.chunks(fair.clamp(1, most.max(1))).collect();
    let next = AtomicUsize::new(0);
    let lane = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = pieces.get(number) else { return done };
            done.push((number, work(piece)));
        }
    };
    let mut done = thread::scope(|scope| {
        let other = |_| thread::Builder::new().name("settle".into()).spawn_scoped(scope, lane).ok();
        let others: Vec<_> = (1..lanes.min(pieces.len())).map_while(other).collect();
        let mut done = lane();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().flat_map(|(_, answers)| answers).collect()
}

#[cfg(test)]
mod tests {
    use super::side_by_side;

    #[test]
    fn answers_keep_the_order_of_the_items() {
        let items: Vec<u32> = (0..10).collect();
        for (lanes, most) in (0..12).flat_map(|lanes| (0..12).map(move |most| (lanes, most))) {
            let double = |piece: &[u32]| {
                assert!(piece.len() <= most.max(1), "no more at a time");
                piece.iter().map(|item| item * 2).collect()
            };
            let doubled = side_by_side(&items, lanes, most, double);
            let all: Vec<u32> = (0..10).map(|item| item * 2).collect();
            assert_eq!(doubled, all, "with {lanes} lanes, {most} at a time");
        }
        assert!(side_by_side(&items[..0], 4, 4, |piece| piece.to_vec()).is_empty());
    }
}
