//! Policies set and taken away while queues and exchanges are in use.
use ::message::Timestamp;
use segment_store::Block;

use crate::engine::QueueEngine;
use crate::policy::{Policies, Policy, PolicyInfo, PolicyKind};
use crate::record::Record;
use crate::virtual_host::host_of;
use crate::{QueueError, QueueId};

impl QueueEngine {
    /// Sets a policy, in place of one of that name. It is in force at once. Answers whether it is new.
    pub fn set_policy(
        &mut self,
        block: &mut Block,
        kind: PolicyKind,
        virtual_host: &str,
        name: &str,
        policy: Policy,
        now: Timestamp,
    ) -> Result<bool, QueueError> {
        self.begin(block);
        let prefix = self.hosts.prefix(virtual_host)?;
        Policies::check(kind, name, &policy)?;
        let have = self.policies.get(kind, &prefix, name);
        if have == Some(&policy) {
            return Ok(false);
        }
        let is_new = have.is_none();
        let (host, name) = (virtual_host.to_owned(), name.to_owned());
        self.change(block, Record::PolicySet { kind, host, name, policy })?;
        self.enforce_policies(&prefix, now);
        self.wind_up(block, now);
        Ok(is_new)
    }

    /// Takes a policy away: what it set is what was declared again.
    pub fn delete_policy(
        &mut self,
        block: &mut Block,
        kind: PolicyKind,
        virtual_host: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.begin(block);
        let prefix = self.hosts.prefix(virtual_host)?;
        if self.policies.get(kind, &prefix, name).is_none() {
            return Err(QueueError::UnknownPolicy(name.to_owned()));
        }
        let (host, name) = (virtual_host.to_owned(), name.to_owned());
        self.change(block, Record::PolicyDeleted { kind, host, name })?;
        self.enforce_policies(&prefix, now);
        self.wind_up(block, now);
        Ok(())
    }

    /// A policy as it stands.
    pub fn policy(&self, kind: PolicyKind, virtual_host: &str, name: &str) -> Result<Policy, QueueError> {
        let prefix = self.hosts.prefix(virtual_host)?;
        let found = self.policies.get(kind, &prefix, name).cloned();
        found.ok_or_else(|| QueueError::UnknownPolicy(name.to_owned()))
    }

    /// All policies of a kind, by virtual host and name.
    #[must_use]
    pub fn policies(&self, kind: PolicyKind) -> Vec<PolicyInfo> {
        let of_kind = self.policies.iter().filter(|(of, ..)| *of == kind);
        let info = |(_, prefix, name, policy): (PolicyKind, &str, &str, &Policy)| PolicyInfo {
            virtual_host: host_of(prefix).to_owned(),
            name: name.to_owned(),
            policy: policy.clone(),
        };
        of_kind.map(info).collect()
    }

    /// Works out anew what is in force in a virtual host.
    fn enforce_policies(&mut self, prefix: &str, now: Timestamp) {
        for id in self.queues_below(prefix) {
            let wait = |engine: &QueueEngine| engine.queues.get(&id).map(|queue| queue.options.expires_ms);
            let before = wait(self);
            if self.enforce_policy(id) {
                self.touched.push(id);
            }
            // However long it is unused by now, it has all of the new wait before it.
            if wait(self) != before {
                self.queues.get_mut(&id).into_iter().for_each(|queue| queue.used_at = now);
            }
        }
        for exchange in self.topology.iter_mut().filter(|exchange| exchange.prefix() == prefix) {
            exchange.enforce(&self.policies);
        }
    }

    /// The same everywhere, after recovery.
    pub(crate) fn enforce_all_policies(&mut self) {
        let ids: Vec<QueueId> = self.queues.keys().copied().collect();
        ids.into_iter().for_each(|id| {
            self.enforce_policy(id);
        });
        self.topology.iter_mut().for_each(|exchange| exchange.enforce(&self.policies));
    }

    /// Works out anew what is in force for a queue; answers whether that changed.
    pub(crate) fn enforce_policy(&mut self, id: QueueId) -> bool {
        let Some(queue) = self.queues.get_mut(&id).filter(|queue| queue.store_of.is_none()) else {
            return false;
        };
        let in_force = self.policies.for_queue(queue.prefix(), queue.local_name(), queue.declared());
        queue.enforce(in_force)
    }
}
