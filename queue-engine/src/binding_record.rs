//! How a binding lies in the journal.
use ::message::{ExchangeName, HeaderTable, TopicName};

use crate::fields::{Fields, Malformed, put_bytes, put_varint};
use crate::record::{exchange, topic};
use crate::{BindingTarget, QueueId};

/// A binding with its queue by id, so that it means the queue of that time.
#[derive(Debug)]
pub(crate) struct BindingRecord {
    pub(crate) source: ExchangeName,
    pub(crate) target: RecordTarget,
    pub(crate) key: String,
    pub(crate) arguments: HeaderTable,
}

#[derive(Debug)]
pub(crate) enum RecordTarget {
    Exchange(ExchangeName),
    Queue(QueueId),
    Log(TopicName),
}

impl RecordTarget {
    pub(crate) fn from_binding(target: &BindingTarget, queue: Option<QueueId>) -> RecordTarget {
        match (target, queue) {
            (_, Some(id)) => RecordTarget::Queue(id),
            (BindingTarget::Exchange(name), None) => RecordTarget::Exchange(name.clone()),
            (BindingTarget::Queue(name) | BindingTarget::Log(name), None) => RecordTarget::Log(name.clone()),
        }
    }
}

impl BindingRecord {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.source.as_str().as_bytes());
        match &self.target {
            RecordTarget::Exchange(name) => {
                out.push(0);
                put_bytes(out, name.as_str().as_bytes());
            }
            RecordTarget::Queue(id) => {
                out.push(1);
                put_varint(out, u64::from(id.0));
            }
            RecordTarget::Log(name) => {
                out.push(2);
                put_bytes(out, name.as_str().as_bytes());
            }
        }
        put_bytes(out, self.key.as_bytes());
        put_bytes(out, self.arguments.as_bytes());
    }

    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<BindingRecord, Malformed> {
        let source = exchange(fields)?;
        let target = match fields.byte()? {
            0 => RecordTarget::Exchange(exchange(fields)?),
            1 => RecordTarget::Queue(QueueId(fields.number()?)),
            2 => RecordTarget::Log(topic(fields)?),
            _ => return Err(Malformed),
        };
        let key = fields.text()?.to_owned();
        let arguments = bytes::Bytes::copy_from_slice(fields.bytes()?);
        let arguments = HeaderTable::from_bytes(arguments).map_err(|_| Malformed)?;
        Ok(BindingRecord { source, target, key, arguments })
    }
}
