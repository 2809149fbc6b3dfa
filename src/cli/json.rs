//! JSON objects as they are stored: members in their order, duplicate keys and all digits kept.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::read::JsonText;

/// The members of an object, in their order.
#[derive(Debug)]
pub(crate) struct Object<'a>(pub(crate) Vec<(JsonText<'a>, &'a RawValue)>);

impl<'a> Object<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        match text.as_bytes().first() {
            Some(b'{') => serde_json::from_str(text).ok(),
            _ => None,
        }
    }

    /// Removes the first member with this name, and returns its value.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.0.iter().position(|(key, _)| key.0 == name)?;
        Some(self.0.remove(at).1)
    }

    /// Removes the first member with the first of these names that there is, and returns its value.
    pub(crate) fn take_any(&mut self, names: &[&str]) -> Option<&'a RawValue> {
        names.iter().find_map(|name| self.take(name))
    }
}

/// A record as text, with the replacement character for invalid UTF-8.
pub(crate) fn text(record: &[u8]) -> Cow<'_, str> {
    // The fast check first: nearly all records are valid.
    match std::str::from_utf8(record) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(record),
    }
}

/// A string without quotation marks and escapes; any other value as it is stored.
pub(crate) fn plain(value: &RawValue) -> Cow<'_, str> {
    let text = value.get();
    match text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    {
        Some(inner) if !inner.contains('\\') => inner.into(),
        Some(_) => serde_json::from_str::<String>(text).map_or(text.into(), Cow::Owned),
        None => text.into(),
    }
}

/// Collects all values of a field: of the record, of its `fields`, and of its spans.
pub(crate) fn values<'a>(object: &Object<'a>, key: &str, found: &mut Vec<Cow<'a, str>>) {
    for (name, value) in &object.0 {
        if name.0 == key {
            found.push(plain(value));
        }
        match &*name.0 {
            "fields" | "span" => {
                if let Some(inner) = Object::parse(value.get()) {
                    values(&inner, key, found);
                }
            }
            "spans" => {
                let spans = serde_json::from_str::<Vec<&RawValue>>(value.get());
                for span in spans.iter().flatten() {
                    if let Some(inner) = Object::parse(span.get()) {
                        values(&inner, key, found);
                    }
                }
            }
            _ => {}
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}
