//! What the door answers: one registration for each API, and how a request gets to it.
//!
//! The table is the only list of APIs: ApiVersions answers from it, and `docs/kafka-compatibility.md` is its print.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_replica_log_dirs;
mod alter_share_group_offsets;
mod api_versions;
mod client_quotas;
mod compatibility;
mod configs;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_acls;
mod create_partitions;
mod create_topics;
mod delegation_tokens;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_share_group_offsets;
mod delete_topics;
mod describe_acls;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_share_group_offsets;
mod describe_topic_partitions;
mod describe_transactions;
mod elect_leaders;
mod end_txn;
mod fetch;
mod find_coordinator;
mod group_configs;
mod groups;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod partition_reassignments;
mod produce;
mod sasl_authenticate;
mod sasl_handshake;
mod share_acknowledge;
mod share_fetch;
mod share_group_describe;
mod share_group_heartbeat;
mod share_settling;
mod sync_group;
mod transactions;
mod txn_offset_commit;
mod update_features;
mod user_scram_credentials;
mod write_txn_markers;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::time::Duration;

use bytes::BytesMut;
use kafka_wire::{
    Reader, Request, RequestHeader, Throttled, Version, Wire, WireError, Writer, messages,
    write_response_header,
};
use message::Limits;

use super::broker::Endpoint;
use super::door::KafkaDoor;
use super::in_flight::{Answer, Answering};
use super::login::Login;
use super::metering::Metering;
use crate::auth::Usage;
use crate::auth::quota::Measure;

/// Whom a connection serves.
#[derive(Debug)]
pub struct Client {
    /// The address that it came from.
    pub host: String,
    /// Tells its connection from others.
    pub connection: u64,
    /// Where it is told that the broker is.
    pub endpoint: Endpoint,
    /// Who it is.
    pub login: Login,
    /// What its use is measured by.
    pub metering: Metering,
}

/// What an API's function knows beside the request.
pub struct Call {
    /// Everything that connections share.
    pub door: KafkaDoor,
    /// Who asks.
    pub client: Arc<Client>,
    /// What the client calls itself.
    pub client_id: Option<String>,
    /// In which version it asks.
    pub version: i16,
    /// For how many milliseconds the client is held up, as far as is known yet.
    throttled_ms: AtomicI32,
}

impl Call {
    /// Takes what was used; the client hears how long it has to wait, and nothing more of it is worked on before.
    pub fn use_up(&self, measure: Measure, amount: u64) {
        self.hold_up(measure, self.usage().take(measure, amount));
    }

    /// Holds the client up.
    pub fn hold_up(&self, measure: Measure, wait: Duration) {
        if !wait.is_zero() {
            self.throttled_ms.fetch_max(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX), Relaxed);
            self.client.metering.hold_up(self.usage(), measure, wait);
        }
    }

    /// What the client's use is measured by.
    pub fn usage(&self) -> &Usage {
        self.door.topics().usage()
    }
}

/// What an API's function makes of a request; most make a response of every one.
pub enum Reply<T> {
    /// This goes back.
    Response(T),
    /// This goes back, and then the connection ends.
    Farewell(T),
    /// The client wants no answer.
    Silence,
    /// The client wants no answer but must learn that something went wrong: the connection ends.
    Close(String),
}

impl<T> From<T> for Reply<T> {
    fn from(response: T) -> Reply<T> {
        Reply::Response(response)
    }
}

/// One API.
pub struct Api {
    /// Its number.
    pub key: i16,
    /// Its name.
    pub name: &'static str,
    /// The versions that clients are told.
    pub advertised: RangeInclusive<i16>,
    /// The first of them that is really answered.
    pub answered_from: i16,
    /// What a client should know of how it is answered here.
    #[cfg(test)]
    pub note: &'static str,
    /// The versions that the codec knows.
    #[cfg(test)]
    known: RangeInclusive<i16>,
    answer: fn(Asked) -> Answering,
    decode: fn(i16, BytesMut) -> Result<(), WireError>,
}

/// A request as it came.
struct Asked {
    door: KafkaDoor,
    client: Arc<Client>,
    version: i16,
    correlation_id: i32,
    frame: BytesMut,
}

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
pub const APIS: &[Api] = &[
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
        "Topics, the broker, and share groups."
    ),
    api!(
        configs::alter,
        alter_configs::AlterConfigsRequest,
        0..=2,
        "Topics, and settings of share groups: the broker is configured by its file, flags and environment."
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
        "The data directory, with the size of each partition."
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
        "Topics, and settings of share groups."
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

/// Ends the share sessions of a connection that is gone; what their members have goes back.
pub async fn disconnected(door: &KafkaDoor, connection: u64) {
    let ended = door.share_sessions().lock().disconnected(connection);
    for session in ended {
        share_settling::release(door, session).await;
    }
}

/// The registration of a number.
fn find(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key == key)
}

