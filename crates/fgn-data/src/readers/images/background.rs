//! The colour behind an image that is transparent in places.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The colour behind an image that is transparent in places: red, green and blue. As text it is `white`,
/// `black`, or `#rrggbb` in hexadecimal digits.
///
/// By default it is white, as in browsers and image viewers: a black glyph on a transparent ground then looks
/// as it does on paper.
///
/// ```
/// use fgn_data::Background;
///
/// assert_eq!("#ff8000".parse::<Background>()?, Background([255, 128, 0]));
/// assert_eq!(Background::default().to_string(), "white");
/// # Ok::<(), fgn_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Background(pub [u8; 3]);

/// The colours that have a name.
const NAMED: [(&str, Background); 2] =
    [("white", Background([255; 3])), ("black", Background([0; 3]))];

impl Default for Background {
    fn default() -> Self {
        Background([255; 3])
    }
}

impl FromStr for Background {
    type Err = Error;

    fn from_str(text: &str) -> Result<Background, Error> {
        let named = NAMED.iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
        named.map(|&(_, colour)| colour).or_else(|| hexadecimal(text)).ok_or_else(|| {
            Error::Option {
                option: "data.images.background",
                found: format!("{text:?}"),
                expected: "white, black, or #rrggbb in hexadecimal digits".into(),
            }
        })
    }
}

fn hexadecimal(text: &str) -> Option<Background> {
    let digits = text.strip_prefix('#')?;
    if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some(Background([red, green, blue]))
}

impl fmt::Display for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        match NAMED.iter().find(|(_, colour)| colour == self) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "#{red:02x}{green:02x}{blue:02x}"),
        }
    }
}

impl TryFrom<String> for Background {
    type Error = Error;

    fn try_from(text: String) -> Result<Background, Error> {
        text.parse()
    }
}

impl From<Background> for String {
    fn from(background: Background) -> String {
        background.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_back_and_others_refused() {
        for (text, colour, written) in [
            ("white", [255; 3], "white"),
            ("Black", [0; 3], "black"),
            ("#000000", [0; 3], "black"),
            ("#0a80FF", [10, 128, 255], "#0a80ff"),
        ] {
            let found: Background = text.parse().unwrap();
            assert_eq!((found, &found.to_string()[..]), (Background(colour), written));
        }
        for text in ["", "#", "#fff", "#ff00gg", "ffffff", "#+fffff", "#éfff", "purple-ish"] {
            let error = text.parse::<Background>().unwrap_err().to_string();
            let expected =
                format!("data.images.background is {text:?}, expected white, black, or ");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
