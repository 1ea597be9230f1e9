use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sluice::auth::{Guard, GuardSettings, Mode};
use sluice::drain::Drain;
use sluice::http::operations::{self, Operations};
use sluice::http::{AppState, HttpLimits, api};
use sluice::topics::{Topics, TopicsSettings};

use super::exchange::Client;
use super::normal;

/// A lease, as examples show it.
const LEASE: &str = "0123456789abcdef0123456789abcdef";

/// Plays every endpoint once, in an order in which each finds what it needs, and returns both sides of each call.
pub async fn play() -> BTreeMap<String, Value> {
    let home = tempfile::tempdir().unwrap();
    let mut settings = TopicsSettings::new(home.path().join("data"));
    settings.journal.segment_bytes = 64 << 20;
    // Users are made and deleted without anybody having to log in for it.
    settings.guard = Guard::new(GuardSettings { mode: Mode::Off, ..GuardSettings::default() });
    let (topics, owner) = Topics::open(settings).unwrap();
    let mut story = Story::new(&topics);
    story.topics().await;
    story.messages().await;
    story.groups().await;
    story.transactions().await;
    story.exchanges().await;
    story.policies().await;
    story.definitions().await;
    story.jobs().await;
    story.security().await;
    story.endings().await;
    topics.close();
    drop(topics);
    let examples = story.examples;
    owner.ended().await.unwrap();
    examples
}

struct Story {
    client: Client,
    examples: BTreeMap<String, Value>,
}

impl Story {
    fn new(topics: &Topics) -> Story {
        let drain = Drain::default();
        let operations = Operations::new(drain.clone(), Arc::default(), Arc::default(), None);
        operations.open(topics.clone());
        let operations = operations::router().with_state(operations);
        let state = AppState::new(topics.clone(), HttpLimits::default(), drain);
        let api = api::endpoints(axum::Router::new()).with_state(state);
        Story { client: Client(api::finish(operations.merge(api))), examples: BTreeMap::new() }
    }

    /// Calls and keeps the exchange as the example of `operation`; returns the answer as it came.
    async fn tell(&mut self, operation: &str, method: &str, path: &str, body: Option<Value>) -> Value {
        let exchange = self.client.exchange(method, path, body, None).await;
        let answer = exchange["response"].clone();
        assert!(answer["status"].as_u64().unwrap() < 300, "{operation}: {answer}");
        self.keep(operation, exchange);
        answer["body"].clone()
    }

    fn keep(&mut self, operation: &str, mut exchange: Value) {
        normal::settle(&mut exchange);
        assert!(self.examples.insert(operation.into(), exchange).is_none(), "{operation} is told twice");
    }

