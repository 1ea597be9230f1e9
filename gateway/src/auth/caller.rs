use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use message::Timestamp;
use parking_lot::RwLock;

use super::guard::Guard;
use super::identities::Identities;
use super::permission::{Operation, Resource, ResourceKind};
use super::routing_keys::{KeyUse, RoutingKeys};
use super::rule_index::{SubjectRules, Verdict};
use super::subject::Subject;

/// Somebody who is known, as they came in: their rights are looked up anew whenever any were changed. Cheap to clone.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    identity: Identity,
    guard: Guard,
    view: RwLock<View>,
}

/// Who somebody is, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub user: Box<str>,
    /// Groups that a token names, beside those of the user.
    pub groups: Vec<Box<str>>,
    /// How they proved it.
    pub proof: Proof,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Through which door they came.
    pub door: &'static str,
    /// From where.
    pub address: IpAddr,
}

impl Identity {
    /// Whether the proof is still worth something, its expiry aside.
    fn holds(&self, identities: &Identities) -> bool {
        let user = identities.user(&self.user);
        match &self.proof {
            Proof::Password(version) => user.is_some_and(|user| user.password_version == *version),
            Proof::ApiKey(id) => user.is_some_and(|user| user.key(id).is_some()),
            Proof::DelegationToken(id) => identities.token(id).is_some(),
            Proof::Signature | Proof::None => true,
        }
    }

    /// When it ends. A delegation token may have been renewed since, or be ended earlier.
    fn ends_at(&self, identities: &Identities) -> Option<Timestamp> {
        let token = match &self.proof {
            Proof::DelegationToken(id) => identities.token(id).map(|token| token.expires_at),
            Proof::Password(_) | Proof::ApiKey(_) | Proof::Signature | Proof::None => None,
        };
        [self.expires_at, token].into_iter().flatten().min()
    }
}

/// How somebody proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By the password of that version.
    Password(u64),
    /// By the API key of that id.
    ApiKey(Box<str>),
    /// By the delegation token of that id.
    DelegationToken(Box<str>),
    /// By a signed token, or a certificate.
    Signature,
    /// Not at all: whoever says nothing is this user.
    None,
}

/// Why somebody who was known is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// The credentials are over.
    Expired,
    /// The user is gone, or the password or key was changed or taken away.
    Revoked,
}

impl Lapse {
    /// In words.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Lapse::Expired => "the credentials have expired",
            Lapse::Revoked => "the credentials were revoked",
        }
    }
}

/// What the identities of one moment give a caller.
#[derive(Default)]
struct View {
    generation: u64,
    /// Whether the credentials are good no more: nothing is allowed then.
    revoked: bool,
    /// When they end.
    ends_at: Option<Timestamp>,
    admin: bool,
    rules: Vec<Arc<SubjectRules>>,
    /// Its topic permissions, if it has any.
    routing_keys: Option<Arc<RoutingKeys>>,
}

impl View {
    fn of(identity: &Identity, generation: u64, identities: &Identities) -> View {
        let user = identities.user(&identity.user);
        let groups = user.into_iter().flat_map(|user| user.groups.iter()).chain(&identity.groups);
        let subjects = [Subject::Everyone, Subject::User(identity.user.clone())];
        let subjects = subjects.into_iter().chain(groups.map(|group| Subject::Group(group.clone())));
        let rules = subjects.filter_map(|subject| identities.arranged(&subject).cloned()).collect();
        let revoked = !identity.holds(identities);
        let admin = user.is_some_and(|user| user.admin) && !revoked;
        let routing_keys = identities.routing_keys(&identity.user).filter(|_| !admin).cloned();
        let ends_at = identity.ends_at(identities);
        View { generation, revoked, ends_at, admin, rules, routing_keys }
    }

    fn has_expired(&self) -> bool {
        self.ends_at.is_some_and(|end| Guard::now() >= end)
    }
}

impl Caller {
    pub(super) fn new(guard: Guard, identity: Identity) -> Caller {
        let (generation, identities) = guard.seen();
        let view = RwLock::new(View::of(&identity, generation, &identities));
        Caller(Arc::new(Inner { identity, guard, view }))
    }

