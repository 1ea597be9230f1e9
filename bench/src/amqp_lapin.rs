//! AMQP under load by lapin, the client that programs in Rust use: what they see of a broker, with what the client costs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::amqp_load::{AHEAD, PREFETCH, Reached, WINDOW};
use crate::process::{Broker, cpu_seconds_of};
use crate::setup::payload;

/// What the publisher and the consumer know of each other.
#[derive(Default)]
struct Progress {
    sent: AtomicU64,
    acked: AtomicU64,
    over: AtomicBool,
}

/// Publishes persistent messages of 100 B to a queue, in a window of confirms, and consumes them, an ack each, for so long,
/// the first quarter to warm up. Everything is consumed in the end.
pub async fn turn(broker: Broker, queue: &str, time: Duration) -> Reached {
    let progress = Progress::default();
    let clock = async {
        tokio::time::sleep(time / 4).await;
        let (before, cpu, since) = (progress.acked.load(Relaxed), cpu_seconds_of(broker.pid), Instant::now());
        tokio::time::sleep(time - time / 4).await;
        let count = (progress.acked.load(Relaxed) - before) as f64;
        let cpu = (cpu_seconds_of(broker.pid) - cpu) * 1e6 / count;
        progress.over.store(true, Relaxed);
        Reached { per_s: count / since.elapsed().as_secs_f64(), cpu }
    };
    let ((), (), reached) =
        tokio::join!(publish(broker, queue, &progress), consume(broker, queue, &progress), clock);
    reached
}

async fn channel(broker: Broker) -> (Connection, Channel) {
    let uri = format!("amqp://guest:guest@{}/%2f", broker.address);
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await.expect("a connection");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

async fn publish(broker: Broker, queue: &str, progress: &Progress) {
    let (_connection, channel) = channel(broker).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    let (body, persistent) = (payload(100), BasicProperties::default().with_delivery_mode(2));
    let mut window = VecDeque::new();
    while !progress.over.load(Relaxed) {
        if progress.sent.load(Relaxed) >= AHEAD + progress.acked.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish("".into(), queue.into(), options, &body, persistent.clone()).await;
        window.push_back(sent.expect("published"));
        progress.sent.fetch_add(1, Relaxed);
        if window.len() as u64 >= WINDOW
            && let Some(oldest) = window.pop_front()
        {
            oldest.await.expect("a confirm");
        }
    }
    for open in window {
        open.await.expect("a confirm");
    }
}

async fn consume(broker: Broker, queue: &str, progress: &Progress) {
    let (_connection, channel) = channel(broker).await;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.expect("a prefetch");
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer =
        channel.basic_consume(queue.into(), "".into(), options, arguments).await.expect("a consumer");
    loop {
        let next = tokio::time::timeout(Duration::from_millis(100), consumer.next()).await;
        if let Ok(delivery) = next {
            let delivery = delivery.expect("the consumer goes on").expect("a delivery");
            delivery.ack(BasicAckOptions::default()).await.expect("an ack");
            progress.acked.fetch_add(1, Relaxed);
        }
        let done = progress.acked.load(Relaxed) == progress.sent.load(Relaxed);
        if done && progress.over.load(Relaxed) {
            return;
        }
    }
}
