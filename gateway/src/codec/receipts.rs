//! What a publisher hears, as JSON.

use crate::codec::problem;
use crate::codec::render::integer;
use crate::refusal::Refusal;
use crate::topics::Receipt;

/// Appends `{"results":[…]}` in the order sent. Answers whether any message was refused.
pub fn write_results(out: &mut Vec<u8>, receipts: &[Result<Receipt, Box<Refusal>>]) -> bool {
    let mut refused = false;
    out.reserve(16 + receipts.len() * 64);
    out.extend_from_slice(b"{\"results\":[");
    for (index, receipt) in receipts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match receipt {
            Ok(receipt) => write_receipt(out, receipt),
            Err(refusal) => {
                refused = true;
                write_error(out, refusal);
            }
        }
    }
    out.extend_from_slice(b"]}");
    refused
}

/// Appends one receipt: `{partition, offset, timestamp}`, `{id}`, `{queues, logs}`, or `{unconfirmed: true}`.
pub fn write_receipt(out: &mut Vec<u8>, receipt: &Receipt) {
    match *receipt {
        Receipt::Log { partition, offset, timestamp } => {
            out.extend_from_slice(b"{\"partition\":");
            integer(out, partition);
            out.extend_from_slice(b",\"offset\":");
            integer(out, offset);
            out.extend_from_slice(b",\"timestamp\":");
            integer(out, timestamp);
            out.push(b'}');
        }
        Receipt::Queue { id } => {
            out.extend_from_slice(b"{\"id\":");
            integer(out, id);
            out.push(b'}');
        }
        Receipt::Duplicate { id } => {
            out.extend_from_slice(b"{\"id\":");
            integer(out, id);
            out.extend_from_slice(b",\"duplicate\":true}");
        }
        Receipt::Routed { queues, duplicates, logs, held } => {
            out.extend_from_slice(b"{\"queues\":");
            integer(out, queues);
            if duplicates > 0 {
                out.extend_from_slice(b",\"duplicates\":");
                integer(out, duplicates);
            }
            out.extend_from_slice(b",\"logs\":");
            integer(out, logs);
            if held {
                out.extend_from_slice(b",\"held\":true");
            }
            out.push(b'}');
        }
        Receipt::Unconfirmed => out.extend_from_slice(b"{\"unconfirmed\":true}"),
    }
}

/// Appends `{"error": problem}`.
pub fn write_error(out: &mut Vec<u8>, refusal: &Refusal) {
    out.extend_from_slice(b"{\"error\":");
    problem::write(out, refusal);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::ErrorCode;

    #[test]
    fn one_result_per_message_in_the_order_sent() {
        let receipts = vec![
            Ok(Receipt::Log { partition: 2, offset: 40, timestamp: 1_700_000_000_000 }),
            Err(Box::new(Refusal::new(ErrorCode::TooLarge, "too large"))),
            Ok(Receipt::Queue { id: 7 }),
            Ok(Receipt::Unconfirmed),
        ];
        let mut out = Vec::new();
        assert!(write_results(&mut out, &receipts));
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let results = json["results"].as_array().unwrap();
        assert_eq!(
            results[0],
            serde_json::json!({"partition": 2, "offset": 40, "timestamp": 1_700_000_000_000_i64})
        );
        assert_eq!(results[1]["error"]["status"], 413);
        assert_eq!(results[2]["id"], 7);
        assert_eq!(results[3]["unconfirmed"], true);
        out.clear();
        assert!(!write_results(&mut out, &[]));
        assert_eq!(out, b"{\"results\":[]}");
    }
}
