//! Cells as the tables of configurations.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapDeserializer;
use serde::de::{Error, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, forward_to_deserialize_any};

use super::{AnyCell, BuiltIn, RegisteredCell};

impl<'de> Deserialize<'de> for AnyCell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table)
    }
}

/// The name of a cell, and its options.
struct Table;

impl<'de> Visitor<'de> for Table {
    type Value = AnyCell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As of the other tables whose name says which they are.
        f.write_str("internally tagged enum AnyCell")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyCell, A::Error> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        let name = fields.iter().find_map(|(key, value)| match value {
            Value::Text(name) if key == "name" => Some(name),
            _ => None,
        });
        let Some(cell) = name.and_then(|name| RegisteredCell::find(name)) else {
            let table = MapDeserializer::<_, A::Error>::new(fields.into_iter());
            return BuiltIn::deserialize(table).map(AnyCell::from);
        };
        match fields.iter().find(|(key, _)| key != "name") {
            Some((key, _)) => Err(A::Error::custom(format_args!(
                "unknown field `{key}`: the cell {} has no options",
                cell.name()
            ))),
            None => Ok(AnyCell::Registered(cell)),
        }
    }
}

/// The value of an option. All options of built-in cells are names.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Bool(bool),
    Integer(i64),
    Float(f64),
    Other(IgnoredAny),
}

impl<'de, E: Error> IntoDeserializer<'de, E> for Value {
    type Deserializer = ValueDeserializer<E>;

    fn into_deserializer(self) -> ValueDeserializer<E> {
        ValueDeserializer(self, PhantomData)
    }
}

struct ValueDeserializer<E>(Value, PhantomData<E>);

impl<'de, E: Error> Deserializer<'de> for ValueDeserializer<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.0 {
            Value::Text(text) => visitor.visit_string(text),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Integer(number) => visitor.visit_i64(number),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Other(IgnoredAny) => {
                Err(E::custom("an option of a cell is a list or a table, expected a name"))
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl Serialize for RegisteredCell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = serializer.serialize_map(Some(1))?;
        table.serialize_entry("name", self.name())?;
        table.end()
    }
}
