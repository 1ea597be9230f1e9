//! Members of the classic protocol in a group that the server shares out. Nobody waits at a barrier: a member is told to
//! join again when its next step is due, a join takes that step, and a sync fetches the outcome.

use std::collections::BTreeSet;

use message::GroupName;

use super::heartbeat::ids;
use super::member::ClassicPart;
use super::{ConsumerGroup, Kind, Member, Share};
use crate::PartitionId;
use crate::group::answers::Moment;
use crate::group::catalog::Catalog;
use crate::group::classic::{JoinAnswer, JoinGroup, SyncAnswer, SyncGroup};
use crate::group::{ClientSubscription, Generation, GroupError, InstanceId, MemberId};

const NO_PROTOCOL: GroupError = GroupError::InconsistentProtocol("it offers no protocol at all");
const NO_READER: GroupError =
    GroupError::InconsistentProtocol("only readers of logs may share a group with readers at other doors");
const UNREADABLE: GroupError = GroupError::InconsistentProtocol(
    "what it says of itself cannot be read, so it cannot share a group with readers at other doors",
);

impl ConsumerGroup {
    /// A classic member joins, or takes its next step.
    pub(crate) fn join_classic(
        &mut self,
        name: &GroupName,
        ask: JoinGroup,
        catalog: Catalog<'_>,
        at: &mut Moment<'_>,
    ) -> Result<JoinAnswer, GroupError> {
        let format = at.config.format;
        if *ask.protocol_type != *format.protocol_type {
            return Err(NO_READER);
        }
        let first = ask.protocols.first().ok_or(NO_PROTOCOL)?;
        let protocol = first.name.clone();
        let subscription = (format.read_subscription)(&first.metadata).ok_or(UNREADABLE)?;
        self.check_shared_protocol(&ask)?;
        let protocol_type = ask.protocol_type.clone();
        let (id, fresh) = self.admit_classic(name, &ask, at)?;
        let changed = self.update_classic(&id, ask, &subscription);
        if fresh || changed {
            self.retarget(catalog);
        }
        let owned = self.owned_by_classic(&id, &subscription, catalog);
        self.reconcile(&id, Some(&owned), at.now);
        let Some(member) = self.members.get_mut(&id) else {
            return Err(GroupError::UnknownMember(id));
        };
        member.hear_of(at.now);
        Ok(JoinAnswer {
            member: id,
            generation: member.epoch,
            protocol_type,
            protocol,
            leader: None,
            members: Vec::new(),
            skip_assignment: false,
        })
    }

    /// Classic members must have a protocol in common even here: they may be among themselves again later.
    fn check_shared_protocol(&self, ask: &JoinGroup) -> Result<(), GroupError> {
        let others = || {
            self.members.iter().filter(|(id, _)| Some(*id) != ask.member.as_ref()).filter_map(
                |(_, member)| match &member.kind {
                    Kind::Classic(part) => Some(part),
                    Kind::Consumer | Kind::Attendant => None,
                },
            )
        };
        let shared = |name: &str| others().all(|part| part.protocols.iter().any(|one| *one.name == *name));
        match ask.protocols.iter().any(|one| shared(&one.name)) {
            true => Ok(()),
            false => Err(GroupError::InconsistentProtocol("no protocol of it is known to all members")),
        }
    }

    fn admit_classic(
        &mut self,
        name: &GroupName,
        ask: &JoinGroup,
        at: &Moment<'_>,
    ) -> Result<(MemberId, bool), GroupError> {
        let id = match &ask.member {
            Some(id) if self.promised.remove(id).is_some() => id.clone(),
            Some(id) => {
                self.check_identity(id, ask.instance.as_ref())?;
                return Ok((id.clone(), false));
            }
            None => {
                let id = ask.new_member.clone();
                if let Some(instance) = &ask.instance
                    && let Some(known) = self.instances.get(instance).cloned()
                {
                    let holder = self.members.get(&known);
                    if holder.is_some_and(|one| !one.away && !matches!(one.kind, Kind::Classic(_))) {
                        return Err(GroupError::UnreleasedInstance(instance.clone()));
                    }
                    self.rename(&known, &id);
                    return Ok((id, false));
                }
                self.check_room(name, at)?;
                if ask.needs_known_id && ask.instance.is_none() {
                    self.promised.insert(id.clone(), at.now.plus(ask.session_timeout));
                    return Err(GroupError::MemberIdRequired(id));
                }
                id
            }
        };
        let part = ClassicPart { protocols: Vec::new(), version: 0, rejoin_by: None };
        let mut member = Member::new(Kind::Classic(part), ask.session_timeout, ask.rebalance_timeout);
        member.instance = ask.instance.clone();
        self.insert(id.clone(), member);
        Ok((id, true))
    }

