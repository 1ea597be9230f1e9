use kafka_wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
};

use super::{Call, groups, transactions};
use crate::kafka::error::KafkaError;
use crate::topics::group_wire::{OffsetCommit, WireCommitter};
use crate::topics::{Offset, TransactionOffsets};

/// From this version on naming the transaction is enough to put the group into it (KIP-890).
const IMPLICIT_FROM: i16 = 5;

pub async fn answer(call: &Call, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let error = commit(call, &request).await.err().unwrap_or(KafkaError::NONE);
    let topics = request.topics.into_iter().map(|topic| TxnOffsetCommitResponseTopic {
        partitions: topic
            .partitions
            .iter()
            .map(|partition| TxnOffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: error.0,
            })
            .collect(),
        name: topic.name,
    });
    TxnOffsetCommitResponse { topics: topics.collect(), ..TxnOffsetCommitResponse::default() }
}

/// All of the offsets, or none: what a transaction commits is not to depend on which of them happened to be valid.
async fn commit(call: &Call, request: &TxnOffsetCommitRequest) -> Result<(), KafkaError> {
    let id = transactions::id(&request.transactional_id)?;
    let producer = transactions::producer(request.producer_id, request.producer_epoch);
    let mut commits = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            commits.push(OffsetCommit {
                partition: groups::partition(&topic.name, partition.partition_index)?,
                offset: Offset(partition.committed_offset),
                leader_epoch: u32::try_from(partition.committed_leader_epoch).ok(),
                metadata: partition.committed_metadata.clone().unwrap_or_default(),
                expires_at: None,
            });
        }
    }
    let group = groups::name(&request.group_id)?;
    let instance = request.group_instance_id.clone();
    let committer = match groups::committer(request.generation_id, &request.member_id, instance)? {
        WireCommitter::Nobody => WireCommitter::Producer,
        committer => committer,
    };
    let offsets = TransactionOffsets { group, committer, commits };
    let implicit = call.version >= IMPLICIT_FROM;
    let committed = call.door.topics().commit_offsets_of_producer(id, implicit, producer, offsets).await;
    committed.map_err(|refusal| transactions::coordinator(&refusal))
}
