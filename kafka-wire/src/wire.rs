use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{Reader, Uuid, WireError, Writer};

/// In which form a message is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The API's version.
    pub number: i16,
    /// Whether lengths are compact and tagged fields follow (KIP-482).
    pub flexible: bool,
}

impl Version {
    /// That version of an API.
    #[must_use]
    pub fn of<R: Request>(number: i16) -> Version {
        Version { number, flexible: number >= R::FLEXIBLE_FROM }
    }
}

/// What has a form on the wire.
pub trait Wire: Sized {
    /// Reads it from where the reader stands.
    fn read(from: &mut Reader, version: Version) -> Result<Self, WireError>;
    /// Writes it.
    fn write(&self, to: &mut Writer, version: Version);
}

/// A message that may tell a client to slow down (KIP-219); one without a field for it tells nothing.
pub trait Throttled {
    /// Tells the client to send nothing for so many milliseconds.
    fn throttle(&mut self, ms: i32);
}

/// A request, and what is known of its API.
pub trait Request: Wire + Default {
    /// What answers it.
    type Response: Wire + Default + Throttled;
    /// The API's number.
    const KEY: i16;
    /// The API's name.
    const NAME: &'static str;
    /// The versions that this codec knows.
    const VERSIONS: RangeInclusive<i16>;
    /// The first flexible version.
    const FLEXIBLE_FROM: i16;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            fn read(from: &mut Reader, _: Version) -> Result<$type, WireError> {
                from.array().map(<$type>::from_be_bytes)
            }
            fn write(&self, to: &mut Writer, _: Version) {
                to.put(&self.to_be_bytes());
            }
        }
    )*};
}
number!(i8, i16, i32, i64, u16, u32, f64);

impl Wire for bool {
    fn read(from: &mut Reader, _: Version) -> Result<bool, WireError> {
        Ok(from.array()? != [0u8])
    }
    fn write(&self, to: &mut Writer, _: Version) {
        to.put(&[u8::from(*self)]);
    }
}

impl Wire for Uuid {
    fn read(from: &mut Reader, _: Version) -> Result<Uuid, WireError> {
        from.array().map(Uuid)
    }
    fn write(&self, to: &mut Writer, _: Version) {
        to.put(&self.0);
    }
}

/// A length as `L` when it is not compact; -1 is null.
fn read_len<L: Wire + Into<i64>>(from: &mut Reader, version: Version) -> Result<Option<usize>, WireError> {
    let len = if version.flexible { i64::from(from.uvarint()?) - 1 } else { L::read(from, version)?.into() };
    match len {
        -1 => Ok(None),
        len => usize::try_from(len).map(Some).map_err(|_| WireError::Length),
    }
}

fn write_short_len(to: &mut Writer, version: Version, len: Option<usize>) {
    match version.flexible {
        true => to.uvarint(len.map_or(0, |len| len as u32 + 1)),
        false => len.map_or(-1, |len| len as i16).write(to, version),
    }
}

fn write_long_len(to: &mut Writer, version: Version, len: Option<usize>) {
    match version.flexible {
        true => to.uvarint(len.map_or(0, |len| len as u32 + 1)),
        false => len.map_or(-1, |len| len as i32).write(to, version),
    }
}

/// What may be null on the wire without a wrapper of its own.
pub trait Nullable: Sized {
    /// Reads it or null.
    fn read_nullable(from: &mut Reader, version: Version) -> Result<Option<Self>, WireError>;
    /// Writes it or null.
    fn write_nullable(value: Option<&Self>, to: &mut Writer, version: Version);
}

impl<T: Nullable> Wire for Option<T> {
    fn read(from: &mut Reader, version: Version) -> Result<Option<T>, WireError> {
        T::read_nullable(from, version)
    }
    fn write(&self, to: &mut Writer, version: Version) {
        T::write_nullable(self.as_ref(), to, version);
    }
}

macro_rules! never_null {
    ($type:ty $(, $element:ident)?) => {
        impl$(<$element: Wire>)? Wire for $type {
            fn read(from: &mut Reader, version: Version) -> Result<$type, WireError> {
                <$type>::read_nullable(from, version)?.ok_or(WireError::Null)
            }
            fn write(&self, to: &mut Writer, version: Version) {
                <$type>::write_nullable(Some(self), to, version);
            }
        }
    };
}
never_null!(String);
never_null!(Bytes);
never_null!(Vec<T>, T);

impl Nullable for String {
    fn read_nullable(from: &mut Reader, version: Version) -> Result<Option<String>, WireError> {
        let Some(len) = read_len::<i16>(from, version)? else { return Ok(None) };
        let text = std::str::from_utf8(from.take(len)?).map_err(|_| WireError::Text)?;
        Ok(Some(text.to_owned()))
    }
    fn write_nullable(value: Option<&String>, to: &mut Writer, version: Version) {
        // Nothing longer can be said where lengths have 16 bits; only messages for people come near.
        let most = if version.flexible { usize::MAX } else { i16::MAX as usize };
        let value = value.map(|text| shortened(text, most));
        write_short_len(to, version, value.map(str::len));
        to.put(value.unwrap_or_default().as_bytes());
    }
}

/// The longest beginning of a text that has at most so many bytes.
fn shortened(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

impl Nullable for Bytes {
    fn read_nullable(from: &mut Reader, version: Version) -> Result<Option<Bytes>, WireError> {
        read_len::<i32>(from, version)?.map(|len| from.copy(len)).transpose()
    }
    fn write_nullable(value: Option<&Bytes>, to: &mut Writer, version: Version) {
        write_long_len(to, version, value.map(Bytes::len));
        if let Some(bytes) = value {
            to.put_shared(bytes);
        }
    }
}

impl<T: Wire> Nullable for Vec<T> {
    fn read_nullable(from: &mut Reader, version: Version) -> Result<Option<Vec<T>>, WireError> {
        let Some(count) = read_len::<i32>(from, version)? else { return Ok(None) };
        from.spend(count, size_of::<T>())?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(T::read(from, version)?);
        }
        Ok(Some(elements))
    }
    fn write_nullable(value: Option<&Vec<T>>, to: &mut Writer, version: Version) {
        write_long_len(to, version, value.map(Vec::len));
        value.into_iter().flatten().for_each(|element| element.write(to, version));
    }
}
