//! Errors of the TOML reader, with what was probably meant.

use crate::error::Error;
use crate::nearest::nearest;

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
    let nearest = unknown_name(message).and_then(|name| nearest(name, known));
    Error::Recipe { origin, message: message.to_owned(), nearest }
}

/// The name that serde says it does not know: "unknown field `epoch`, expected `epochs` or `seed`".
fn unknown_name(message: &str) -> Option<&str> {
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    is_unknown.then(|| message.split('`').nth(1)).flatten()
}
