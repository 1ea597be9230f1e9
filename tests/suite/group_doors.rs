//! One group whose members come by HTTP, WebSocket and both of Kafka's group protocols: they share its partitions.

use std::collections::{BTreeMap, BTreeSet};

use blackbox::{Http, Kafka, Server, Socket, deadline, kafka, list};
use bytes::Bytes;
use kafka_wire::Uuid;
use kafka_wire::messages::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, TopicPartitions};
use kafka_wire::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use kafka_wire::messages::heartbeat::HeartbeatRequest;
use kafka_wire::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use kafka_wire::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use kafka_wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_wire::messages::sync_group::SyncGroupRequest;
use serde_json::{Value, json};

const PARTITIONS: u32 = 8;
const EACH: i64 = 5;
/// REBALANCE_IN_PROGRESS.
const REBALANCING: i16 = 27;

type Owned = BTreeSet<u32>;

/// What both kinds of wire members do with their partitions.
struct WireMember {
    kafka: Kafka,
    group: String,
    log: String,
    id: String,
    epoch: i32,
    owned: Owned,
}

impl WireMember {
    async fn new(server: &Server, group: &str, log: &str) -> WireMember {
        let kafka = Kafka::connect(server).await;
        let (group, log) = (group.to_owned(), log.to_owned());
        WireMember { kafka, group, log, id: String::new(), epoch: 0, owned: Owned::new() }
    }

    async fn fetch(&mut self, partition: u32, from: i64) -> Vec<i64> {
        let partitions = vec![FetchPartition {
            partition: partition as i32,
            fetch_offset: from,
            partition_max_bytes: 1 << 20,
            ..FetchPartition::default()
        }];
        let topics = vec![FetchTopic { topic: self.log.clone(), partitions, ..FetchTopic::default() }];
        let answer =
            self.kafka.ask(11, &FetchRequest { max_wait_ms: 0, topics, ..FetchRequest::default() }).await;
        let data = &answer.responses[0].partitions[0];
        assert_eq!(data.error_code, 0);
        kafka::offsets(&data.records.0.concat(), from)
    }

    async fn commit(&mut self, partition: u32, offset: i64) -> i16 {
        let partitions = vec![OffsetCommitRequestPartition {
            partition_index: partition as i32,
            committed_offset: offset,
            ..OffsetCommitRequestPartition::default()
        }];
        let name = self.log.clone();
        let topics =
            vec![OffsetCommitRequestTopic { name, partitions, ..OffsetCommitRequestTopic::default() }];
        let request = OffsetCommitRequest {
            group_id: self.group.clone(),
            generation_id_or_member_epoch: self.epoch,
            member_id: self.id.clone(),
            topics,
            ..OffsetCommitRequest::default()
        };
        self.kafka.ask(9, &request).await.topics[0].partitions[0].error_code
    }

    /// Reads everything of its partitions and commits it.
    async fn consume(&mut self) -> BTreeMap<u32, Vec<i64>> {
        let mut read = BTreeMap::new();
        for partition in self.owned.clone() {
            let offsets = self.fetch(partition, 0).await;
            assert_eq!(self.commit(partition, offsets.len() as i64).await, 0);
            read.insert(partition, offsets);
        }
        read
    }

