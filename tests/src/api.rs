//! What users do most, in one call each. Every call claims success.

use serde_json::{Value, json};

use crate::http::Http;

impl Http {
    /// Makes a queue with these settings.
    pub async fn make_queue(&self, name: &str, settings: Value) {
        let answer =
            self.put(&format!("/v1/topics/{name}"), json!({"model": "queue", "queue": settings})).await;
        answer.expect(201);
    }

    /// Makes a log with so many partitions.
    pub async fn make_log(&self, name: &str, partitions: u32) {
        let log = json!({"partitions": partitions});
        self.put(&format!("/v1/topics/{name}"), json!({"model": "log", "log": log})).await.expect(201);
    }

    /// The same for records that say they are old: within a second retention would remove them.
    pub async fn make_lasting_log(&self, name: &str, partitions: u32) {
        let log = json!({"partitions": partitions, "config": {"retention.ms": "-1"}});
        self.put(&format!("/v1/topics/{name}"), json!({"model": "log", "log": log})).await.expect(201);
    }

    /// Publishes messages and returns the results.
    pub async fn publish(&self, topic: &str, messages: Value) -> Vec<Value> {
        let answer = self.post(&format!("/v1/topics/{topic}/messages"), json!({"messages": messages})).await;
        list(&answer.expect(200), "results")
    }

    /// Publishes one text value per message.
    pub async fn publish_values(
        &self,
        topic: &str,
        values: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Vec<Value> {
        let messages: Vec<Value> = values.into_iter().map(|value| json!({"value": value.into()})).collect();
        self.publish(topic, Value::Array(messages)).await
    }

    /// Leases up to `max` messages that are ready now.
    pub async fn receive(&self, topic: &str, max: u32) -> Vec<Value> {
        self.receive_with(topic, json!({"max": max, "wait_ms": 0})).await
    }

    /// Waits for at least one message and leases up to `max`.
    pub async fn receive_soon(&self, topic: &str, max: u32) -> Vec<Value> {
        let messages = self.receive_with(topic, json!({"max": max, "wait_ms": 20000})).await;
        assert!(!messages.is_empty(), "nothing arrived on {topic} within 20 s");
        messages
    }

    /// Leases as the request says.
    pub async fn receive_with(&self, topic: &str, request: Value) -> Vec<Value> {
        list(&self.post(&format!("/v1/topics/{topic}/receive"), request).await.expect(200), "messages")
    }

    /// Settles and returns the results.
    pub async fn settle(&self, request: Value) -> Vec<Value> {
        let answer = self.post("/v1/settle", request).await;
        assert!(matches!(answer.status, 200 | 207), "{}", answer.text());
        list(&answer.value(), "results")
    }

    /// Acks one message that was received.
    pub async fn ack(&self, message: &Value) {
        let results = self.settle(json!({"ack": [message["lease"]]})).await;
        assert!(results[0].get("error").is_none(), "{results:?}");
    }

    /// Every message that can be leased now, acked, in the order received.
    pub async fn drain_queue(&self, topic: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let messages = self.receive(topic, 100).await;
            if messages.is_empty() {
                return all;
            }
            let leases: Vec<&Value> = messages.iter().map(|message| &message["lease"]).collect();
            for result in self.settle(json!({ "ack": leases })).await {
                assert!(result.get("error").is_none(), "{result}");
            }
            all.extend(messages);
        }
    }

    /// A queue's counters.
    pub async fn queue_stats(&self, name: &str) -> Value {
        self.get(&format!("/v1/topics/{name}")).await.expect(200)["queue_stats"].clone()
    }

    /// A partition's records from an offset on, one page.
    pub async fn records(&self, topic: &str, partition: u32, query: &str) -> Value {
        self.get(&format!("/v1/topics/{topic}/partitions/{partition}/records?{query}")).await.expect(200)
    }
}

/// A member that must be a list.
#[track_caller]
pub fn list(value: &Value, member: &str) -> Vec<Value> {
    match value[member].as_array() {
        Some(items) => items.clone(),
        None => panic!("there is no list {member:?} in {value}"),
    }
}

/// The `value` of each message, as text.
#[must_use]
pub fn values(messages: &[Value]) -> Vec<String> {
    messages
        .iter()
        .map(|message| message["value"].as_str().map_or_else(|| message["value"].to_string(), str::to_owned))
        .collect()
}
