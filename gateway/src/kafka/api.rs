//! How a request gets to the function that answers it. Which there are is in `registrations.rs`; each has a file of its own.

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
mod registrations;
mod repeats;
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
use repeats::repeated;

use self::registrations::APIS;
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
    if let Some(lapse) = client.login.lapse().filter(|_| !LOGIN_APIS.contains(&key)) {
        // Clients connect again then; an error in an answer they would take for the last word.
        return close(format!("{} came when {}", api.name, lapse.reason()));
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
