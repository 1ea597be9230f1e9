//! Exchanges and bindings.

use std::hash::Hasher;

use message::{ErrorCode, ExchangeName, HeaderTable, HeaderTableBuilder, TopicName};
use queue_engine::{Binding, BindingTarget, ExchangeInfo, ExchangeOptions, QueueError};

use super::authorization::Act;
use super::deeds::Deed;
use super::exchange_spec::{
    BindingDescription, BindingSpec, DestinationType, EffectiveExchange, ExchangeDescription, ExchangeSpec,
};
use super::outgoing::Acks;
use super::queue_topic::LOOK;
use super::shard::{Room, Terms, Turn};
use super::spec::Created;
use super::{Topics, header_json};
use crate::auth::routing_keys::KeyUse;
use crate::refusal::Refusal;

const DEFINE: Terms = Terms { acks: Acks::All, weight: 128 << 10, room: Room::Ordinary };
const UNDEFINE: Terms = Terms { room: Room::Reserved, ..DEFINE };

impl Topics {
    /// Makes an exchange, or finds it made the same way.
    pub async fn declare_exchange(
        &self,
        name: &ExchangeName,
        spec: ExchangeSpec,
    ) -> Result<Created, Refusal> {
        self.allow(Act::MakeExchange, name.as_str())?;
        self.check_not_draining()?;
        let (name, topics) = (name.clone(), self.clone());
        let declare = move |turn: &mut Turn<'_>| {
            let (kind, options) = engine_form(spec)?;
            let made = turn.engines.queue.declare_exchange(turn.journal.block(), &name, kind, options);
            let made = made.map_err(in_body)?;
            if made {
                topics.did(Deed::MakeExchange, &format!("exchange {name}, {}", kind.as_str()));
            }
            Ok(if made { Created::Made } else { Created::Same })
        };
        self.shard().call(DEFINE, declare).await?
    }

    /// Deletes an exchange and its bindings.
    pub async fn delete_exchange(&self, name: &str, if_unused: bool) -> Result<(), Refusal> {
        self.allow(Act::DeleteExchange, name)?;
        let (name, topics) = (ExchangeName::new(name)?, self.clone());
        let delete = move |turn: &mut Turn<'_>| {
            turn.engines.queue.delete_exchange(turn.journal.block(), &name, if_unused)?;
            topics.did(Deed::DeleteExchange, &format!("exchange {name}"));
            Ok(())
        };
        self.shard().call(UNDEFINE, delete).await?
    }

    /// An exchange as it stands.
    pub async fn exchange(&self, name: &str) -> Result<ExchangeDescription, Refusal> {
        self.allow(Act::SeeExchange, name)?;
        let name = ExchangeName::new(name)?;
        let look = move |turn: &mut Turn<'_>| Ok(describe(turn.engines.queue.exchange(&name)?));
        self.shard().call(LOOK, look).await?
    }

    /// Exchanges sorted by name, from after `after`, of one virtual host if asked.
    pub async fn list_exchanges(
        &self,
        after: Option<&str>,
        limit: usize,
        vhost: Option<&str>,
    ) -> Result<Vec<ExchangeDescription>, Refusal> {
        let [after, vhost] = [after, vhost].map(|text| text.map(str::to_owned));
        let topics = self.clone();
        let look = move |turn: &mut Turn<'_>| {
            let engine = &turn.engines.queue;
            let all = engine.exchanges().into_iter();
            let there = |name: &str| vhost.as_ref().is_none_or(|vhost| engine.virtual_host_of(name) == vhost);
            let later = all
                .filter(|info| after.as_ref().is_none_or(|after| info.name.as_str() > after.as_str()))
                .filter(|info| there(info.name.as_str()))
                .filter(|info| topics.may(Act::SeeExchange, info.name.as_str()));
            later.take(limit).map(describe).collect()
        };
        self.shard().call(LOOK, look).await
    }

    /// Makes a binding, or finds it made.
    pub async fn bind(&self, spec: BindingSpec) -> Result<(Created, BindingDescription), Refusal> {
        self.check_not_draining()?;
        self.allow_binding(&spec)?;
        let topics = self.clone();
        let bind = move |turn: &mut Turn<'_>| {
            let (source, target, arguments) = parts(&spec)?;
            if let BindingTarget::Log(topic) = &target
                && turn.engines.log.topic(topic).is_none()
            {
                let detail = format!("there is no log topic {topic}");
                return Err(Refusal::new(ErrorCode::UnknownTopic, detail).in_field("destination"));
            }
            if let BindingTarget::Queue(queue) = &target {
                turn.engines.check_is_shared(queue).map_err(|refusal| refusal.in_field("destination"))?;
            }
            turn.ensure(turn.engines.queue.bind_bytes(&source, &target))?;
            let made = turn.engines.queue.bind(
                turn.journal.block(),
                &source,
                &target,
                &spec.routing_key,
                &arguments,
                turn.now,
            );
            let made = made.map_err(in_body)?;
            let binding = Binding { source, target, routing_key: spec.routing_key, arguments };
            if made {
                topics.did(Deed::Bind, &binding_in_words(&binding));
            }
            Ok((if made { Created::Made } else { Created::Same }, describe_binding(&binding)))
        };
        self.shard().call(DEFINE, bind).await?
    }

    /// Deletes a binding.
    pub async fn unbind(&self, id: &str) -> Result<(), Refusal> {
        let (id, topics) = (id.to_owned(), self.clone());
        let unbind = move |turn: &mut Turn<'_>| {
            let found = turn.engines.queue.bindings().into_iter().find(|binding| binding_id(binding) == id);
            let binding = found.ok_or_else(|| unknown_binding(&id))?;
            topics.allow_binding(&describe_binding(&binding).spec)?;
            let Binding { source, target, routing_key, arguments } = &binding;
            if let BindingTarget::Queue(queue) = target {
                turn.engines.check_is_shared(queue)?;
            }
            turn.engines.queue.unbind(turn.journal.block(), source, target, routing_key, arguments)?;
            topics.did(Deed::Unbind, &binding_in_words(&binding));
            Ok(())
        };
        self.shard().call(UNDEFINE, unbind).await?
    }

    /// A binding as it stands.
    pub async fn binding(&self, id: &str) -> Result<BindingDescription, Refusal> {
        let wanted = id.to_owned();
        let look = move |turn: &mut Turn<'_>| {
            let found =
                turn.engines.queue.bindings().into_iter().find(|binding| binding_id(binding) == wanted);
            found.map(|binding| describe_binding(&binding))
        };
        let found = self.shard().call(LOOK, look).await?.ok_or_else(|| unknown_binding(id))?;
        self.allow(Act::SeeExchange, &found.spec.source)?;
        Ok(found)
    }

    /// A binding is made and taken away by who may take from the one end and put into the other.
    fn allow_binding(&self, spec: &BindingSpec) -> Result<(), Refusal> {
        self.allow(Act::BindFrom, &spec.source)?;
        self.allow_routing_key(KeyUse::Bind, &spec.source, Some(&spec.routing_key))?;
        match spec.destination_type {
            DestinationType::Queue | DestinationType::Log => self.allow(Act::BindToTopic, &spec.destination),
            DestinationType::Exchange => self.allow(Act::BindToExchange, &spec.destination),
        }
    }

    /// Bindings sorted by id, from after `after`, of one virtual host or source or to one destination if asked.
    pub async fn list_bindings(
        &self,
        after: Option<&str>,
        limit: usize,
        vhost: Option<&str>,
        source: Option<&str>,
        destination: Option<&str>,
    ) -> Result<Vec<BindingDescription>, Refusal> {
        let [after, vhost, source, destination] =
            [after, vhost, source, destination].map(|text| text.map(str::to_owned));
        let topics = self.clone();
        let look = move |turn: &mut Turn<'_>| {
            let engine = &turn.engines.queue;
            let there = |name: &str| vhost.as_ref().is_none_or(|vhost| engine.virtual_host_of(name) == vhost);
            let mut found: Vec<BindingDescription> = engine
                .bindings()
                .iter()
                .map(describe_binding)
                .filter(|binding| there(&binding.spec.source))
                .filter(|binding| topics.may(Act::SeeExchange, &binding.spec.source))
                .filter(|binding| after.as_ref().is_none_or(|after| binding.id > *after))
                .filter(|binding| source.as_ref().is_none_or(|source| binding.spec.source == *source))
                .filter(|binding| {
                    destination.as_ref().is_none_or(|wanted| binding.spec.destination == *wanted)
                })
                .collect();
            found.sort_by(|a, b| a.id.cmp(&b.id));
            found.truncate(limit);
            found
        };
        self.shard().call(LOOK, look).await
    }
}

