//! A [`Config`] in any self-describing format.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

use super::error::ConfigError;
use super::keys::{Key, KEYS};
use super::value::Value;
use super::Config;

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ConfigVisitor)
    }
}

struct ConfigVisitor;

impl<'de> Visitor<'de> for ConfigVisitor {
    type Value = Config;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the options of a log")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
        let mut config = Config::default();
        while let Some(name) = map.next_key::<String>()? {
            let key = Key::find(&name).ok_or_else(|| {
                let keys: Vec<_> = KEYS.iter().map(|key| key.name.to_owned()).collect();
                A::Error::custom(ConfigError::unknown(&*name, &keys))
            })?;
            // A null is what an option has that is not set.
            let Some(value) = map.next_value::<Option<Value>>()? else {
                continue;
            };
            if (key.get)(&config).is_some() {
                return Err(A::Error::custom(format_args!("{name} is there twice")));
            }
            key.set(&mut config, &name, &value)
                .map_err(A::Error::custom)?;
        }
        Ok(config)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        let integer = u64::try_from(value).map(Value::Integer);
        Ok(integer.unwrap_or_else(|_| Value::Other(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Other(value.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other("nothing".to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other("a list".to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other("a table".to_owned()))
    }
}

impl Serialize for Config {
    /// Writes the keys that are set.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let set = KEYS
            .iter()
            .filter_map(|key| Some((key.name, (key.get)(self)?)));
        let set: Vec<_> = set.collect();
        let mut map = serializer.serialize_map(Some(set.len()))?;
        for (name, value) in set {
            match value {
                Value::Bool(value) => map.serialize_entry(name, &value)?,
                Value::Integer(value) => map.serialize_entry(name, &value)?,
                Value::Text(text) => map.serialize_entry(name, &text)?,
                Value::Bytes(_) | Value::Other(_) => {
                    let cause = format!("{name} = {value} can't be written as text");
                    return Err(S::Error::custom(cause));
                }
            }
        }
        map.end()
    }
}
