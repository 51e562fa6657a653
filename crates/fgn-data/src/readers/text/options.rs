//! How texts become samples.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::text::tokenizers::TokenizerOptions;

/// How texts are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextOptions {
    /// How texts become tokens.
    pub tokenizer: TokenizerOptions,
    /// The steps of a window in training, at least 1: how far gradients reach back. With `training.carry_state` the
    /// state goes on from window to window; 128 if left out.
    pub window: usize,
    /// The steps of a window in an evaluation, each from a state of zeros, at least 1; 256 if left out.
    pub evaluation_window: usize,
    /// How many bytes of tokens may be in memory. Those of a longer text are in a temporary file, in the system's
    /// folder for such files (`TMPDIR`).
    pub memory: u64,
}

impl Default for TextOptions {
    fn default() -> Self {
        TextOptions {
            tokenizer: TokenizerOptions::default(),
            window: 128,
            evaluation_window: 256,
            memory: 256 << 20,
        }
    }
}

impl TextOptions {
    pub(super) fn check(&self) -> Result<()> {
        for (option, window) in [
            ("data.text.window", self.window),
            ("data.text.evaluation_window", self.evaluation_window),
        ] {
            if window == 0 || window > fgn_schema::MAX_SIZE {
                let expected = format!("1 to {} steps", fgn_schema::MAX_SIZE);
                return Err(Error::Option { option, found: window.to_string(), expected });
            }
        }
        Ok(())
    }
}
