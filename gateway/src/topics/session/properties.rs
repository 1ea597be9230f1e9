use bytes::Bytes;
use queue_engine::{Properties, PropertyError, PropertyFields};

/// What doors need to know of properties that they pass on unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageProperties<'a> {
    /// 1 transient, 2 persistent.
    pub delivery_mode: Option<u8>,
    /// Time to live in milliseconds, as text.
    pub expiration: Option<&'a str>,
    /// The publisher's user.
    pub user_id: Option<&'a str>,
    /// Where to send replies.
    pub reply_to: Option<&'a str>,
}

/// Checks properties in the form that messages keep them in.
pub fn read_properties(raw: &Bytes) -> Result<MessageProperties<'_>, PropertyError> {
    let checked = Properties::from_bytes(raw.clone())?;
    let fields = checked.fields();
    let within = |text: &str| {
        // The texts lie in `raw`, which outlives the checked view of it.
        let at = (text.as_ptr() as usize).checked_sub(raw.as_ptr() as usize)?;
        std::str::from_utf8(raw.get(at..at + text.len())?).ok()
    };
    Ok(MessageProperties {
        delivery_mode: fields.delivery_mode,
        expiration: fields.expiration.and_then(within),
        user_id: fields.user_id.and_then(within),
        reply_to: fields.reply_to.and_then(within),
    })
}

/// Properties with another address for replies.
#[must_use]
pub fn with_reply_to(raw: &Bytes, address: &str) -> Bytes {
    let Ok(properties) = Properties::from_bytes(raw.clone()) else { return raw.clone() };
    let fields = PropertyFields { reply_to: Some(address), ..properties.fields() };
    fields.build().map_or_else(|_| raw.clone(), |changed| changed.as_bytes().clone())
}
