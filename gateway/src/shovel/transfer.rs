use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::poll_immediate;
use futures_util::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Acker, Confirmation, Consumer, Event, PublisherConfirm};

use super::definition::{DeleteAfter, Intake, Shovel, Target};
use super::flow::{AckMode, Flow, Passage, Settle, Tag, Verdict};
use super::forwarding::Forwarding;
use super::link::{Link, why};
use super::report::{Report, State};

/// How long nothing is sent on after the destination refused a message: it comes again at once.
const REST: Duration = Duration::from_millis(250);

/// Both ends of a shovel, ready to move messages.
pub struct Transfer<'a> {
    source: &'a mut Link,
    destination: &'a mut Link,
    consumer: Consumer,
    forwarding: Forwarding,
    /// Delivered, and not sent on yet: never more than the source may have unsettled.
    pending: VecDeque<Delivery>,
    /// By which each delivery that was sent on is settled.
    unsettled: HashMap<Tag, Acker>,
    steps: FuturesUnordered<Step>,
    rests_until: Option<Instant>,
}

type Step = Pin<Box<dyn Future<Output = Result<Done, String>> + Send>>;

/// What one step came to.
enum Done {
    /// A message was written; its confirm is to come.
    Written(Passage, PublisherConfirm),
    /// The destination said what it thinks of a message.
    Judged(Passage, Verdict),
    /// The source was told.
    Settled,
}

/// What there is to be before messages flow; made where it is not there and may be made.
pub async fn prepare(shovel: &Shovel, source: &Link, destination: &Link) -> Result<String, String> {
    if let Target::Queue(queue, arguments) = &shovel.destination.to {
        destination.ensure(queue, arguments, shovel.destination.predeclared).await?;
    }
    let confirms = destination.channel.confirm_select(ConfirmSelectOptions::default()).await;
    confirms.map_err(|error| why(&error))?;
    let queue = match &shovel.source.from {
        Intake::Queue(queue, arguments) => {
            source.ensure(queue, arguments, shovel.source.predeclared).await?;
            queue.clone()
        }
        Intake::Exchange(exchange, key) => {
            let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
            let made = source.channel.queue_declare("".into(), options, FieldTable::default()).await;
            let queue = made.map_err(|error| why(&error))?.name().to_string();
            let (name, exchange, key) =
                (queue.as_str().into(), exchange.as_str().into(), key.as_str().into());
            let options = QueueBindOptions::default();
            let bound = source.channel.queue_bind(name, exchange, key, options, FieldTable::default()).await;
            bound.map_err(|error| why(&error))?;
            queue
        }
    };
    source.limit(shovel.source.prefetch).await.map_err(|error| why(&error))?;
    Ok(queue)
}

/// How many messages the shovel is to move, where that is bounded.
pub async fn limit(shovel: &Shovel, source: &Link, queue: &str) -> Result<Option<u64>, String> {
    match shovel.source.delete_after {
        DeleteAfter::Never => Ok(None),
        DeleteAfter::Count(count) => Ok(Some(count)),
        DeleteAfter::QueueLength => match source.find(queue).await.map_err(|error| why(&error))? {
            Some(found) => Ok(Some(found.message_count().into())),
            None => Err(format!("there is no queue {queue:?} any more")),
        },
    }
}