fn unknown_binding(id: &str) -> Refusal {
    Refusal::new(ErrorCode::UnknownBinding, format!("there is no binding {id}"))
}

fn engine_form(spec: ExchangeSpec) -> Result<(queue_engine::ExchangeKind, ExchangeOptions), Refusal> {
    if let Some(name) = &spec.alternate_exchange {
        ExchangeName::new(name).map_err(|error| Refusal::from(error).in_field("alternate_exchange"))?;
    }
    let options = ExchangeOptions {
        durable: spec.durable,
        auto_delete: spec.auto_delete,
        internal: spec.internal,
        alternate_exchange: spec.alternate_exchange,
        hash_header: spec.hash_header,
        hash_property: spec.hash_property.map(Into::into),
        history_length: spec.history_length,
        delayed_kind: spec.delayed_type.map(Into::into),
    };
    Ok((spec.kind.into(), options))
}

/// What the engine refuses, said of the body's own members.
pub(crate) fn in_body(error: QueueError) -> Refusal {
    match &error {
        QueueError::InvalidOption { field, .. } | QueueError::ConflictingOptions { field, .. } => {
            Refusal::new(error.code(), error.to_string()).in_field(*field)
        }
        _ => error.into(),
    }
}

fn describe(info: ExchangeInfo) -> ExchangeDescription {
    let options = info.options;
    let by_policy = info.alternate_exchange.filter(|_| options.alternate_exchange.is_none());
    ExchangeDescription {
        policy: info.policy,
        effective: by_policy.map(|alternate_exchange| EffectiveExchange { alternate_exchange }),
        name: info.name.to_string(),
        spec: ExchangeSpec {
            kind: info.kind.into(),
            durable: options.durable,
            auto_delete: options.auto_delete,
            internal: options.internal,
            alternate_exchange: options.alternate_exchange,
            hash_header: options.hash_header,
            hash_property: options.hash_property.map(Into::into),
            history_length: options.history_length,
            delayed_type: options.delayed_kind.map(Into::into),
        },
    }
}

