//! What the model is that weights are imported for.

use std::fs;
use std::path::Path;

use fgn_train::Config;
use toml::Table;

use crate::error::{Error, Result};
use crate::settings;

/// The configuration that `recipe` and `set` describe: the name of a recipe, or a TOML file in which `[training]` and
/// `[data]` may be left out. Nothing is completed from data: weights that were trained elsewhere belong to scales and
/// classes of their own.
///
/// # Errors
/// An unknown recipe, a file that cannot be read, and whatever a configuration cannot be.
pub(super) fn described_model(recipe: &str, set: &[String]) -> Result<Config> {
    let file = Path::new(recipe);
    let text = match file.extension().is_some_and(|ending| ending == "toml") {
        true => fs::read_to_string(file)
            .map_err(|source| Error::Read { path: file.to_owned(), source })?,
        false => Config::recipe_text(recipe)?.to_owned(),
    };
    let config = Config::parse(&with_left_out(text), recipe, &settings::parsed(set)?);
    let config: Config = config.map_err(incomplete)?;
    config.check()?;
    Ok(config)
}

/// The text with the keys that matter in a training alone. They come last, so that the lines of errors are right.
fn with_left_out(mut text: String) -> String {
    let given: Table = text.parse().unwrap_or_default();
    for (table, key, value) in [
        ("training", "epochs", "epochs = 1\nbatch_size = 1"),
        ("data", "source", "source = \"\"\nvalidation = 0"),
    ] {
        let is_given = given.get(table).is_some_and(|table| table.get(key).is_some());
        let whole = format!("{text}\n[{table}]\n{value}\n");
        // Not if the table is there: TOML has each only once.
        if !is_given && whole.parse::<Table>().is_ok() {
            text = whole;
        }
    }
    text
}

/// Says of a key that is missing why nobody completes it.
fn incomplete(error: fgn_train::Error) -> Error {
    match error {
        fgn_train::Error::Recipe { origin, message, nearest }
            if message.starts_with("missing field") =>
        {
            let message = format!("{message}, which an import does not complete from data");
            fgn_train::Error::Recipe { origin, message, nearest }.into()
        }
        other => other.into(),
    }
}
