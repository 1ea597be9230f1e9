use lapin::BasicProperties;

use super::settings::Settings;

/// Properties that every message gets, whatever it had.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    texts: Vec<(Text, String)>,
    delivery_mode: Option<u8>,
    priority: Option<u8>,
    timestamp: Option<u64>,
}

/// A property that is a text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Text {
    ContentType,
    ContentEncoding,
    CorrelationId,
    ReplyTo,
    Expiration,
    MessageId,
    Kind,
    UserId,
    AppId,
    ClusterId,
}

const TEXTS: [(&str, Text); 10] = [
    ("content_type", Text::ContentType),
    ("content_encoding", Text::ContentEncoding),
    ("correlation_id", Text::CorrelationId),
    ("reply_to", Text::ReplyTo),
    ("expiration", Text::Expiration),
    ("message_id", Text::MessageId),
    ("type", Text::Kind),
    ("user_id", Text::UserId),
    ("app_id", Text::AppId),
    ("cluster_id", Text::ClusterId),
];

impl Overrides {
    /// Takes them from what a definition says.
    pub fn read(settings: &mut Settings<'_>) -> Overrides {
        let octet = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
        Overrides {
            texts: TEXTS.iter().filter_map(|(name, text)| Some((*text, settings.name(name)?))).collect(),
            delivery_mode: settings.whole("delivery_mode", 1, 2).map(octet),
            priority: settings.whole("priority", 0, u8::MAX.into()).map(octet),
            timestamp: settings.whole("timestamp", 0, i64::MAX.unsigned_abs()),
        }
    }

    /// A message's properties with these instead of its own.
    #[must_use]
    pub fn apply(&self, properties: BasicProperties) -> BasicProperties {
        let mut changed = properties;
        for (text, value) in &self.texts {
            let value = value.as_str().into();
            changed = match text {
                Text::ContentType => changed.with_content_type(value),
                Text::ContentEncoding => changed.with_content_encoding(value),
                Text::CorrelationId => changed.with_correlation_id(value),
                Text::ReplyTo => changed.with_reply_to(value),
                Text::Expiration => changed.with_expiration(value),
                Text::MessageId => changed.with_message_id(value),
                Text::Kind => changed.with_type(value),
                Text::UserId => changed.with_user_id(value),
                Text::AppId => changed.with_app_id(value),
                Text::ClusterId => changed.with_cluster_id(value),
            };
        }
        if let Some(mode) = self.delivery_mode {
            changed = changed.with_delivery_mode(mode);
        }
        if let Some(priority) = self.priority {
            changed = changed.with_priority(priority);
        }
        if let Some(timestamp) = self.timestamp {
            changed = changed.with_timestamp(timestamp);
        }
        changed
    }
}
