//! Texts to tokens, and back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How many unknown symbols an error shows.
const SHOWN: usize = 10;

/// A vocabulary, and the rules that turn texts into its tokens and back. A clone shares them.
///
/// A token is a character, a byte, or a piece of a text as a tokenizer of the crate `tokenizers` cuts it. Special
/// tokens, such as the end of a turn, follow those. No text ever becomes a special token, so nobody can smuggle one
/// in.
///
/// As a configuration it is a table with the vocabulary:
///
/// ```
/// use fgn_schema::Tokenizer;
///
/// let tokenizer = Tokenizer::characters("abc", &["<end>"])?;
/// assert_eq!(tokenizer.encode("cab")?, [2, 0, 1]);
/// assert_eq!(tokenizer.special("<end>"), Some(3));
/// assert_eq!(tokenizer.decode(&[2, 0, 1, 3]), "cab");
/// let error = tokenizer.encode("cabs").unwrap_err();
/// assert_eq!(error.to_string(), "the vocabulary has no \"s\", expected symbols among its 4");
///
/// let text = r#"{"kind":"characters","symbols":"abc","special":["<end>"]}"#;
/// assert_eq!(serde_json::to_string(&tokenizer)?, text);
/// assert_eq!(serde_json::from_str::<Tokenizer>(text)?, tokenizer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Vocabulary", into = "Vocabulary")]
pub struct Tokenizer(Arc<Inner>);

struct Inner {
    vocabulary: Vocabulary,
    rules: Rules,
    /// How many tokens there are before the special ones.
    plain: usize,
}

enum Rules {
    Characters { symbols: Vec<char>, ids: BTreeMap<char, u32> },
    Bytes,
    Pieces(Box<tokenizers::Tokenizer>),
}

/// What a [`Tokenizer`] is built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Vocabulary {
    Characters {
        symbols: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        special: Vec<String>,
    },
    Bytes {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        special: Vec<String>,
    },
    Pieces {
        /// A `tokenizer.json`.
        json: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        special: Vec<String>,
    },
}

impl Tokenizer {
    /// Each of the characters of `symbols` is a token, in their order; then the special tokens of those names.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for no symbol, or one that is there twice.
    pub fn characters(symbols: &str, special: &[&str]) -> Result<Tokenizer> {
        let (symbols, special) = (symbols.to_owned(), owned(special));
        Vocabulary::Characters { symbols, special }.try_into()
    }

    /// Each byte of a text in UTF-8 is a token, 256 in all; then the special tokens of those names.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for special tokens of one name.
    pub fn bytes(special: &[&str]) -> Result<Tokenizer> {
        Vocabulary::Bytes { special: owned(special) }.try_into()
    }

    /// The tokenizer of a `tokenizer.json`, as the crate and Python package `tokenizers` write it; then the special
    /// tokens of those names.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for a text that is no such file.
    pub fn pieces(json: &str, special: &[&str]) -> Result<Tokenizer> {
        Vocabulary::Pieces { json: json.to_owned(), special: owned(special) }.try_into()
    }

    /// The same with other special tokens.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for special tokens of one name.
    pub fn with_special(&self, special: &[&str]) -> Result<Tokenizer> {
        let mut vocabulary = self.0.vocabulary.clone();
        *vocabulary.special_mut() = owned(special);
        vocabulary.try_into()
    }

    /// How many tokens there are, the special ones included.
    pub fn vocabulary(&self) -> usize {
        self.0.plain + self.0.vocabulary.special().len()
    }

    /// The special token of that name.
    pub fn special(&self, name: &str) -> Option<u32> {
        let index = self.0.vocabulary.special().iter().position(|special| special == name)?;
        u32::try_from(self.0.plain + index).ok()
    }

