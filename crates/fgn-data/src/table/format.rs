//! How text files of fields are written.

use crate::error::{Error, Result};

/// How a text file is written.
#[derive(Clone, Copy)]
pub(crate) struct TextFormat {
    pub(crate) delimiter: Option<char>,
    pub(crate) header: bool,
    /// Whether a field may be in double quotes.
    pub(crate) quotes: bool,
}

impl TextFormat {
    /// # Errors
    /// [`Error::Option`] for a delimiter that is none; `option` is its key.
    pub(crate) fn check(self, option: &'static str) -> Result<()> {
        match self.delimiter {
            Some(delimiter) if !delimiter.is_ascii() || "\"\n\r".contains(delimiter) => {
                let (found, expected) = (format!("{delimiter:?}"), "one ASCII character, as ','");
                Err(Error::Option { option, found, expected: expected.into() })
            }
            _ => Ok(()),
        }
    }
}