    /// The same until then, if it does not end before.
    #[must_use]
    pub fn until(&self, end: Timestamp) -> Caller {
        let mut identity = self.0.identity.clone();
        identity.expires_at = Some(identity.expires_at.map_or(end, |own| own.min(end)));
        Caller::new(self.0.guard.clone(), identity)
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.0.identity.user
    }

    /// Notes that it was not allowed something.
    pub fn denied(&self, about: &str) {
        self.0.guard.denied(self, about);
    }

    /// Whether this is the very same login.
    #[must_use]
    pub fn is_same(&self, other: &Caller) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it may do everything.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.with_view(|view| view.admin)
    }

    /// Whether it may do something to a resource.
    #[must_use]
    pub fn may(&self, operation: Operation, resource: Resource<'_>) -> bool {
        let address = self.0.identity.address;
        self.with_view(|view| {
            if view.has_expired() {
                return false;
            }
            let verdicts = || view.rules.iter().map(|rules| rules.verdict(resource, address));
            let permits = || verdicts().fold(Verdict::default(), Verdict::and).permits(operation);
            view.admin || (!view.revoked && permits())
        })
    }

    /// Whether its topic permissions let it use a routing key, or every one, with an exchange of a virtual host.
    #[must_use]
    pub fn may_use_key(&self, exchange: (&str, &str), use_of: KeyUse, key: Option<&str>) -> bool {
        self.with_view(|view| {
            view.routing_keys.as_ref().is_none_or(|keys| keys.permit(exchange, use_of, key))
        })
    }

    /// Whether it has topic permissions at all.
    #[must_use]
    pub fn has_topic_permissions(&self) -> bool {
        self.with_view(|view| view.routing_keys.is_some())
    }

    /// Whether it may do something to some resource of a kind.
    #[must_use]
    pub fn may_somewhere(&self, operation: Operation, kind: ResourceKind) -> bool {
        let address = self.0.identity.address;
        self.with_view(|view| {
            view.admin
                || !view.revoked
                    && view.rules.iter().any(|rules| rules.permits_somewhere(kind, operation, address))
        })
    }

    fn with_view<T>(&self, look: impl Fn(&View) -> T) -> T {
        let generation = self.0.guard.generation();
        {
            let view = self.0.view.read();
            if view.generation == generation {
                return look(&view);
            }
        }
        let (generation, identities) = self.0.guard.seen();
        let view = View::of(&self.0.identity, generation, &identities);
        let found = look(&view);
        *self.0.view.write() = view;
        found
    }

    /// Why it is not known any more, if so.
    #[must_use]
    pub fn lapse(&self, now: Timestamp) -> Option<Lapse> {
        self.with_view(|view| match view.ends_at {
            Some(end) if now >= end => Some(Lapse::Expired),
            _ => view.revoked.then_some(Lapse::Revoked),
        })
    }

    /// When it ends, as far as is known now.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.with_view(|view| view.ends_at)
    }

    /// Returns when it is not known any more.
    pub async fn lapsed(&self) -> Lapse {
        let mut changes = self.0.guard.changes();
        loop {
            changes.mark_unchanged();
            let now = Guard::now();
            if let Some(lapse) = self.lapse(now) {
                return lapse;
            }
            let left = self.ends_at().map(|end| end.since(now) + Duration::from_millis(1));
            let expired = async {
                match left {
                    Some(left) => tokio::time::sleep(left).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = expired => {}
                changed = changes.changed() => if changed.is_err() { std::future::pending::<()>().await },
            }
        }
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Caller({} through {})", self.user(), self.0.identity.door)
    }
}

/// What somebody who reached a door may do.
#[derive(Clone, Debug, Default)]
pub enum Pass {
    /// Everything: nobody has to say who they are. Also the server's own pass.
    #[default]
    Open,
    /// Nothing before they say who they are.
    Nobody,
    /// What their rules say.
    As(Caller),
}

impl Pass {
    /// The caller, if it is known.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        match self {
            Pass::As(caller) => Some(caller),
            Pass::Open | Pass::Nobody => None,
        }
    }
}
