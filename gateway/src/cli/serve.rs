use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::listeners::{self, Listeners, Opening};
use super::{memory_watch, notify, security, wiring};
use crate::amqp::{self, AmqpDoor};
use crate::config::Config;
use crate::drain::Drain;
use crate::http::api::{self, AppState};
use crate::http::cors;
use crate::http::front::Front;
use crate::http::operations::{self, Operations};
use crate::http::server::{self, Connections, ServerLimits};
use crate::kafka::{self, KafkaDoor};
use crate::logging;
use crate::management::{self, Management, Node};
use crate::metrics::HttpCounters;
use crate::shovel::Shovels;
use crate::topics::Topics;
use crate::ws::{self, WsDoor};

/// What cutting off the last clients and the last sync may take beyond the grace.
const AFTER_GRACE: Duration = Duration::from_secs(2);

/// Runs the server until a signal ends it.
pub fn serve(config: Config) -> anyhow::Result<ExitCode> {
    logging::start(&config);
    raise_open_files();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let code = runtime.block_on(run(config))?;
    // What is left has been told to end and was given its time.
    runtime.shutdown_background();
    Ok(code)
}

async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let grace = Duration::from_millis(config.drain_grace_ms);
    let guard = security::guard(&config)?;
    let tls = security::tls(&config, &guard)?;
    let wanted = listeners::wanted(&config).await?;
    // Where only the users could say that logins are wanted, they are read before a door is opened.
    let mut early = match security::check(&config, &wanted, security::will_want_logins(&config, &guard)) {
        Ok(()) => Some(Listeners::open(&config, tls.as_ref()).await?),
        Err(_) => None,
    };

    let drain = Drain::default();
    let connections = Arc::new(Connections::default());
    let counters = Arc::new(HttpCounters::default());
    let operations = Operations::new(drain.clone(), connections.clone(), counters.clone(), tls.clone());
    let routes = operations::router().with_state(operations.clone());
    let front = Front::new(routes.clone(), counters);
    let limits = ServerLimits::from(&config.http);
    let serve_http = |listeners: &mut Listeners| -> Vec<_> {
        let each = std::mem::take(&mut listeners.http).into_iter().map(|listener| {
            let (front, connections, drain) = (front.clone(), connections.clone(), drain.clone());
            tokio::spawn(server::serve(listener, front, limits, connections, drain, grace))
        });
        each.collect()
    };
    let mut servers = early.as_mut().map(serve_http).unwrap_or_default();
    if let Some(tls) = tls.clone() {
        tokio::spawn(tls.follow());
    }
    tokio::spawn(guard.clone().follow_refusals());

    // Recovery reads files; on a thread of its own, health is answered meanwhile.
    let settings = wiring::topics(&config, guard.clone());
    let place = settings.data_dir.display().to_string();
    let (topics, owner) = tokio::task::spawn_blocking(move || Topics::open(settings))
        .await
        .context("recovery did not finish")?
        .with_context(|| format!("cannot open the data directory {place} (data_dir)"))?;
    security::make_admin(&config.auth, &topics).await?;
    security::check(&config, &wanted, guard.is_required())?;
    let listeners = match early {
        Some(listeners) => listeners,
        None => {
            let mut listeners = Listeners::open(&config, tls.as_ref()).await?;
            servers.extend(serve_http(&mut listeners));
            listeners
        }
    };
    let amqp_door =
        AmqpDoor::new(topics.clone(), wiring::amqp(&config), wiring::mechanisms(&config), drain.clone());
    let shovels = Shovels::new(topics.clone(), amqp_door.clone(), drain.clone());
    operations.open(topics.clone());
    operations.measure(shovels.clone());
    let data_dir = std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
    let kafka_door = KafkaDoor::new(
        topics.clone(),
        config.kafka.clone(),
        config.share_groups.max_sessions,
        data_dir.display().to_string(),
        drain.clone(),
    );
    let high = memory_watch::high_watermark(config.memory_high_watermark_bytes);
    drain.track(memory_watch::watch(topics.clone(), high));
    let openings = listeners.openings.iter().map(|opening| (opening.scheme, opening.address)).collect();
    let node = wiring::node(&config, &data_dir, openings);
    front.open(doors(&config, &topics, &drain, routes, (amqp_door.roster().clone(), node, shovels.clone())));
    for listener in listeners.kafka {
        drain.track(kafka::serve(listener, kafka_door.clone()));
    }
    for (listener, tls) in listeners.amqp {
        drain.track(amqp::serve(listener, tls, amqp_door.clone()));
    }
    // Last: what they move may go through any of these.
    drain.track(shovels.follow());
    announce(&listeners.openings);
    notify("READY=1");

    let signal = signals.next().await;
    info!(signal, "draining");
    notify("STOPPING=1");
    topics.drain();
    drain.begin();
    let end = async {
        for server in servers {
            let _ = server.await;
        }
        drain.finish().await;
        topics.close();
        if owner.ended().await.is_err() {
            warn!("the owner of the data ended badly");
        }
    };
    tokio::select! {
        outcome = tokio::time::timeout(grace + AFTER_GRACE, end) => {
            if outcome.is_err() {
                warn!("some clients did not leave in time");
            }
            guard.settings().audit.write_rest();
            info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        signal = signals.next() => {
            warn!(signal, "a second signal: stopping at once");
            std::process::exit(1);
        }
    }
}

/// Everything below `/v1` and `/api` beside what was open from the start.
fn doors(
    config: &Config,
    topics: &Topics,
    drain: &Drain,
    operations: axum::Router,
    (roster, node, shovels): (amqp::Roster, Node, Shovels),
) -> axum::Router {
    let origins = config.ws.allowed_origins.clone();
    let sockets = ws::routes(WsDoor::new(topics.clone(), wiring::ws(config), origins, drain.clone()));
    let cors = config.http.cors_origins.clone();
    let state = AppState::with_origins(topics.clone(), wiring::http(config), drain.clone(), cors);
    let (bodies, body_bytes) = (state.bodies().clone(), state.limits().body_bytes);
    let management = Management::new(topics.clone(), (roster, shovels), bodies, body_bytes, node);
    let api = api::endpoints(axum::Router::new()).with_state(state);
    let all = operations.merge(api).merge(sockets);
    cors::allow(api::finish(all).merge(management::routes(management)), &config.http.cors_origins)
}

/// Tells the service manager, if there is one.
fn notify(state: &str) {
    if let Ok(socket) = std::env::var(notify::SOCKET_VARIABLE)
        && let Err(error) = notify::tell(&socket, state)
    {
        warn!(%error, state, "cannot tell the service manager");
    }
}

/// The lines that people and test harnesses wait for; the last one says that everything is open.
fn announce(openings: &[Opening]) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; that is no reason to stop.
    let Some((first, others)) = openings.split_first() else { return };
    for Opening { scheme, address, .. } in others {
        let _ = writeln!(out, "sluice listens: {scheme}://{address}");
    }
    let _ = writeln!(out, "sluice is ready: {}://{}", first.scheme, first.address);
    let _ = out.flush();
}

/// Each connection and each log segment is an open file; the usual soft limit of 1024 is too low for either.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            warn!(%error, "cannot raise the limit on open files");
        }
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// SIGXFSZ would end the process at a limit on file sizes; caught, the write fails and is handled like a full disk.
    _file_size: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
