use crate::{Reader, Version, Wire, WireError, Writer};

/// What every request starts with (versions 1 and 2 of Kafka's request header).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API's number.
    pub key: i16,
    /// The API's version.
    pub version: i16,
    /// Comes back with the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<String>,
}

impl RequestHeader {
    /// Key, version and correlation id: what can be read of a request that is otherwise unknown.
    pub fn peek(bytes: &[u8]) -> Option<(i16, i16, i32)> {
        let (key, rest) = bytes.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let correlation_id = rest.first_chunk()?;
        Some((i16::from_be_bytes(*key), i16::from_be_bytes(*version), i32::from_be_bytes(*correlation_id)))
    }

    /// Reads it, whose form depends on whether the request is flexible.
    pub fn read(from: &mut Reader, flexible: bool) -> Result<RequestHeader, WireError> {
        let rigid = Version { number: 0, flexible: false };
        let header = RequestHeader {
            key: i16::read(from, rigid)?,
            version: i16::read(from, rigid)?,
            correlation_id: i32::read(from, rigid)?,
            // Its length has 16 bits in every version.
            client_id: Wire::read(from, rigid)?,
        };
        if flexible {
            from.skip_tagged()?;
        }
        Ok(header)
    }

    /// Writes it.
    pub fn write(&self, to: &mut Writer, flexible: bool) {
        let rigid = Version { number: 0, flexible: false };
        self.key.write(to, rigid);
        self.version.write(to, rigid);
        self.correlation_id.write(to, rigid);
        self.client_id.write(to, rigid);
        if flexible {
            to.uvarint(0);
        }
    }
}

/// Writes what every response starts with.
pub fn write_response_header(to: &mut Writer, correlation_id: i32, flexible: bool) {
    to.put(&correlation_id.to_be_bytes());
    if flexible {
        to.uvarint(0);
    }
}
