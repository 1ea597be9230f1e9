//! `sluice quota`: quotas of a running server.

use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::client::{Server, print};

/// Quotas of a running server.
#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// Set a quota, whatever it was. In force at once.
    Set(Box<Quota>),
    /// Delete a quota.
    Delete {
        /// Its id, as `list` shows it.
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// List quotas.
    List {
        #[command(flatten)]
        server: Server,
    },
}

/// A quota. Without a limit nothing of that kind is limited.
#[derive(Args, Debug)]
pub struct Quota {
    /// The user that it is for; `*` is each one without a quota of its own.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// What clients call themselves that it is for; `*` is each name without a quota of its own.
    #[arg(long, value_name = "NAME")]
    client_id: Option<String>,
    /// The address that it is for; `*` is each one without a quota of its own.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Bytes of messages in, a second.
    #[arg(long, value_name = "BYTES")]
    produce_bytes_per_s: Option<u64>,
    /// Bytes of messages out, a second.
    #[arg(long, value_name = "BYTES")]
    consume_bytes_per_s: Option<u64>,
    /// Requests, or batches of commands, a second.
    #[arg(long, value_name = "COUNT")]
    requests_per_s: Option<u64>,
    /// Connections at a time.
    #[arg(long, value_name = "COUNT")]
    connections: Option<u64>,
    /// Topics that were made and are not deleted.
    #[arg(long, value_name = "COUNT")]
    topics: Option<u64>,
    #[command(flatten)]
    server: Server,
}

/// Carries a command about quotas out.
pub fn quota(command: QuotaCommand) -> anyhow::Result<()> {
    match command {
        QuotaCommand::Set(quota) => set(*quota),
        QuotaCommand::Delete { id, server } => {
            let id = utf8_percent_encode(&id, NON_ALPHANUMERIC);
            server.ask("DELETE", &format!("/v1/quotas/{id}"), None).map(drop)
        }
        QuotaCommand::List { server } => print(&server.ask("GET", "/v1/quotas?limit=1000", None)?),
    }
}

fn set(quota: Quota) -> anyhow::Result<()> {
    let given = |values: Vec<(&str, Option<Value>)>| -> Map<String, Value> {
        values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    };
    let entity = given(vec![
        ("user", quota.user.map(Value::from)),
        ("client_id", quota.client_id.map(Value::from)),
        ("address", quota.address.map(Value::from)),
    ]);
    let limits = given(vec![
        ("produce_bytes_per_s", quota.produce_bytes_per_s.map(Value::from)),
        ("consume_bytes_per_s", quota.consume_bytes_per_s.map(Value::from)),
        ("requests_per_s", quota.requests_per_s.map(Value::from)),
        ("connections", quota.connections.map(Value::from)),
        ("topics", quota.topics.map(Value::from)),
    ]);
    print(&quota.server.ask("PUT", "/v1/quotas", Some(&json!({ "entity": entity, "limits": limits })))?)
}
