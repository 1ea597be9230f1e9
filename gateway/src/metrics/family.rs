use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::histogram::HistogramFigures;

/// Families in the making.
#[derive(Default)]
pub struct Families(Vec<MetricFamily>);

impl Families {
    /// A counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.counters(name, help).sample(&[], value as f64);
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help).sample(&[], value);
    }

    /// Counters told apart by labels.
    pub fn counters(&mut self, name: &str, help: &str) -> Samples<'_> {
        self.family(name, help, MetricType::COUNTER)
    }

    /// Gauges told apart by labels.
    pub fn gauges(&mut self, name: &str, help: &str) -> Samples<'_> {
        self.family(name, help, MetricType::GAUGE)
    }

    /// A histogram without labels.
    pub fn histogram(&mut self, name: &str, help: &str, figures: &HistogramFigures) {
        let mut histogram = Histogram::default();
        histogram.set_sample_count(figures.count);
        histogram.set_sample_sum(figures.sum_seconds);
        let bucket = |&(upper, count): &(f64, u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(upper);
            bucket.set_cumulative_count(count);
            bucket
        };
        histogram.set_bucket(figures.buckets.iter().map(bucket).collect());
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        self.family(name, help, MetricType::HISTOGRAM).family.mut_metric().push(metric);
    }

    fn family(&mut self, name: &str, help: &str, kind: MetricType) -> Samples<'_> {
        let mut family = MetricFamily::default();
        family.set_name(name.into());
        family.set_help(help.into());
        family.set_field_type(kind);
        let at = self.0.len();
        self.0.push(family);
        Samples { family: &mut self.0[at], kind }
    }

    /// All families that have at least one sample.
    pub fn done(self) -> Vec<MetricFamily> {
        self.0.into_iter().filter(|family| !family.get_metric().is_empty()).collect()
    }
}

/// The samples of one family.
pub struct Samples<'a> {
    family: &'a mut MetricFamily,
    kind: MetricType,
}

impl Samples<'_> {
    /// Adds a sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        let label = |&(name, value): &(&str, &str)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.into());
            pair.set_value(value.into());
            pair
        };
        let mut metric = Metric::from_label(labels.iter().map(label).collect());
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.family.mut_metric().push(metric);
    }
}