impl<'a> Transfer<'a> {
    /// Subscribes to the source.
    pub async fn begin(
        shovel: &Shovel,
        queue: &str,
        forwarding: Forwarding,
        (source, destination): (&'a mut Link, &'a mut Link),
    ) -> Result<Transfer<'a>, String> {
        let tag = shovel.source.consumer_tag.as_str().into();
        let arguments = shovel.source.consumer_arguments.clone();
        let options = BasicConsumeOptions::default();
        let consumer = source.channel.basic_consume(queue.into(), tag, options, arguments).await;
        Ok(Transfer {
            consumer: consumer.map_err(|error| why(&error))?,
            source,
            destination,
            forwarding,
            pending: VecDeque::new(),
            unsettled: HashMap::new(),
            steps: FuturesUnordered::new(),
            rests_until: None,
        })
    }

    /// Moves messages until all are that were to be.
    ///
    /// # Errors
    /// When one of the ends is gone.
    pub async fn run(mut self, flow: &mut Flow, mode: AckMode, report: &Report) -> Result<(), String> {
        let mut was_blocked = None;
        loop {
            if flow.is_done() && self.steps.is_empty() {
                return Ok(());
            }
            self.forward_pending(flow, mode).await;
            report.count(flow, self.pending.len());
            let blocked = self.destination.is_blocked();
            if was_blocked != Some(blocked) {
                was_blocked = Some(blocked);
                let (source, destination) = (self.source.shown.clone(), self.destination.shown.clone());
                report.turn(State::Running { source, destination, blocked });
            }
            let rest = self.rests_until;
            tokio::select! {
                done = self.steps.next(), if !self.steps.is_empty() => {
                    if let Some(done) = done {
                        self.take(done?, flow, mode).await;
                    }
                }
                delivery = self.consumer.next() => match delivery {
                    Some(Ok(delivery)) => self.pending.push_back(delivery),
                    Some(Err(error)) => return Err(format!("source: {}", why(&error))),
                    None => return Err("source: the subscription was cancelled".to_owned()),
                },
                event = self.source.events.next() => lost("source", event)?,
                event = self.destination.events.next() => lost("destination", event)?,
                () = until(rest), if rest.is_some() => self.rests_until = None,
            }
        }
    }

    async fn forward_pending(&mut self, flow: &mut Flow, mode: AckMode) {
        while self.rests_until.is_none() && !self.destination.is_blocked() && flow.may_forward() {
            let Some(delivery) = self.pending.pop_front() else { break };
            let (passage, before) = flow.forward(delivery.delivery_tag);
            self.unsettled.insert(delivery.delivery_tag, delivery.acker.clone());
            if let Some(settle) = before {
                self.settle(settle).await;
            }
            let publish = self.publish(passage, delivery, mode);
            self.step(publish).await;
        }
    }

    fn publish(&self, passage: Passage, delivery: Delivery, mode: AckMode) -> Step {
        let (exchange, key) =
            self.forwarding.target(delivery.exchange.as_str(), delivery.routing_key.as_str());
        let (exchange, key) = (exchange.into(), key.into());
        let seconds = jiff::Timestamp::now().as_second();
        let properties = self.forwarding.properties(&delivery.properties, seconds);
        let channel = self.destination.channel.clone();
        Box::pin(async move {
            let options = BasicPublishOptions::default();
            let sent = channel.basic_publish(exchange, key, options, &delivery.data, properties).await;
            let confirm = sent.map_err(|error| format!("destination: {}", why(&error)))?;
            match mode {
                AckMode::OnPublish => Ok(Done::Written(passage, confirm)),
                AckMode::OnConfirm | AckMode::NoAck => judged(passage, confirm).await,
            }
        })
    }

    async fn take(&mut self, done: Done, flow: &mut Flow, mode: AckMode) {
        let settle = match done {
            Done::Settled => None,
            Done::Written(passage, confirm) => {
                self.steps.push(Box::pin(judged(passage, confirm)));
                flow.published(passage)
            }
            Done::Judged(passage, verdict) => {
                if verdict == Verdict::Refused && mode == AckMode::OnConfirm {
                    self.rests_until = Some(Instant::now() + REST);
                }
                flow.judged(passage, verdict)
            }
        };
        if let Some(settle) = settle {
            self.settle(settle).await;
        }
    }

    async fn settle(&mut self, settle: Settle) {
        let (Settle::Ack(tag) | Settle::Return(tag)) = settle;
        let Some(acker) = self.unsettled.remove(&tag) else { return };
        self.step(Box::pin(async move {
            let told = match settle {
                Settle::Ack(_) => acker.ack(BasicAckOptions::default()).await,
                Settle::Return(_) => acker.nack(BasicNackOptions { multiple: false, requeue: true }).await,
            };
            match told {
                Ok(true) => Ok(Done::Settled),
                Ok(false) => Err("source: the channel is closed".to_owned()),
                Err(error) => Err(format!("source: {}", why(&error))),
            }
        }))
        .await;
    }

    /// Begins a step at once, so that what is said goes out in the order in which it is said.
    async fn step(&mut self, mut step: Step) {
        match poll_immediate(&mut step).await {
            Some(done) => self.steps.push(Box::pin(std::future::ready(done))),
            None => self.steps.push(step),
        }
    }
}

async fn judged(passage: Passage, confirm: PublisherConfirm) -> Result<Done, String> {
    match confirm.await {
        Ok(Confirmation::Ack(_)) => Ok(Done::Judged(passage, Verdict::Taken)),
        Ok(Confirmation::Nack(_)) => Ok(Done::Judged(passage, Verdict::Refused)),
        // It was asked for.
        Ok(Confirmation::NotRequested) => Err("destination: a message was not confirmed".to_owned()),
        Err(error) => Err(format!("destination: {}", why(&error))),
    }
}

fn lost(end: &str, event: Option<Event>) -> Result<(), String> {
    match event {
        // A channel's own: that of looking for a queue, or else whoever uses it is told.
        Some(Event::Error(error)) if error.is_amqp_soft_error() => Ok(()),
        Some(Event::Error(error)) => Err(format!("{end}: {}", why(&error))),
        None => Err(format!("{end}: the connection is gone")),
        Some(_) => Ok(()),
    }
}

async fn until(moment: Option<Instant>) {
    if let Some(moment) = moment {
        tokio::time::sleep_until(moment.into()).await;
    }
}
