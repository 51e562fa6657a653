//! How dialogues become samples.

use serde::{Deserialize, Serialize};

use crate::text::tokenizers::{TokenizerKind, TokenizerOptions};

/// How dialogues become samples: `[data.dialogues]` of a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DialogueOptions {
    /// How texts become tokens; by words if left out.
    pub tokenizer: TokenizerOptions,
    /// The speaker whose turns a model learns to write; `bot` if left out.
    pub replies: String,
    /// How many bytes of texts, and how many of tokens, may be in memory. More are in temporary files, in the
    /// system's folder for such files (`TMPDIR`).
    pub memory: u64,
}

impl Default for DialogueOptions {
    fn default() -> Self {
        DialogueOptions {
            tokenizer: TokenizerOptions::new(TokenizerKind::Words),
            replies: "bot".into(),
            memory: 256 << 20,
        }
    }
}
