use std::fmt;
use std::path::PathBuf;

use crate::topics::TopicConfig;

/// A setting as a source says it, before it is known what it must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string; flags and the environment know nothing else.
    Text(String),
    /// A whole number.
    Number(u64),
    /// A list of strings.
    List(Vec<String>),
    /// True or false.
    Truth(bool),
}

impl fmt::Display for Value {
    /// As TOML writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => write!(f, "{}", toml::Value::String(text.clone())),
            Value::Number(number) => write!(f, "{number}"),
            Value::Truth(truth) => write!(f, "{truth}"),
            Value::List(items) => {
                write!(f, "{}", toml::Value::Array(items.iter().cloned().map(toml::Value::String).collect()))
            }
        }
    }
}

/// A field of the configuration that a key can set.
pub trait Field {
    /// What it is now.
    fn get(&self) -> Value;
    /// Sets it, or says what it must be.
    fn set(&mut self, value: Value) -> Result<(), String>;
}

/// Reads `65536`, `64KiB` or `64 MiB`.
fn number(value: Value) -> Result<u64, String> {
    let text = match value {
        Value::Number(number) => return Ok(number),
        Value::Text(text) => text,
        Value::List(_) | Value::Truth(_) => return Err("must be a whole number".into()),
    };
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (figure, unit) = text.split_at(digits);
    let scale = match unit.trim().to_ascii_lowercase().as_str() {
        "" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => {
            return Err(format!(
                "must be a whole number, or a size like 64KiB, 16MiB, 1GiB; {text:?} is not"
            ));
        }
    };
    let figure: Option<u64> = figure.replace('_', "").parse().ok();
    figure
        .and_then(|figure| figure.checked_mul(scale))
        .ok_or_else(|| format!("must be a whole number; {text:?} is not"))
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Number(_) | Value::List(_) | Value::Truth(_) => Err("must be a string".into()),
    }
}

macro_rules! numeric {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn get(&self) -> Value {
                Value::Number(*self as u64)
            }
            fn set(&mut self, value: Value) -> Result<(), String> {
                *self = number(value)?.try_into().map_err(|_| "is too large".to_string())?;
                Ok(())
            }
        }
    )*};
}
numeric!(u32, u64, usize);

impl Field for bool {
    fn get(&self) -> Value {
        Value::Truth(*self)
    }
    fn set(&mut self, value: Value) -> Result<(), String> {
        *self = match value {
            Value::Truth(truth) => truth,
            Value::Text(text) if text == "true" => true,
            Value::Text(text) if text == "false" => false,
            _ => return Err("must be true or false".into()),
        };
        Ok(())
    }
}

impl Field for String {
    fn get(&self) -> Value {
        Value::Text(self.clone())
    }
    fn set(&mut self, value: Value) -> Result<(), String> {
        *self = text(value)?;
        Ok(())
    }
}

impl Field for PathBuf {
    fn get(&self) -> Value {
        Value::Text(self.display().to_string())
    }
    fn set(&mut self, value: Value) -> Result<(), String> {
        let path = text(value)?;
        if path.is_empty() {
            return Err("must be a path".into());
        }
        *self = PathBuf::from(path);
        Ok(())
    }
}

impl Field for Vec<String> {
    fn get(&self) -> Value {
        Value::List(self.clone())
    }
    /// A list, or one string with commas, as the environment has it.
    fn set(&mut self, value: Value) -> Result<(), String> {
        *self = match value {
            Value::List(items) => items,
            Value::Text(text) => {
                text.split(',').map(|item| item.trim().to_string()).filter(|item| !item.is_empty()).collect()
            }
            Value::Number(_) | Value::Truth(_) => return Err("must be a list of strings".into()),
        };
        Ok(())
    }
}

