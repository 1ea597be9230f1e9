use std::time::Duration;

use crate::LogError;

/// A length of time that groups may choose within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjustable {
    /// What groups have that choose none.
    pub usual: Duration,
    /// The shortest that one may choose.
    pub least: Duration,
    /// The longest that one may choose.
    pub most: Duration,
}

impl Adjustable {
    pub(crate) const fn seconds(usual: u64, least: u64, most: u64) -> Adjustable {
        let (usual, least) = (Duration::from_secs(usual), Duration::from_secs(least));
        Adjustable { usual, least, most: Duration::from_secs(most) }
    }

    pub(crate) fn check(&self, key: &str, value: &str) -> Result<Duration, LogError> {
        let (least, most) = (self.least.as_millis(), self.most.as_millis());
        let chosen = value.trim().parse().map(Duration::from_millis).ok();
        chosen.filter(|chosen| *chosen >= self.least && *chosen <= self.most).ok_or_else(|| {
            LogError::InvalidConfig(format!("{key} is {least} to {most} milliseconds here, not {value:?}"))
        })
    }

    /// What groups have that choose nothing, as clients read it.
    pub(crate) fn usual_text(&self) -> String {
        self.usual.as_millis().to_string()
    }
}