    /// One beat of the classic protocol: joins again when told to.
    async fn classic_beat(&mut self) {
        if !self.id.is_empty() {
            let beat = HeartbeatRequest {
                group_id: self.group.clone(),
                generation_id: self.epoch,
                member_id: self.id.clone(),
                ..HeartbeatRequest::default()
            };
            match self.kafka.ask(3, &beat).await.error_code {
                0 => return,
                code => assert_eq!(code, REBALANCING),
            }
        }
        let mut join = JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: 60_000,
            rebalance_timeout_ms: 60_000,
            member_id: self.id.clone(),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol {
                name: "cooperative-sticky".into(),
                metadata: self.subscription(),
            }],
            ..JoinGroupRequest::default()
        };
        let mut joined = self.kafka.ask(5, &join).await;
        if joined.error_code == 79 {
            // MEMBER_ID_REQUIRED (KIP-394).
            join.member_id.clone_from(&joined.member_id);
            joined = self.kafka.ask(5, &join).await;
        }
        assert_eq!(joined.error_code, 0);
        (self.id, self.epoch) = (joined.member_id, joined.generation_id);
        let sync = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.epoch,
            member_id: self.id.clone(),
            ..SyncGroupRequest::default()
        };
        let synced = self.kafka.ask(3, &sync).await;
        if synced.error_code == REBALANCING {
            return;
        }
        assert_eq!(synced.error_code, 0);
        self.owned = assigned(&synced.assignment);
    }

    /// `ConsumerProtocolSubscription`, version 1: the log, and what the member has.
    fn subscription(&self) -> Bytes {
        let text = |text: &str| [&(text.len() as i16).to_be_bytes()[..], text.as_bytes()].concat();
        let mut bytes = vec![0, 1, 0, 0, 0, 1];
        bytes.extend(text(&self.log));
        bytes.extend((-1i32).to_be_bytes());
        bytes.extend(1i32.to_be_bytes());
        bytes.extend(text(&self.log));
        bytes.extend((self.owned.len() as i32).to_be_bytes());
        self.owned.iter().for_each(|partition| bytes.extend(partition.to_be_bytes()));
        bytes.into()
    }

    /// One beat of KIP-848: takes what it is given and lets go what it is not.
    async fn consumer_beat(&mut self, topic_id: Uuid) {
        let joining = self.id.is_empty();
        let have =
            TopicPartitions { topic_id, partitions: self.owned.iter().map(|one| *one as i32).collect() };
        let beat = ConsumerGroupHeartbeatRequest {
            group_id: self.group.clone(),
            member_id: self.id.clone(),
            member_epoch: self.epoch,
            rebalance_timeout_ms: 60_000,
            subscribed_topic_names: joining.then(|| vec![self.log.clone()]),
            topic_partitions: Some(if self.owned.is_empty() { Vec::new() } else { vec![have] }),
            ..ConsumerGroupHeartbeatRequest::default()
        };
        let answer = self.kafka.ask(0, &beat).await;
        assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
        self.id = answer.member_id.unwrap_or(std::mem::take(&mut self.id));
        self.epoch = answer.member_epoch;
        if let Some(assignment) = answer.assignment {
            let of_log = assignment.topic_partitions.into_iter().flat_map(|one| one.partitions);
            self.owned = of_log.map(|partition| partition as u32).collect();
        }
    }
}

/// `ConsumerProtocolAssignment`, of one log.
fn assigned(bytes: &[u8]) -> Owned {
    let number = |at: usize| i32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes")) as u32;
    if bytes.len() < 6 || number(2) == 0 {
        return Owned::new();
    }
    let name = usize::from(u16::from_be_bytes([bytes[6], bytes[7]]));
    let count = number(8 + name) as usize;
    (0..count).map(|n| number(12 + name + 4 * n)).collect()
}

async fn topic_id(server: &Server, log: &str) -> Uuid {
    let topics =
        Some(vec![MetadataRequestTopic { name: Some(log.to_owned()), ..MetadataRequestTopic::default() }]);
    let request = MetadataRequest { topics, ..MetadataRequest::default() };
    Kafka::connect(server).await.ask(12, &request).await.topics[0].topic_id
}

fn told(answer: &Value, list_name: &str) -> Owned {
    list(answer, list_name).iter().filter_map(|one| one["partition"].as_u64()).map(|one| one as u32).collect()
}

async fn receive(http: &Http, group: &str, log: &str, member: Option<&str>, max: u32) -> Value {
    let mut ask = json!({"topics": [log], "max": max, "session_timeout_ms": 60000});
    if let Some(member) = member {
        ask["member_id"] = json!(member);
    }
    http.post(&format!("/v1/groups/{group}/receive"), ask).await.expect(200)
}