    /// The tokens of a text.
    ///
    /// # Errors
    /// [`Error::Symbol`] for characters that the vocabulary lacks, where it has no token for unknown ones.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        match &self.0.rules {
            Rules::Characters { ids, .. } => {
                let tokens = text.chars().map(|symbol| ids.get(&symbol).copied());
                tokens.collect::<Option<_>>().ok_or_else(|| self.unknown(ids, text))
            }
            Rules::Bytes => Ok(text.bytes().map(u32::from).collect()),
            Rules::Pieces(tokenizer) => {
                let encoding = tokenizer.encode_fast(text, false);
                Ok(encoding
                    .map_err(|error| Error::Tokenizer(error.to_string()))?
                    .get_ids()
                    .to_vec())
            }
        }
    }

    fn unknown(&self, known: &BTreeMap<char, u32>, text: &str) -> Error {
        let mut found: Vec<char> = Vec::new();
        for symbol in text.chars() {
            if !known.contains_key(&symbol) && !found.contains(&symbol) && found.len() <= SHOWN {
                found.push(symbol);
            }
        }
        let shown = found.iter().take(SHOWN).map(|symbol| format!("{:?}", symbol.to_string()));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = if found.len() > SHOWN { " and others" } else { "" };
        Error::Symbol { found: format!("{shown}{more}"), vocabulary: self.vocabulary() }
    }

    /// The text of tokens, without special ones and without those that are not in the vocabulary.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let plain = || tokens.iter().copied().filter(|&token| (token as usize) < self.0.plain);
        match &self.0.rules {
            Rules::Characters { symbols, .. } => {
                plain().map(|token| symbols[token as usize]).collect()
            }
            Rules::Bytes => {
                let bytes: Vec<u8> = plain().map(|token| token as u8).collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            // It fails for no list of tokens.
            Rules::Pieces(tokenizer) => {
                tokenizer.decode(&plain().collect::<Vec<_>>(), true).unwrap_or_default()
            }
        }
    }

    /// What a token is called where it is shown alone: its text, or the name of a special one.
    pub fn name(&self, token: u32) -> String {
        let special = (token as usize).checked_sub(self.0.plain);
        match special.map(|index| self.0.vocabulary.special().get(index)) {
            Some(name) => name.cloned().unwrap_or_else(|| token.to_string()),
            None => match &self.0.rules {
                Rules::Pieces(tokenizer) => {
                    let piece = tokenizer.id_to_token(token);
                    Some(self.decode(&[token]))
                        .filter(|text| !text.is_empty())
                        .or(piece)
                        .unwrap_or_default()
                }
                _ => self.decode(&[token]),
            },
        }
    }

    /// Turns tokens into text as they come.
    pub fn stream(&self) -> TextStream {
        TextStream { tokenizer: self.clone(), tokens: Vec::new(), written: 0 }
    }
}

/// Turns tokens into text as they come: made by [`Tokenizer::stream`]. Of a character that several tokens make up,
/// nothing is given before its last one.
///
/// ```
/// let mut stream = fgn_schema::Tokenizer::bytes(&[])?.stream();
/// let pieces = "é!".bytes().map(|byte| stream.push(byte.into()));
/// assert_eq!(pieces.collect::<Vec<_>>(), ["", "é", "!"]);
/// # Ok::<(), fgn_schema::Error>(())
/// ```
#[derive(Debug)]
pub struct TextStream {
    tokenizer: Tokenizer,
    /// The last tokens: how a token is written can depend on those before it.
    tokens: Vec<u32>,
    /// How many bytes of their text were given.
    written: usize,
}

impl TextStream {
    /// How many tokens are kept from those that are written: enough to know a space before a word.
    const CONTEXT: usize = 8;

    /// The text that is complete with this token.
    pub fn push(&mut self, token: u32) -> String {
        self.tokens.push(token);
        let text = self.tokenizer.decode(&self.tokens);
        // A replacement character may be a beginning; after four bytes it is an error of the text itself.
        let waits =
            text.ends_with(char::REPLACEMENT_CHARACTER) && self.tokens.len() <= Self::CONTEXT + 4;
        let Some(new) = text.get(self.written..).filter(|_| !waits) else { return String::new() };
        let new = new.to_owned();
        self.written = text.len();
        if self.tokens.len() > Self::CONTEXT {
            let kept = self.tokens.split_off(self.tokens.len() - Self::CONTEXT / 2);
            self.tokens = kept;
            self.written = self.tokenizer.decode(&self.tokens).len();
        }
        new
    }
}

impl Vocabulary {
    fn special(&self) -> &[String] {
        let (Vocabulary::Characters { special, .. }
        | Vocabulary::Bytes { special }
        | Vocabulary::Pieces { special, .. }) = self;
        special
    }

    fn special_mut(&mut self) -> &mut Vec<String> {
        let (Vocabulary::Characters { special, .. }
        | Vocabulary::Bytes { special }
        | Vocabulary::Pieces { special, .. }) = self;
        special
    }
}

impl TryFrom<Vocabulary> for Tokenizer {
    type Error = Error;

