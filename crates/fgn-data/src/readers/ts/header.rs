//! The header of a `.ts` file: lines that begin with `@`, up to `@data`.

use crate::error::{Error, Result};
use crate::names::shortened;
use crate::text::lines::Lines;

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// How many dimensions a series has, where that is said.
    pub(super) dimensions: Option<usize>,
    /// Whether all series have one length.
    pub(super) is_equal: bool,
    /// The length of all series, where that is said.
    pub(super) length: Option<usize>,
    pub(super) label: Label,
}

/// What the last field of a line is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Label {
    /// The last dimension: there is nothing to predict.
    #[default]
    None,
    /// A class; the names of all, if they are listed.
    Class(Vec<String>),
    /// A number.
    Number,
}

impl Header {
    /// Reads the lines up to `@data`. `name` is for errors.
    ///
    /// # Errors
    /// A line that is no tag, a tag without its value, time stamps, and a file without `@data`.
    pub(super) fn read(name: &str, lines: &mut Lines) -> Result<Header> {
        let mut header = Header::default();
        let mut is_univariate = false;
        while let Some(line) = lines.advance()? {
            let at = format!("{name}, line {}", lines.number());
            let wrong = |found: String, expected: &str| Error::Table {
                at: at.clone(),
                found,
                expected: expected.to_owned(),
            };
            let mut words = line.split_whitespace();
            let tag = words.next().unwrap_or_default();
            if tag.starts_with('#') {
                continue;
            }
            let rest: Vec<&str> = words.collect();
            let value = rest.first().copied().unwrap_or_default();
            let flag = || match value.to_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(wrong(line.trim().to_owned(), "true or false")),
            };
            let count = || match value.parse() {
                Ok(count) if count > 0 => Ok(count),
                _ => Err(wrong(line.trim().to_owned(), "a whole number above 0")),
            };
            match tag.to_lowercase().as_str() {
                "@timestamps" if flag()? => {
                    let expected = "@timeStamps false: a value for each step, without its time";
                    return Err(wrong(line.trim().to_owned(), expected));
                }
                "@univariate" => is_univariate = flag()?,
                "@dimensions" | "@dimension" => header.dimensions = Some(count()?),
                "@equallength" => header.is_equal = flag()?,
                "@serieslength" => header.length = Some(count()?),
                "@classlabel" => {
                    let names = || rest[1..].iter().map(|&name| name.to_owned()).collect();
                    header.label = if flag()? { Label::Class(names()) } else { Label::None };
                }
                "@targetlabel" => {
                    header.label = if flag()? { Label::Number } else { Label::None };
                }
                "@data" => {
                    if is_univariate && header.dimensions.is_some_and(|count| count > 1) {
                        let found = format!("{} dimensions", header.dimensions.unwrap_or(1));
                        return Err(wrong(found, "1, as the series are @univariate"));
                    }
                    if is_univariate {
                        header.dimensions = Some(1);
                    }
                    return Ok(header);
                }
                tag if tag.starts_with('@') => {}
                _ => return Err(wrong(shortened(line.trim()), "a line that begins with @ or #")),
            }
        }
        Err(Error::Table {
            at: format!("{name}, its end"),
            found: "no line @data".into(),
            expected: "a file in the .ts format of aeon and sktime".into(),
        })
    }
}