#[tokio::test]
async fn members_of_every_door_share_a_group_and_its_partitions() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    http.make_log(&log, PARTITIONS).await;
    let id = topic_id(server, &log).await;

    let first = receive(&http, &group, &log, None, 1).await;
    let reader = first["member_id"].as_str().expect("an id").to_owned();
    assert_eq!(told(&first, "assignment").len(), PARTITIONS as usize, "it is alone yet");
    let mut classic = WireMember::new(server, &group, &log).await;
    let mut consumer = WireMember::new(server, &group, &log).await;
    let mut socket = Socket::open(server).await;
    let fields = json!({"topic": log, "group": group, "from": "earliest", "credit": {"messages": 1000}});
    let subscribed = socket.ask("subscribe", fields).await;
    let subscription = subscribed["subscription"].clone();
    let mut over_socket = told(&subscribed, "partitions");
    let mut over_http;
    let end = std::time::Instant::now() + deadline::PATIENCE;
    loop {
        over_http = told(&receive(&http, &group, &log, Some(&reader), 1).await, "assignment");
        classic.classic_beat().await;
        consumer.consumer_beat(id).await;
        for frame in socket.so_far().await {
            if frame["type"] == "assignment" {
                over_socket = told(&frame, "partitions");
            }
        }
        let shares = [&over_http, &over_socket, &classic.owned, &consumer.owned];
        if shares.iter().all(|share| share.len() == 2)
            && shares.iter().copied().flatten().collect::<BTreeSet<_>>().len() == 8
        {
            break;
        }
        assert!(std::time::Instant::now() < end, "they do not share: {shares:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    let messages: Vec<_> =
        (0..EACH).flat_map(|n| (0..PARTITIONS).map(move |p| json!({"value": n, "partition": p}))).collect();
    http.publish(&log, json!(messages)).await;
    let mut seen: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    seen.extend(classic.consume().await);
    seen.extend(consumer.consume().await);
    let mut note = |record: &Value| {
        let partition = record["partition"].as_u64().expect("a partition") as u32;
        seen.entry(partition).or_default().push(record["offset"].as_i64().expect("an offset"));
    };
    let got = receive(&http, &group, &log, Some(&reader), 1000).await;
    list(&got, "records").iter().for_each(&mut note);
    let offsets: Vec<_> =
        over_http.iter().map(|p| json!({"topic": log, "partition": p, "offset": EACH})).collect();
    let commit = json!({"member_id": reader, "offsets": offsets});
    http.post(&format!("/v1/groups/{group}/commit"), commit).await.expect(200);
    let delivered = socket.messages(2 * EACH as usize).await;
    delivered.iter().for_each(&mut note);
    let all: Vec<_> = (0..EACH).collect();
    let records: Vec<_> = over_socket.iter().map(|p| json!({"partition": p, "offsets": all})).collect();
    socket.ask("ack", json!({"subscription": subscription, "records": records})).await;

    assert_eq!(seen.len(), PARTITIONS as usize);
    assert!(seen.values().all(|offsets| *offsets == all), "each record went to one member, once: {seen:?}");
    let described = http.get(&format!("/v1/groups/{group}")).await.expect(200);
    assert_eq!((&described["lag"], &described["kind"]), (&json!(0), &json!("consumer")));
    let mut kinds: Vec<_> = list(&described, "members")
        .iter()
        .map(|one| one["kind"].as_str().unwrap_or_default().to_owned())
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["classic", "consumer", "reader", "reader"]);
    // A partition has one holder: whoever has it not cannot commit it.
    let foreign = classic.owned.iter().next().expect("it has two");
    let commit = json!({"member_id": reader, "offsets": [{"topic": log, "partition": foreign, "offset": 1}]});
    http.post(&format!("/v1/groups/{group}/commit"), commit).await.refused(409, "stale_generation");
}