    fn try_from(vocabulary: Vocabulary) -> Result<Tokenizer> {
        let (rules, plain) = match &vocabulary {
            Vocabulary::Characters { symbols, .. } => {
                let symbols: Vec<char> = symbols.chars().collect();
                let ids: BTreeMap<char, u32> = symbols.iter().copied().zip(0..).collect();
                if symbols.is_empty() || ids.len() < symbols.len() {
                    let problem = "expected one symbol or more, each once";
                    return Err(Error::Tokenizer(problem.into()));
                }
                let plain = symbols.len();
                (Rules::Characters { symbols, ids }, plain)
            }
            Vocabulary::Bytes { .. } => (Rules::Bytes, 256),
            Vocabulary::Pieces { json, .. } => {
                let pieces = json.parse::<tokenizers::Tokenizer>();
                let pieces = pieces.map_err(|error| Error::Tokenizer(error.to_string()))?;
                // Identifiers may have gaps.
                let last = pieces.get_vocab(true).into_values().max();
                let plain =
                    last.ok_or_else(|| Error::Tokenizer("it has no tokens".into()))? as usize + 1;
                (Rules::Pieces(Box::new(pieces)), plain)
            }
        };
        let special = vocabulary.special();
        if let Some(name) =
            special.iter().enumerate().find(|&(at, name)| special[..at].contains(name))
        {
            return Err(Error::Tokenizer(format!("special token {:?} is there twice", name.1)));
        }
        Ok(Tokenizer(Arc::new(Inner { vocabulary, rules, plain })))
    }
}

impl From<Tokenizer> for Vocabulary {
    fn from(tokenizer: Tokenizer) -> Vocabulary {
        tokenizer.0.vocabulary.clone()
    }
}

impl PartialEq for Tokenizer {
    fn eq(&self, other: &Tokenizer) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.vocabulary == other.0.vocabulary
    }
}

impl Eq for Tokenizer {}

/// Its kind and its size, not all tokens.
impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokenizer({self})")
    }
}

/// The text of tokens; where they are no text, their numbers with spaces between.
///
/// ```
/// use fgn_schema::{Tokenizer, text_of};
///
/// let tokenizer = Tokenizer::characters("abc", &["<end>"])?;
/// assert_eq!(text_of(Some(&tokenizer), &[2, 0, 1, 3]), "cab");
/// assert_eq!(text_of(None, &[2, 0, 1, 3]), "2 0 1 3");
/// # Ok::<(), fgn_schema::Error>(())
/// ```
pub fn text_of(tokenizer: Option<&Tokenizer>, tokens: &[u32]) -> String {
    match tokenizer {
        Some(tokenizer) => tokenizer.decode(tokens),
        None => tokens.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
    }
}

impl fmt::Display for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match &self.0.rules {
            Rules::Characters { .. } => "characters",
            Rules::Bytes => "bytes",
            Rules::Pieces(_) => "tokens",
        };
        write!(f, "{} {unit}", self.0.plain)?;
        match self.0.vocabulary.special().len() {
            0 => Ok(()),
            count => write!(f, " and {count} special ones"),
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_that_are_missing_are_named() {
        let tokenizer = Tokenizer::characters("ab\n", &[]).unwrap();
        let error = tokenizer.encode("a\tz\nz").unwrap_err().to_string();
        assert!(error.starts_with("the vocabulary has no \"\\t\", \"z\", expected"), "{error}");
        let many: String = ('c'..='z').collect();
        assert!(tokenizer.encode(&many).unwrap_err().to_string().contains("\"l\" and others"));
        for bad in ["", "aba"] {
            assert!(matches!(Tokenizer::characters(bad, &[]), Err(Error::Tokenizer(_))), "{bad:?}");
        }
        assert!(Tokenizer::bytes(&["<a>", "<a>"]).is_err());
        assert!(Tokenizer::pieces("{}", &[]).is_err());
    }

    #[test]
    fn special_tokens_come_from_no_text() {
        let tokenizer = Tokenizer::bytes(&["<end>", "<user>"]).unwrap();
        assert_eq!(tokenizer.vocabulary(), 258);
        assert_eq!(tokenizer.special("<user>"), Some(257));
        assert!(tokenizer.encode("<user>").unwrap().iter().all(|&token| token < 256));
        assert_eq!(tokenizer.name(256), "<end>");
        assert_eq!(tokenizer.name(99), "c");
        assert_eq!(tokenizer.decode(&[104, 256, 105, 999]), "hi");
    }

    #[test]
    fn a_stream_writes_whole_characters() {
        let text = "naïve 日本語 🙂, twice naïve 日本語 🙂.";
        let tokenizer = Tokenizer::bytes(&[]).unwrap();
        let mut stream = tokenizer.stream();
        let pieces: Vec<String> = text.bytes().map(|byte| stream.push(byte.into())).collect();
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| piece.chars().count() <= 1));
        // Bytes that are no text are written, not waited for.
        let mut stream = tokenizer.stream();
        let broken: String = [255; 40].into_iter().map(|byte| stream.push(byte)).collect();
        assert!(broken.len() > 60, "{broken}");
    }
}
