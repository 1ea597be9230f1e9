use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use queue_engine::{ConsumerId, Delivery, Ended};
use tokio::sync::mpsc;

use crate::topics::session::{ConsumerNumber, Link};
use crate::topics::vitals::Vitals;

/// The way from the owner to one consumer. Unbounded in form, bounded in fact: nothing is assigned beyond credit.
pub(crate) enum Outlet {
    /// To a subscription with a way of its own.
    Own {
        deliveries: mpsc::UnboundedSender<Vec<Delivery>>,
        /// Why it closed, set before it does.
        ended: Arc<OnceLock<Ended>>,
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

/// Where each consumer's deliveries go.
#[derive(Default)]
pub(crate) struct Outlets {
    open: HashMap<ConsumerId, Outlet>,
    /// What doors say of their consumers; those of a single receive have no name.
    holders: HashMap<ConsumerId, Arc<str>>,
}

impl Outlets {
    pub(crate) fn insert(&mut self, consumer: ConsumerId, outlet: Outlet) {
        self.open.insert(consumer, outlet);
    }

    /// Ends a subscription that nobody cancelled.
    pub(crate) fn end(&mut self, consumer: ConsumerId, why: Ended) {
        if let Some(Outlet::Own { ended, .. }) = self.open.get(&consumer) {
            let _ = ended.set(why);
        }
        self.remove(consumer);
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
            Some(Outlet::Session(..)) => "an AMQP consumer",
            Some(Outlet::Own { .. }) | None => "a receive request",
        };
        known.map_or_else(|| Arc::from(unnamed()), Arc::clone)
    }

    /// Closing the outlet is how a consumer learns that its subscription ended.
    pub(crate) fn remove(&mut self, consumer: ConsumerId) {
        if let Some(Outlet::Session(link, number)) = self.open.remove(&consumer) {
            link.ended(number);
        }
        self.holders.remove(&consumer);
    }

    /// Hands over deliveries in order, one send per run of the same consumer. Answers what nobody took any more.
    pub(crate) fn send(
        &mut self,
        deliveries: Vec<(ConsumerId, Delivery)>,
        vitals: &Vitals,
    ) -> Vec<Undelivered> {
        let mut undelivered = Vec::new();
        let mut deliveries = deliveries.into_iter().peekable();
        while let Some((consumer, first)) = deliveries.next() {
            let mut run = vec![first];
            while let Some((_, next)) = deliveries.next_if(|(to, _)| *to == consumer) {
                run.push(next);
            }
            vitals.count_deliveries(&run);
            let back = match self.open.get(&consumer) {
                Some(outlet) => outlet.send(run).err(),
                None => Some(run),
            };
            undelivered.extend(back.map(|run| Undelivered { consumer, run }));
        }
        undelivered
    }
}

/// Deliveries whose consumer is gone.
pub(crate) struct Undelivered {
    pub consumer: ConsumerId,
    pub run: Vec<Delivery>,
}
