//! Users, rules and quotas, changed and read: what every door's way of managing them is a view of.
//!
//! A change is journaled and in force at once, for connections that are open too.

use message::{ErrorCode, Timestamp};
use segment_store::RecordKind;

use super::Topics;
use super::authorization::Act;
use super::deeds::Author;
use super::identity_audit::about;
use super::outgoing::Acks;
use super::shard::{Room, Terms, Turn};
use super::spec::Created;
use crate::auth::api_key::{ApiKey, ShownKey};
use crate::auth::identity_record::{self, Change};
use crate::auth::permission::{NameMatch, Operations, ResourceKind, RuleScope};
use crate::auth::quota::{QuotaEntity, QuotaLimits};
use crate::auth::{Guard, Identities, ScramHash, User, Verifier, is_name, random, rule_index};
use crate::refusal::Refusal;

/// Journal bytes that one change takes at most.
const CHANGE_BYTES: usize = 64 << 10;
/// Users kept at most, rules of all of them, quotas, and API keys of one user.
const USERS_MAX: usize = 100_000;
const RULES_MAX: usize = 100_000;
const QUOTAS_MAX: usize = 10_000;
const KEYS_MAX: usize = 100;
/// Groups of one user, and tags.
const NAMES_MAX: usize = 100;
/// Changes that one call may bring.
pub(super) const CHANGES_MAX: usize = 1000;
/// Longest password, in bytes.
const PASSWORD_BYTES: usize = 1024;

/// What is to be set of a user; what is absent stays, or is as a new user has it.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// A new password, hashed for these mechanisms.
    pub verifiers: Option<Vec<Verifier>>,
    /// Whether it may do everything.
    pub admin: Option<bool>,
    /// Its groups.
    pub groups: Option<Vec<String>>,
    /// What RabbitMQ's tools call it.
    pub tags: Option<Vec<String>>,
}

/// How a quota is changed.
pub enum QuotaChange {
    /// It is so, whatever it was. Without any limit it is gone.
    To(QuotaLimits),
    /// This makes of what it was, which may be nothing, what it is.
    Some(Box<dyn FnOnce(QuotaLimits) -> QuotaLimits + Send>),
}

impl Topics {
    /// What is known of users, rules and quotas now; for whoever may see the server's own settings.
    pub fn identities(&self) -> Result<std::sync::Arc<Identities>, Refusal> {
        self.allow_on_server(Act::SeeServer)?;
        Ok(self.guard().seen().1)
    }

    /// Hashes a password for mechanisms. Takes milliseconds of a blocking thread.
    pub async fn hash_password(
        &self,
        password: String,
        hashes: Vec<ScramHash>,
    ) -> Result<Vec<Verifier>, Refusal> {
        if password.is_empty() || password.len() > PASSWORD_BYTES {
            let detail = format!("a password has 1 to {PASSWORD_BYTES} bytes");
            return Err(Refusal::invalid("/password", detail));
        }
        let iterations = self.guard().settings().scram_iterations;
        let work = move || {
            let one = |hash| {
                let salt = random::<16>().to_vec();
                Verifier::of_password(hash, password.as_bytes(), salt, iterations)
            };
            hashes.into_iter().map(one).collect()
        };
        let hashed = tokio::task::spawn_blocking(work).await;
        hashed.map_err(|_| Refusal::new(ErrorCode::ShuttingDown, "the server is going down"))
    }

    /// Whether a user has this password, for whoever may set another. Takes milliseconds of a blocking thread.
    pub async fn has_password(&self, user: &str, password: String) -> bool {
        if self.allow_on_server(Act::ChangeServer).is_err() {
            return false;
        }
        let (_, identities) = self.guard().seen();
        let verifier = identities.user(user).and_then(|user| user.verifiers.first().cloned());
        let Some(verifier) = verifier else { return false };
        let asked = tokio::task::spawn_blocking(move || verifier.is_of(password.as_bytes())).await;
        asked.unwrap_or(false)
    }