    /// Takes over what a member says of itself; whether that calls for another target.
    fn update_classic(&mut self, id: &MemberId, ask: JoinGroup, says: &ClientSubscription) -> bool {
        let Some(member) = self.members.get_mut(id) else { return false };
        let topics: BTreeSet<_> = says.topics.iter().cloned().collect();
        let changed = member.topics != topics || member.pattern.is_some();
        member.topics = topics;
        member.pattern = None;
        member.rack = says.rack.clone();
        member.origin = ask.origin;
        member.session_timeout = ask.session_timeout;
        member.rebalance_timeout = ask.rebalance_timeout;
        member.away = false;
        member.kind =
            Kind::Classic(ClassicPart { protocols: ask.protocols, version: says.version, rejoin_by: None });
        changed
    }

    /// What a member still has by its own account. Of an earlier generation it has nothing any more.
    fn owned_by_classic(
        &self,
        id: &MemberId,
        says: &ClientSubscription,
        catalog: Catalog<'_>,
    ) -> BTreeSet<PartitionId> {
        let epoch = self.members.get(id).map(|member| member.epoch);
        match says.generation {
            Some(generation) if Some(generation) != epoch => BTreeSet::new(),
            _ => ids(&says.owned, catalog),
        }
    }

    /// What a classic member has since it joined.
    pub(crate) fn sync_classic(
        &mut self,
        ask: &SyncGroup,
        catalog: Catalog<'_>,
        at: &Moment<'_>,
    ) -> Result<SyncAnswer, GroupError> {
        self.check_identity(&ask.member, ask.instance.as_ref())?;
        let epoch = self.epoch;
        let Some(member) = self.members.get_mut(&ask.member) else {
            return Err(GroupError::UnknownMember(ask.member.clone()));
        };
        let Kind::Classic(part) = &member.kind else {
            return Err(GroupError::UnknownMember(ask.member.clone()));
        };
        if ask.generation != member.epoch {
            return Err(GroupError::StaleGeneration { given: ask.generation, current: member.epoch });
        }
        let chosen = part.protocols.first().map(|one| one.name.clone()).unwrap_or_default();
        let format = at.config.format;
        let other_type = ask.protocol_type.as_deref().is_some_and(|kind| kind != format.protocol_type);
        if other_type || ask.protocol.as_ref().is_some_and(|protocol| *protocol != chosen) {
            return Err(GroupError::InconsistentProtocol("it takes another protocol as agreed on"));
        }
        if member.epoch != epoch && !matches!(member.share, Share::Revoking { .. }) {
            return Err(GroupError::Rebalancing);
        }
        let names = catalog.names(member.assigned.keys());
        let assignment = (format.write_assignment)(part.version, &names);
        member.hear_of(at.now);
        Ok(SyncAnswer { protocol_type: format.protocol_type.into(), protocol: chosen, assignment })
    }

    /// A sign of life of a classic member; the error tells it to join again when its next step is due.
    pub(crate) fn heartbeat_classic(
        &mut self,
        id: &MemberId,
        generation: Generation,
        instance: Option<&InstanceId>,
        at: &Moment<'_>,
    ) -> Result<(), GroupError> {
        self.check_identity(id, instance)?;
        let due = self.can_go_on(id);
        let Some(member) = self.members.get_mut(id) else {
            return Err(GroupError::UnknownMember(id.clone()));
        };
        if generation != member.epoch {
            return Err(GroupError::StaleGeneration { given: generation, current: member.epoch });
        }
        member.hear_of(at.now);
        let until = at.now.plus(member.rebalance_timeout);
        match &mut member.kind {
            Kind::Classic(part) if due => {
                part.rejoin_by.get_or_insert(until);
                Err(GroupError::Rebalancing)
            }
            Kind::Classic(_) => Ok(()),
            Kind::Consumer | Kind::Attendant => Err(GroupError::UnknownMember(id.clone())),
        }
    }
}
