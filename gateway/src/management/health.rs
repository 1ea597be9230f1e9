use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::Management;
use super::errand::{Errand, Routed};
use super::failure::Failure;
use crate::amqp::refusals::{Subject, Task};
use crate::http::reply;
use crate::topics::session::{Answer, Durability, Publish, QueueDeclaration, Request, Settlement};

/// The queue that the aliveness test uses; it stays, so that tests at the same time do not meet.
const PROBE: &str = "aliveness-test";

fn ok() -> Response {
    reply::json(StatusCode::OK, &json!({"status": "ok"}))
}

fn failed(more: &Value) -> Response {
    let mut answer = json!({"status": "failed"});
    if let (Value::Object(answer), Value::Object(more)) = (&mut answer, more) {
        answer.extend(more.clone());
    }
    reply::json(StatusCode::SERVICE_UNAVAILABLE, &answer)
}

/// Checks that nothing can fail on one node that answers.
pub async fn always() -> Response {
    ok()
}

/// Checks about replicas.
pub async fn single() -> Response {
    reply::json(StatusCode::OK, &json!({"status": "ok", "reason": "single node cluster"}))
}

/// `GET /api/health/checks/certificate-expiration/{within}/{unit}`: there are no certificates.
pub async fn certificates(Path((within, unit)): Path<(String, String)>) -> Result<Response, Failure> {
    let units = ["days", "weeks", "months", "years"];
    match within.parse::<u32>() {
        Ok(_) if units.contains(&unit.as_str()) => Ok(ok()),
        Ok(_) => Err(Failure::bad(format!("Time unit not recognised. Use {}.", units.join(", ")))),
        Err(_) => Err(Failure::bad("Invalid expiration value.")),
    }
}

/// `GET /api/health/checks/alarms` and `local-alarms`
pub async fn alarms(management: Management) -> Response {
    let node = &management.node().name;
    let raised = management.topics().alarms();
    if raised.is_empty() {
        return ok();
    }
    let rows: Value =
        raised.iter().map(|alarm| json!({"node": node, "resource": alarm.resource()})).collect();
    failed(&json!({"reason": "There are alarms in effect in the cluster", "alarms": rows}))
}

/// Whether clients are served.
pub async fn ready(management: Management) -> Response {
    match management.topics().readiness() {
        Ok(()) => ok(),
        Err(refusal) => failed(&json!({"reason": refusal.detail})),
    }
}

/// `GET /api/health/checks/port-listener/{port}`
pub async fn port(management: Management, Path(port): Path<String>) -> Result<Response, Failure> {
    let port: u16 = port.parse().map_err(|_| Failure::bad("Invalid port"))?;
    let ports: Vec<u16> = management.node().listeners.iter().map(|(_, address)| address.port()).collect();
    if ports.contains(&port) {
        return Ok(reply::json(StatusCode::OK, &json!({"status": "ok", "port": port})));
    }
    Ok(failed(&json!({"reason": "No active listener", "missing": port, "ports": ports})))
}

/// `GET /api/health/checks/protocol-listener/{protocol}`
pub async fn protocol(management: Management, Path(protocol): Path<String>) -> Response {
    let spoken: Vec<&str> = management.node().listeners.iter().map(|(protocol, _)| *protocol).collect();
    // RabbitMQ takes all of these for AMQP 0-9-1.
    let wanted = if protocol == "amqp091" { "amqp" } else { protocol.as_str() };
    if spoken.contains(&wanted) {
        return reply::json(StatusCode::OK, &json!({"status": "ok", "protocol": wanted}));
    }
    failed(&json!({"reason": "No active listener", "missing": protocol, "protocols": spoken}))
}

/// `GET /api/aliveness-test/{vhost}`: a message goes through a queue.
pub async fn aliveness(management: Management, Path(vhost): Path<String>) -> Result<Response, Failure> {
    let host = management.host(&vhost)?;
    let mut errand = Errand::new(management.topics(), host);
    let declaration = QueueDeclaration {
        queue: PROBE.to_owned(),
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        arguments: Default::default(),
        server_named: false,
    };
    errand.ask(Request::DeclareQueue(declaration), Subject::queue(PROBE)).await?;
    let publish = Publish {
        exchange: "".into(),
        routing_key: PROBE.into(),
        properties: Bytes::new(),
        headers: Default::default(),
        body: Bytes::from_static(b"test_message"),
        mandatory: true,
        durability: Durability::Cache,
    };
    if !matches!(errand.publish(publish).await, Ok(Routed::Taken)) {
        return Ok(failed(&json!({"reason": "a message was not taken"})));
    }
    let get = Request::Get { queue: PROBE.to_owned(), no_ack: false };
    let got = errand.ask(get, Subject::queue(PROBE).to(Task::Get)).await?;
    let Answer::Got(Some((delivery, _))) = got else {
        return Ok(failed(&json!({"reason": "a message was not delivered"})));
    };
    errand.settle(delivery.lease().map(|lease| (lease, Settlement::Ack)).into_iter().collect()).await?;
    Ok(ok())
}
