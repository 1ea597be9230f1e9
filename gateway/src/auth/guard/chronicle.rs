//! What the audit log is told: changes, and everybody who was refused.

use std::sync::atomic::Ordering::Relaxed;

use super::Guard;
use crate::auth::caller::{Caller, Identity};
use crate::auth::origin::Origin;
use crate::auth::repeats::{Happening, WINDOW};

/// Longest part of an error of TLS that is written down.
const WHY_CHARS: usize = 200;

impl Guard {
    /// A login failed in a way that only the door saw.
    pub fn failed(&self, user: &str, origin: Origin, why: &str) {
        self.0.counts.failed.fetch_add(1, Relaxed);
        self.0.failed.lock().failed(user, origin.address, Guard::now());
        self.refused("login_failed", user, origin, why);
    }

    /// A login could not be judged.
    pub(super) fn not_judged(&self, user: &str, origin: Origin, why: &str) {
        self.refused("login_failed", user, origin, why);
    }

    /// Notes that somebody known was not allowed something.
    pub fn denied(&self, caller: &Caller, about: &str) {
        self.0.counts.denied.fetch_add(1, Relaxed);
        let Identity { user, door, address, .. } = caller.identity();
        self.refused("denied", user, Origin { door, address: *address }, about);
    }

    /// Notes that somebody was refused who had not logged in, and did not get as far as a name and a secret.
    pub fn turned_away(&self, origin: Origin, why: &str) {
        self.refused("turned_away", "", origin, why);
    }

    /// Notes that no TLS came about with a client.
    pub fn no_tls(&self, origin: Origin, why: &str) {
        let end = why.char_indices().nth(WHY_CHARS).map_or(why.len(), |(end, _)| end);
        self.refused("tls_failed", "", origin, why.get(..end).unwrap_or_default());
    }

    /// Notes that somebody got nothing, because a quota is used up.
    pub(in crate::auth) fn over_quota(&self, user: &str, origin: Origin, about: &str) {
        self.refused("over_quota", user, origin, about);
    }

    fn refused(&self, event: &'static str, user: &str, Origin { door, address }: Origin, about: &str) {
        let (user, about) = (user.into(), about.into());
        self.0.settings.audit.refused(Happening { event, door, user, address: Some(address), about });
    }

    /// Notes that somebody changed something that is not who may do what.
    pub fn did(&self, event: &'static str, user: &str, Origin { door, address }: Origin, about: &str) {
        let (user, about) = (user.into(), about.into());
        self.0.settings.audit.did(Happening { event, door, user, address: Some(address), about });
    }

    /// Writes a change of who may do what into the audit log.
    pub fn changed(&self, event: &str, user: &str, origin: Origin, about: &str) {
        self.0.settings.audit.changed(event, user, origin, about);
    }

    /// Writes down, for as long as it runs, how often somebody was refused again who is not refused any more.
    pub async fn follow_refusals(self) {
        loop {
            tokio::time::sleep(WINDOW).await;
            self.0.settings.audit.write_due();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;
    use crate::auth::audit::Audit;
    use crate::auth::guard::GuardSettings;
    use crate::auth::identities::Identities;
    use crate::auth::identity_record::Change;
    use crate::auth::quota::{Measure, Part, QuotaEntity, QuotaLimits};
    use crate::auth::usage::Usage;

    const FROM: Origin = Origin { door: "http", address: IpAddr::V4(Ipv4Addr::LOCALHOST) };

    #[test]
    fn what_a_quota_refuses_is_written_down_and_what_it_delays_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.log");
        let audit = Audit::open(Some(&file)).unwrap();
        let guard = Guard::new(GuardSettings { audit, ..GuardSettings::default() });
        let mut identities = Identities::default();
        let entity = QuotaEntity { user: Some(Part::of("*")), ..QuotaEntity::default() };
        let limits = QuotaLimits {
            produce_bytes_per_s: Some(1),
            connections: Some(1),
            topics: Some(7),
            ..QuotaLimits::default()
        };
        identities.fold(Change::SetQuota(entity, limits));
        guard.show(identities);
        let lines = || {
            let text = std::fs::read_to_string(&file).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            lines
                .map(|line| format!("{} {} {}", line["event"], line["user"], line["about"]))
                .collect::<Vec<_>>()
        };
        let usage = Usage::of(&guard, Some("bob"), Some("app"), FROM);
        let _only = usage.connect().unwrap();
        assert!(usage.take(Measure::Produce, 1000) > Duration::ZERO);
        assert!(usage.owed(Measure::Produce) > Duration::ZERO);
        assert_eq!(lines(), [""; 0]);
        assert!(usage.admit(Measure::Produce, 1).is_err());
        assert!(usage.connect().is_err());
        let [full] = &usage.limits(Measure::Topics)[..] else { panic!("one limit") };
        let _ = usage.refused(full);
        let told = ["produce_bytes_per_s 1", "connections 1", "topics 7"];
        let told = told.map(|limit| format!(r#""over_quota" "bob" "user \"bob\": {limit}""#));
        assert_eq!(lines(), told);
        assert_eq!(guard.counts().denied.load(Relaxed), 0);
    }

    #[test]
    fn of_a_long_error_of_tls_only_the_beginning_is_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.log");
        let audit = Audit::open(Some(&file)).unwrap();
        let guard = Guard::new(GuardSettings { audit, ..GuardSettings::default() });
        guard.no_tls(FROM, &"ä".repeat(WHY_CHARS + 1));
        let line: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!((&line["event"], &line["about"]), (&"tls_failed".into(), &"ä".repeat(WHY_CHARS).into()));
    }
}
