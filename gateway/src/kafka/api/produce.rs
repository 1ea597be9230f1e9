use std::sync::Arc;

use bytes::BytesMut;
use kafka_wire::messages::produce::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceResponse,
};

use message::Limits;

use super::{Call, Reply, transactions};
use crate::auth::quota::Measure;
use crate::kafka::error::KafkaError;
use crate::kafka::topic_ids;
use crate::refusal::Refusal;
use crate::topics::{
    Acks, Appends, BatchAppend, InTransaction, LogTopic, ProducerBatch, QueueBatch, QueueTopic, Topic,
};

/// Batches up to this size are copied out of the buffer that they arrived in, so that they do not keep all of it.
const COPY_BELOW: usize = 4 << 10;

/// From this version on naming the transaction is enough to put a partition into it (KIP-890).
const IMPLICIT_FROM: i16 = 12;

pub async fn answer(call: &Call, request: ProduceRequest) -> Reply<ProduceResponse> {
    let acks = match request.acks {
        -1 => Some(Acks::All),
        1 => Some(Acks::Leader),
        0 => Some(Acks::None),
        _ => None,
    };
    let transaction = match request.transactional_id.as_deref().map(transactions::id).transpose() {
        Ok(id) => id.map(|id| Arc::new(InTransaction { id, implicit: call.version >= IMPLICIT_FROM })),
        Err(_) => return Reply::Close("a transactional id is empty or too long".into()),
    };
    let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let bytes: usize = partitions.filter_map(|data| data.records.0.as_ref()).map(BytesMut::len).sum();
    call.use_up(Measure::Produce, bytes as u64);
    let mut sent = Sent { transaction, ..Sent::default() };
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        let found = match (acks, call.version >= 13) {
            (None, _) => Err(failure(KafkaError::INVALID_REQUIRED_ACKS, "acks is none of -1, 0 and 1")),
            (_, true) => topic_ids::topic(call.door.topics(), topic.topic_id)
                .ok_or_else(|| failure(KafkaError::UNKNOWN_TOPIC_ID, "no topic has this id (any more)")),
            (_, false) => by_name(call, &topic.name),
        };
        let at = responses.len();
        let partitions = topic.partition_data.into_iter().enumerate().map(|(partition, data)| match &found {
            Ok(Topic::Log(log)) => sent.check(call, log, data, Place { topic: at, partition }),
            Ok(Topic::Queue(queue)) => {
                sent.check_for_queue(call, queue, data, Place { topic: at, partition })
            }
            Err((error, why)) => failed(data.index, *error, why),
        });
        let partition_responses = partitions.collect();
        responses.push(TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses,
        });
    }
    let topics = call.door.topics();
    let to_logs = async {
        match (sent.batches.is_empty(), acks) {
            (true, _) | (_, None) => Ok(Vec::new()),
            (false, Some(acks)) => topics.append(sent.batches, acks).await,
        }
    };
    let to_queues =
        sent.queued.into_iter().map(|batch| topics.produce_to_queue(batch, acks.unwrap_or_default()));
    // All are on their way before any is waited for: the next request must not overtake them.
    let (to_logs, to_queues) = tokio::join!(to_logs, futures_util::future::join_all(to_queues));
    fill(&mut responses, &sent.places, to_logs);
    fill(&mut responses, &sent.queued_places, Ok(to_queues));
    if acks != Some(Acks::None) {
        return Reply::Response(ProduceResponse { responses, ..ProduceResponse::default() });
    }
    // Nobody reads an error code; a connection that ends makes the producer look again.
    let all = responses.iter().flat_map(|topic| &topic.partition_responses);
    match all.into_iter().find_map(|partition| partition.error_message.clone()) {
        None => Reply::Silence,
        Some(why) => Reply::Close(format!("a produce request without acknowledgement failed: {why}")),
    }
}

/// Opens everything that a request asks to produce.
pub fn dissect(version: i16, frame: BytesMut, limits: &Limits) {
    let Ok((_, request)) = super::parse::<ProduceRequest>(version, frame) else { return };
    for records in request.topic_data.into_iter().flat_map(|topic| topic.partition_data) {
        let batch = records.records.0.map(|records| ProducerBatch::check(records, limits));
        let _ = batch.and_then(Result::ok).map(|batch| batch.into_messages(limits));
    }
}

