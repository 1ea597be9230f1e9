use std::collections::HashMap;

use queue_engine::{ConsumerId, Delivery};
use tokio::sync::mpsc;

use crate::topics::vitals::Vitals;

/// The way from the owner to one consumer. Unbounded in form, bounded in fact: nothing is assigned beyond credit.
pub(crate) type Outlet = mpsc::UnboundedSender<Vec<Delivery>>;

/// Where each consumer's deliveries go.
#[derive(Default)]
pub(crate) struct Outlets {
    open: HashMap<ConsumerId, Outlet>,
}

impl Outlets {
    pub(crate) fn insert(&mut self, consumer: ConsumerId, outlet: Outlet) {
        self.open.insert(consumer, outlet);
    }

    /// Closing the outlet is how a consumer learns that its subscription ended.
    pub(crate) fn remove(&mut self, consumer: ConsumerId) {
        self.open.remove(&consumer);
    }

    /// Hands over deliveries in order, one send per run of the same consumer. Answers which consumers are gone.
    pub(crate) fn send(
        &mut self,
        deliveries: Vec<(ConsumerId, Delivery)>,
        vitals: &Vitals,
    ) -> Vec<ConsumerId> {
        let mut gone = Vec::new();
        let mut deliveries = deliveries.into_iter().peekable();
        while let Some((consumer, first)) = deliveries.next() {
            let mut run = vec![first];
            while let Some((_, next)) = deliveries.next_if(|(to, _)| *to == consumer) {
                run.push(next);
            }
            vitals.count_deliveries(&run);
            let sent = self.open.get(&consumer).is_some_and(|outlet| outlet.send(run).is_ok());
            if !sent && !gone.contains(&consumer) {
                gone.push(consumer);
            }
        }
        gone
    }
}
