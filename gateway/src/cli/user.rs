//! `sluice user` and `sluice acl`: users and rules of a running server.

use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::client::{Server, first_line, print};

/// Users of a running server.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user, or change one.
    Add {
        /// Its name.
        name: String,
        /// Let it do everything. The first user has to.
        #[arg(long)]
        admin: bool,
        /// A group that it belongs to; may be repeated.
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// The file whose first line is its password; `-` is standard input. Without it the password stays as it is.
        #[arg(long, value_name = "FILE")]
        password_file: Option<String>,
        #[command(flatten)]
        server: Server,
    },
    /// List users.
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Delete a user; its connections end.
    Delete {
        /// Its name.
        name: String,
        #[command(flatten)]
        server: Server,
    },
    /// Make an API key and print it, this once.
    Key {
        /// Whose.
        name: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        note: String,
        /// How many hours it lasts; for ever unless said.
        #[arg(long)]
        hours: Option<u64>,
        #[command(flatten)]
        server: Server,
    },
    /// Take an API key away; its connections end.
    RevokeKey {
        /// Whose.
        name: String,
        /// The key's id.
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

/// Permission rules of a running server.
#[derive(Debug, Subcommand)]
pub enum AclCommand {
    /// Allow something.
    Allow(Rule),
    /// Deny something, whatever is allowed.
    Deny(Rule),
    /// Delete a rule.
    Delete {
        /// Its id, as `list` shows it.
        id: String,
        #[command(flatten)]
        server: Server,
    },
    /// List rules.
    List {
        #[command(flatten)]
        server: Server,
    },
}

/// A rule.
#[derive(Args, Debug)]
pub struct Rule {
    /// `user:NAME`, `group:NAME` or `*`.
    principal: String,
    /// Operations with commas between them: `read,write`; `all` is every one.
    operations: String,
    /// `topic`, `exchange`, `group`, `transactional_id`, `vhost` or `cluster`.
    kind: String,
    /// The name; `*` is every one.
    #[arg(default_value = "*")]
    name: String,
    /// How the name is meant: `literal`, `prefix` or `pattern`.
    #[arg(long = "match", default_value = "literal")]
    name_match: String,
    /// The virtual host that the name is one of.
    #[arg(long)]
    vhost: Option<String>,
    #[command(flatten)]
    server: Server,
}

fn path(name: &str) -> String {
    format!("/v1/users/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

/// Carries a command about users out.
pub fn user(command: UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Add { name, admin, groups, password_file, server } => {
            let mut body = Map::new();
            if admin {
                body.insert("admin".into(), true.into());
            }
            if !groups.is_empty() {
                body.insert("groups".into(), groups.into());
            }
            if let Some(file) = password_file {
                body.insert("password".into(), first_line(&file)?.into());
            }
            print(&server.ask("PUT", &path(&name), Some(&Value::Object(body)))?)?;
        }
        UserCommand::List { server } => print(&server.ask("GET", "/v1/users?limit=1000", None)?)?,
        UserCommand::Delete { name, server } => drop(server.ask("DELETE", &path(&name), None)?),
        UserCommand::Key { name, note, hours, server } => {
            let mut body = json!({ "note": note });
            if let Some(hours) = hours {
                body["ttl_ms"] = hours.saturating_mul(3_600_000).into();
            }
            let made = server.ask("POST", &format!("{}/keys", path(&name)), Some(&body))?;
            println!("{}", made["key"].as_str().unwrap_or_default());
        }
        UserCommand::RevokeKey { name, id, server } => {
            let id = utf8_percent_encode(&id, NON_ALPHANUMERIC);
            drop(server.ask("DELETE", &format!("{}/keys/{id}", path(&name)), None)?);
        }
    }
    Ok(())
}

/// Carries a command about rules out.
pub fn acl(command: AclCommand) -> anyhow::Result<()> {
    match command {
        AclCommand::Allow(rule) => add(rule, "allow")?,
        AclCommand::Deny(rule) => add(rule, "deny")?,
        AclCommand::Delete { id, server } => {
            let id = utf8_percent_encode(&id, NON_ALPHANUMERIC);
            drop(server.ask("DELETE", &format!("/v1/acls/{id}"), None)?);
        }
        AclCommand::List { server } => print(&server.ask("GET", "/v1/acls?limit=1000", None)?)?,
    }
    Ok(())
}

fn add(rule: Rule, effect: &str) -> anyhow::Result<()> {
    let Rule { principal, operations, kind, name, name_match, vhost, server } = rule;
    let operations: Vec<&str> = operations.split(',').map(str::trim).collect();
    let mut resource = json!({ "type": kind, "name": name, "match": name_match });
    if let Some(vhost) = vhost {
        resource["vhost"] = vhost.into();
    }
    let rule =
        json!({ "principal": principal, "resource": resource, "operations": operations, "effect": effect });
    print(&server.ask("POST", "/v1/acls", Some(&json!({ "rules": [rule] })))?)
}
