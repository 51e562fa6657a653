//! How sentences with tags are read.

use serde::{Deserialize, Serialize};

use crate::text::tokenizers::{TokenizerKind, TokenizerOptions};

/// How sentences with tags are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TagOptions {
    /// How words become tokens, one each; `words` if left out.
    pub tokenizer: TokenizerOptions,
    /// How many bytes of words, and of tokens, may be in memory; more are in temporary files.
    pub memory: u64,
}

impl Default for TagOptions {
    fn default() -> Self {
        TagOptions { tokenizer: TokenizerOptions::new(TokenizerKind::Words), memory: 256 << 20 }
    }
}
