//! Queues, exchanges and bindings in the words of AMQP, for whoever looks after the broker.

use message::{ExchangeName, HeaderTable, TopicName};
pub use queue_engine::ExchangeCounts;
use queue_engine::{BindingTarget, ExchangeInfo, QueueInfo};
use serde_json::{Map, Value, json};

use super::queue_topic::LOOK;
use super::shard::Turn;
use super::{LogTopic, Topic, Topics, VirtualHost, header_json};
use crate::refusal::Refusal;

/// Arguments or headers as JSON.
pub type Table = Map<String, Value>;

/// A queue as it stands, or a log, which AMQP calls a stream.
#[derive(Clone, Debug)]
pub struct QueueEntry {
    /// Its virtual host.
    pub vhost: String,
    /// Its name there.
    pub name: String,
    /// `classic`, `quorum` or `stream`.
    pub kind: &'static str,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// The session that it belongs to, if it is exclusive: see [`super::session::Session::owner`].
    pub owner: Option<u64>,
    /// What it was declared with.
    pub arguments: Table,
    /// The user's policy in force.
    pub policy: Option<String>,
    /// The operator's policy in force.
    pub operator_policy: Option<String>,
    /// Messages that wait for a consumer; a log's records.
    pub ready: u64,
    /// Messages that a consumer holds.
    pub unsettled: u64,
    /// Messages out of sight until their time.
    pub delayed: u64,
    /// Bytes of ready bodies.
    pub ready_bytes: u64,
    /// Bytes of all bodies; what a log takes on disk.
    pub bytes: u64,
    /// Bytes held in memory.
    pub loaded_bytes: u64,
    /// Subscriptions.
    pub consumers: u64,
    /// When the oldest ready message came, in milliseconds since the epoch.
    pub head_ms: Option<i64>,
    /// Counters since the start.
    pub counts: QueueCounts,
}

/// What happened to a queue since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Messages that came in.
    pub published: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Those to subscriptions that settle nothing.
    pub pushed_for_good: u64,
    /// Those to whoever came for a message, to be settled.
    pub taken: u64,
    /// Those to whoever came for a message, for good.
    pub taken_for_good: u64,
    /// Deliveries that were not a message's first.
    pub redelivered: u64,
    /// Messages settled for good.
    pub acked: u64,
}

impl QueueCounts {
    /// Deliveries to subscriptions that settle them.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.delivered.saturating_sub(self.pushed_for_good + self.taken + self.taken_for_good)
    }
}

/// An exchange as it stands.
#[derive(Clone, Debug)]
pub struct ExchangeEntry {
    /// Its virtual host.
    pub vhost: String,
    /// Its name there.
    pub name: String,
    /// What AMQP calls its kind.
    pub kind: &'static str,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// Whether only exchanges may publish to it.
    pub internal: bool,
    /// Whether it always exists.
    pub predeclared: bool,
    /// What it was declared with.
    pub arguments: Table,
    /// The policy in force.
    pub policy: Option<String>,
    /// What was published to it since the start; of the default exchange that is not counted.
    pub counts: ExchangeCounts,
}

/// A binding as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct BindingEntry {
    /// Its virtual host.
    pub vhost: String,
    /// The exchange that feeds; empty is the default one.
    pub source: String,
    /// What is fed.
    pub destination: String,
    /// Whether that is an exchange, and not a queue or stream.
    pub to_exchange: bool,
    /// Key or pattern.
    pub routing_key: String,
    /// What it was made with.
    pub arguments: Table,
}

impl Topics {
    /// Every queue and log, of one virtual host if asked, by name.
    pub async fn queue_entries(&self, host: Option<&VirtualHost>) -> Result<Vec<QueueEntry>, Refusal> {
        let wanted = host.cloned();
        let look = |turn: &mut Turn<'_>| turn.engines.queue.queues().collect::<Vec<QueueInfo>>();
        let queues = self.shard().call(LOOK, look).await?;
        let logs = self.directory().logs();
        let logs = logs.iter().map(|log| self.log_entry(log));
        let mut all: Vec<QueueEntry> =
            queues.into_iter().map(|info| self.queue_entry_of(info)).chain(logs).collect();
        all.retain(|entry| wanted.as_ref().is_none_or(|host| entry.vhost == host.name()));
        all.sort_by(|a, b| (&a.vhost, &a.name).cmp(&(&b.vhost, &b.name)));
        Ok(all)
    }

    /// One queue or log of a virtual host, if it is there.
    pub async fn queue_entry(&self, host: &VirtualHost, name: &str) -> Result<Option<QueueEntry>, Refusal> {
        let full = host.full(name).into_owned();
        let name = match self.topic(&full) {
            Ok(Topic::Log(log)) => return Ok(Some(self.log_entry(&log))),
            Ok(Topic::Queue(queue)) => queue.name().clone(),
            Err(_) => return Ok(None),
        };
        let look = move |turn: &mut Turn<'_>| turn.engines.queue.queue_info(&name).ok();
        Ok(self.shard().call(LOOK, look).await?.map(|info| self.queue_entry_of(info)))
    }

