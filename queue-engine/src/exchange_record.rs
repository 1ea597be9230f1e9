//! How an exchange's options lie in the journal: a byte of flags, then what the flags announce.
use crate::exchange_kind::{ExchangeKind, ExchangeOptions, HashProperty};
use crate::fields::{Fields, Malformed, put_bytes, put_varint};

const DURABLE: u8 = 1;
const AUTO_DELETE: u8 = 1 << 1;
const INTERNAL: u8 = 1 << 2;
const ALTERNATE: u8 = 1 << 3;
const HASH_HEADER: u8 = 1 << 4;
const HASH_PROPERTY: u8 = 1 << 5;
const HISTORY_LENGTH: u8 = 1 << 6;
const DELAYED_KIND: u8 = 1 << 7;

impl ExchangeOptions {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let flag = |bit: u8, set: bool| if set { bit } else { 0 };
        out.push(
            flag(DURABLE, self.durable)
                | flag(AUTO_DELETE, self.auto_delete)
                | flag(INTERNAL, self.internal)
                | flag(ALTERNATE, self.alternate_exchange.is_some())
                | flag(HASH_HEADER, self.hash_header.is_some())
                | flag(HASH_PROPERTY, self.hash_property.is_some())
                | flag(HISTORY_LENGTH, self.history_length.is_some())
                | flag(DELAYED_KIND, self.delayed_kind.is_some()),
        );
        let property = self.hash_property.map(HashProperty::as_str);
        for text in [self.alternate_exchange.as_deref(), self.hash_header.as_deref(), property] {
            text.into_iter().for_each(|text| put_bytes(out, text.as_bytes()));
        }
        self.history_length.into_iter().for_each(|length| put_varint(out, u64::from(length)));
        self.delayed_kind.into_iter().for_each(|kind| put_bytes(out, kind.as_str().as_bytes()));
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<ExchangeOptions, Malformed> {
        let flags = fields.byte()?;
        let mut announced = |bit| if flags & bit != 0 { fields.text().map(Some) } else { Ok(None) };
        let (alternate, header) = (announced(ALTERNATE)?, announced(HASH_HEADER)?);
        let hash_property = match announced(HASH_PROPERTY)? {
            None => None,
            Some(name) => Some(HashProperty::from_name(name).ok_or(Malformed)?),
        };
        let history_length = if flags & HISTORY_LENGTH != 0 { Some(fields.number()?) } else { None };
        let delayed_kind = match flags & DELAYED_KIND {
            0 => None,
            _ => Some(ExchangeKind::from_name(fields.text()?).ok_or(Malformed)?),
        };
        Ok(ExchangeOptions {
            durable: flags & DURABLE != 0,
            auto_delete: flags & AUTO_DELETE != 0,
            internal: flags & INTERNAL != 0,
            alternate_exchange: alternate.map(str::to_owned),
            hash_header: header.map(str::to_owned),
            hash_property,
            history_length,
            delayed_kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_read_back() {
        let all = ExchangeOptions {
            durable: false,
            auto_delete: true,
            internal: true,
            alternate_exchange: Some("other".into()),
            hash_header: Some("user".into()),
            hash_property: Some(HashProperty::Timestamp),
            history_length: Some(300),
            delayed_kind: Some(ExchangeKind::Topic),
        };
        for options in [ExchangeOptions::default(), all] {
            let mut stored = Vec::new();
            options.put(&mut stored);
            let mut fields = Fields::new(&stored);
            assert_eq!(ExchangeOptions::read(&mut fields), Ok(options));
            assert_eq!(fields.left(), 0);
        }
    }
}
