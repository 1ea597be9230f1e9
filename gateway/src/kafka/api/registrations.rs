//! What the door answers: one registration for each API.
//!
//! The table is the only list of APIs: ApiVersions answers from it, and `docs/kafka-compatibility.md` is its print.

// Each API is named by its module beside this one.
use super::*;

/// A registration: module and function that answer, request type, versions, note.
macro_rules! api {
    ($function:path, $module:ident::$request:ident, $versions:expr, $note:literal) => {
        Api {
            key: <messages::$module::$request as Request>::KEY,
            name: <messages::$module::$request as Request>::NAME,
            advertised: $versions,
            answered_from: *<messages::$module::$request as Request>::VERSIONS.start(),
            #[cfg(test)]
            note: $note,
            #[cfg(test)]
            known: <messages::$module::$request as Request>::VERSIONS,
            decode: decode::<messages::$module::$request>,
            answer: |asked| {
                Box::pin(async move {
                    match read::<messages::$module::$request>(asked) {
                        Ok((call, request, correlation_id)) => {
                            let reply = $function(&call, request).await.into();
                            write::<messages::$module::$request>(&call, correlation_id, reply)
                        }
                        Err(why) => Answer::Close(why),
                    }
                })
            },
        }
    };
}

/// Every API that is answered.
pub(super) const APIS: &[Api] = &[
    api!(
        produce::answer,
        produce::ProduceRequest,
        0..=13,
        "Versions 0 to 2 (message sets older than record batches) are only announced, as Kafka 4 does, because old librdkafka looks for them. Producing to a queue enqueues, without transactions and without recognising a batch that is sent again."
    ),
    api!(fetch::answer, fetch::FetchRequest, 4..=18, "Fetch sessions included."),
    api!(
        list_offsets::answer,
        list_offsets::ListOffsetsRequest,
        1..=11,
        "Times are looked up inside compressed batches too."
    ),
    api!(
        metadata::answer,
        metadata::MetadataRequest,
        0..=13,
        "One broker leads everything. A queue is shown with one partition."
    ),
    api!(
        offset_commit::answer,
        offset_commit::OffsetCommitRequest,
        2..=10,
        "A negative offset, with which KafkaJS resets a group to an end, forgets what was committed."
    ),
    api!(
        offset_fetch::answer,
        offset_fetch::OffsetFetchRequest,
        1..=10,
        "Waits for open transactions when asked to (KIP-447)."
    ),
    api!(
        find_coordinator::answer,
        find_coordinator::FindCoordinatorRequest,
        0..=6,
        "The one broker coordinates everything."
    ),
    api!(join_group::answer, join_group::JoinGroupRequest, 0..=9, ""),
    api!(heartbeat::answer, heartbeat::HeartbeatRequest, 0..=4, ""),
    api!(leave_group::answer, leave_group::LeaveGroupRequest, 0..=5, ""),
    api!(sync_group::answer, sync_group::SyncGroupRequest, 0..=5, ""),
    api!(describe_groups::answer, describe_groups::DescribeGroupsRequest, 0..=6, ""),
    api!(list_groups::answer, list_groups::ListGroupsRequest, 0..=5, ""),
    api!(
        sasl_handshake::answer,
        sasl_handshake::SaslHandshakeRequest,
        0..=1,
        "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER. After version 0 the tokens follow bare."
    ),
    api!(api_versions::answer, api_versions::ApiVersionsRequest, 0..=4, ""),
    api!(
        create_topics::answer,
        create_topics::CreateTopicsRequest,
        2..=7,
        "Makes logs. A replication factor other than 1 or -1 is refused."
    ),
    api!(delete_topics::answer, delete_topics::DeleteTopicsRequest, 1..=6, "Deletes logs and queues."),
    api!(delete_records::answer, delete_records::DeleteRecordsRequest, 0..=2, ""),
    api!(init_producer_id::answer, init_producer_id::InitProducerIdRequest, 0..=5, ""),
    api!(
        offset_for_leader_epoch::answer,
        offset_for_leader_epoch::OffsetForLeaderEpochRequest,
        2..=4,
        "Leaders never change: there is one epoch."
    ),
    api!(
        add_partitions_to_txn::answer,
        add_partitions_to_txn::AddPartitionsToTxnRequest,
        0..=5,
        "From version 4 on only brokers ask; to verify only is refused, since every batch is verified where it is stored."
    ),
    api!(add_offsets_to_txn::answer, add_offsets_to_txn::AddOffsetsToTxnRequest, 0..=4, ""),
    api!(
        end_txn::answer,
        end_txn::EndTxnRequest,
        0..=5,
        "Markers, offsets and the transaction's state are one write."
    ),
    api!(
        write_txn_markers::answer,
        write_txn_markers::WriteTxnMarkersRequest,
        1..=2,
        "With which an administrator aborts a transaction (`kafka-transactions abort`): all of it, for none hangs in one partition alone."
    ),
    api!(txn_offset_commit::answer, txn_offset_commit::TxnOffsetCommitRequest, 0..=5, ""),
    api!(
        describe_acls::answer,
        describe_acls::DescribeAclsRequest,
        1..=3,
        "A view of the rules that every door has; those of exchanges, virtual hosts and patterns have no ACL."
    ),
    api!(
        create_acls::answer,
        create_acls::CreateAclsRequest,
        1..=3,
        "A view of the rules that every door has; those of exchanges, virtual hosts and patterns have no ACL."
    ),
    api!(
        delete_acls::answer,
        delete_acls::DeleteAclsRequest,
        1..=3,
        "A view of the rules that every door has; those of exchanges, virtual hosts and patterns have no ACL."
    ),
    api!(
        describe_configs::answer,
        describe_configs::DescribeConfigsRequest,
        1..=4,
        "Topics, the broker, and groups."
    ),
    api!(
        configs::alter,
        alter_configs::AlterConfigsRequest,
        0..=2,
        "Topics, and settings of groups: the broker is configured by its file, flags and environment."
    ),
    api!(
        alter_replica_log_dirs::answer,
        alter_replica_log_dirs::AlterReplicaLogDirsRequest,
        1..=2,
        "There is one data directory: moving to it is done at once, to another is refused."
    ),
    api!(
        describe_log_dirs::answer,
        describe_log_dirs::DescribeLogDirsRequest,
        1..=4,
        "The data directory, with the size of each partition, and of its disk and what of that is free (KIP-827)."
    ),
    api!(
        sasl_authenticate::answer,
        sasl_authenticate::SaslAuthenticateRequest,
        0..=2,
        "Logins that end are renewed on the connection (KIP-368): `kafka.max_session_ms`."
    ),
    api!(create_partitions::answer, create_partitions::CreatePartitionsRequest, 0..=3, ""),
    api!(
        delegation_tokens::create,
        create_delegation_token::CreateDelegationTokenRequest,
        1..=3,
        "Once `auth.delegation_token_secret_file` names a key. Whoever holds a token logs in by SCRAM with `tokenauth=true`."
    ),
    api!(
        delegation_tokens::renew,
        renew_delegation_token::RenewDelegationTokenRequest,
        1..=2,
        "By its owner, who asked for it, and its renewers. Connections that are open last as long as the token."
    ),
    api!(
        delegation_tokens::expire,
        expire_delegation_token::ExpireDelegationTokenRequest,
        1..=2,
        "Ends the open connections of its holders too."
    ),
    api!(
        delegation_tokens::describe,
        describe_delegation_token::DescribeDelegationTokenRequest,
        1..=3,
        "Somebody else's with `describe` on the token, or `describe_tokens` on the user."
    ),
    api!(delete_groups::answer, delete_groups::DeleteGroupsRequest, 0..=2, ""),
    api!(
        elect_leaders::answer,
        elect_leaders::ElectLeadersRequest,
        0..=2,
        "Answers ELECTION_NOT_NEEDED: the one broker leads every partition."
    ),
    api!(
        incremental_alter_configs::answer,
        incremental_alter_configs::IncrementalAlterConfigsRequest,
        0..=1,
        "Topics, and settings of groups."
    ),
    api!(
        partition_reassignments::alter,
        alter_partition_reassignments::AlterPartitionReassignmentsRequest,
        0..=1,
        "A partition can only be on the one broker; anything else is refused."
    ),
    api!(
        partition_reassignments::list,
        list_partition_reassignments::ListPartitionReassignmentsRequest,
        0..=0,
        "There are never any."
    ),
    api!(offset_delete::answer, offset_delete::OffsetDeleteRequest, 0..=0, ""),
    api!(
        client_quotas::describe,
        describe_client_quotas::DescribeClientQuotasRequest,
        0..=1,
        "A view of the quotas that every door has: `producer_byte_rate` and `consumer_byte_rate` of users and client ids."
    ),
    api!(
        client_quotas::alter,
        alter_client_quotas::AlterClientQuotasRequest,
        0..=1,
        "`request_percentage`, `controller_mutation_rate` and `connection_creation_rate` are refused: `/v1/quotas` bounds requests, topics and connections of users, client ids and addresses instead. A client over its quota is told `throttle_time_ms` and held up (KIP-219)."
    ),
    api!(
        user_scram_credentials::describe,
        describe_user_scram_credentials::DescribeUserScramCredentialsRequest,
        0..=0,
        "The users that every door has."
    ),
    api!(
        user_scram_credentials::alter,
        alter_user_scram_credentials::AlterUserScramCredentialsRequest,
        0..=0,
        "The first user has to be an administrator, and is made elsewhere."
    ),
    api!(
        describe_quorum::answer,
        describe_quorum::DescribeQuorumRequest,
        0..=2,
        "The one broker is the one voter."
    ),
    api!(
        update_features::answer,
        update_features::UpdateFeaturesRequest,
        0..=2,
        "Features come with the server: asking for another version is refused."
    ),
    api!(describe_cluster::answer, describe_cluster::DescribeClusterRequest, 0..=2, ""),
    api!(describe_producers::answer, describe_producers::DescribeProducersRequest, 0..=0, ""),
    api!(describe_transactions::answer, describe_transactions::DescribeTransactionsRequest, 0..=0, ""),
    api!(list_transactions::answer, list_transactions::ListTransactionsRequest, 0..=2, ""),
    api!(
        consumer_group_heartbeat::answer,
        consumer_group_heartbeat::ConsumerGroupHeartbeatRequest,
        0..=1,
        "KIP-848, with the assignors `uniform` and `range` and RE2 patterns."
    ),
    api!(consumer_group_describe::answer, consumer_group_describe::ConsumerGroupDescribeRequest, 0..=1, ""),
    api!(
        list_config_resources::answer,
        list_config_resources::ListConfigResourcesRequest,
        0..=1,
        "Topics, the broker, and groups with settings of their own."
    ),
    api!(
        describe_topic_partitions::answer,
        describe_topic_partitions::DescribeTopicPartitionsRequest,
        0..=0,
        ""
    ),
    api!(
        share_group_heartbeat::answer,
        share_group_heartbeat::ShareGroupHeartbeatRequest,
        1..=1,
        "KIP-932, with the assignor `simple`. Members are given partitions of logs, and queues as one partition each."
    ),
    api!(share_group_describe::answer, share_group_describe::ShareGroupDescribeRequest, 1..=1, ""),
    api!(
        share_fetch::answer,
        share_fetch::ShareFetchRequest,
        1..=2,
        "Share sessions and renewals (KIP-1222) included. On a queue it leases messages; their ids are the offsets."
    ),
    api!(
        share_acknowledge::answer,
        share_acknowledge::ShareAcknowledgeRequest,
        1..=2,
        "On a queue: accept is ack, release is requeue, reject is reject, renew extends the lease."
    ),
    api!(
        describe_share_group_offsets::answer,
        describe_share_group_offsets::DescribeShareGroupOffsetsRequest,
        0..=1,
        "Of a queue: its oldest message, and how many it has."
    ),
    api!(
        alter_share_group_offsets::answer,
        alter_share_group_offsets::AlterShareGroupOffsetsRequest,
        0..=0,
        "Logs only: what was settled in a queue is gone."
    ),
    api!(
        delete_share_group_offsets::answer,
        delete_share_group_offsets::DeleteShareGroupOffsetsRequest,
        0..=0,
        "Logs only."
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_api_is_registered_twice() {
        for (at, api) in APIS.iter().enumerate() {
            assert!(APIS[..at].iter().all(|before| before.key < api.key), "{} is out of order", api.name);
        }
    }

    #[test]
    fn no_version_is_announced_that_cannot_be_read() {
        for api in APIS {
            assert!(api.advertised.end() <= api.known.end(), "{}", api.name);
        }
    }

    /// What clients look for to find out what a broker can do; see `docs/kafka-compatibility.md`.
    #[test]
    fn versions_that_clients_look_for_are_announced() {
        let has = |key: i16, version: i16| find(key).is_some_and(|api| api.advertised.contains(&version));
        for (key, version) in
            [(0, 0), (0, 3), (0, 7), (1, 4), (1, 10), (2, 1), (10, 0), (11, 0), (18, 0), (22, 0), (68, 1)]
        {
            assert!(has(key, version), "API {key} version {version}");
        }
    }
}
