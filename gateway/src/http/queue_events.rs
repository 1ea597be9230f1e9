//! A queue's messages as server-sent events: taken as they are sent.

use axum::body::Bytes;

use super::api::Api;
use super::events::{COMMENT, HEARTBEAT, begin, end};
use super::pace::Pace;
use crate::codec::render::{ValueMode, write_message};
use crate::refusal::Refusal;
use crate::topics::{
    Acks, Hold, Lease, QueueSubscription, QueueTopic, SettleAction, SettleRequest, SubscribeOptions,
};

/// Messages on their way to the client, at most.
const CREDIT: u32 = 256;
const CREDIT_BYTES: u64 = 1 << 20;

/// Takes on only as fast as the client does.
pub struct QueueEvents {
    api: Api,
    subscription: QueueSubscription,
    values: ValueMode,
    /// What the last piece held. When the next one is asked for, the connection has it.
    sent: Vec<SettleRequest>,
    sent_bytes: u64,
    pace: Pace,
}

impl QueueEvents {
    /// Subscribes.
    pub async fn open(api: Api, queue: &QueueTopic, values: ValueMode) -> Result<QueueEvents, Refusal> {
        let options = SubscribeOptions {
            credit_messages: CREDIT,
            credit_bytes: CREDIT_BYTES,
            hold: Hold::QueueTime,
            priority: 0,
            exclusive: false,
        };
        let subscription = queue.subscribe_as(options, "an event stream over HTTP").await?;
        let pace = Pace::new(api.clone());
        Ok(QueueEvents { api, subscription, values, sent: Vec::new(), sent_bytes: 0, pace })
    }

    /// The next events, or a sign of life; `None` when the queue is gone or the server goes down.
    pub async fn next(&mut self) -> Option<Bytes> {
        if !self.sent.is_empty() {
            let sent = std::mem::take(&mut self.sent);
            let count = sent.len() as u32;
            // A lease that ran out meanwhile is no reason to end the stream: the message comes again.
            self.api.topics().settle(sent, Acks::Leader).await.ok()?;
            // Settled before the wait: what was handed over is the client's, however long the next piece takes.
            self.pace.keep().await;
            self.subscription.credit(count, std::mem::take(&mut self.sent_bytes));
        }
        let run = tokio::select! {
            run = self.subscription.next() => run?,
            () = tokio::time::sleep(HEARTBEAT) => return Some(Bytes::from_static(COMMENT)),
            () = self.api.drain().begun() => return None,
        };
        let mut out = Vec::with_capacity(run.iter().map(|message| message.body_len() + 256).sum());
        for message in &run {
            begin(&mut out, itoa::Buffer::new().format(message.id()));
            let mut view = message.view();
            if let crate::topics::Place::Queue { standing, .. } = &mut view.place {
                // The stream settles by itself: a lease would be of no use.
                *standing = crate::topics::Standing::Taken;
            }
            write_message(&mut out, &view, self.values);
            end(&mut out);
            self.sent_bytes += message.body_len() as u64;
        }
        let ack = |lease: Lease| SettleRequest { lease, action: SettleAction::Ack };
        self.pace.sent(out.len());
        self.sent = run.iter().filter_map(|message| message.lease()).map(ack).collect();
        Some(out.into())
    }
}