    /// Every exchange, of one virtual host if asked, by name; the default ones have none.
    pub async fn exchange_entries(&self, host: Option<&VirtualHost>) -> Result<Vec<ExchangeEntry>, Refusal> {
        let look = |turn: &mut Turn<'_>| turn.engines.queue.exchanges();
        let made = self.shard().call(LOOK, look).await?.into_iter().map(|info| self.exchange_entry(info));
        let hosts = self.list_virtual_hosts(None, usize::MAX).into_iter();
        let default = hosts.map(|vhost| ExchangeEntry {
            vhost,
            name: String::new(),
            kind: "direct",
            durable: true,
            auto_delete: false,
            internal: false,
            predeclared: true,
            arguments: Table::new(),
            policy: None,
            counts: ExchangeCounts::default(),
        });
        let mut all: Vec<ExchangeEntry> = default.chain(made).collect();
        all.retain(|entry| host.is_none_or(|host| entry.vhost == host.name()));
        all.sort_by(|a, b| (&a.vhost, &a.name).cmp(&(&b.vhost, &b.name)));
        Ok(all)
    }

    /// Every binding, of one virtual host if asked. Those of the default exchanges, which every queue has, come first.
    pub async fn binding_entries(&self, host: Option<&VirtualHost>) -> Result<Vec<BindingEntry>, Refusal> {
        let look = |turn: &mut Turn<'_>| {
            let queues: Vec<TopicName> = turn.engines.queue.queues().map(|info| info.name).collect();
            (queues, turn.engines.queue.bindings())
        };
        let (queues, made) = self.shard().call(LOOK, look).await?;
        let logs = self.directory().logs();
        let names = queues.iter().chain(logs.iter().map(LogTopic::name));
        let default = names.map(|full| {
            let host = self.virtual_host_of(full.as_str());
            let name = host.local(full.as_str()).to_owned();
            BindingEntry {
                vhost: host.name().to_owned(),
                source: String::new(),
                destination: name.clone(),
                to_exchange: false,
                routing_key: name,
                arguments: Table::new(),
            }
        });
        let made = made.into_iter().map(|binding| {
            let host = self.virtual_host_of(binding.source.as_str());
            let (destination, to_exchange) = match &binding.target {
                BindingTarget::Queue(name) | BindingTarget::Log(name) => (name.as_str(), false),
                BindingTarget::Exchange(name) => (name.as_str(), true),
            };
            BindingEntry {
                vhost: host.name().to_owned(),
                source: host.local(binding.source.as_str()).to_owned(),
                destination: host.local(destination).to_owned(),
                to_exchange,
                routing_key: binding.routing_key,
                arguments: table(&binding.arguments),
            }
        });
        let mut all: Vec<BindingEntry> = default.chain(made).collect();
        all.retain(|entry| host.is_none_or(|host| entry.vhost == host.name()));
        let key = |entry: &BindingEntry| {
            (entry.vhost.clone(), entry.source.clone(), entry.destination.clone(), entry.routing_key.clone())
        };
        all.sort_by_cached_key(key);
        Ok(all)
    }

    /// The arguments of a binding exactly as it was made with, which their form in JSON may not be.
    pub async fn binding_arguments(
        &self,
        host: &VirtualHost,
        wanted: &BindingEntry,
    ) -> Result<Option<HeaderTable>, Refusal> {
        let (source, key) = (host.full(&wanted.source).into_owned(), wanted.routing_key.clone());
        let (destination, arguments) =
            (host.full(&wanted.destination).into_owned(), wanted.arguments.clone());
        let look = move |turn: &mut Turn<'_>| {
            let is_it = |binding: &queue_engine::Binding| {
                let to = match &binding.target {
                    BindingTarget::Queue(name) | BindingTarget::Log(name) => name.as_str(),
                    BindingTarget::Exchange(name) => name.as_str(),
                };
                binding.source.as_str() == source
                    && to == destination
                    && binding.routing_key == key
                    && table(&binding.arguments) == arguments
            };
            turn.engines.queue.bindings().into_iter().find(is_it).map(|binding| binding.arguments)
        };
        self.shard().call(LOOK, look).await
    }

    /// Whether an exchange of that name is there; the default one always is.
    pub async fn has_exchange(&self, host: &VirtualHost, name: &str) -> Result<bool, Refusal> {
        if name.is_empty() {
            return Ok(true);
        }
        let Ok(name) = ExchangeName::new(&host.full(name)) else { return Ok(false) };
        let look = move |turn: &mut Turn<'_>| turn.engines.queue.exchange(&name).is_ok();
        self.shard().call(LOOK, look).await
    }

    fn queue_entry_of(&self, info: QueueInfo) -> QueueEntry {
        let host = self.virtual_host_of(info.name.as_str());
        let mut arguments = table(&info.options.to_arguments());
        // RabbitMQ names the type where a client did, and for all types but the usual one.
        let declared = info.options.arguments.as_deref().and_then(|table| table.get("x-queue-type"));
        if declared.is_none() && info.options.kind == queue_engine::QueueType::Classic {
            arguments.remove("x-queue-type");
        }
        QueueEntry {
            vhost: host.name().to_owned(),
            name: host.local(info.name.as_str()).to_owned(),
            kind: info.options.kind.as_str(),
            durable: info.options.durable,
            auto_delete: info.options.auto_delete,
            owner: info.owner.map(|owner| owner.0),
            arguments,
            policy: info.policy,
            operator_policy: info.operator_policy,
            ready: info.ready,
            unsettled: info.leased,
            delayed: info.delayed,
            ready_bytes: info.ready_bytes,
            bytes: info.bytes,
            loaded_bytes: info.loaded_bytes,
            consumers: info.consumers,
            head_ms: info.head_enqueued_at.map(|at| at.0),
            counts: QueueCounts {
                published: info.totals.published,
                delivered: info.totals.delivered,
                pushed_for_good: info.totals.pushed_for_good,
                taken: info.totals.taken,
                taken_for_good: info.totals.taken_for_good,
                redelivered: info.totals.redelivered,
                acked: info.totals.acked,
            },
        }
    }

    fn log_entry(&self, log: &LogTopic) -> QueueEntry {
        let host = self.virtual_host_of(log.name().as_str());
        let views = || log.0.partitions.iter().map(|partition| &partition.view);
        let records = views().map(|view| (view.high_watermark().0 - view.log_start().0).max(0) as u64).sum();
        let bytes = views().map(|view| view.size_bytes()).sum();
        QueueEntry {
            vhost: host.name().to_owned(),
            name: host.local(log.name().as_str()).to_owned(),
            kind: "stream",
            durable: true,
            auto_delete: false,
            owner: None,
            arguments: stream_arguments(log),
            policy: None,
            operator_policy: None,
            ready: records,
            unsettled: 0,
            delayed: 0,
            ready_bytes: bytes,
            bytes,
            loaded_bytes: 0,
            consumers: 0,
            head_ms: None,
            counts: QueueCounts {
                published: views().map(|view| view.high_watermark().0.max(0) as u64).sum(),
                ..QueueCounts::default()
            },
        }
    }

    fn exchange_entry(&self, info: ExchangeInfo) -> ExchangeEntry {
        let host = self.virtual_host_of(info.name.as_str());
        let options = info.options;
        let mut arguments = Table::new();
        let mut put = |name: &str, value: Option<Value>| {
            value.into_iter().for_each(|value| drop(arguments.insert(name.to_owned(), value)));
        };
        put("alternate-exchange", options.alternate_exchange.map(Value::from));
        put("hash-header", options.hash_header.map(Value::from));
        put("hash-property", options.hash_property.map(|property| json!(property.as_str())));
        put("x-recent-history-length", options.history_length.map(Value::from));
        put("x-delayed-type", options.delayed_kind.map(|kind| json!(kind.as_str())));
        ExchangeEntry {
            vhost: host.name().to_owned(),
            name: host.local(info.name.as_str()).to_owned(),
            kind: info.kind.as_str(),
            durable: options.durable,
            auto_delete: options.auto_delete,
            internal: options.internal,
            predeclared: info.predeclared,
            arguments,
            policy: info.policy,
            counts: info.counts,
        }
    }
}

fn stream_arguments(log: &LogTopic) -> Table {
    let mut arguments = Table::new();
    arguments.insert("x-queue-type".to_owned(), json!("stream"));
    for (key, value) in log.0.settings.explicit() {
        let number = || value.parse::<u64>().ok();
        match key {
            "retention.bytes" => {
                number().map(|bytes| arguments.insert("x-max-length-bytes".to_owned(), json!(bytes)))
            }
            "retention.ms" => number()
                .map(|ms| arguments.insert("x-max-age".to_owned(), json!(format!("{}s", ms.div_ceil(1000))))),
            "segment.bytes" => number()
                .map(|bytes| arguments.insert("x-stream-max-segment-size-bytes".to_owned(), json!(bytes))),
            _ => None,
        };
    }
    arguments
}

fn table(headers: &HeaderTable) -> Table {
    headers.iter().map(|(name, value)| (name.to_owned(), header_json::to_json(&value))).collect()
}