    /// Calls without keeping.
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let exchange = self.client.exchange(method, path, body, None).await;
        assert!(exchange["response"]["status"].as_u64().unwrap() < 300, "{exchange}");
        exchange["response"]["body"].clone()
    }

    async fn topics(&mut self) {
        let queue = json!({"model": "queue", "queue": {"max_priority": 10, "delivery_limit": 5}});
        self.tell("putTopic", "PUT", "/v1/topics/orders", Some(queue)).await;
        let log = json!({"model": "log", "log": {"partitions": 1, "config": {"retention.ms": "604800000"}}});
        self.call("PUT", "/v1/topics/events", Some(log)).await;
        let change = json!({"queue": {"delivery_limit": 3}});
        self.tell("changeTopic", "PATCH", "/v1/topics/orders", Some(change)).await;
        self.tell("getTopic", "GET", "/v1/topics/orders", None).await;
        self.tell("listTopics", "GET", "/v1/topics?limit=10", None).await;
    }

    async fn messages(&mut self) {
        let messages = json!({"messages": [
            {"value": {"order": 17, "total": 99.5}, "headers": {"source": "web"}, "priority": 5},
            {"key": "customer-4", "value": "a text"},
            {"value_base64": "/wCA"}
        ]});
        self.tell("publish", "POST", "/v1/topics/orders/messages?acks=all", Some(messages)).await;
        self.tell("browse", "GET", "/v1/topics/orders/messages?limit=10", None).await;
        self.tell("getMessage", "GET", "/v1/topics/orders/messages/2", None).await;
        let change = json!({"priority": 9});
        self.tell("changeMessage", "PATCH", "/v1/topics/orders/messages/1", Some(change)).await;
        self.call("PUT", "/v1/topics/held-back", Some(json!({"model": "queue"}))).await;
        let place = json!({"destination": {"topic": "held-back"}, "edit": {"set_headers": {"reason": "address unclear"}}});
        self.tell("moveMessage", "POST", "/v1/topics/orders/messages/1/move", Some(place)).await;
        self.tell("deleteMessage", "DELETE", "/v1/topics/orders/messages/2", None).await;
        let ask = json!({"max": 1, "wait_ms": 0, "lease_ms": 30000});
        let mut exchange = self.client.exchange("POST", "/v1/topics/orders/receive", Some(ask), None).await;
        let lease =
            exchange["response"]["body"]["messages"][0]["lease"].as_str().expect("a lease").to_string();
        normal::replace(&mut exchange, &lease, LEASE);
        self.keep("receive", exchange);
        let ack = json!({"ack": [lease.clone()]});
        let mut exchange = self.client.exchange("POST", "/v1/settle", Some(ack), None).await;
        normal::replace(&mut exchange, &lease, LEASE);
        self.keep("settle", exchange);

        let event = |seat: &str| json!({"key": "flight-9", "value": {"seat": seat}});
        let events = json!({"messages": [event("12A"), event("12B")]});
        self.call("POST", "/v1/topics/events/messages", Some(events)).await;
        let path = "/v1/topics/events/partitions/0/records?offset=earliest&limit=10";
        self.tell("readRecords", "GET", path, None).await;
        self.tell("getTopicSettings", "GET", "/v1/topics/events/settings", None).await;
        let path = "/v1/topics/events/events?offset=earliest";
        let mut exchange = self.client.exchange("GET", path, None, Some("12B")).await;
        let text = exchange["response"]["body"].as_str().unwrap().to_string();
        let times = text.split("\"timestamp\":").skip(1).map(|rest| rest.split(',').next().unwrap());
        for time in times.map(str::to_string).collect::<Vec<_>>() {
            normal::replace(&mut exchange, &time, "1767225600000");
        }
        self.keep("followTopic", exchange);
    }

    async fn groups(&mut self) {
        let ask = json!({"topics": ["events"], "max": 10, "wait_ms": 0, "max_unacked": 1000});
        let got = self.tell("receiveAsGroup", "POST", "/v1/groups/billing/receive", Some(ask)).await;
        let member = got["member_id"].as_str().unwrap().to_string();
        let commit = json!({
            "member_id": member, "generation": got["generation"],
            "offsets": [{"topic": "events", "partition": 0, "offset": 1}]
        });
        self.tell("commitOffsets", "POST", "/v1/groups/billing/commit", Some(commit)).await;
        let ack =
            json!({"member_id": member, "records": [{"topic": "events", "partition": 0, "offsets": [1]}]});
        self.tell("ackRecords", "POST", "/v1/groups/billing/ack", Some(ack)).await;
        self.tell("listGroups", "GET", "/v1/groups", None).await;
        self.tell("getGroup", "GET", "/v1/groups/billing", None).await;
        let path = format!("/v1/groups/billing/members/{member}");
        for (operation, verb) in [("pausePartitions", "pause"), ("resumePartitions", "resume")] {
            let one = json!({"partitions": [{"topic": "events", "partition": 0}]});
            let path = format!("{path}/{verb}");
            let mut exchange = self.client.exchange("POST", &path, Some(one), None).await;
            normal::replace(&mut exchange, &member, "member-1");
            self.keep(operation, exchange);
        }
        let mut exchange = self.client.exchange("DELETE", &path, None, None).await;
        normal::replace(&mut exchange, &member, "member-1");
        self.keep("leaveGroup", exchange);
        let reset = json!({"topics": ["events"], "to": "earliest", "dry_run": true});
        self.tell("resetGroup", "POST", "/v1/groups/billing/reset", Some(reset)).await;
        self.tell("deleteGroupOffsets", "DELETE", "/v1/groups/billing/offsets?topic=events", None).await;
        self.call("POST", "/v1/groups/billing/reset", Some(json!({"topics": ["events"], "to": "latest"})))
            .await;
        self.tell("deleteGroup", "DELETE", "/v1/groups/billing", None).await;
    }

    async fn transactions(&mut self) {
        let begin = json!({"transactional_id": "transfers-1", "timeout_ms": 60000});
        let begun = self.tell("beginTransaction", "POST", "/v1/transactions", Some(begin)).await;
        let path = format!("/v1/transactions/{}", begun["id"].as_str().unwrap());
        let offsets = json!({
            "group": "transfers", "offsets": [{"topic": "events", "partition": 0, "offset": 2}]
        });
        let add = format!("{path}/offsets");
        self.tell("addTransactionOffsets", "POST", &add, Some(offsets)).await;
        self.tell("getTransaction", "GET", &path, None).await;
        self.tell("listTransactions", "GET", "/v1/transactions", None).await;
        self.tell("commitTransaction", "POST", &format!("{path}/commit"), None).await;
        let begun = self.call("POST", "/v1/transactions", None).await;
        let path = format!("/v1/transactions/{}/abort", begun["id"].as_str().unwrap());
        self.tell("abortTransaction", "POST", &path, None).await;
    }

    async fn exchanges(&mut self) {
        self.tell("putExchange", "PUT", "/v1/exchanges/router", Some(json!({"type": "topic"}))).await;
        self.tell("getExchange", "GET", "/v1/exchanges/router", None).await;
        self.tell("listExchanges", "GET", "/v1/exchanges?limit=1", None).await;
        let binding = json!({
            "source": "router", "destination": "orders", "destination_type": "queue", "routing_key": "order.*"
        });
        let bound = self.tell("bind", "POST", "/v1/bindings", Some(binding)).await;
        let path = format!("/v1/bindings/{}", bound["id"].as_str().unwrap());
        self.tell("getBinding", "GET", &path, None).await;
        self.tell("listBindings", "GET", "/v1/bindings?source=router", None).await;
        let messages = json!({"messages": [{"value": {"order": 18}}]});
        let publish = "/v1/exchanges/router/messages?routing_key=order.new";
        self.tell("publishToExchange", "POST", publish, Some(messages)).await;
        self.tell("unbind", "DELETE", &path, None).await;
        self.tell("deleteExchange", "DELETE", "/v1/exchanges/router", None).await;
    }

    async fn policies(&mut self) {
        self.tell("putVirtualHost", "PUT", "/v1/vhosts/staging", None).await;
        self.tell("getVirtualHost", "GET", "/v1/vhosts/staging", None).await;
        self.tell("listVirtualHosts", "GET", "/v1/vhosts", None).await;
        let policy = json!({
            "pattern": "^orders", "apply_to": "queues", "definition": {"dead_letter_exchange": "amq.fanout"}
        });
        self.tell("putPolicy", "PUT", "/v1/policies/letters", Some(policy)).await;
        self.tell("getPolicy", "GET", "/v1/policies/letters", None).await;
        self.tell("listPolicies", "GET", "/v1/policies?vhost=%2F", None).await;
        let policy = json!({"pattern": "", "priority": 1, "definition": {"max_length": 1_000_000}});
        self.tell("putOperatorPolicy", "PUT", "/v1/operator-policies/bound", Some(policy)).await;
        self.tell("getOperatorPolicy", "GET", "/v1/operator-policies/bound", None).await;
        self.tell("listOperatorPolicies", "GET", "/v1/operator-policies", None).await;
        self.tell("deletePolicy", "DELETE", "/v1/policies/letters", None).await;
        self.tell("deleteOperatorPolicy", "DELETE", "/v1/operator-policies/bound", None).await;
        self.tell("deleteVirtualHost", "DELETE", "/v1/vhosts/staging", None).await;
    }

    async fn definitions(&mut self) {
        self.call("PUT", "/v1/exchanges/router", Some(json!({"type": "topic"}))).await;
        let all = self.tell("getDefinitions", "GET", "/v1/definitions", None).await;
        self.tell("takeDefinitions", "POST", "/v1/definitions", Some(all)).await;
    }

    async fn jobs(&mut self) {
        let replay = json!({
            "source": {"topic": "events", "from": "earliest"}, "destination": {"topic": "orders"}
        });
        let job = self.tell("startReplay", "POST", "/v1/replays", Some(replay)).await;
        self.ended(&job).await;
        let path = format!("/v1/replays/{}", job["id"].as_str().unwrap());
        self.tell("getJob", "GET", &path, None).await;
        self.tell("cancelJob", "POST", &format!("{path}/cancel"), None).await;
        let job = self.tell("redrive", "POST", "/v1/topics/orders/redrive", Some(json!({"max": 100}))).await;
        self.ended(&job).await;
        self.tell("listJobs", "GET", "/v1/replays", None).await;
    }

    /// Waits for the end of a job, as any client would.
    async fn ended(&self, job: &Value) {
        let path = format!("/v1/replays/{}", job["id"].as_str().unwrap());
        while self.call("GET", &path, None).await["state"] == "running" {
            tokio::task::yield_now().await;
        }
    }

    async fn security(&mut self) {
        let user = json!({"password": "correct horse", "admin": true, "groups": ["operators"]});
        self.tell("putUser", "PUT", "/v1/users/alice", Some(user)).await;
        self.tell("getUser", "GET", "/v1/users/alice", None).await;
        self.tell("listUsers", "GET", "/v1/users", None).await;
        self.tell("me", "GET", "/v1/me", None).await;
        let key = json!({"note": "ci", "ttl_ms": 86_400_000});
        let mut exchange = self.client.exchange("POST", "/v1/users/alice/keys", Some(key), None).await;
        let made = exchange["response"]["body"].clone();
        let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        normal::replace(&mut exchange, key, "slk_AAECAwQFBgcI.CQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJyg");
        normal::replace(&mut exchange, id, "AAECAwQFBgcI");
        self.keep("makeApiKey", exchange);
        let path = format!("/v1/users/alice/keys/{id}");
        let mut exchange = self.client.exchange("DELETE", &path, None, None).await;
        normal::replace(&mut exchange, id, "AAECAwQFBgcI");
        self.keep("deleteApiKey", exchange);
        let mut exchange = self.client.exchange("POST", "/v1/tickets", None, None).await;
        exchange["response"]["body"]["ticket"] = json!("AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
        self.keep("giveTicket", exchange);
        let rules = json!({"rules": [{
            "principal": "group:operators", "resource": {"type": "topic", "name": "orders", "match": "prefix"},
            "operations": ["read", "write"]
        }]});
        let added = self.tell("addRules", "POST", "/v1/acls", Some(rules)).await;
        let path = format!("/v1/acls/{}", added["rules"][0]["id"].as_str().unwrap());
        self.tell("getRule", "GET", &path, None).await;
        self.tell("listRules", "GET", "/v1/acls?principal=group:operators", None).await;
        let rules = json!({"rules": [{
            "principal": "group:operators", "resource": {"type": "topic", "name": "orders", "match": "prefix"},
            "operations": ["write"]
        }]});
        self.tell("removeRules", "DELETE", "/v1/acls", Some(rules)).await;
        self.tell("deleteRule", "DELETE", &path, None).await;
        let quota = json!({"entity": {"user": "alice"}, "limits": {"produce_bytes_per_s": 1_000_000, "connections": 100}});
        let set = self.tell("putQuota", "PUT", "/v1/quotas", Some(quota)).await;
        let path = format!("/v1/quotas/{}", set["id"].as_str().unwrap());
        self.tell("getQuota", "GET", &path, None).await;
        self.tell("listQuotas", "GET", "/v1/quotas", None).await;
        self.tell("deleteQuota", "DELETE", &path, None).await;
        self.tell("deleteUser", "DELETE", "/v1/users/alice", None).await;
    }

    async fn endings(&mut self) {
        self.tell("purge", "DELETE", "/v1/topics/orders/messages", None).await;
        let path = "/v1/topics/events/partitions/0/records?before=1";
        self.tell("deleteRecords", "DELETE", path, None).await;
        self.tell("deleteTopic", "DELETE", "/v1/topics/orders?if_empty=true", None).await;
        self.tell("live", "GET", "/livez", None).await;
        self.tell("ready", "GET", "/readyz", None).await;
        for (operation, path) in [("metrics", "/metrics"), ("metricsPerObject", "/metrics/per-object")] {
            let mut exchange = self.client.exchange("GET", path, None, None).await;
            let text = exchange["response"]["body"].as_str().unwrap();
            let some: Vec<&str> =
                text.lines().filter(|line| line.contains("kafka_topic_partition")).collect();
            exchange["response"]["body"] = json!(format!("{}\n…\n", some.join("\n")));
            self.keep(operation, exchange);
        }
        let mut exchange = self.client.exchange("GET", "/openapi.json", None, None).await;
        assert_eq!(exchange["response"]["body"]["openapi"], "3.1.0");
        exchange["response"]["body"] = json!({"openapi": "3.1.0", "…": "openapi/openapi.json"});
        self.keep("openapi", exchange);
    }
}