    /// Makes a user, or changes one.
    pub async fn put_user(&self, name: &str, change: UserChange) -> Result<Created, Refusal> {
        self.put_user_after(None, name, change).await
    }

    /// The same, after an administrator who is made if there is nobody yet.
    pub async fn put_user_after(
        &self,
        first: Option<User>,
        name: &str,
        change: UserChange,
    ) -> Result<Created, Refusal> {
        self.allow_on_server(Act::ChangeServer)?;
        if !is_name(name) || name.contains(':') {
            let detail =
                "a user's name has 1 to 255 bytes, no control characters and no colon, and is not `*`";
            return Err(Refusal::new(ErrorCode::InvalidName, detail).in_field("user"));
        }
        check_names("/groups", change.groups.as_deref())?;
        check_names("/tags", change.tags.as_deref())?;
        let name: Box<str> = name.into();
        let (mode, by) = (self.guard().settings().mode, self.author());
        let put = move |turn: &mut Turn<'_>| {
            let known = turn.engines.identities.user(&name).map(|user| User::clone(user));
            let created = if known.is_some() { Created::Same } else { Created::Made };
            let first = first.filter(|first| !turn.engines.identities.has_users() && first.name != name);
            let is_first = first.is_none() && !turn.engines.identities.has_users();
            if created == Created::Made && turn.engines.identities.users().count() >= USERS_MAX {
                return Err(too_many("users", USERS_MAX));
            }
            let mut user = known.unwrap_or_else(|| User { name: name.clone(), ..User::default() });
            apply(&mut user, change);
            if is_first && !user.admin && mode != crate::auth::Mode::Off {
                let detail = "the first user has to be an administrator, or nobody could make another; set `admin` to true";
                return Err(Refusal::new(ErrorCode::ConflictingSettings, detail).in_field("/admin"));
            }
            let becomes = if user.admin { Becomes::Admin } else { Becomes::Other };
            turn.check_an_admin_stays(&[&name], becomes)?;
            turn.check_size(&Change::SetUser(user.clone()))?;
            if let Some(first) = first {
                turn.note(Change::SetUser(first), &by, "user_set");
            }
            turn.change(Change::SetUser(user), &by, "user_set")?;
            Ok(created)
        };
        self.identity_call(2, put).await
    }

    /// Deletes a user; its connections end. Its rules stay until they are deleted.
    pub async fn delete_user(&self, name: &str) -> Result<(), Refusal> {
        self.allow_on_server(Act::ChangeServer)?;
        let (name, by): (Box<str>, _) = (name.into(), self.author());
        let delete = move |turn: &mut Turn<'_>| {
            if turn.engines.identities.user(&name).is_none() {
                return Err(unknown_user(&name));
            }
            turn.check_an_admin_stays(&[&name], Becomes::Nobody)?;
            turn.change(Change::DeleteUser(name), &by, "user_deleted")
        };
        self.identity_call(1, delete).await
    }

    /// Sets the verifier of one mechanism, or takes it away, as Kafka's admin API does (KIP-554).
    pub async fn set_scram(
        &self,
        name: &str,
        hash: ScramHash,
        verifier: Option<Verifier>,
    ) -> Result<(), Refusal> {
        self.allow_on_server(Act::ChangeServer)?;
        let (name, by): (Box<str>, _) = (name.into(), self.author());
        let set = move |turn: &mut Turn<'_>| {
            let known = turn.engines.identities.user(&name).map(|user| User::clone(user));
            let user = match (known, verifier) {
                (Some(mut user), Some(verifier)) => {
                    user.set_verifier(verifier);
                    user
                }
                (Some(mut user), None) => {
                    if !user.remove_verifier(hash) {
                        let detail = format!("{name} has no password for {}", hash.mechanism());
                        return Err(Refusal::new(ErrorCode::UnknownUser, detail));
                    }
                    user
                }
                (None, Some(verifier)) if turn.engines.identities.has_users() => {
                    let mut user = User { name: name.clone(), ..User::default() };
                    user.set_verifier(verifier);
                    user
                }
                (None, Some(_)) => {
                    let detail =
                        "the first user has to be an administrator: make it with `sluice user add --admin`";
                    return Err(Refusal::invalid("user", detail));
                }
                (None, None) => return Err(unknown_user(&name)),
            };
            turn.change(Change::SetUser(user), &by, "user_set")
        };
        self.identity_call(1, set).await
    }

    /// Makes an API key for a user: what is kept of it, and the only sight of it.
    ///
    /// A user may make keys for itself.
    pub async fn make_api_key(
        &self,
        user: &str,
        note: String,
        expires_at: Option<Timestamp>,
    ) -> Result<(ApiKey, ShownKey), Refusal> {
        self.allow_own_or(user)?;
        let (key, shown) = ApiKey::make(random(), note, Guard::now(), expires_at);
        let (name, by, kept): (Box<str>, _, _) = (user.into(), self.author(), key.clone());
        let make = move |turn: &mut Turn<'_>| {
            let known = turn.engines.identities.user(&name).map(|user| User::clone(user));
            let mut user = known.ok_or_else(|| unknown_user(&name))?;
            if user.keys.len() >= KEYS_MAX {
                return Err(too_many("API keys of one user", KEYS_MAX));
            }
            user.keys.push(kept);
            turn.change(Change::SetUser(user), &by, "api_key_made")
        };
        self.identity_call(1, make).await?;
        Ok((key, shown))
    }

    /// Takes an API key away; its connections end.
    pub async fn delete_api_key(&self, user: &str, id: &str) -> Result<(), Refusal> {
        self.allow_own_or(user)?;
        let (name, id, by): (Box<str>, Box<str>, _) = (user.into(), id.into(), self.author());
        let delete = move |turn: &mut Turn<'_>| {
            let known = turn.engines.identities.user(&name).map(|user| User::clone(user));
            let mut user = known.ok_or_else(|| unknown_user(&name))?;
            let before = user.keys.len();
            user.keys.retain(|key| key.id != id);
            if user.keys.len() == before {
                return Err(Refusal::new(ErrorCode::UnknownUser, format!("{name} has no API key {id}")));
            }
            turn.change(Change::SetUser(user), &by, "api_key_deleted")
        };
        self.identity_call(1, delete).await
    }

    /// Adds operations to rules, which are made where they are not there; all of them or none.
    pub async fn add_rules(&self, rules: Vec<(RuleScope, Operations)>) -> Result<(), Refusal> {
        self.allow_on_server(Act::ChangeServer)?;
        check_rules(&rules)?;
        self.change_rules(rules, |have, given| have.and(given)).await
    }

    /// Takes operations from rules, which are gone when none is left; all of them or none.
    pub async fn remove_rules(&self, rules: Vec<(RuleScope, Operations)>) -> Result<(), Refusal> {
        self.allow_on_server(Act::ChangeServer)?;
        self.change_rules(rules, Operations::without).await
    }

    /// Sets the operations of rules, whatever they were; all of them or none. Without operations a rule is gone.
    pub async fn set_rules(&self, rules: Vec<(RuleScope, Operations)>) -> Result<(), Refusal> {
        self.allow_on_server(Act::ChangeServer)?;
        for (at, (scope, _)) in rules.iter().enumerate().filter(|(_, (_, operations))| !operations.is_empty())
        {
            check_scope(at, scope)?;
        }
        self.change_rules(rules, |_, given| given).await
    }

    async fn change_rules(
        &self,
        rules: Vec<(RuleScope, Operations)>,
        combine: fn(Operations, Operations) -> Operations,
    ) -> Result<(), Refusal> {
        if rules.len() > CHANGES_MAX {
            return Err(Refusal::invalid("/rules", format!("at most {CHANGES_MAX} rules at a time")));
        }
        let by = self.author();
        let count = rules.len();
        let change = move |turn: &mut Turn<'_>| {
            turn.check_room_for_rules(rules.len())?;
            for (scope, given) in rules {
                let operations = combine(turn.engines.identities.rule(&scope), given);
                turn.note(Change::SetRule(scope, operations), &by, "rule_set");
            }
            turn.engines.show_identities();
            Ok(())
        };
        self.identity_call(count, change).await
    }

    /// Sets a quota, whatever it was, or changes some of its limits. In force at once, for connections that are open too.
    pub async fn set_quota(&self, entity: QuotaEntity, change: QuotaChange) -> Result<Created, Refusal> {
        self.allow_on_server(Act::ChangeServer)?;
        let (entity, by) = (entity.checked()?, self.author());
        let set = move |turn: &mut Turn<'_>| {
            let have = turn.engines.identities.quota(&entity);
            let limits = match change {
                QuotaChange::To(limits) => limits,
                QuotaChange::Some(edit) => edit(have.cloned().unwrap_or_default()),
            };
            let created = if have.is_some() { Created::Same } else { Created::Made };
            if limits.is_empty() && created == Created::Made {
                return Ok(Created::Same);
            }
            if created == Created::Made && turn.engines.identities.quotas().count() >= QUOTAS_MAX {
                return Err(too_many("quotas", QUOTAS_MAX));
            }
            turn.change(Change::SetQuota(entity, limits), &by, "quota_set")?;
            Ok(created)
        };
        self.identity_call(1, set).await
    }

    /// Deletes a quota.
    pub async fn delete_quota(&self, entity: QuotaEntity) -> Result<(), Refusal> {
        self.allow_on_server(Act::ChangeServer)?;
        let by = self.author();
        let delete = move |turn: &mut Turn<'_>| {
            if turn.engines.identities.quota(&entity).is_none() {
                return Err(Refusal::new(ErrorCode::UnknownQuota, format!("there is no quota of {entity}")));
            }
            turn.change(Change::SetQuota(entity, QuotaLimits::default()), &by, "quota_deleted")
        };
        self.identity_call(1, delete).await
    }

    pub(super) async fn identity_call<T, F>(&self, changes: usize, work: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&mut Turn<'_>) -> Result<T, Refusal> + Send + 'static,
    {
        self.check_not_draining()?;
        let weight = CHANGE_BYTES + changes * 2048;
        self.shard().call(Terms { acks: Acks::All, weight, room: Room::Reserved }, work).await?
    }

    fn allow_own_or(&self, user: &str) -> Result<(), Refusal> {
        match self.pass().caller() {
            Some(caller) if caller.user() == user => Ok(()),
            _ => self.allow_on_server(Act::ChangeServer),
        }
    }
}

