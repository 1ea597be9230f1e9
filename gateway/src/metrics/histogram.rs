use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets by powers of two from 16 microseconds on; the last is about 8.6 seconds, and one more takes the rest.
const BUCKETS: usize = 20;
const FIRST_MICROS: u64 = 16;

/// Counts durations. Recording one is three relaxed additions.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS + 1],
    total_nanos: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get(bucket(nanos)) {
            count.fetch_add(1, Relaxed);
        }
        self.total_nanos.fetch_add(nanos, Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn figures(&self) -> HistogramFigures {
        let mut cumulative = 0;
        let mut buckets = Vec::with_capacity(BUCKETS);
        for (index, count) in self.counts.iter().enumerate() {
            cumulative += count.load(Relaxed);
            if index < BUCKETS {
                buckets.push((upper_seconds(index), cumulative));
            }
        }
        HistogramFigures {
            buckets,
            count: cumulative,
            sum_seconds: self.total_nanos.load(Relaxed) as f64 / 1e9,
        }
    }
}

/// The bucket whose upper bound is the first that is not below.
fn bucket(nanos: u64) -> usize {
    let units = nanos.div_ceil(FIRST_MICROS * 1000).max(1);
    (units.next_power_of_two().trailing_zeros() as usize).min(BUCKETS)
}

fn upper_seconds(bucket: usize) -> f64 {
    (FIRST_MICROS << bucket) as f64 / 1e6
}

/// A histogram at one moment, as Prometheus has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramFigures {
    /// Upper bound in seconds, and how many were not above it.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// Their sum, in seconds.
    pub sum_seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        for micros in [0, 1, 16, 17, 32, 33, 1000, 8_000_000, 8_388_608, 8_388_609, 100_000_000] {
            let histogram = Histogram::default();
            histogram.record(Duration::from_micros(micros));
            let figures = histogram.figures();
            let seconds = micros as f64 / 1e6;
            for (upper, count) in &figures.buckets {
                assert_eq!(*count, u64::from(seconds <= *upper), "{micros} us in the bucket up to {upper} s");
            }
            assert_eq!(figures.count, 1);
            assert!((figures.sum_seconds - seconds).abs() < 1e-9);
        }
    }
}
