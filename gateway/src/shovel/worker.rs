use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::definition::Shovel;
use super::flow::Flow;
use super::forwarding::Forwarding;
use super::link::Link;
use super::report::{Report, State};
use super::transfer::{self, Transfer};
use crate::amqp::AmqpDoor;
use crate::topics::{ShovelDefinition, ShovelName, Topics};

/// What the broker calls itself where a message's way is told.
const CLUSTER: &str = "sluice";
/// How long until a shovel that is done tries again to say so.
const AGAIN: Duration = Duration::from_secs(1);

/// One shovel at work.
pub struct Worker {
    pub name: ShovelName,
    pub definition: Arc<ShovelDefinition>,
    pub report: Arc<Report>,
    pub topics: Topics,
    pub door: AmqpDoor,
    pub stop: CancellationToken,
}

impl Worker {
    /// Moves messages until it is stopped or done.
    pub async fn run(self) {
        let ShovelName { vhost, name } = &self.name;
        let shovel = match Shovel::read(name, &self.definition.value) {
            Ok(shovel) => shovel,
            Err(faults) => {
                // Another version may have known better.
                warn!(%vhost, shovel = %name, ?faults, "a shovel's definition cannot be used");
                self.report.fail("failed to parse configuration".to_owned());
                return;
            }
        };
        info!(%vhost, shovel = %name, route = shovel.route(), "a shovel starts");
        let mut flow = None;
        while !self.stop.is_cancelled() {
            self.report.turn(State::Starting);
            match self.transfer(&shovel, &mut flow).await {
                End::Stopped => return,
                End::Done => {
                    info!(%vhost, shovel = %name, "a shovel has moved all that it was to move");
                    return self.finish().await;
                }
                End::Failed(reason) => {
                    warn!(%vhost, shovel = %name, reason, "a shovel stopped");
                    self.report.fail(reason);
                    let again = async {
                        match shovel.reconnect_delay {
                            Some(delay) => tokio::time::sleep(delay).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        () = again => {}
                        () = self.stop.cancelled() => return,
                    }
                }
            }
        }
    }

    /// Connects and moves messages until something ends that.
    async fn transfer(&self, shovel: &Shovel, flow: &mut Option<Flow>) -> End {
        let opening = async {
            let (from, to) = (&shovel.source.addresses, &shovel.destination.addresses);
            let source = Link::open(from, &self.name.name, &self.door).await;
            let source = source.map_err(|why| format!("failed to connect to source: {why}"))?;
            let destination = Link::open(to, &self.name.name, &self.door).await;
            match destination {
                Ok(destination) => Ok((source, destination)),
                Err(why) => {
                    source.close().await;
                    Err(format!("failed to connect to destination: {why}"))
                }
            }
        };
        let opened = tokio::select! {
            opened = opening => opened,
            () = self.stop.cancelled() => return End::Stopped,
        };
        let (mut source, mut destination) = match opened {
            Ok(both) => both,
            Err(reason) => return End::Failed(reason),
        };
        let end = tokio::select! {
            moved = self.shovel(shovel, flow, (&mut source, &mut destination)) => match moved {
                Ok(()) => End::Done,
                Err(reason) => End::Failed(reason),
            },
            () = self.stop.cancelled() => End::Stopped,
        };
        if let Some(flow) = flow {
            flow.interrupted();
            self.report.count(flow, 0);
        }
        // The source first: what it was told is carried out before it closes.
        tokio::join!(source.close(), destination.close());
        end
    }

    async fn shovel(
        &self,
        shovel: &Shovel,
        flow: &mut Option<Flow>,
        (source, destination): (&mut Link, &mut Link),
    ) -> Result<(), String> {
        let set_up = |why| format!("failed to set up topology: {why}");
        let queue = transfer::prepare(shovel, source, destination).await.map_err(set_up)?;
        // What it has moved before a connection was lost stays moved.
        let flow = match flow {
            Some(flow) => flow,
            None => {
                let limit = transfer::limit(shovel, source, &queue).await.map_err(set_up)?;
                flow.insert(Flow::new(shovel.ack_mode, shovel.source.prefetch.into(), limit))
            }
        };
        if flow.is_done() {
            return Ok(());
        }
        let ends = (source.shown.as_str(), destination.shown.as_str());
        let forwarding = Forwarding::new(&self.name, shovel, CLUSTER, ends);
        let transfer = Transfer::begin(shovel, &queue, forwarding, (source, destination)).await;
        transfer.map_err(set_up)?.run(flow, shovel.ack_mode, &self.report).await
    }

    /// Takes its own definition away.
    async fn finish(self) {
        while let Err(refusal) = self.topics.finish_shovel(self.name.clone(), self.definition.revision).await
        {
            let (vhost, name) = (&self.name.vhost, &self.name.name);
            warn!(%vhost, shovel = %name, %refusal, "a shovel that is done cannot be deleted");
            self.report.turn(State::Terminated("it is done, and cannot be deleted".to_owned()));
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }
}

/// What ended a transfer.
enum End {
    /// It was asked to.
    Stopped,
    /// There is nothing more to move.
    Done,
    /// Something failed.
    Failed(String),
}
