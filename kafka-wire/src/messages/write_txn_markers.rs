//! WriteTxnMarkers.

api! { WriteTxnMarkersRequest => WriteTxnMarkersResponse, key 27, versions 1..=2, flexible 1 }

message! { WriteTxnMarkersRequest {
    markers: Vec<WritableTxnMarker> [..];
} }

message! { WritableTxnMarker {
    producer_id: i64 [..];
    producer_epoch: i16 [..];
    transaction_result: bool [..];
    topics: Vec<WritableTxnMarkerTopic> [..];
    coordinator_epoch: i32 [..];
    transaction_version: i8 [2..];
} }

message! { WritableTxnMarkerTopic {
    name: String [..];
    partition_indexes: Vec<i32> [..];
} }

message! { WriteTxnMarkersResponse {
    markers: Vec<WritableTxnMarkerResult> [..];
} }

message! { WritableTxnMarkerResult {
    producer_id: i64 [..];
    topics: Vec<WritableTxnMarkerTopicResult> [..];
} }

message! { WritableTxnMarkerTopicResult {
    name: String [..];
    partitions: Vec<WritableTxnMarkerPartitionResult> [..];
} }

message! { WritableTxnMarkerPartitionResult {
    partition_index: i32 [..];
    error_code: i16 [..];
} }
