//! Share groups with a bare client: what no client library would send, and what the other doors see of a member's leases.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use blackbox::{Http, Kafka, Launch, Server, amqp, deadline, kafka, list, values};
use kafka_wire::Uuid;
use kafka_wire::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use kafka_wire::messages::share_acknowledge::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch, ShareAcknowledgeRequest,
};
use kafka_wire::messages::share_fetch::{
    AcquiredRecords, FetchPartition, FetchTopic, PartitionData, ShareFetchRequest, ShareFetchResponse,
};
use kafka_wire::messages::share_group_heartbeat::ShareGroupHeartbeatRequest;
use serde_json::{Value, json};

/// For an offset without a record in a batch that was handed out.
const GAP: i8 = 0;
const ACCEPT: i8 = 1;
const RELEASE: i8 = 2;
const REJECT: i8 = 3;
const RENEW: i8 = 4;

const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
const INVALID_REQUEST: i16 = 42;
const GROUP_ID_NOT_FOUND: i16 = 69;
const INVALID_RECORD_STATE: i16 = 121;
const SHARE_SESSION_NOT_FOUND: i16 = 122;
const INVALID_SHARE_SESSION_EPOCH: i16 = 123;

/// A member that reads one topic's partition 0.
struct Member {
    kafka: Kafka,
    group: String,
    id: String,
    topic: Uuid,
    epoch: i32,
}

impl Member {
    async fn join(server: &Server, group: &str, id: &str, topic: &str) -> Member {
        Member::join_over(Kafka::connect(server).await, group, id, topic).await
    }

    async fn join_over(mut kafka: Kafka, group: &str, id: &str, topic: &str) -> Member {
        let beat = ShareGroupHeartbeatRequest {
            group_id: group.to_owned(),
            member_id: id.to_owned(),
            subscribed_topic_names: Some(vec![topic.to_owned()]),
            ..ShareGroupHeartbeatRequest::default()
        };
        let answer = kafka.ask(1, &beat).await;
        assert_eq!(answer.error_code, 0, "{answer:?}");
        let assigned = answer.assignment.expect("an assignment").topic_partitions;
        assert_eq!(assigned.len(), 1, "{assigned:?}");
        assert_eq!(assigned[0].partitions, [0]);
        let (group, id, topic) = (group.to_owned(), id.to_owned(), assigned[0].topic_id);
        Member { kafka, group, id, topic, epoch: 0 }
    }

    async fn ask(&mut self, epoch: i32, records: i32) -> ShareFetchResponse {
        let partitions = vec![FetchPartition::default()];
        let topics = vec![FetchTopic { topic_id: self.topic, partitions }];
        let request = ShareFetchRequest {
            group_id: Some(self.group.clone()),
            member_id: Some(self.id.clone()),
            share_session_epoch: epoch,
            max_records: records,
            topics: if epoch == 0 { topics } else { Vec::new() },
            ..ShareFetchRequest::default()
        };
        self.kafka.ask(2, &request).await
    }

    /// What there is now, up to so many records.
    async fn fetch(&mut self, records: i32) -> Vec<AcquiredRecords> {
        self.fetch_data(records).await.map(|data| data.acquired_records).unwrap_or_default()
    }

    async fn fetch_data(&mut self, records: i32) -> Option<PartitionData> {
        let answer = self.ask(self.epoch, records).await;
        assert_eq!(answer.error_code, 0, "{answer:?}");
        self.epoch += 1;
        let mut partitions = answer.responses.into_iter().flat_map(|topic| topic.partitions);
        let data = partitions.next();
        assert!(data.as_ref().is_none_or(|data| data.error_code == 0), "{data:?}");
        data
    }