/// What a change makes of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    Admin,
    Other,
    Nobody,
}

impl Turn<'_> {
    /// Journals a change and takes it in; it is shown by [`super::shard::Engines::show_identities`].
    pub(super) fn note(&mut self, change: Change, (user, origin): &Author, event: &str) {
        self.journal.block().push(RecordKind::IDENTITY, &[&identity_record::encode(&change)]);
        self.engines.guard.changed(event, user, *origin, &about(&change));
        self.engines.identities.fold(change);
    }

    fn check_size(&self, change: &Change) -> Result<(), Refusal> {
        if identity_record::encode(change).len() > CHANGE_BYTES {
            return Err(Refusal::new(ErrorCode::TooLarge, "that is too much for one user, rule or quota"));
        }
        Ok(())
    }

    pub(super) fn change(&mut self, change: Change, by: &Author, event: &str) -> Result<(), Refusal> {
        self.check_size(&change)?;
        self.note(change, by, event);
        self.engines.show_identities();
        Ok(())
    }

    /// As long as there are users, one of them can make others.
    pub(super) fn check_an_admin_stays(
        &self,
        changed: &[impl AsRef<str>],
        becomes: Becomes,
    ) -> Result<(), Refusal> {
        let identities = &self.engines.identities;
        let is_changed = |name: &str| changed.iter().any(|one| one.as_ref() == name);
        let was_admin = identities.users().any(|user| user.admin && is_changed(&user.name));
        let mut others = identities.users().filter(|user| !is_changed(&user.name)).peekable();
        let is_last_user = becomes == Becomes::Nobody && others.peek().is_none();
        if becomes == Becomes::Admin || !was_admin || is_last_user || others.any(|user| user.admin) {
            return Ok(());
        }
        let detail = "there has to be an administrator as long as there are users; make another one first";
        Err(Refusal::new(ErrorCode::InUse, detail))
    }

    pub(super) fn check_room_for_rules(&self, count: usize) -> Result<(), Refusal> {
        if self.engines.identities.rules().count() + count > RULES_MAX {
            return Err(too_many("rules", RULES_MAX));
        }
        Ok(())
    }
}

