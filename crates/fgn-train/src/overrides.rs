//! Single values that replace those of a recipe.

use std::str::FromStr;

use toml::{Table, Value};

use crate::error::{Error, Result};

/// A value that replaces one of a recipe, at a dotted key.
///
/// It reads from `key=value`, where the value is TOML, or a bare word for a string.
///
/// ```
/// use fgn_train::{Config, Override};
///
/// let overrides = ["training.epochs=3".parse()?, "model.recurrent.cell.z=linear".parse()?];
/// let config = Config::load("mnist", &overrides)?;
/// assert_eq!(config.training.epochs, 3);
/// # Ok::<(), fgn_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    key: String,
    value: Value,
}

impl Override {
    /// Sets `key`, `training.epochs` say, to `value`.
    pub fn new(key: &str, value: impl Into<Value>) -> Override {
        Override { key: key.to_owned(), value: value.into() }
    }

    /// The dotted key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Sets the value in `table`.
    ///
    /// # Errors
    /// A part of the key, not the last, that is there and is no table.
    pub(crate) fn apply(&self, table: &mut Table) -> Result<()> {
        let mut table = table;
        let mut parts = self.key.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                table.insert(part.to_owned(), self.value.clone());
                break;
            }
            let inner = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            table = inner.as_table_mut().ok_or_else(|| Error::Recipe {
                origin: self.to_string(),
                message: format!("{part:?} is a value, it has no keys"),
                nearest: None,
            })?;
        }
        Ok(())
    }
}

impl FromStr for Override {
    type Err = Error;

    fn from_str(text: &str) -> Result<Override> {
        let error =
            |message: String| Error::Recipe { origin: format!("{text:?}"), message, nearest: None };
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| error("expected key=value, as in training.epochs=3".into()))?;
        let (key, value) = (key.trim(), value.trim());
        let named = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if key.split('.').any(|part| part.is_empty() || !part.chars().all(named)) {
            return Err(error(format!(
                "{key:?} is no dotted key, expected one as training.epochs"
            )));
        }
        let bare =
            |word: &str| !word.is_empty() && word.chars().all(|c| named(c) || "./".contains(c));
        let value = match format!("value = {value}").parse::<Table>() {
            Ok(mut table) if table.len() == 1 => {
                table.remove("value").unwrap_or(Value::Boolean(false))
            }
            Err(_) if bare(value) => Value::String(value.to_owned()),
            Err(problem) => {
                return Err(error(format!("{value:?} is no TOML value: {}", problem.message())));
            }
            Ok(_) => return Err(error(format!("{value:?} is more than one value"))),
        };
        Ok(Override { key: key.to_owned(), value })
    }
}

impl std::fmt::Display for Override {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}