/// What a client may ask before it has logged in.
const LOGIN_APIS: [i16; 3] = [
    messages::api_versions::ApiVersionsRequest::KEY,
    messages::sasl_handshake::SaslHandshakeRequest::KEY,
    messages::sasl_authenticate::SaslAuthenticateRequest::KEY,
];

/// Whether requests of this kind are worked on while earlier ones of the same kind are.
pub fn is_pipelined(key: i16) -> bool {
    key == messages::produce::ProduceRequest::KEY
}

/// Begins to answer a request.
pub fn begin(
    door: &KafkaDoor,
    client: &Arc<Client>,
    (key, version, correlation_id): (i16, i16, i32),
    frame: BytesMut,
) -> Answering {
    let Some(api) = find(key) else {
        return close(format!("API {key} is unknown"));
    };
    if !api.advertised.contains(&version) || version < api.answered_from {
        if key == messages::api_versions::ApiVersionsRequest::KEY {
            // Whatever the client speaks, it understands version 0 of this answer.
            let frame = api_versions::unsupported(correlation_id);
            return Box::pin(std::future::ready(Answer::Frame(frame)));
        }
        return close(format!("{} version {version} is not supported", api.name));
    }
    if client.login.is_due() && !LOGIN_APIS.contains(&key) {
        door.topics().guard().turned_away(client.login.origin(), "no login");
        return close(format!("{} came before the login that this server wants", api.name));
    }
    (api.answer)(Asked { door: door.clone(), client: Arc::clone(client), version, correlation_id, frame })
}

/// Begins to answer what came in place of a request: a bare message of a login.
pub fn begin_bare(door: &KafkaDoor, client: &Arc<Client>, message: BytesMut) -> Answering {
    let (door, client) = (door.clone(), Arc::clone(client));
    Box::pin(async move { sasl_authenticate::answer_bare(&door, &client, &message).await })
}

/// Reads a request and writes it again, as far as that goes without a broker.
fn decode<R: Request>(version: i16, frame: BytesMut) -> Result<(), WireError> {
    let (_, request) = parse::<R>(version, frame)?;
    let mut writer = Writer::frame();
    request.write(&mut writer, Version::of::<R>(version));
    let _ = writer.finish_frame();
    Ok(())
}

/// Whether a frame is a request that can be read; what it asks to produce is opened too.
pub fn dissect(frame: BytesMut, limits: &Limits) -> bool {
    let Some((key, version, _)) = RequestHeader::peek(&frame) else { return false };
    let Some(api) = find(key) else { return false };
    if !api.advertised.contains(&version) || version < api.answered_from {
        return false;
    }
    if key == messages::produce::ProduceRequest::KEY {
        produce::dissect(version, frame.clone(), limits);
    }
    (api.decode)(version, frame).is_ok()
}

fn close(why: String) -> Answering {
    Box::pin(std::future::ready(Answer::Close(why)))
}

fn parse<R: Request>(version: i16, frame: BytesMut) -> Result<(RequestHeader, R), WireError> {
    let wire = Version::of::<R>(version);
    let mut reader = Reader::new(frame);
    let header = RequestHeader::read(&mut reader, wire.flexible)?;
    Ok((header, R::read(&mut reader, wire)?))
}

fn read<R: Request>(asked: Asked) -> Result<(Call, R, i32), String> {
    let Asked { door, client, version, correlation_id, frame } = asked;
    let parsed = parse::<R>(version, frame);
    let (header, request) =
        parsed.map_err(|error| format!("a {} request cannot be read: {error}", R::NAME))?;
    let client_id = header.client_id;
    let usage = client.metering.usage(door.topics().guard(), &client.login, client_id.as_deref());
    let usage = usage.map_err(|refusal| refusal.detail)?;
    let door = door.measured_by(usage);
    let call = Call { door, client, client_id, version, throttled_ms: AtomicI32::new(0) };
    call.use_up(Measure::Requests, 1);
    Ok((call, request, correlation_id))
}

fn write<R: Request>(call: &Call, correlation_id: i32, reply: Reply<R::Response>) -> Answer {
    let is_last = matches!(reply, Reply::Farewell(_));
    let mut response = match reply {
        Reply::Response(response) | Reply::Farewell(response) => response,
        Reply::Silence => return Answer::Silence,
        Reply::Close(why) => return Answer::Close(why),
    };
    match call.throttled_ms.load(Relaxed) {
        0 => {}
        ms => response.throttle(ms),
    }
    let version = Version::of::<R>(call.version);
    let mut writer = Writer::frame();
    // A client that does not know the broker's versions yet must be able to read this one header.
    let flexible = version.flexible && R::KEY != messages::api_versions::ApiVersionsRequest::KEY;
    write_response_header(&mut writer, correlation_id, flexible);
    response.write(&mut writer, version);
    let frame = writer.finish_frame();
    if is_last { Answer::Last(frame) } else { Answer::Frame(frame) }
}

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
