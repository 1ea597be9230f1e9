use std::hash::{DefaultHasher, Hasher};

use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::errand::Errand;
use super::exchanges::named;
use super::failure::Failure;
use super::listing::Listing;
use super::{Management, requests};
use crate::amqp::refusals::Subject;
use crate::http::reply;
use crate::topics::session::{BindTo, Binding, Request, table_from_json};
use crate::topics::{BindingEntry, VirtualHost};

/// What a key may hold unencoded.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'~').remove(b'_');

/// Bytes of a routing key, and of all arguments.
const KEY_MOST: usize = 255;
const ARGUMENTS_MOST: usize = 64 << 10;

/// What names a binding between its two ends: the routing key and, where there are arguments, their hash.
fn properties_key(binding: &BindingEntry) -> String {
    let key = utf8_percent_encode(&binding.routing_key, KEPT).to_string();
    match (key.is_empty(), binding.arguments.is_empty()) {
        (true, true) => "~".to_owned(),
        (false, true) => key,
        (_, false) => {
            let mut hasher = DefaultHasher::new();
            hasher.write(Value::Object(binding.arguments.clone()).to_string().as_bytes());
            format!("{key}~{}", URL_SAFE_NO_PAD.encode(&hasher.finish().to_be_bytes()[..4]))
        }
    }
}

/// A binding as JSON.
pub fn describe(binding: &BindingEntry) -> Value {
    json!({
        "source": binding.source, "vhost": binding.vhost, "destination": binding.destination,
        "destination_type": if binding.to_exchange { "exchange" } else { "queue" },
        "routing_key": binding.routing_key, "arguments": binding.arguments,
        "properties_key": properties_key(binding),
    })
}

async fn chosen(
    management: &Management,
    vhost: &str,
    listing: &Listing,
    wanted: impl Fn(&BindingEntry) -> bool,
) -> Result<Response, Failure> {
    let host = management.host(vhost)?;
    let all = management.topics().binding_entries(Some(&host)).await?;
    listing.all(all.iter().filter(|binding| wanted(binding)).map(describe).collect())
}

/// `GET /api/bindings`
pub async fn list(management: Management, listing: Listing) -> Result<Response, Failure> {
    let all = management.topics().binding_entries(None).await?;
    listing.all(all.iter().map(describe).collect())
}

/// `GET /api/bindings/{vhost}`
pub async fn of_vhost(
    management: Management,
    Path(vhost): Path<String>,
    listing: Listing,
) -> Result<Response, Failure> {
    chosen(&management, &vhost, &listing, |_| true).await
}

/// `GET /api/exchanges/{vhost}/{name}/bindings/source`
pub async fn from_exchange(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.exchange(&management.host(&vhost)?, &name).await?;
    chosen(&management, &vhost, &listing, |binding| binding.source == named(&name)).await
}

/// `GET /api/exchanges/{vhost}/{name}/bindings/destination`
pub async fn to_exchange(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.exchange(&management.host(&vhost)?, &name).await?;
    chosen(&management, &vhost, &listing, |binding| binding.to_exchange && binding.destination == name).await
}

/// `GET /api/queues/{vhost}/{name}/bindings`
pub async fn to_queue(
    management: Management,
    Path((vhost, name)): Path<(String, String)>,
    listing: Listing,
) -> Result<Response, Failure> {
    management.queue(&management.host(&vhost)?, &name).await?;
    chosen(&management, &vhost, &listing, |binding| !binding.to_exchange && binding.destination == name).await
}

/// The two ends of a binding, as paths name them.
type Ends = (String, String, String, String);

fn is_between(binding: &BindingEntry, (_, source, kind, destination): &Ends) -> bool {
    binding.source == named(source)
        && binding.to_exchange == (kind == "e")
        && binding.destination == *destination
}

/// Refuses a path whose ends are not there.
async fn check_ends(management: &Management, ends: &Ends) -> Result<VirtualHost, Failure> {
    let (vhost, source, kind, destination) = ends;
    let host = management.host(vhost)?;
    let topics = management.topics();
    let missing = |what: &str, name: &str| Failure::Missing(format!("no {what} '{name}' in vhost '{vhost}'"));
    if !topics.has_exchange(&host, named(source)).await? {
        return Err(missing("exchange", source));
    }
    match kind.as_str() {
        "q" if topics.queue_entry(&host, destination).await?.is_none() => Err(missing("queue", destination)),
        "e" if !topics.has_exchange(&host, destination).await? => Err(missing("exchange", destination)),
        "q" | "e" => Ok(host),
        _ => Err(Failure::NotFound),
    }
}

