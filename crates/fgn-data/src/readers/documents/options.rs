//! How a table of texts becomes samples.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::table::{self, TextFormat};
use crate::text::tokenizers::TokenizerOptions;

/// How a table of texts becomes samples: `[data.documents]` of a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentOptions {
    /// How texts become tokens; by characters if left out.
    pub tokenizer: TokenizerOptions,
    /// The column of the texts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub column: String,
    /// The column of what is to be predicted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// What that is.
    pub task: DocumentTask,
    /// The most tokens of a text: longer ones end there. Without it texts are whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// The character between the fields of a text file: a comma if not given, in a `.tsv` file a tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first line of a text file names the columns; if not, they are called `1`, `2`, ….
    pub header: bool,
    /// Whether a field of a text file may be in double quotes, as in CSV; if not, quotes are part of the texts.
    pub quotes: bool,
    /// How many bytes of texts, and how many of tokens, may be in memory. More are in temporary files, in the
    /// system's folder for such files (`TMPDIR`).
    pub memory: u64,
}

/// What is to be predicted of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DocumentTask {
    /// Its class: the content of the target column.
    #[default]
    Classification,
    /// A number: that in the target column.
    Regression,
}

impl Default for DocumentOptions {
    fn default() -> Self {
        DocumentOptions {
            tokenizer: TokenizerOptions::default(),
            column: String::new(),
            target: String::new(),
            task: DocumentTask::default(),
            max_length: None,
            delimiter: None,
            header: true,
            quotes: true,
            memory: 256 << 20,
        }
    }
}

impl DocumentOptions {
    pub(super) fn format(&self) -> TextFormat {
        TextFormat { delimiter: self.delimiter, header: self.header, quotes: self.quotes }
    }

    pub(super) fn check(&self, is_labelled: bool) -> Result<()> {
        let columns = [
            ("data.documents.column", &self.column[..], "the column of the texts"),
            ("data.documents.target", &self.target[..], "the column of the classes or numbers"),
        ];
        // To predict, the texts to read are enough.
        table::check_given(if is_labelled { &columns } else { &columns[..1] })?;
        if is_labelled && self.column == self.target {
            let (option, found) = ("data.documents.target", format!("{:?}", self.target));
            let expected = "another column than that of the texts".into();
            return Err(Error::Option { option, found, expected });
        }
        self.format().check("data.documents.delimiter")
    }
}
