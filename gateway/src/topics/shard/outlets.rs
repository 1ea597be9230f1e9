use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use queue_engine::{ConsumerId, Delivery, Ended};
use tokio::sync::mpsc;

use super::group::{GroupNumber, Released};
use crate::topics::session::{ConsumerNumber, Link};
use crate::topics::vitals::Vitals;

/// The way from the owner to one consumer. Unbounded in form, bounded in fact: nothing is assigned beyond credit.
pub(crate) enum Outlet {
    /// To a subscription with a way of its own.
    Own {
        deliveries: mpsc::UnboundedSender<Vec<Delivery>>,
        /// Why it closed, set before it does.
        ended: Arc<OnceLock<Ended>>,
        /// Whether it takes one run and is gone.
        once: bool,
    },
    /// To one of a session's subscriptions.
    Session(Arc<Link>, ConsumerNumber),
}

impl Outlet {
    fn send(&self, run: Vec<Delivery>) -> Result<(), Vec<Delivery>> {
        match self {
            Outlet::Own { deliveries, .. } => deliveries.send(run).map_err(|refused| refused.0),
            Outlet::Session(link, consumer) => link.deliver(*consumer, run),
        }
    }
}

/// Deliveries in a row to the same consumer.
pub(crate) type DeliveryRun = (ConsumerId, Vec<Delivery>);

struct Open {
    outlet: Outlet,
    /// The last group that must be released before this consumer is sent anything that does not wait with its own.
    held_by: GroupNumber,
}

/// Where each consumer's deliveries go.
#[derive(Default)]
pub(crate) struct Outlets {
    open: HashMap<ConsumerId, Open>,
    /// The group that is being made.
    group: GroupNumber,
    /// What doors say of their consumers; those of a single receive have no name.
    holders: HashMap<ConsumerId, Arc<str>>,
}

impl Outlets {
    pub(crate) fn insert(&mut self, consumer: ConsumerId, outlet: Outlet) {
        self.open.insert(consumer, Open { outlet, held_by: self.group });
    }

    /// What changes from here on belongs to that group.
    pub(crate) fn begin(&mut self, group: GroupNumber) {
        self.group = group;
    }

    /// Keeps a consumer's deliveries until this group is released: an answer in it is to come before them.
    pub(crate) fn hold(&mut self, consumer: ConsumerId) {
        self.open.get_mut(&consumer).into_iter().for_each(|open| open.held_by = self.group);
    }

    /// Takes out those deliveries that need not wait for their group to be as durable as somebody in it asked, once
    /// it is written: the messages were seen to be there before. The first that has to wait holds the consumer's later ones.
    pub(crate) fn take_early(&mut self, runs: &mut Vec<DeliveryRun>, released: Released) -> Vec<DeliveryRun> {
        let mut early = Vec::new();
        runs.retain_mut(|(consumer, run)| {
            let Some(open) = self.open.get_mut(consumer) else { return true };
            let is_old = |delivery: &&Delivery| delivery.stored_at < released.end;
            let mut free = run.iter().take_while(is_old).count();
            let takes_all = matches!(open.outlet, Outlet::Own { once: true, .. });
            if open.held_by > released.group || (takes_all && free < run.len()) {
                free = 0;
            }
            if free < run.len() {
                open.held_by = self.group;
            }
            if free > 0 {
                let rest = run.split_off(free);
                early.push((*consumer, std::mem::replace(run, rest)));
            }
            !run.is_empty()
        });
        early
    }

    /// Ends a subscription that nobody cancelled.
    pub(crate) fn end(&mut self, consumer: ConsumerId, why: Ended) {
        if let Some(Open { outlet: Outlet::Own { ended, .. }, .. }) = self.open.get(&consumer) {
            let _ = ended.set(why);
        }
        self.take_out(consumer, why == Ended::TimedOut);
    }

    /// Remembers who a consumer is.
    pub(crate) fn name(&mut self, consumer: ConsumerId, holder: Arc<str>) {
        self.holders.insert(consumer, holder);
    }

    /// Who a consumer is.
    pub(crate) fn holder(&self, consumer: Option<ConsumerId>) -> Arc<str> {
        let known = consumer.and_then(|consumer| self.holders.get(&consumer));
        let open = consumer.and_then(|consumer| self.open.get(&consumer));
        let unnamed = || match open {
            Some(Open { outlet: Outlet::Session(link, _), .. }) => {
                Arc::from(format!("a consumer of {}", link.client()))
            }
            Some(Open { outlet: Outlet::Own { .. }, .. }) | None => Arc::from("a receive request"),
        };
        known.map_or_else(unnamed, Arc::clone)
    }

    /// Closing the outlet is how a consumer learns that its subscription ended.
    pub(crate) fn remove(&mut self, consumer: ConsumerId) {
        self.take_out(consumer, false);
    }

    fn take_out(&mut self, consumer: ConsumerId, timed_out: bool) {
        if let Some(Open { outlet: Outlet::Session(link, number), .. }) = self.open.remove(&consumer) {
            link.ended(number, timed_out);
        }
        self.holders.remove(&consumer);
    }

    /// Hands over deliveries in order. Answers what nobody took any more.
    pub(crate) fn send(&mut self, runs: Vec<DeliveryRun>, vitals: &Vitals) -> Vec<Undelivered> {
        let mut undelivered = Vec::new();
        for (consumer, run) in runs {
            vitals.count_deliveries(&run);
            let back = match self.open.get(&consumer) {
                Some(open) => open.outlet.send(run).err(),
                None => Some(run),
            };
            undelivered.extend(back.map(|run| Undelivered { consumer, run }));
        }
        undelivered
    }
}

/// Deliveries in runs to the same consumer each.
pub(crate) fn runs(deliveries: Vec<(ConsumerId, Delivery)>) -> Vec<DeliveryRun> {
    let mut runs: Vec<DeliveryRun> = Vec::new();
    for (consumer, delivery) in deliveries {
        match runs.last_mut().filter(|(last, _)| *last == consumer) {
            Some((_, run)) => run.push(delivery),
            None => runs.push((consumer, vec![delivery])),
        }
    }
    runs
}

/// Deliveries whose consumer is gone.
pub(crate) struct Undelivered {
    pub consumer: ConsumerId,
    pub run: Vec<Delivery>,
}