fn parts(spec: &BindingSpec) -> Result<(ExchangeName, BindingTarget, HeaderTable), Refusal> {
    let source = ExchangeName::new(&spec.source).map_err(|error| Refusal::from(error).in_field("source"))?;
    let name =
        || TopicName::new(&spec.destination).map_err(|error| Refusal::from(error).in_field("destination"));
    let target = match spec.destination_type {
        DestinationType::Queue => BindingTarget::Queue(name()?),
        DestinationType::Log => BindingTarget::Log(name()?),
        DestinationType::Exchange => {
            let name = ExchangeName::new(&spec.destination);
            BindingTarget::Exchange(name.map_err(|error| Refusal::from(error).in_field("destination"))?)
        }
    };
    let mut arguments = HeaderTableBuilder::new();
    for (name, value) in &spec.arguments {
        let pushed = arguments.push(name, &header_json::from_json(value));
        pushed.map_err(|error| Refusal::invalid("arguments", error.to_string()))?;
    }
    if spec.routing_key.len() > 255 || arguments.len() > 64 << 10 {
        let detail = "a routing key has at most 255 bytes, all arguments together at most 65536";
        return Err(Refusal::invalid(
            if spec.routing_key.len() > 255 { "routing_key" } else { "arguments" },
            detail,
        ));
    }
    Ok((source, target, arguments.build()))
}

/// The same binding has the same id after every restart: it is a hash of what the binding is.
fn binding_id(binding: &Binding) -> String {
    let mut halves = [0u64; 2];
    for (seed, half) in halves.iter_mut().enumerate() {
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325 ^ (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (kind, destination) = destination(&binding.target);
        for part in [binding.source.as_str(), destination, binding.routing_key.as_str()] {
            hasher.write(part.as_bytes());
            hasher.write(&[0, kind as u8]);
        }
        hasher.write(binding.arguments.as_bytes());
        *half = hasher.finish();
    }
    format!("{:016x}{:016x}", halves[0], halves[1])
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

fn destination(target: &BindingTarget) -> (DestinationType, &str) {
    match target {
        BindingTarget::Queue(name) => (DestinationType::Queue, name.as_str()),
        BindingTarget::Log(name) => (DestinationType::Log, name.as_str()),
        BindingTarget::Exchange(name) => (DestinationType::Exchange, name.as_str()),
    }
}

/// A binding for the audit log.
pub(super) fn binding_in_words(binding: &Binding) -> String {
    let Binding { source, target, routing_key, arguments } = binding;
    let (kind, name) = match target {
        BindingTarget::Queue(name) => ("queue", name.as_str()),
        BindingTarget::Log(name) => ("log", name.as_str()),
        BindingTarget::Exchange(name) => ("exchange", name.as_str()),
    };
    let arguments: String =
        arguments.iter().map(|(name, value)| format!(", {name}={}", header_json::to_json(&value))).collect();
    format!("from exchange {source} to {kind} {name} by {routing_key:?}{arguments}")
}

fn describe_binding(binding: &Binding) -> BindingDescription {
    let (destination_type, destination) = destination(&binding.target);
    let arguments = binding
        .arguments
        .iter()
        .map(|(name, value)| (name.to_owned(), header_json::to_json(&value)))
        .collect();
    BindingDescription {
        id: binding_id(binding),
        spec: BindingSpec {
            source: binding.source.to_string(),
            destination: destination.to_owned(),
            destination_type,
            routing_key: binding.routing_key.clone(),
            arguments,
        },
    }
}
