use std::time::Duration;

use bytes::Bytes;

use crate::group::{ClientOrigin, Generation, InstanceId, MemberId};

/// One way in which a member can work with others, and what it says of itself in that case. Opaque to the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicProtocol {
    /// What members agree on by.
    pub name: Box<str>,
    /// What the leader is told.
    pub metadata: Bytes,
}

/// A request to join, or to join again.
#[derive(Clone, Debug)]
pub struct JoinGroup {
    /// The member; absent for one that has no id yet.
    pub member: Option<MemberId>,
    /// The id that a member without one gets.
    pub new_member: MemberId,
    /// Its static name, if it has one.
    pub instance: Option<InstanceId>,
    /// Where it comes from.
    pub origin: ClientOrigin,
    /// After this silence it is out.
    pub session_timeout: Duration,
    /// How long a rebalance waits for it; clients put their `max.poll.interval.ms` here.
    pub rebalance_timeout: Duration,
    /// What kind of members these are; `consumer` for readers of logs.
    pub protocol_type: Box<str>,
    /// What it can do, the best first.
    pub protocols: Vec<ClassicProtocol>,
    /// Whether a member without an id is told one and must come again with it (KIP-394).
    pub needs_known_id: bool,
    /// Whether a static leader that comes back understands that the plan still stands (KIP-814).
    pub may_skip_assignment: bool,
}

/// The answer to a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinAnswer {
    /// The member.
    pub member: MemberId,
    /// The generation that begins.
    pub generation: Generation,
    /// What kind of members these are.
    pub protocol_type: Box<str>,
    /// What they agreed on.
    pub protocol: Box<str>,
    /// Who makes the plan; nobody when the server does.
    pub leader: Option<MemberId>,
    /// All members, for the leader alone.
    pub members: Vec<JoinedMember>,
    /// The leader is to leave the plan as it is.
    pub skip_assignment: bool,
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub id: MemberId,
    /// Its static name, if it has one.
    pub instance: Option<InstanceId>,
    /// What it says of itself under the protocol agreed on.
    pub metadata: Bytes,
}

/// A request for the plan; the leader's brings it.
#[derive(Clone, Debug)]
pub struct SyncGroup {
    /// The member.
    pub member: MemberId,
    /// Its generation.
    pub generation: Generation,
    /// Its static name, if it has one.
    pub instance: Option<InstanceId>,
    /// What it takes the members' kind for, if it says so.
    pub protocol_type: Option<Box<str>>,
    /// What it takes as agreed on, if it says so.
    pub protocol: Option<Box<str>>,
    /// What each member gets; from the leader only.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// The answer to a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncAnswer {
    /// What kind of members these are.
    pub protocol_type: Box<str>,
    /// What they agreed on.
    pub protocol: Box<str>,
    /// What the member gets; as the leader wrote it.
    pub assignment: Bytes,
}

/// Who leaves. Either is enough for a static member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// By its id.
    pub member: Option<MemberId>,
    /// By its static name.
    pub instance: Option<InstanceId>,
}
