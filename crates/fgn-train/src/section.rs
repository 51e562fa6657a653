//! A configuration of one's own as a table of a recipe, also where it is `()`.
//!
//! TOML has no value for `()` or a structure without fields: they are written and read as empty tables.

use serde::de::Visitor;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, forward_to_deserialize_any};

/// For `#[serde(with)]`.
pub(crate) fn serialize<T: Serialize, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::Null) => serializer.serialize_map(Some(0))?.end(),
        _ => value.serialize(serializer),
    }
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    T::deserialize(Section(deserializer))
}

/// Reads a unit from a table; all else as the inner one does.
struct Section<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Section<D> {
    type Error = D::Error;

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        Nothing::deserialize(self.0)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq tuple
        tuple_struct identifier ignored_any
    }
}

/// A table without keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::config::Config;
    use crate::training_config::TrainingConfig;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Marker;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", deny_unknown_fields)]
    enum Tagged {
        One { size: usize },
    }

    fn comes_back<M, D>(data: D, model: M)
    where
        M: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
        D: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let config = Config::new("own", data, TrainingConfig::new(1, 2), model);
        let text = config.to_toml().unwrap();
        let again = Config::<M, D>::parse(&text, "config.toml", &[]).unwrap_or_else(|error| {
            panic!("{error} in {text}");
        });
        assert_eq!(again, config, "{text}");
    }

    #[test]
    fn any_configuration_of_ones_own_comes_back() {
        comes_back((), ());
        comes_back(Marker, Tagged::One { size: 3 });
        comes_back(toml::Table::from_iter([("x".to_owned(), 1.into())]), Marker);
        let text = Config::new("own", (), TrainingConfig::new(1, 2), ()).to_toml().unwrap();
        let text = text.replace("[data]\n", "[data]\nsize = 3\n");
        let message = Config::<(), ()>::parse(&text, "own.toml", &[]).unwrap_err().to_string();
        assert!(message.starts_with("own.toml, line ") && message.contains("`size`"), "{message}");
    }
}
