//! What a connection's use is measured by, and how long it is held up: nothing more is read of a client that published
//! too much, and no more credit is given to one that was delivered too much.

use std::pin::Pin;

use super::connection::VhostAnswer;
use crate::auth::quota::{InForce, Measure, Part};
use crate::auth::{Connected, Guard, Origin, Pass, Usage};
use crate::topics::session::{Action, Operation};

/// A wait that ends when what was used is paid for.
pub type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The metering of one connection.
#[derive(Default)]
pub struct Metering {
    usage: Usage,
    connected: Option<Connected>,
    /// Until when nothing more is read.
    pub held_up: Option<Wait>,
    /// Until when no more credit is given.
    pub paced: Option<Wait>,
}

impl Metering {
    /// The client is somebody from now on.
    pub fn act_for(&mut self, guard: &Guard, pass: &Pass, client: Option<&str>, origin: Origin) {
        let user = pass.caller().map(crate::auth::Caller::user);
        if !self.usage.is_of(user, client) {
            self.connected = None;
            self.usage = Usage::of(guard, user, client, origin);
        }
    }

    /// What it is measured by.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Takes a place among the connections that its user, client and address may have.
    pub fn connect(&mut self, user: &str) -> Result<(), VhostAnswer> {
        match self.usage.connect() {
            Ok(connected) => {
                self.connected = connected;
                Ok(())
            }
            Err(full) => Err(told(&full, user)),
        }
    }

    /// Takes what operations bring.
    pub fn submitted(&mut self, operations: &[Operation]) {
        // What the connection does by itself is no request of its client.
        if operations.iter().all(|operation| matches!(operation.action, Action::Credit { .. })) {
            return;
        }
        let bytes: usize = operations.iter().map(|operation| published(&operation.action)).sum();
        self.use_up(Measure::Requests, 1);
        self.use_up(Measure::Produce, bytes as u64);
    }

    fn use_up(&mut self, measure: Measure, amount: u64) {
        let wait = self.usage.take(measure, amount);
        if !wait.is_zero() {
            let (usage, before) = (self.usage.clone(), self.held_up.take());
            self.held_up = Some(Box::pin(async move {
                usage.waited(measure, wait).await;
                if let Some(before) = before {
                    before.await;
                }
            }));
        }
    }

    /// Takes what was delivered; answers whether credit is to be held back from now on.
    pub fn delivered(&mut self, (bytes, asked): (u64, bool)) -> bool {
        let wait = self.usage.take(Measure::Consume, bytes);
        if wait.is_zero() {
            return false;
        }
        let until =
            |usage: Usage| -> Wait { Box::pin(async move { usage.waited(Measure::Consume, wait).await }) };
        if asked {
            self.held_up = Some(until(self.usage.clone()));
        }
        self.paced = Some(until(self.usage.clone()));
        true
    }
}

/// Bytes of bodies that an action publishes.
fn published(action: &Action) -> usize {
    match action {
        Action::Publish(publish) => publish.body.len(),
        Action::Commit(steps) => steps.iter().map(published).sum(),
        Action::RefusedPublish(_)
        | Action::Settle(_)
        | Action::Credit { .. }
        | Action::Ask(_)
        | Action::CloseChannel { .. } => 0,
    }
}

fn told(InForce { limit, holder, .. }: &InForce, user: &str) -> VhostAnswer {
    let name = |part: &Part| part.as_str().to_owned();
    let (kind, name) = match (&holder.client_id, &holder.address) {
        (_, Some(address)) => ("address", name(address)),
        (Some(client), None) => ("client", name(client)),
        (None, None) => ("user", user.to_owned()),
    };
    VhostAnswer::Full { kind, name, limit: *limit }
}

/// Returns when a wait is over; never without one.
pub async fn over(wait: &mut Option<Wait>) {
    match wait {
        Some(wait) => wait.await,
        None => std::future::pending().await,
    }
}
