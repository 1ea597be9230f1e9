use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::report::{Report, Standing, State, Tally};
use super::worker::Worker;
use crate::amqp::AmqpDoor;
use crate::drain::Drain;
use crate::topics::{ShovelDefinition, ShovelName, ShovelTable, Topics};

/// All shovels of the broker, at work as their definitions say. Cheap to clone.
#[derive(Clone)]
pub struct Shovels(Arc<Inner>);

struct Inner {
    topics: Topics,
    door: AmqpDoor,
    drain: Drain,
    crew: Mutex<BTreeMap<ShovelName, Member>>,
    tally: Arc<Tally>,
}

/// One shovel.
struct Member {
    definition: Arc<ShovelDefinition>,
    report: Arc<Report>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What there is to measure of shovels.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShovelFigures {
    /// How many connect.
    pub starting: u64,
    /// How many move messages.
    pub running: u64,
    /// How many wait until their destination takes messages again.
    pub blocked: u64,
    /// How many do nothing because something failed.
    pub terminated: u64,
    /// Messages that were sent on.
    pub forwarded: u64,
    /// How often one stopped because something failed.
    pub failures: u64,
}

impl Shovels {
    /// Those of a server whose data is open; none is at work before [`Shovels::follow`].
    #[must_use]
    pub fn new(topics: Topics, door: AmqpDoor, drain: Drain) -> Shovels {
        Shovels(Arc::new(Inner { topics, door, drain, crew: Mutex::default(), tally: Arc::default() }))
    }

    /// Has shovels work as their definitions say, until the server goes down.
    pub async fn follow(self) {
        let mut definitions = self.0.topics.watch_shovels();
        let draining = self.0.drain.token();
        loop {
            let now = Arc::clone(&definitions.borrow_and_update());
            self.adjust(&now);
            tokio::select! {
                changed = definitions.changed() => if changed.is_err() { break },
                () = draining.cancelled() => break,
            }
        }
        self.0.crew.lock().values().for_each(|member| member.stop.cancel());
    }

    fn adjust(&self, definitions: &ShovelTable) {
        let mut crew = self.0.crew.lock();
        crew.retain(|name, member| {
            let stays = definitions.contains_key(name);
            if !stays {
                member.stop.cancel();
            }
            stays
        });
        for (name, definition) in definitions {
            let before = crew.get(name).map(|member| member.definition.revision);
            if before != Some(definition.revision) {
                let before = crew.remove(name);
                crew.insert(name.clone(), self.start(name.clone(), Arc::clone(definition), before));
            }
        }
    }

    /// Starts a shovel, once the one before it has ended.
    fn start(&self, name: ShovelName, definition: Arc<ShovelDefinition>, before: Option<Member>) -> Member {
        let (report, stop) = (Arc::new(Report::new(Arc::clone(&self.0.tally))), CancellationToken::new());
        let worker = Worker {
            name,
            definition: Arc::clone(&definition),
            report: Arc::clone(&report),
            topics: self.0.topics.clone(),
            door: self.0.door.clone(),
            stop: stop.clone(),
        };
        let task = self.0.drain.track(async move {
            if let Some(before) = before {
                before.stop.cancel();
                // However it ended.
                let _ = before.task.await;
            }
            worker.run().await;
        });
        Member { definition, report, stop, task }
    }

    /// Has a shovel begin anew; answers whether there is one of that name.
    #[must_use]
    pub fn restart(&self, name: &ShovelName) -> bool {
        let mut crew = self.0.crew.lock();
        let Some(member) = crew.remove(name) else { return false };
        if self.0.drain.has_begun() {
            crew.insert(name.clone(), member);
            return true;
        }
        let definition = Arc::clone(&member.definition);
        crew.insert(name.clone(), self.start(name.clone(), definition, Some(member)));
        true
    }

    /// How each stands, by virtual host and name, with its definition.
    #[must_use]
    pub fn standings(&self) -> Vec<(ShovelName, Arc<ShovelDefinition>, Standing)> {
        let crew = self.0.crew.lock();
        let each = crew.iter();
        each.map(|(name, member)| (name.clone(), Arc::clone(&member.definition), member.report.standing()))
            .collect()
    }

    /// What there is to measure.
    #[must_use]
    pub fn figures(&self) -> ShovelFigures {
        let tally = &self.0.tally;
        let mut figures = ShovelFigures {
            forwarded: tally.forwarded.load(Relaxed),
            failures: tally.failures.load(Relaxed),
            ..ShovelFigures::default()
        };
        for (_, _, standing) in self.standings() {
            match standing.state {
                State::Starting => figures.starting += 1,
                State::Running { blocked: false, .. } => figures.running += 1,
                State::Running { blocked: true, .. } => figures.blocked += 1,
                State::Terminated(_) => figures.terminated += 1,
            }
        }
        figures
    }
}