    /// What becomes of acknowledging these offsets so: the request's error, and the partition's.
    async fn settle(&mut self, epoch: i32, first: i64, kinds: &[i8]) -> (i16, i16) {
        let batch = AcknowledgementBatch {
            first_offset: first,
            last_offset: first + (kinds.len() as i64 - 1),
            acknowledge_types: kinds.to_vec(),
        };
        let partitions =
            vec![AcknowledgePartition { partition_index: 0, acknowledgement_batches: vec![batch] }];
        let request = ShareAcknowledgeRequest {
            group_id: Some(self.group.clone()),
            member_id: Some(self.id.clone()),
            share_session_epoch: epoch,
            is_renew_ack: kinds.contains(&RENEW),
            topics: vec![AcknowledgeTopic { topic_id: self.topic, partitions }],
        };
        let answer = self.kafka.ask(2, &request).await;
        let partition = answer.responses.first().and_then(|topic| topic.partitions.first());
        (answer.error_code, partition.map_or(0, |partition| partition.error_code))
    }

    async fn acknowledge(&mut self, first: i64, kinds: &[i8]) {
        assert_eq!(self.settle(self.epoch, first, kinds).await, (0, 0));
        self.epoch += 1;
    }
}

fn offsets(acquired: &[AcquiredRecords]) -> Vec<(i64, i16)> {
    let each = acquired.iter();
    each.flat_map(|run| (run.first_offset..=run.last_offset).map(|offset| (offset, run.delivery_count)))
        .collect()
}

async fn holders(http: &Http, queue: &str) -> Vec<Value> {
    let page = http.get(&format!("/v1/topics/{queue}/messages")).await.expect(200);
    let messages = page["messages"].as_array().cloned().unwrap_or_default();
    messages
        .into_iter()
        .map(|message| message["held_by"].clone())
        .filter(|holder| !holder.is_null())
        .collect()
}