fn apply(user: &mut User, change: UserChange) {
    let UserChange { verifiers, admin, groups, tags } = change;
    let names = |names: Vec<String>| {
        let mut names: Vec<Box<str>> = names.into_iter().map(String::into_boxed_str).collect();
        names.sort();
        names.dedup();
        names
    };
    if let Some(verifiers) = verifiers {
        user.verifiers.clear();
        user.password_version += 1;
        verifiers.into_iter().for_each(|verifier| user.set_verifier(verifier));
    }
    user.admin = admin.unwrap_or(user.admin);
    if let Some(groups) = groups {
        user.groups = names(groups);
    }
    if let Some(tags) = tags {
        user.tags = names(tags);
    }
}

fn check_names(field: &str, names: Option<&[String]>) -> Result<(), Refusal> {
    let names = names.unwrap_or_default();
    if names.len() > NAMES_MAX {
        return Err(Refusal::invalid(field, format!("a user has at most {NAMES_MAX} of them")));
    }
    match names.iter().position(|name| !is_name(name)) {
        Some(at) => {
            let detail = "a name has 1 to 255 bytes and no control characters, and is not `*`";
            Err(Refusal::invalid(format!("{field}/{at}"), detail))
        }
        None => Ok(()),
    }
}

/// Whether these rules can be kept.
pub fn check_rules(rules: &[(RuleScope, Operations)]) -> Result<(), Refusal> {
    rules.iter().enumerate().try_for_each(|(at, (scope, _))| check_scope(at, scope))
}

