//! How a table of pairs of texts becomes samples.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::table::{self, TextFormat};
use crate::text::tokenizers::{TokenizerKind, TokenizerOptions};

/// How a table of pairs of texts becomes samples: `[data.pairs]` of a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairOptions {
    /// How sources become tokens; by words if left out.
    pub source_tokenizer: TokenizerOptions,
    /// How targets become tokens; by words if left out.
    pub target_tokenizer: TokenizerOptions,
    /// The column of the sources.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The column of the targets.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// The character between the fields of a text file: a comma if not given, in a `.tsv` file a tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first line of a text file names the columns; if not, they are called `1`, `2`, ….
    pub header: bool,
    /// Whether a field of a text file may be in double quotes, as in CSV; if not, quotes are part of the texts.
    pub quotes: bool,
    /// How many bytes of texts, and how many of tokens, may be in memory, of sources and of targets. More are in
    /// temporary files, in the system's folder for such files (`TMPDIR`).
    pub memory: u64,
}

impl Default for PairOptions {
    fn default() -> Self {
        PairOptions {
            source_tokenizer: TokenizerOptions::new(TokenizerKind::Words),
            target_tokenizer: TokenizerOptions::new(TokenizerKind::Words),
            source: String::new(),
            target: String::new(),
            delimiter: None,
            header: true,
            quotes: true,
            memory: 256 << 20,
        }
    }
}

impl PairOptions {
    pub(super) fn format(&self) -> TextFormat {
        TextFormat { delimiter: self.delimiter, header: self.header, quotes: self.quotes }
    }

    pub(super) fn check(&self, is_labelled: bool) -> Result<()> {
        let columns = [
            ("data.pairs.source", &self.source[..], "the column of the texts to read"),
            ("data.pairs.target", &self.target[..], "the column of the texts to write"),
        ];
        // To predict, the texts to read are enough.
        table::check_given(if is_labelled { &columns } else { &columns[..1] })?;
        self.format().check("data.pairs.delimiter")
    }
}
