use message::HeaderTable;

use super::channel::{Channel, ChannelState, Mode};
use super::{Connection, Phase};

/// A connection as it stands, for whoever looks after the broker.
#[derive(Clone, Debug, Default)]
pub struct ConnectionReport {
    /// Who logged in; empty before.
    pub user: String,
    /// The virtual host; empty before one was opened.
    pub vhost: String,
    /// How the client said who it is.
    pub mechanism: &'static str,
    /// In RabbitMQ's words: `starting`, `tuning`, `running`, `blocked`, `closing` or `closed`.
    pub state: &'static str,
    /// What the client told about itself.
    pub client_properties: HeaderTable,
    /// Highest channel number that was agreed on.
    pub channel_max: u16,
    /// Largest frame that was agreed on, in bytes.
    pub frame_max: u32,
    /// Seconds between heartbeats; 0 is none.
    pub heartbeat: u16,
    /// Its channels by number.
    pub channels: Vec<ChannelReport>,
}

/// A channel as it stands.
#[derive(Clone, Debug)]
pub struct ChannelReport {
    /// Its number.
    pub number: u16,
    /// Whether it is neither closing nor closed.
    pub is_open: bool,
    /// Whether publishes are confirmed.
    pub confirms: bool,
    /// Whether it is in a transaction.
    pub transactional: bool,
    /// Prefetch of subscriptions to come.
    pub prefetch: u16,
    /// Prefetch of all subscriptions together.
    pub shared_prefetch: u16,
    /// Deliveries that are not settled.
    pub unsettled: u64,
    /// Messages that were published and not confirmed yet.
    pub unconfirmed: u64,
    /// Messages that were published and not committed yet.
    pub uncommitted_messages: u64,
    /// Settlements that were not committed yet.
    pub uncommitted_settlements: u64,
    /// Messages published.
    pub published: u64,
    /// Messages that were delivered or got.
    pub delivered: u64,
    /// Its subscriptions by tag.
    pub consumers: Vec<ConsumerReport>,
}

/// A subscription as it stands.
#[derive(Clone, Debug)]
pub struct ConsumerReport {
    /// Its tag.
    pub tag: String,
    /// The queue, as the client named it.
    pub queue: String,
    /// Whether messages are settled as they are delivered.
    pub no_ack: bool,
    /// Whether it keeps others away.
    pub exclusive: bool,
    /// Most unsettled messages; 0 is no bound.
    pub prefetch: u32,
    /// What it was begun with.
    pub arguments: HeaderTable,
}

impl Connection {
    /// How it stands.
    #[must_use]
    pub fn report(&self) -> ConnectionReport {
        let mut channels: Vec<ChannelReport> =
            self.channels.iter().map(|(number, channel)| channel.report(*number)).collect();
        channels.sort_by_key(|channel| channel.number);
        ConnectionReport {
            user: self.user.clone(),
            vhost: if self.phase == Phase::Open { self.vhost.clone() } else { String::new() },
            mechanism: self.mechanism.map_or("", super::Mechanism::name),
            state: self.state(),
            client_properties: self.client.properties.clone(),
            channel_max: self.channel_max,
            frame_max: self.frame_max,
            heartbeat: self.heartbeats.interval_s(),
            channels,
        }
    }

    fn state(&self) -> &'static str {
        match self.phase {
            Phase::Header | Phase::Started | Phase::LoggingIn => "starting",
            Phase::Tuning | Phase::Tuned => "tuning",
            Phase::Opening => "opening",
            Phase::Open if self.publishes && self.alarm.is_some() => "blocked",
            Phase::Open => "running",
            Phase::Leaving | Phase::Closing(_) => "closing",
            Phase::Over(_) => "closed",
        }
    }
}

impl Channel {
    fn report(&self, number: u16) -> ChannelReport {
        let mut consumers: Vec<ConsumerReport> = self
            .consumers
            .iter()
            .map(|(tag, consumer)| ConsumerReport {
                tag: tag.to_string(),
                queue: consumer.about.queue.clone(),
                no_ack: consumer.no_ack,
                exclusive: consumer.about.exclusive,
                prefetch: consumer.prefetch,
                arguments: consumer.about.arguments.clone(),
            })
            .collect();
        consumers.sort_by(|a, b| a.tag.cmp(&b.tag));
        let (uncommitted_messages, uncommitted_settlements) = match &self.mode {
            Mode::Transaction(transaction) => transaction.counts(),
            Mode::Plain | Mode::Confirm(_) => (0, 0),
        };
        ChannelReport {
            number,
            is_open: self.state == ChannelState::Open,
            confirms: matches!(self.mode, Mode::Confirm(_)),
            transactional: matches!(self.mode, Mode::Transaction(_)),
            prefetch: self.prefetch,
            shared_prefetch: self.shared_prefetch,
            unsettled: self.unsettled.len() as u64,
            unconfirmed: match &self.mode {
                Mode::Confirm(confirms) => confirms.begun.saturating_sub(confirms.done),
                Mode::Plain | Mode::Transaction(_) => 0,
            },
            uncommitted_messages,
            uncommitted_settlements,
            published: self.published,
            delivered: self.next_delivery,
            consumers,
        }
    }
}
