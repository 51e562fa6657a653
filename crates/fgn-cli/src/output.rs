//! What is printed.

use std::io::Write as _;

use crate::error::{Error, Result};

/// How the program was called, for hints that can be copied.
pub(crate) fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "fgn".into())
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// Prints an error with its causes, leaving out those that it quotes itself.
pub(crate) fn print_error(error: &Error) {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let message = inner.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = inner.source();
    }
    eprintln!("error: {}", text.trim_end());
}