/// Puts what became of each batch where its answer belongs.
fn fill(responses: &mut [TopicProduceResponse], places: &[Place], outcomes: Result<Appends, Refusal>) {
    let outcome = |at: usize| match &outcomes {
        Ok(outcomes) => outcomes.get(at).cloned(),
        Err(refusal) => Some(Err(refusal.clone())),
    };
    for (at, place) in places.iter().enumerate() {
        let topic = responses.get_mut(place.topic);
        let Some(slot) = topic.and_then(|topic| topic.partition_responses.get_mut(place.partition)) else {
            continue;
        };
        match outcome(at) {
            Some(Ok(appended)) => {
                slot.base_offset = appended.base_offset;
                slot.log_append_time_ms = appended.arrived_at.unwrap_or(-1);
                slot.log_start_offset = appended.log_start;
            }
            Some(Err(refusal)) => *slot = refused(slot.index, refusal),
            None => *slot = failed(slot.index, KafkaError::UNKNOWN_SERVER_ERROR, "the batch got no outcome"),
        }
    }
}

type Failure = (KafkaError, String);

fn failure(error: KafkaError, why: impl Into<String>) -> Failure {
    (error, why.into())
}

fn failed(index: i32, error: KafkaError, why: &str) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        error_code: error.0,
        base_offset: -1,
        error_message: Some(why.to_owned()),
        ..PartitionProduceResponse::default()
    }
}

/// The same with the records that are at fault, so that the producer tells those from the others (KIP-467).
fn refused(index: i32, refusal: Refusal) -> PartitionProduceResponse {
    let record = |(place, why): (u32, String)| BatchIndexAndErrorMessage {
        batch_index: i32::try_from(place).unwrap_or(i32::MAX),
        batch_index_error_message: Some(why),
    };
    let failed = failed(index, KafkaError::from(&refusal), &refusal.detail);
    PartitionProduceResponse { record_errors: refusal.records.into_iter().map(record).collect(), ..failed }
}

fn by_name(call: &Call, name: &str) -> Result<Topic, Failure> {
    call.door.topics().topic(name).map_err(|refusal| (KafkaError::from(&refusal), refusal.detail))
}

/// Where the answer for a batch belongs.
struct Place {
    topic: usize,
    partition: usize,
}

/// What is sent to the owner, and where the answers go.
#[derive(Default)]
struct Sent {
    transaction: Option<Arc<InTransaction>>,
    batches: Vec<BatchAppend>,
    places: Vec<Place>,
    queued: Vec<QueueBatch>,
    queued_places: Vec<Place>,
}

impl Sent {
    /// Takes one partition's records; the answer is filled in later unless they are refused here.
    fn check(
        &mut self,
        call: &Call,
        log: &LogTopic,
        data: PartitionProduceData,
        place: Place,
    ) -> PartitionProduceResponse {
        match checked(call, log, data.index, data.records.0) {
            Ok((partition, batch)) => {
                let transaction = self.transaction.clone();
                self.batches.push(BatchAppend { log: log.clone(), partition, batch, transaction });
                self.places.push(place);
                PartitionProduceResponse { index: data.index, ..PartitionProduceResponse::default() }
            }
            Err((error, why)) => failed(data.index, error, &why),
        }
    }
}

impl Sent {
    /// The same for a queue, whose one partition is 0.
    fn check_for_queue(
        &mut self,
        call: &Call,
        queue: &QueueTopic,
        data: PartitionProduceData,
        place: Place,
    ) -> PartitionProduceResponse {
        let limits = call.door.topics().limits();
        let batch = match (data.index, data.records.0.filter(|records| !records.is_empty())) {
            (0, Some(records)) => ProducerBatch::check(records, limits),
            (0, None) => return failed(data.index, KafkaError::INVALID_RECORD, "there are no records"),
            _ => {
                let why = "a queue has partition 0 only";
                return failed(data.index, KafkaError::UNKNOWN_TOPIC_OR_PARTITION, why);
            }
        };
        match batch.and_then(|batch| QueueBatch::check(queue.clone(), batch, limits)) {
            Ok(batch) => {
                self.queued.push(batch);
                self.queued_places.push(place);
                PartitionProduceResponse { index: data.index, ..PartitionProduceResponse::default() }
            }
            Err(refusal) => refused(data.index, refusal),
        }
    }
}

fn checked(
    call: &Call,
    log: &LogTopic,
    index: i32,
    records: Option<BytesMut>,
) -> Result<(u32, ProducerBatch), Failure> {
    let partition = u32::try_from(index).ok().filter(|partition| *partition < log.partitions());
    let Some(partition) = partition else {
        let why = format!("{} has {} partitions, counted from 0", log.name(), log.partitions());
        return Err(failure(KafkaError::UNKNOWN_TOPIC_OR_PARTITION, why));
    };
    let Some(records) = records.filter(|records| !records.is_empty()) else {
        return Err(failure(KafkaError::INVALID_RECORD, "there are no records"));
    };
    let records = if records.len() < COPY_BELOW { BytesMut::from(&records[..]) } else { records };
    let batch = ProducerBatch::check(records, call.door.topics().limits());
    Ok((partition, batch.map_err(|refusal| (KafkaError::from(&refusal), refusal.detail))?))
}
