use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use parking_lot::Mutex;
use serde::Serialize;
use tracing::{error, info};

/// Where every change of who may do what, every login that failed and every refusal is written: a line of JSON each.
///
/// A line is one write at the end of the file, so that others may move the file away by copying and truncating it.
#[derive(Debug)]
pub struct Audit {
    file: Option<Mutex<File>>,
}

/// One line. Nothing secret has a place in it.
#[derive(Clone, Debug, Serialize)]
pub struct AuditEvent<'a> {
    /// When, RFC 3339.
    pub time: String,
    /// What: `login_failed`, `denied`, `user_set`, …
    pub event: &'a str,
    /// Through which door.
    pub door: &'a str,
    /// Who did it, or tried to.
    pub user: &'a str,
    /// From where.
    pub address: String,
    /// What to, and how.
    pub about: &'a str,
}

impl Audit {
    /// Into a file; without one, into the server's own log.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn open(path: Option<&Path>) -> io::Result<Audit> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path).map(Mutex::new);
        Ok(Audit { file: path.map(open).transpose()? })
    }

    /// Into the server's own log.
    #[must_use]
    pub fn silent() -> Audit {
        Audit { file: None }
    }

    /// Writes a line.
    pub fn record(&self, event: &AuditEvent<'_>) {
        let AuditEvent { event: what, door, user, address, about, .. } = event;
        let Some(file) = &self.file else {
            info!(target: "sluice::audit", event = what, door, user, %address, about);
            return;
        };
        // Strings cannot fail to serialize.
        let mut line = serde_json::to_vec(event).unwrap_or_default();
        line.push(b'\n');
        if let Err(error) = file.lock().write_all(&line) {
            error!(%error, event = what, door, user, %address, about, "cannot write to the audit log");
        }
    }
}