/// Whether the rule at this place of a list can be kept.
fn check_scope(at: usize, scope: &RuleScope) -> Result<(), Refusal> {
    let field = |field: &str| format!("/rules/{at}/resource/{field}");
    let text = scope.name.text();
    if text.is_empty() && !matches!(scope.name, NameMatch::Prefix(_)) || text.len() > 1024 {
        return Err(Refusal::invalid(field("name"), "a name has 1 to 1024 bytes; `*` is every one"));
    }
    if let NameMatch::Pattern(pattern) = &scope.name {
        rule_index::pattern(pattern).map_err(|error| {
            Refusal::new(ErrorCode::InvalidPattern, error.to_string()).in_field(field("name"))
        })?;
    }
    if scope.vhost.is_some() && !matches!(scope.kind, ResourceKind::Topic | ResourceKind::Exchange) {
        let detail = "only topics and exchanges are in virtual hosts";
        return Err(Refusal::new(ErrorCode::ConflictingSettings, detail).in_field(field("vhost")));
    }
    Ok(())
}

pub(super) fn too_many(what: &str, most: usize) -> Refusal {
    Refusal::new(ErrorCode::InUse, format!("there can be at most {most} {what}; delete some first"))
}

pub(super) fn unknown_user(name: &str) -> Refusal {
    let shown: String = name.chars().take(255).collect();
    Refusal::new(ErrorCode::UnknownUser, format!("there is no user {shown:?}"))
}