#[tokio::test]
async fn a_members_messages_are_leases_that_every_door_sees() {
    let server = Server::shared();
    let http = server.http();
    let (queue, group) = (server.name("queue"), server.name("group"));
    http.make_queue(&queue, json!({})).await;
    let ids: Vec<i64> = http
        .publish_values(&queue, ["done", "again", "never", "longer", "amqp", "kept"])
        .await
        .iter()
        .map(|result| result["id"].as_i64().expect("an id"))
        .collect();
    let mut member = Member::join(server, &group, "m", &queue).await;
    let data = member.fetch_data(10).await.expect("messages");
    assert_eq!(offsets(&data.acquired_records), ids.iter().map(|id| (*id, 1)).collect::<Vec<_>>());
    assert_eq!(kafka::offsets(&data.records.0.concat(), 0), ids, "ids are offsets");
    let held = holders(&http, &queue).await;
    assert_eq!(held.len(), 6, "{held:?}");
    assert!(held.iter().all(|one| one.as_str().is_some_and(|one| one.contains(&group))), "{held:?}");
    assert!(http.receive(&queue, 10).await.is_empty(), "a leased message is nobody else's");

    member.acknowledge(ids[0], &[ACCEPT, RELEASE, REJECT, RENEW, RELEASE]).await;
    let released = http.receive(&queue, 1).await;
    assert_eq!((values(&released), &released[0]["attempt"]), (vec!["again".to_owned()], &json!(2)));
    assert_eq!(amqp::get(server, &queue).await, Some(("amqp".to_owned(), true)));
    assert_eq!(amqp::get(server, &queue).await, None, "the rest is leased");
    assert!(member.fetch(10).await.is_empty(), "the released messages are others' now");
    assert_eq!(member.settle(member.epoch, ids[1], &[ACCEPT]).await, (0, INVALID_RECORD_STATE));
    http.ack(&released[0]).await;

    // The client goes without a word: what it still has is there for the next.
    drop(member);
    let mut left = Vec::new();
    while left.len() < 2 {
        left.extend(http.receive_soon(&queue, 10).await);
    }
    assert_eq!(values(&left), ["longer", "kept"]);
    for message in &left {
        http.ack(message).await;
    }
    let stats = http.queue_stats(&queue).await;
    assert_eq!((&stats["ready"], &stats["leased"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn two_share_groups_compete_for_a_queue_and_each_read_all_of_a_log() {
    let server = Server::shared();
    let http = server.http();
    let (queue, log) = (server.name("queue"), server.name("log"));
    http.make_queue(&queue, json!({})).await;
    http.make_log(&log, 1).await;
    for (topic, others) in [(&queue, 0), (&log, 4)] {
        let mut members = Vec::new();
        for stem in ["one", "other"] {
            let group = server.name(stem);
            let mut member = Member::join(server, &group, "m", topic).await;
            // A group begins behind what is there when it comes.
            assert!(member.fetch(10).await.is_empty());
            members.push(member);
        }
        http.publish_values(topic, ["a", "b", "c", "d"]).await;
        assert_eq!(
            members[0].fetch(10).await.iter().map(|run| run.last_offset - run.first_offset + 1).sum::<i64>(),
            4
        );
        assert_eq!(offsets(&members[1].fetch(10).await).len(), others, "{topic}");
    }
}

#[tokio::test]
async fn a_fetch_waits_until_records_come_back_or_arrive() {
    let server = Server::shared();
    let http = server.http();
    let log = server.name("log");
    let queue = server.name("queue");
    http.make_log(&log, 1).await;
    http.make_queue(&queue, json!({})).await;
    for topic in [&log, &queue] {
        let group = server.name("group");
        let mut first = Member::join(server, &group, "first", topic).await;
        let mut second = Member::join(server, &group, "second", topic).await;
        assert!(first.fetch(1).await.is_empty());
        assert!(second.fetch(1).await.is_empty());
        let waiting = |member: &Member| ShareFetchRequest {
            group_id: Some(member.group.clone()),
            member_id: Some(member.id.clone()),
            share_session_epoch: member.epoch,
            max_wait_ms: 50_000,
            min_bytes: 1,
            max_records: 10,
            ..ShareFetchRequest::default()
        };
        let request = waiting(&first);
        let publish = async {
            // The member waits by then, or finds it at once: either way it gets it.
            tokio::task::yield_now().await;
            http.publish_values(topic, ["one"]).await;
        };
        let (answer, ()) = tokio::join!(first.kafka.ask(2, &request), publish);
        first.epoch += 1;
        let got = offsets(&answer.responses[0].partitions[0].acquired_records);
        assert_eq!(got.len(), 1, "{topic}");
        let request = waiting(&second);
        let release = first.acknowledge(got[0].0, &[RELEASE]);
        let (answer, ()) = tokio::join!(second.kafka.ask(2, &request), release);
        assert_eq!(offsets(&answer.responses[0].partitions[0].acquired_records), [(got[0].0, 2)], "{topic}");
    }
}

#[tokio::test]
async fn sessions_are_held_to_their_epochs_and_members_to_what_they_have() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    http.make_log(&log, 1).await;
    let mut member = Member::join(server, &group, "m", &log).await;
    assert_eq!(member.ask(1, 10).await.error_code, SHARE_SESSION_NOT_FOUND);
    assert_eq!(member.settle(1, 0, &[ACCEPT]).await.0, SHARE_SESSION_NOT_FOUND);
    assert!(member.fetch(10).await.is_empty());
    http.publish_values(&log, ["a", "b"]).await;
    assert_eq!(offsets(&member.fetch(10).await), [(0, 1), (1, 1)]);
    assert_eq!(member.ask(7, 10).await.error_code, INVALID_SHARE_SESSION_EPOCH);
    assert_eq!(member.settle(0, 0, &[ACCEPT]).await.0, INVALID_SHARE_SESSION_EPOCH);
    for (first, kinds, error) in [
        (0, vec![9], INVALID_REQUEST),
        (0, vec![], INVALID_REQUEST),
        (-1, vec![ACCEPT], INVALID_REQUEST),
        (5, vec![ACCEPT], INVALID_REQUEST),
        (i64::MAX, vec![ACCEPT], INVALID_REQUEST),
    ] {
        let epoch = member.epoch;
        member.epoch += 1;
        assert_eq!(member.settle(epoch, first, &kinds).await, (0, error), "{first} {kinds:?}");
    }
    let mut stranger = Member::join(server, &group, "n", &log).await;
    assert!(stranger.fetch(10).await.is_empty());
    assert_eq!(stranger.settle(1, 0, &[ACCEPT]).await, (0, INVALID_RECORD_STATE));
    // Nothing of all that touched the records; the last request of a session gives them back.
    member.acknowledge(1, &[ACCEPT]).await;
    assert_eq!(member.settle(-1, 0, &[RENEW]).await, (0, 0));
    stranger.epoch = 2;
    assert_eq!(offsets(&stranger.fetch(10).await), [(0, 2)]);
}

/// Looks at logs often, so that a test need not wait for a second.
fn eager() -> Server {
    Server::launch(Launch::with_config("[log]\ncheck_interval_ms = 20\n"))
}

#[tokio::test]
async fn what_compaction_took_is_handed_to_nobody() {
    let mut server = eager();
    let http = server.http();
    let config = json!({
        "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.ms": "50",
    });
    http.put("/v1/topics/profiles", json!({"model": "log", "log": {"config": config}})).await.expect(201);
    let mut member = Member::join(&server, "group", "m", "profiles").await;
    assert!(member.fetch(10).await.is_empty());
    // Of the first batch nothing is left, of the second the record in the middle, of the third all but the last.
    for keys in [["a", "b", "c"], ["a", "d", "b"], ["b", "c", "a"], ["a", "e", "f"]] {
        let messages: Vec<Value> = keys.iter().map(|key| json!({"key": key, "value": key})).collect();
        http.publish("profiles", json!(messages)).await;
    }
    deadline::until("the log is compacted", || async {
        let page = http.records("profiles", 0, "offset=0&limit=100").await;
        (list(&page, "records").len() == 6).then_some(())
    })
    .await;
    let data = member.fetch_data(100).await.expect("records");
    let left = kafka::record_offsets(&data.records.0.concat());
    assert_eq!(left, [4, 6, 7, 9, 10, 11]);
    let acquired = offsets(&data.acquired_records);
    assert!(left.iter().all(|offset| acquired.contains(&(*offset, 1))), "{acquired:?}");
    for run in &data.acquired_records {
        let kind = |offset: i64| if left.contains(&offset) { ACCEPT } else { GAP };
        let kinds: Vec<i8> = (run.first_offset..=run.last_offset).map(kind).collect();
        member.acknowledge(run.first_offset, &kinds).await;
    }
    assert!(member.fetch(100).await.is_empty(), "everything is settled, gaps too");
    // Nor does it come back.
    server.kill();
    server.run();
    let mut member = Member::join(&server, "group", "m", "profiles").await;
    assert!(member.fetch(100).await.is_empty());
    server.http().publish("profiles", json!([{"key": "g", "value": "g"}])).await;
    assert_eq!(offsets(&member.fetch(100).await), [(12, 1)]);
}

#[tokio::test]
async fn a_damaged_batch_is_passed_over_and_what_follows_is_handed_out() {
    let server = eager();
    let http = server.http();
    let config = json!({"segment.ms": "50"});
    http.put("/v1/topics/log", json!({"model": "log", "log": {"config": config}})).await.expect(201);
    let mut member = Member::join(&server, "group", "m", "log").await;
    assert!(member.fetch(10).await.is_empty());
    // Each of them is a batch.
    let kept = ["before the damage", "after the damage", "and at the end"];
    for value in [kept[0], "this one is damaged", kept[1], kept[2]] {
        http.publish_values("log", [value]).await;
    }
    let logs = || files(&server.data_dir().join("logs"));
    let (file, at) = deadline::until("the records settle", || async {
        let has =
            |bytes: &[u8], text: &str| bytes.windows(text.len()).position(|part| part == text.as_bytes());
        let found: Vec<_> =
            logs().into_iter().map(|path| (std::fs::read(&path).unwrap_or_default(), path)).collect();
        let end = found.iter().any(|(bytes, _)| has(bytes, kept[2]).is_some());
        let place =
            |(bytes, path): &(Vec<u8>, PathBuf)| Some((path.clone(), has(bytes, "this one is damaged")?));
        end.then(|| found.iter().find_map(place)).flatten()
    })
    .await;
    let file = std::fs::File::options().write(true).open(file).expect("a segment");
    file.write_all_at(b"T", at as u64).expect("a segment");
    // As long as it is in memory, too, it is read from there.
    deadline::until("the damage shows", || async {
        let page = http.get("/v1/topics/log/partitions/0/records?offset=1&limit=1").await;
        (page.status != 200).then_some(())
    })
    .await;
    let mut delivered = Vec::new();
    while delivered.len() < 3 {
        let data = member.fetch_data(100).await.expect("records");
        delivered.extend(kafka::offsets(&data.records.0.concat(), 0));
        for run in &data.acquired_records {
            let accepts = vec![ACCEPT; (run.last_offset - run.first_offset + 1) as usize];
            member.acknowledge(run.first_offset, &accepts).await;
        }
    }
    assert_eq!(delivered, [0, 2, 3]);
    http.publish_values("log", ["new"]).await;
    assert_eq!(offsets(&member.fetch(100).await), [(4, 1)]);
}

/// The files of records below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let (dirs, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let logs = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.chain(dirs.iter().flat_map(|dir| self::files(dir))).collect()
}

#[tokio::test]
async fn whoever_acknowledges_or_fetches_needs_the_right_and_not_whoever_began() {
    let server = Server::launch(Launch::with_config("[auth]\nfailure_delay_ms = 0\n"));
    let open = server.http();
    open.make_queue("queue", json!({})).await;
    open.make_log("log", 1).await;
    open.put("/v1/users/alice", json!({"password": "pw", "admin": true})).await.expect(201);
    let alice = server.http().logged_in("alice", "pw");
    alice.put("/v1/users/bob", json!({"password": "pw"})).await.expect(201);
    let rule = |kind: &str, name: &str, operation: &str| json!({"principal": "user:bob", "resource": {"type": kind, "name": name}, "operations": [operation]});
    // He sees the topics, and may use the group, but not read.
    let rules = json!([rule("topic", "*", "write"), rule("group", "*", "read")]);
    alice.post("/v1/acls", json!({"rules": rules})).await.expect(200);
    for topic in ["queue", "log"] {
        let mut kafka = Kafka::connect(&server).await;
        kafka.log_in("alice", "pw").await;
        let mut member = Member::join_over(kafka, topic, "m", topic).await;
        assert!(member.fetch(10).await.is_empty());
        alice.publish_values(topic, ["one", "two"]).await;
        let got = offsets(&member.fetch(1).await);
        // Bob knows the member's id, and goes on in its place.
        let mut kafka = Kafka::connect(&server).await;
        kafka.log_in("bob", "pw").await;
        let alices = std::mem::replace(&mut member.kafka, kafka);
        let epoch = member.epoch;
        assert_eq!(
            member.settle(epoch, got[0].0, &[ACCEPT]).await,
            (0, TOPIC_AUTHORIZATION_FAILED),
            "{topic}"
        );
        let answer = member.ask(epoch + 1, 1).await;
        let refused: Vec<i16> = answer.responses.iter().map(|one| one.partitions[0].error_code).collect();
        assert_eq!(refused, [TOPIC_AUTHORIZATION_FAILED], "{topic}");
        member.kafka = alices;
        assert_eq!(
            member.settle(epoch + 2, got[0].0, &[ACCEPT]).await,
            (0, 0),
            "{topic}: alice still holds it"
        );
    }
}

#[tokio::test]
async fn a_group_name_has_one_kind() {
    let server = Server::shared();
    let http = server.http();
    let (log, group) = (server.name("log"), server.name("group"));
    http.make_log(&log, 1).await;
    let mut member = Member::join(server, &group, "m", &log).await;
    let beat = ConsumerGroupHeartbeatRequest {
        group_id: group.clone(),
        member_id: "c".into(),
        rebalance_timeout_ms: 1000,
        subscribed_topic_names: Some(vec![log]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    assert_eq!(member.kafka.ask(1, &beat).await.error_code, GROUP_ID_NOT_FOUND);
}
