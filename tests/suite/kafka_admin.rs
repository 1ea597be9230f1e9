//! What Kafka's administrators ask for that no client library of today does by itself.

use blackbox::{Http, Kafka, Server};
use kafka_wire::messages::add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnTopic};
use kafka_wire::messages::init_producer_id::InitProducerIdRequest;
use kafka_wire::messages::list_transactions::ListTransactionsRequest;
use kafka_wire::messages::update_features::{FeatureUpdateKey, UpdateFeaturesRequest};
use kafka_wire::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest,
};

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const INVALID_TXN_STATE: i16 = 48;
const INVALID_UPDATE_VERSION: i16 = 95;
const INVALID_REGULAR_EXPRESSION: i16 = 128;

/// Begins a transaction in a log's first partition; answers its producer's id and epoch.
async fn begin(kafka: &mut Kafka, id: &str, log: &str) -> (i64, i16) {
    let init = InitProducerIdRequest {
        transactional_id: Some(id.to_owned()),
        transaction_timeout_ms: 60_000,
        ..InitProducerIdRequest::default()
    };
    let made = kafka.ask(4, &init).await;
    assert_eq!(made.error_code, 0, "{made:?}");
    let add = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: id.to_owned(),
        v3_and_below_producer_id: made.producer_id,
        v3_and_below_producer_epoch: made.producer_epoch,
        v3_and_below_topics: vec![AddPartitionsToTxnTopic { name: log.to_owned(), partitions: vec![0] }],
        ..AddPartitionsToTxnRequest::default()
    };
    let added = kafka.ask(3, &add).await;
    assert_eq!(added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code, 0);
    (made.producer_id, made.producer_epoch)
}

async fn listed(kafka: &mut Kafka, pattern: &str) -> (i16, Vec<(String, String)>) {
    let transactional_id_pattern = Some(pattern.to_owned());
    let list = ListTransactionsRequest { transactional_id_pattern, ..ListTransactionsRequest::default() };
    let told = kafka.ask(2, &list).await;
    let state = told.transaction_states.into_iter();
    let mut states: Vec<_> = state.map(|one| (one.transactional_id, one.transaction_state)).collect();
    states.sort();
    (told.error_code, states)
}

async fn server_with_logs() -> (Server, Http) {
    let server = Server::start();
    let http = server.http();
    http.make_log("one", 1).await;
    http.make_log("two", 1).await;
    (server, http)
}

#[tokio::test]
async fn transactions_are_listed_by_a_pattern_for_their_whole_ids() {
    let (server, _) = server_with_logs().await;
    let mut kafka = Kafka::connect(&server).await;
    for id in ["pay-1", "pay-2", "xpay-1"] {
        begin(&mut kafka, id, "one").await;
    }
    let ids = async |kafka: &mut Kafka, pattern: &str| {
        let (error, states) = listed(kafka, pattern).await;
        assert_eq!(error, 0);
        states.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&mut kafka, "").await.len(), 3);
    assert_eq!(ids(&mut kafka, "pay-.*").await, ["pay-1", "pay-2"]);
    assert_eq!(ids(&mut kafka, "pay-1|xpay-.").await, ["pay-1", "xpay-1"]);
    assert_eq!(ids(&mut kafka, "pay").await, Vec::<String>::new());
    assert_eq!(listed(&mut kafka, "(").await, (INVALID_REGULAR_EXPRESSION, vec![]));
}

#[tokio::test]
async fn an_administrator_aborts_a_transaction_that_nobody_ends() {
    let (server, _) = server_with_logs().await;
    let mut kafka = Kafka::connect(&server).await;
    let (producer_id, producer_epoch) = begin(&mut kafka, "left", "one").await;
    let ask = async |kafka: &mut Kafka, log: &str, epoch: i16, commit: bool| {
        let topics = vec![WritableTxnMarkerTopic { name: log.to_owned(), partition_indexes: vec![0] }];
        let marker = WritableTxnMarker {
            producer_id,
            producer_epoch: epoch,
            transaction_result: commit,
            topics,
            ..WritableTxnMarker::default()
        };
        let told = kafka.ask(1, &WriteTxnMarkersRequest { markers: vec![marker] }).await;
        assert_eq!(told.markers[0].producer_id, producer_id);
        told.markers[0].topics[0].partitions[0].error_code
    };
    assert_eq!(ask(&mut kafka, "none", producer_epoch, false).await, UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(ask(&mut kafka, "one", producer_epoch, true).await, INVALID_TXN_STATE);
    assert_eq!(ask(&mut kafka, "one", producer_epoch + 1, false).await, INVALID_PRODUCER_EPOCH);
    // It is not in that log.
    assert_eq!(ask(&mut kafka, "two", producer_epoch, false).await, 0);
    let state = |state: &str| (0, vec![("left".to_owned(), state.to_owned())]);
    assert_eq!(listed(&mut kafka, "left").await, state("Ongoing"));
    assert_eq!(ask(&mut kafka, "one", producer_epoch, false).await, 0);
    assert_eq!(listed(&mut kafka, "left").await, state("CompleteAbort"));
    assert_eq!(ask(&mut kafka, "one", producer_epoch, false).await, 0, "it has ended");
}

#[tokio::test]
async fn features_stay_as_the_server_has_them() {
    let (server, _) = server_with_logs().await;
    let mut kafka = Kafka::connect(&server).await;
    let ask = |feature: &str, max_version_level| UpdateFeaturesRequest {
        feature_updates: vec![FeatureUpdateKey {
            feature: feature.to_owned(),
            max_version_level,
            ..FeatureUpdateKey::default()
        }],
        ..UpdateFeaturesRequest::default()
    };
    assert_eq!(kafka.ask(2, &ask("group.version", 1)).await.error_code, 0);
    for (feature, version) in [("group.version", 0), ("share.version", 2), ("metadata.version", 1)] {
        let told = kafka.ask(2, &ask(feature, version)).await;
        assert_eq!(told.error_code, INVALID_UPDATE_VERSION);
        assert!(told.error_message.is_some_and(|why| why.contains(feature)));
        let told = kafka.ask(1, &ask(feature, version)).await;
        assert_eq!((told.error_code, told.results[0].error_code), (0, INVALID_UPDATE_VERSION));
    }
}
