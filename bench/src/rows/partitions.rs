//! A broker with 10,000 partitions that all hold something.

use crate::http::{Connection, request};
use crate::process::{Process, Scratch};
use crate::setup::declare_log;
use crate::table::Line;

const PARTITIONS: u32 = 10_000;

/// From the start of the process to its ready line, memory, and files held open while nobody reads.
pub fn run() -> Vec<Line> {
    let scratch = Scratch::new("partitions");
    let data = scratch.path("data");
    let broker = Process::broker(&data);
    declare_log(broker.address, "log", PARTITIONS);
    let mut connection = Connection::open(broker.address);
    let value = "x".repeat(200);
    for from in (0..PARTITIONS).step_by(500) {
        let message = |partition| format!(r#"{{"value":"{value}","partition":{partition}}}"#);
        let messages: Vec<String> = (from..from + 500).map(message).collect();
        let body = format!(r#"{{"messages":[{}]}}"#, messages.join(","));
        let path = "/v1/topics/log/messages?acks=leader";
        let publish = request("POST", path, &[("content-type", "application/json")], body.as_bytes());
        let (status, answer) = connection.ask(&publish);
        assert!(status == 200, "{status} {}", String::from_utf8_lossy(&answer));
    }
    broker.kill();
    let broker = Process::broker(&data);
    let seconds = broker.ready_after.as_secs_f64();
    let resident = broker.resident() as f64 / 1048576.0;
    let files = broker.open_files_below("/logs/");
    let measured =
        format!("ready in {seconds:.2} s, {resident:.0} MiB resident, {files} files of logs held open");
    let line =
        Line::new("10,000 partitions with records, after kill -9", "< 1 s, ≤ 256 MiB, none open", measured);
    vec![line.met(seconds < 1.0 && resident <= 256.0 && files == 0)]
}
