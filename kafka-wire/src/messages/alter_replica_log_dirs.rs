//! AlterReplicaLogDirs.

api! { AlterReplicaLogDirsRequest => AlterReplicaLogDirsResponse, key 34, versions 1..=2, flexible 2 }

message! { AlterReplicaLogDirsRequest {
    dirs: Vec<AlterReplicaLogDir> [..];
} }

message! { AlterReplicaLogDir {
    path: String [..];
    topics: Vec<AlterReplicaLogDirTopic> [..];
} }

message! { AlterReplicaLogDirTopic {
    name: String [..];
    partitions: Vec<i32> [..];
} }

message! { AlterReplicaLogDirsResponse {
    throttle_time_ms: i32 [..];
    results: Vec<AlterReplicaLogDirTopicResult> [..];
} }

message! { AlterReplicaLogDirTopicResult {
    topic_name: String [..];
    partitions: Vec<AlterReplicaLogDirPartitionResult> [..];
} }

message! { AlterReplicaLogDirPartitionResult {
    partition_index: i32 [..];
    error_code: i16 [..];
} }