impl Field for TopicConfig {
    fn get(&self) -> Value {
        Value::List(self.explicit().into_iter().map(|(key, value)| format!("{key}={value}")).collect())
    }
    /// A list of `key=value`.
    fn set(&mut self, value: Value) -> Result<(), String> {
        let mut items = Vec::new();
        items.set(value)?;
        let pair = |item: &String| match item.split_once('=') {
            Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
            None => Err(format!("must be a list of key=value; {item:?} has no `=`")),
        };
        let pairs = items.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
        *self = TopicConfig::parse(pairs).map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Field for LogFormat {
    fn get(&self) -> Value {
        Value::Text(match self {
            LogFormat::Text => "text".into(),
            LogFormat::Json => "json".into(),
        })
    }
    fn set(&mut self, value: Value) -> Result<(), String> {
        *self = match text(value)?.as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => return Err(format!("must be \"text\" or \"json\", not {other:?}")),
        };
        Ok(())
    }
}

/// Where a door listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// Nowhere.
    Off,
    /// At `host:port`; port 0 takes a free one.
    At(String),
}

impl Field for Door {
    fn get(&self) -> Value {
        Value::Text(match self {
            Door::Off => "off".into(),
            Door::At(addr) => addr.clone(),
        })
    }
    fn set(&mut self, value: Value) -> Result<(), String> {
        *self = Door::parse(text(value)?)?;
        Ok(())
    }
}

impl Door {
    fn parse(addr: String) -> Result<Door, String> {
        if addr == "off" {
            return Ok(Door::Off);
        }
        let port = addr.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
        if port.and_then(|port| port.parse::<u16>().ok()).is_none() {
            return Err(format!("must be host:port, like 127.0.0.1:8080, or \"off\"; {addr:?} is neither"));
        }
        Ok(Door::At(addr))
    }
}

/// Where a door listens that may have several addresses; none is nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doors(pub Vec<String>);

impl Field for Doors {
    fn get(&self) -> Value {
        Value::Text(if self.0.is_empty() { "off".into() } else { self.0.join(",") })
    }
    fn set(&mut self, value: Value) -> Result<(), String> {
        let mut addresses = Vec::new();
        addresses.set(value)?;
        if addresses == ["off"] {
            addresses.clear();
        } else if addresses.is_empty() {
            return Err("must be host:port, several of them, or \"off\"".into());
        }
        for address in &addresses {
            match Door::parse(address.clone())? {
                Door::At(_) => {}
                Door::Off => return Err("\"off\" stands alone".into()),
            }
        }
        self.0 = addresses;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        let read = |text: &str| number(Value::Text(text.into()));
        assert_eq!(read("4096"), Ok(4096));
        assert_eq!(read("1_000"), Ok(1000));
        assert_eq!(read("64KiB"), Ok(64 << 10));
        assert_eq!(read("2 GiB"), Ok(2 << 30));
        for wrong in ["", "KiB", "-1", "1.5MiB", "10MB", "99999999999GiB"] {
            assert!(read(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_door_is_an_address_or_off() {
        let mut door = Door::Off;
        for good in ["127.0.0.1:0", "[::1]:8080", "localhost:80", "off"] {
            door.set(Value::Text(good.into())).unwrap();
            assert_eq!(door.get(), Value::Text(good.into()));
        }
        for wrong in ["8080", ":8080", "localhost", "localhost:http", "127.0.0.1:70000"] {
            assert!(door.set(Value::Text(wrong.into())).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn a_door_may_have_several_addresses() {
        let mut doors = Doors::default();
        doors.set(Value::Text("127.0.0.1:9092, [::1]:9093".into())).unwrap();
        assert_eq!(doors.0, ["127.0.0.1:9092", "[::1]:9093"]);
        doors.set(Value::Text("off".into())).unwrap();
        assert_eq!(doors, Doors::default());
        for wrong in ["", "off,127.0.0.1:1", "9092"] {
            assert!(doors.set(Value::Text(wrong.into())).is_err(), "{wrong:?} was taken");
        }
    }
}
