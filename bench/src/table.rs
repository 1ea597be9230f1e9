//! The table: one line per workload with its target, what was measured and whether it holds.

use std::fmt::Write as _;
use std::io::Write as _;

/// One measured line.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was done.
    pub workload: String,
    /// What the project set itself.
    pub target: String,
    /// What came out, with what it is relative to.
    pub measured: String,
    /// CPU seconds of the broker per million messages, where that means something.
    pub cpu: Option<f64>,
    /// Whether the target was met; `None` where there is none.
    pub met: Option<bool>,
}

impl Line {
    /// A line without a CPU figure.
    pub fn new(workload: impl Into<String>, target: impl Into<String>, measured: impl Into<String>) -> Line {
        Line {
            workload: workload.into(),
            target: target.into(),
            measured: measured.into(),
            cpu: None,
            met: None,
        }
    }

    /// Says whether the target was met.
    #[must_use]
    pub fn met(mut self, met: bool) -> Line {
        self.met = Some(met);
        self
    }

    /// Adds the broker's CPU seconds per million.
    #[must_use]
    pub fn cpu(mut self, seconds_per_million: f64) -> Line {
        self.cpu = Some(seconds_per_million);
        self
    }

    /// As a line of a Markdown table.
    pub fn markdown(&self) -> String {
        let mut text = format!("| {} | {} | {} | ", self.workload, self.target, self.measured);
        if let Some(cpu) = self.cpu {
            let _ = write!(text, "{cpu:.2}");
        }
        text.push_str(match self.met {
            Some(true) => " | yes |",
            Some(false) => " | **no** |",
            None => " | |",
        });
        text
    }
}

/// The head of the table.
pub const HEAD: &str =
    "| workload | target | measured | broker CPU-s per million | met |\n|---|---|---|---|---|";

/// Prints a line at once.
pub fn tell(line: &Line) {
    println!("{}", line.markdown());
    let _ = std::io::stdout().flush();
}

/// 1234567 as `1,234,567`.
pub fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0.0 { format!("-{text}") } else { text }
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
