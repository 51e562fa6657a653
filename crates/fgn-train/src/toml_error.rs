//! Errors of the TOML reader, with what was probably meant.

use crate::error::Error;
use crate::nearest::{key_of, nearest};

/// An error in a recipe's text, with its line.
pub(crate) fn in_file(problem: &toml::de::Error, text: &str, origin: &str) -> Error {
    let Some(span) = problem.span() else {
        return explain(problem, origin.to_owned());
    };
    // Of a table with a tag only the beginning is known: look on from there for the key.
    let rest = text.get(span.start..).unwrap_or_default();
    let at = unknown_name(problem.message()).and_then(|name| rest.find(name)).unwrap_or(0);
    let line = text.bytes().take(span.start + at).filter(|&byte| byte == b'\n').count() + 1;
    explain(problem, format!("{origin}, line {line}"))
}

/// An error of `origin`, with the known name that is nearest to an unknown one.
pub(crate) fn explain(problem: &toml::de::Error, origin: String) -> Error {
    let message = problem.message();
    let known = message.split('`').skip(3).step_by(2);
    let nearest = match unknown_name(message) {
        Some(name) => match key_of(name) {
            Some(key) if message.starts_with("unknown field") => Some(key.to_owned()),
            _ => nearest(name, known),
        },
        None => key_in_table(message),
    };
    Error::Recipe { origin, message: message.to_owned(), nearest }
}

/// The key that was probably meant where a table is a single value: "invalid type: floating point `0.2`, expected
/// struct SequenceDropout".
fn key_in_table(message: &str) -> Option<String> {
    let (found, expected) = message.split_once(", expected ")?;
    let expected = expected.split_whitespace().last()?;
    let (_, key) = TABLES.iter().find(|(table, _)| *table == expected)?;
    found.starts_with("invalid type").then(|| (*key).to_owned())
}

/// The tables of a recipe, by the names of their types, and the key of each that a single value is for.
const TABLES: &[(&str, &str)] = &[
    ("AnyCell", "model.recurrent.cell.name"),
    ("Clip", "clip.norm"),
    ("DenseConfig", "model.dense.size"),
    ("EarlyStopping", "early_stopping.patience"),
    ("HeadConfig", "model.head.kind"),
    ("InputConfig", "model.input.kind"),
    ("OptimizerConfig", "optimizer.name"),
    ("Schedule", "schedule.name"),
    ("SequenceDropout", "model.recurrent.dropout.rate"),
];

/// The name that serde says it does not know: "unknown field `epoch`, expected `epochs` or `seed`".
fn unknown_name(message: &str) -> Option<&str> {
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    is_unknown.then(|| message.split('`').nth(1)).flatten()
}
