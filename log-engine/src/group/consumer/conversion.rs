//! From one kind of group to the other while it has members (KIP-848, "online upgrade" and "downgrade").

use super::member::ClassicPart;
use super::{ConsumerGroup, Kind, Member};
use crate::TopicPartition;
use crate::group::answers::Moment;
use crate::group::catalog::Catalog;
use crate::group::classic::{ClassicGroup, ClassicMember};
use crate::group::{ClientFormat, ClientSubscription, GroupError, MemberId};

const FOREIGN: GroupError = GroupError::InconsistentProtocol(
    "its members use a protocol of their own, which readers at other doors cannot take part in",
);

/// What a classic member says of itself, and what it has.
type Understood = (MemberId, ClientSubscription, Vec<TopicPartition>);

impl ConsumerGroup {
    /// Makes a group that the server shares out of one in which the members did so. They keep what they have; their
    /// joins and syncs under way are sent back. Refused, with nothing changed, when the server cannot read what the
    /// members tell each other.
    pub(crate) fn of_classic(
        classic: &mut ClassicGroup,
        catalog: Catalog<'_>,
        at: &mut Moment<'_>,
    ) -> Result<ConsumerGroup, GroupError> {
        let understood = understand(classic, at.config.format)?;
        classic.send_all_back(at);
        let mut group = ConsumerGroup::new(classic.generation());
        group.promised = classic.promised().clone();
        let mut members = std::mem::take(classic.members_mut());
        for (id, says, has) in understood {
            let Some(was) = members.remove(&id) else { continue };
            let part = ClassicPart { protocols: was.protocols, version: says.version, rejoin_by: None };
            let mut member = Member::new(Kind::Classic(part), was.session_timeout, was.rebalance_timeout);
            member.instance = was.instance;
            member.origin = was.origin;
            member.rack = says.rack;
            member.topics = says.topics.into_iter().collect();
            member.epoch = group.epoch;
            member.expires_at = at.now.plus(was.session_timeout);
            for partition in has.iter().filter_map(|name| catalog.find(name)) {
                if let std::collections::hash_map::Entry::Vacant(free) = group.holders.entry(partition) {
                    free.insert(id.clone());
                    member.assigned.insert(partition, group.epoch);
                    member.target.insert(partition);
                }
            }
            group.insert(id, member);
        }
        Ok(group)
    }

    /// Makes a group in which the members share out, of one whose members are all classic.
    pub(crate) fn into_classic(self, catalog: Catalog<'_>, at: &Moment<'_>) -> ClassicGroup {
        let format = at.config.format;
        let members = self.members.into_iter().filter_map(|(id, member)| {
            let Kind::Classic(part) = member.kind else { return None };
            let has = catalog.names(member.assigned.keys());
            let assignment = (format.write_assignment)(part.version, &has);
            let made = ClassicMember {
                instance: member.instance,
                origin: member.origin,
                protocols: part.protocols,
                session_timeout: member.session_timeout,
                rebalance_timeout: member.rebalance_timeout,
                assignment,
                expires_at: member.expires_at,
                ..ClassicMember::default()
            };
            Some((id, made))
        });
        ClassicGroup::of_members(self.epoch, format.protocol_type, members.collect(), at.now)
    }
}

fn understand(classic: &ClassicGroup, format: ClientFormat) -> Result<Vec<Understood>, GroupError> {
    if !classic.is_empty() && classic.protocol_type() != Some(format.protocol_type) {
        return Err(FOREIGN);
    }
    let understand = |(id, member): (&MemberId, &ClassicMember)| {
        let chosen = classic.protocol().and_then(|protocol| member.metadata(protocol));
        let metadata = chosen.or_else(|| member.protocols.first().map(|first| &first.metadata))?;
        let says = (format.read_subscription)(metadata)?;
        let has = match member.assignment.is_empty() {
            true => Vec::new(),
            false => (format.read_assignment)(&member.assignment)?,
        };
        Some((id.clone(), says, has))
    };
    classic.members().iter().map(understand).collect::<Option<Vec<_>>>().ok_or(FOREIGN)
}
