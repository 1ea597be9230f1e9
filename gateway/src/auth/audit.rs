use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;
use tracing::{error, info};

use super::origin::Origin;
use super::repeats::{Happening, Repeats};

/// Where every change, every login that failed and every refusal is written: a line of JSON each. What is refused or done
/// again and again is counted, so that nobody can fill the disk.
///
/// A line is one write at the end of the file, so that others may move the file away by copying and truncating it.
#[derive(Debug)]
pub struct Audit {
    file: Option<Mutex<File>>,
    refusals: Mutex<Repeats>,
    changes: Mutex<Repeats>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum AuditOutcome {
    Done,
    Refused,
}

/// One line. Nothing secret has a place in it.
#[derive(Clone, Debug, Serialize)]
struct AuditEvent<'a> {
    /// When, RFC 3339.
    time: String,
    /// What: `login_failed`, `denied`, `user_set`, …
    event: &'a str,
    outcome: AuditOutcome,
    /// Through which door.
    door: &'a str,
    /// Who did it, or tried to.
    user: &'a str,
    /// From where; empty is from many addresses.
    address: String,
    /// What to, and how.
    about: &'a str,
    /// How often since the line before that says the same, if more than once.
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
}

impl Audit {
    /// Into a file; without one, into the server's own log.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn open(path: Option<&Path>) -> io::Result<Audit> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path).map(Mutex::new);
        Ok(Audit { file: path.map(open).transpose()?, ..Audit::silent() })
    }

    /// Into the server's own log.
    #[must_use]
    pub fn silent() -> Audit {
        let (refusals, changes) = (Repeats::of_refusals().into(), Repeats::of_changes().into());
        Audit { file: None, refusals, changes }
    }

    /// Writes down a change of who may do what. Every one has a line.
    pub fn changed(&self, event: &str, user: &str, Origin { door, address }: Origin, about: &str) {
        let (time, address, outcome) =
            (jiff::Timestamp::now().to_string(), address.to_string(), AuditOutcome::Done);
        self.write(&AuditEvent { time, event, outcome, door, user, address, about, times: None });
    }

    /// Writes down a change of anything else, or counts it when the same was written just now.
    pub fn did(&self, deed: Happening) {
        let told = self.changes.lock().note(deed, Instant::now());
        self.tell(AuditOutcome::Done, told);
    }

    /// Writes down a refusal, or counts it when the same was written just now.
    pub fn refused(&self, refused: Happening) {
        let told = self.refusals.lock().note(refused, Instant::now());
        self.tell(AuditOutcome::Refused, told);
    }

    /// Writes down what was only counted, once nothing more of it came for a while.
    pub fn write_due(&self) {
        for (outcome, repeats) in self.repeats() {
            let due = repeats.lock().due(Instant::now());
            self.tell(outcome, due);
        }
    }

    /// Writes down all that was only counted.
    pub fn write_rest(&self) {
        for (outcome, repeats) in self.repeats() {
            let rest = repeats.lock().rest();
            self.tell(outcome, rest);
        }
    }

    fn repeats(&self) -> [(AuditOutcome, &Mutex<Repeats>); 2] {
        [(AuditOutcome::Refused, &self.refusals), (AuditOutcome::Done, &self.changes)]
    }

    fn tell(&self, outcome: AuditOutcome, told: impl IntoIterator<Item = (Happening, u64)>) {
        for (Happening { event, door, user, address, about }, times) in told {
            let time = jiff::Timestamp::now().to_string();
            let address = address.map(|address| address.to_string()).unwrap_or_default();
            let times = Some(times).filter(|times| *times > 1);
            self.write(&AuditEvent {
                time,
                event,
                outcome,
                door,
                user: &user,
                address,
                about: &about,
                times,
            });
        }
    }

    fn write(&self, event: &AuditEvent<'_>) {
        let AuditEvent { event: what, door, user, address, about, times, .. } = event;
        let Some(file) = &self.file else {
            info!(target: "sluice::audit", event = what, door, user, %address, about, times);
            return;
        };
        // Strings cannot fail to serialize.
        let mut line = serde_json::to_vec(event).unwrap_or_default();
        line.push(b'\n');
        if let Err(error) = file.lock().write_all(&line) {
            error!(%error, event = what, door, user, %address, about, times, "cannot write to the audit log");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn a_flood_is_a_line_and_how_often_it_came_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.log");
        let audit = Audit::open(Some(&file)).unwrap();
        let address = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let refused =
            Happening { event: "denied", door: "amqp", user: "bob".into(), address, about: "read".into() };
        let count = 10_000;
        for _ in 0..count {
            audit.refused(refused.clone());
        }
        audit.write_rest();
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.len() < 100, "{} lines", lines.len());
        assert_eq!(lines[0].get("times"), None);
        let times = lines.iter().map(|line| line.get("times").map_or(1, |times| times.as_u64().unwrap()));
        assert_eq!(times.sum::<u64>(), count);
        for line in &lines {
            assert_eq!((&line["event"], &line["address"]), (&"denied".into(), &"127.0.0.1".into()));
        }
    }
}