/// `GET /api/bindings/{vhost}/e/{source}/{kind}/{destination}`
pub async fn between(
    management: Management,
    Path(ends): Path<Ends>,
    listing: Listing,
) -> Result<Response, Failure> {
    chosen(&management, &ends.0, &listing, |binding| is_between(binding, &ends)).await
}

/// `POST /api/bindings/{vhost}/e/{source}/{kind}/{destination}`
pub async fn bind(management: Management, Path(ends): Path<Ends>, body: Body) -> Result<Response, Failure> {
    let object = management.object(body).await?;
    let host = check_ends(&management, &ends).await?;
    let (_, source, kind, destination) = &ends;
    let key = make(&management, host, (source, kind == "e", destination), &object).await?;
    let location = format!("{}/{key}", utf8_percent_encode(destination, KEPT));
    Ok(reply::located(StatusCode::CREATED.into_response(), &location))
}

/// Makes a binding, or finds it made; answers its key.
pub async fn make(
    management: &Management,
    host: VirtualHost,
    (source, to_exchange, destination): (&str, bool, &str),
    object: &Map<String, Value>,
) -> Result<String, Failure> {
    if named(source).is_empty() {
        return Err(Failure::Refused);
    }
    let arguments = requests::arguments(object)?;
    let entry = BindingEntry {
        vhost: host.name().to_owned(),
        source: source.to_owned(),
        destination: destination.to_owned(),
        to_exchange,
        routing_key: requests::text(object, "routing_key")?.unwrap_or_default().to_owned(),
        arguments: crate::topics::session::table_to_json(&arguments),
    };
    if entry.routing_key.len() > KEY_MOST || arguments.as_bytes().len() > ARGUMENTS_MOST {
        let why = format!("a routing key has at most {KEY_MOST} bytes, all arguments {ARGUMENTS_MOST}");
        return Err(Failure::bad(why));
    }
    // The same numbers may be kept as other types: JSON does not tell.
    if management.topics().binding_entries(Some(&host)).await?.contains(&entry) {
        return Ok(properties_key(&entry));
    }
    let binding = Binding {
        source: entry.source.clone(),
        to: if to_exchange { BindTo::Exchange } else { BindTo::Queue },
        destination: entry.destination.clone(),
        routing_key: entry.routing_key.clone(),
        arguments,
    };
    let mut errand = Errand::new(management.topics(), host);
    errand.ask(Request::Bind(binding.clone()), Subject::binding(&binding)).await?;
    Ok(properties_key(&entry))
}

async fn find(
    management: &Management,
    ends: &Ends,
    key: &str,
) -> Result<(VirtualHost, BindingEntry), Failure> {
    let host = management.host(&ends.0)?;
    let all = management.topics().binding_entries(Some(&host)).await?;
    // Some clients encode the key once more, some do not.
    let decoded = |binding: &BindingEntry| {
        percent_decode_str(&properties_key(binding)).decode_utf8().is_ok_and(|decoded| decoded == key)
    };
    let is_it = |binding: &BindingEntry| {
        is_between(binding, ends) && (properties_key(binding) == key || decoded(binding))
    };
    let found = all.into_iter().find(is_it).ok_or(Failure::NotFound)?;
    Ok((host, found))
}

/// `GET /api/bindings/{vhost}/e/{source}/{kind}/{destination}/{key}`
pub async fn one(
    management: Management,
    Path((vhost, source, kind, destination, key)): Path<(String, String, String, String, String)>,
    listing: Listing,
) -> Result<Response, Failure> {
    let ends = (vhost, source, kind, destination);
    let (_, binding) = find(&management, &ends, &key).await?;
    Ok(listing.one(describe(&binding)))
}

/// `DELETE /api/bindings/{vhost}/e/{source}/{kind}/{destination}/{key}`
pub async fn unbind(
    management: Management,
    Path((vhost, source, kind, destination, key)): Path<(String, String, String, String, String)>,
) -> Result<Response, Failure> {
    let ends = (vhost, source, kind, destination);
    let (host, found) = find(&management, &ends, &key).await?;
    if found.source.is_empty() {
        return Err(Failure::Refused);
    }
    let made = management.topics().binding_arguments(&host, &found).await?;
    let binding = Binding {
        source: found.source,
        to: if found.to_exchange { BindTo::Exchange } else { BindTo::Queue },
        destination: found.destination,
        routing_key: found.routing_key,
        arguments: match made {
            Some(arguments) => arguments,
            None => table_from_json(&found.arguments).map_err(Failure::bad)?,
        },
    };
    let about = Subject::binding(&binding);
    Errand::new(management.topics(), host).ask(Request::Unbind(binding.clone()), about).await?;
    Ok(requests::done())
}
