//! How messages are declared.

/// Ties a request to its response, its number and its versions.
macro_rules! api {
    ($request:ident => $response:ident, key $key:literal, versions $versions:expr, flexible $flexible:expr) => {
        impl $crate::Request for $request {
            type Response = $response;
            const KEY: i16 = $key;
            const NAME: &'static str = {
                // The request's name without its last word.
                let name = stringify!($request);
                match name.split_at_checked(name.len() - "Request".len()) {
                    Some((name, _)) => name,
                    None => name,
                }
            };
            const VERSIONS: std::ops::RangeInclusive<i16> = $versions;
            const FLEXIBLE_FROM: i16 = $flexible;
        }
    };
}

/// A message or a part of one: its fields as `field: Type [versions] = default;` in wire order, and behind them
/// `tagged { number => field… }`.
/// A field that a version does not have keeps its default when read, and is left out when written.
macro_rules! message {
    ($name:ident {
        $($field:ident: $type:ty [$versions:expr] $(= $default:expr)?;)*
    } $(tagged {
        $($tag:literal => $tagged:ident: $tagged_type:ty [$tagged_versions:expr] $(= $tagged_default:expr)?;)*
    })?) => {
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "fields have the names under which Kafka's protocol guide documents them")]
        #[allow(clippy::derive_partial_eq_without_eq, reason = "some have floating-point fields")]
        pub struct $name {
            $(pub $field: $type,)*
            $($(pub $tagged: $tagged_type,)*)?
        }

        impl Default for $name {
            fn default() -> $name {
                $name {
                    $($field: message!(@default $($default)?),)*
                    $($($tagged: message!(@default $($tagged_default)?),)*)?
                }
            }
        }

        impl $crate::Wire for $name {
            #[allow(unused_variables, unused_mut, clippy::redundant_pattern_matching)]
            fn read(from: &mut $crate::Reader, version: $crate::Version) -> Result<$name, $crate::WireError> {
                let mut message = $name::default();
                $(if message!(@has version [$versions]) {
                    message.$field = $crate::Wire::read(from, version)?;
                })*
                if version.flexible {
                    for _ in 0..from.uvarint()? {
                        let tag = from.uvarint()?;
                        let len = from.uvarint()? as usize;
                        $($(if tag == $tag && message!(@has version [$tagged_versions]) {
                            let left = from.remaining();
                            message.$tagged = $crate::Wire::read(from, version)?;
                            if left - from.remaining() != len {
                                return Err($crate::WireError::Length);
                            }
                            continue;
                        })*)?
                        from.take(len)?;
                    }
                }
                Ok(message)
            }

            #[allow(unused_variables, unused_mut)]
            fn write(&self, to: &mut $crate::Writer, version: $crate::Version) {
                $(if message!(@has version [$versions]) {
                    $crate::Wire::write(&self.$field, to, version);
                })*
                if version.flexible {
                    let mut tagged: Vec<(u32, Vec<bytes::Bytes>)> = Vec::new();
                    $($(if message!(@has version [$tagged_versions]) {
                        let usual: $tagged_type = message!(@default $($tagged_default)?);
                        if self.$tagged != usual {
                            let mut value = $crate::Writer::default();
                            $crate::Wire::write(&self.$tagged, &mut value, version);
                            tagged.push(($tag, value.finish()));
                        }
                    })*)?
                    to.uvarint(tagged.len() as u32);
                    for (tag, value) in tagged {
                        to.uvarint(tag);
                        to.uvarint(value.iter().map(bytes::Bytes::len).sum::<usize>() as u32);
                        value.iter().for_each(|piece| to.put_shared(piece));
                    }
                }
            }
        }

        impl $crate::Throttled for $name {
            #[allow(unused_variables)]
            fn throttle(&mut self, ms: i32) {
                $(message!(@throttle self ms $field);)*
            }
        }

        impl $crate::wire::Nullable for $name {
            fn read_nullable(
                from: &mut $crate::Reader,
                version: $crate::Version,
            ) -> Result<Option<$name>, $crate::WireError> {
                match <i8 as $crate::Wire>::read(from, version)? {
                    ..0 => Ok(None),
                    _ => $crate::Wire::read(from, version).map(Some),
                }
            }
            fn write_nullable(value: Option<&$name>, to: &mut $crate::Writer, version: $crate::Version) {
                $crate::Wire::write(&value.map_or(-1i8, |_| 1), to, version);
                if let Some(value) = value {
                    $crate::Wire::write(value, to, version);
                }
            }
        }
    };
    (@throttle $message:ident $ms:ident throttle_time_ms) => { $message.throttle_time_ms = $ms; };
    (@throttle $message:ident $ms:ident $other:ident) => {};
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    (@has $version:ident [$versions:expr]) => {
        std::ops::RangeBounds::<i16>::contains(&($versions), &$version.number)
    };
}
