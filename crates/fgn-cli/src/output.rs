//! What is printed.
//!
//! Names of columns, classes and files come from data: their control characters are shown escaped, as `\u{1b}`, so
//! that no file can write to the terminal. JSON, CSV and scripts are written as they are.
//!
//! A reader that closes standard output, as `head` does, has all that it wants: a command ends without an error
//! then ([`Error::Closed`]), and a training goes on ([`progress`]). What cannot be written to standard error is
//! left out.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};

/// How the program was called, for hints that can be copied.
pub(crate) fn program() -> String {
    let called = std::env::args_os().next();
    called.map_or_else(|| "fgn".into(), |name| name.to_string_lossy().into_owned())
}

/// Writes a text to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    print_raw(visible(text).as_bytes())
}

/// Writes a JSON document to standard output, on a line of its own.
pub(crate) fn print_json(document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(document).map_err(io::Error::from)?;
    print_raw((text + "\n").as_bytes())
}

/// Writes to standard output what escapes its control characters itself.
pub(crate) fn print_raw(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Error::Closed,
        _ => Error::Output(error),
    })
}

/// Writes a text to standard output, or drops it: a training must not stop because nobody reads its output.
pub(crate) fn progress(text: &str) {
    let _ = print(text);
}

/// Writes a text to standard error.
pub(crate) fn note(text: &str) {
    let _ = io::stderr().write_all(visible(text).as_bytes());
}

/// Seconds, rounded to milliseconds.
pub(crate) fn milliseconds(seconds: f64) -> f64 {
    (1000.0 * seconds).round() / 1000.0
}

/// Prints an error with its causes, leaving out those that it quotes itself.
pub(crate) fn print_error(error: &Error) {
    note(&format!("error: {}\n", with_causes(error).trim_end()));
}

/// An error with its causes, in one text.
pub(crate) fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let message = inner.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = inner.source();
    }
    text
}

/// Checks a file that is to be written: it ends in `.ending`, and is not there already unless it may be replaced.
pub(crate) fn new_file(
    file: &Path,
    ending: &'static str,
    reason: &'static str,
    force: bool,
) -> Result<()> {
    if file.extension().is_none_or(|found| !found.eq_ignore_ascii_case(ending)) {
        return Err(Error::Ending { file: file.to_owned(), expected: ending, reason });
    }
    match file.exists() && !force {
        true => Err(Error::FileExists { file: file.to_owned() }),
        false => Ok(()),
    }
}

/// A text of several lines with its control characters escaped, but for line ends and tabs.
fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c.is_control() && !"\n\t".contains(c))
}

/// A name as part of a line: with all control characters escaped.
pub(crate) fn in_line(name: &str) -> Cow<'_, str> {
    escaped(name, char::is_control)
}

fn escaped(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match hidden(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let name = "a\u{1b}[31m\u{7}\u{9b}2J\u{7f}\r\n\tgröße";
        assert_eq!(visible(name), "a\\u{1b}[31m\\u{7}\\u{9b}2J\\u{7f}\\r\n\tgröße");
        assert_eq!(in_line(name), "a\\u{1b}[31m\\u{7}\\u{9b}2J\\u{7f}\\r\\n\\tgröße");
        assert!(matches!(visible("größe\n"), Cow::Borrowed("größe\n")));
    }
}
