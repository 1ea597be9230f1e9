//! The fields of commands for single messages in JSON.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::command::Command;
use super::json_fields::command_fields;
use super::message_command::{MessageAction, MessageCommand};
use crate::codec::json_moment;
use crate::codec::render::ValueMode;
use crate::http::message_body::{MessageEditBody, named_header};
use crate::http::replay_body::Destination;
use crate::refusal::Refusal;
use crate::topics::{MessageChange, MessageFilter};

/// Messages that one command shows at most, and unless it says how many.
const MOST: u32 = 1000;
const USUALLY: u32 = 100;

command_fields!(BrowseFields {
    topic: String,
    #[serde(default)]
    after: Option<u64>,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    values: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    header: Option<String>,
    #[serde(default)]
    contains: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    message_id: Option<String>,
});
command_fields!(GetFields {
    topic: String,
    message: u64,
    #[serde(default)]
    values: Option<String>,
});
command_fields!(ChangeFields {
    topic: String,
    message: u64,
    #[serde(default)]
    priority: Option<u8>,
    #[serde(default)]
    delay_ms: Option<u64>,
    #[serde(default, deserialize_with = "json_moment::given")]
    deliver_at: Option<i64>,
});
command_fields!(MoveFields {
    topic: String,
    message: u64,
    destination: Destination,
    #[serde(default)]
    edit: MessageEditBody,
});
command_fields!(DeleteFields { topic: String, message: u64 });

fn command(topic: String, action: MessageAction) -> Command {
    Command::Message(Box::new(MessageCommand { topic, action }))
}

fn values_of(name: Option<&str>) -> Result<ValueMode, Refusal> {
    let Some(name) = name else { return Ok(ValueMode::Auto) };
    ValueMode::from_name(name)
        .ok_or_else(|| Refusal::invalid("/values", format!("this is one of {}", ValueMode::NAMES.join(", "))))
}

impl BrowseFields {
    pub(super) fn into_command(self) -> Result<Command, Refusal> {
        let limit = self.limit.unwrap_or(USUALLY);
        if !(1..=MOST).contains(&limit) {
            return Err(Refusal::invalid("/limit", format!("this is from 1 to {MOST}")));
        }
        let state = match self.state {
            None => None,
            Some(name) => {
                let known = MessageFilter::STATES.into_iter().find(|state| *state == name);
                let why = || format!("this is one of {}", MessageFilter::STATES.join(", "));
                Some(known.ok_or_else(|| Refusal::invalid("/state", why()))?)
            }
        };
        let filter = MessageFilter {
            state,
            header: self.header.as_deref().map(named_header),
            contains: self.contains,
            key: self.key,
            message_id: self.message_id,
        };
        let values = values_of(self.values.as_deref())?;
        let action = MessageAction::Browse { filter, after: self.after, limit: limit as usize, values };
        Ok(command(self.topic, action))
    }
}

impl GetFields {
    pub(super) fn into_command(self) -> Result<Command, Refusal> {
        let values = values_of(self.values.as_deref())?;
        Ok(command(self.topic, MessageAction::Get { message: self.message, values }))
    }
}

impl ChangeFields {
    pub(super) fn into_command(self) -> Result<Command, Refusal> {
        let ChangeFields { topic, message, priority, delay_ms, deliver_at, .. } = self;
        let change = MessageChange { priority, delay_ms, deliver_at };
        if change == MessageChange::default() {
            return Err(Refusal::invalid("", "give `priority`, `delay_ms` or `deliver_at`"));
        }
        Ok(command(topic, MessageAction::Change { message, change }))
    }
}

impl MoveFields {
    pub(super) fn into_command(self) -> Result<Command, Refusal> {
        let MoveFields { topic, message, destination, edit, .. } = self;
        let (target, edits) = (destination.try_into()?, edit.try_into()?);
        Ok(command(topic, MessageAction::Move { message, target, edits }))
    }
}

impl DeleteFields {
    pub(super) fn into_command(self) -> Command {
        command(self.topic, MessageAction::Delete { message: self.message })
    }
}
