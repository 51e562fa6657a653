//! How a `.ts` file becomes samples.

use serde::{Deserialize, Serialize};

use crate::readers::series::options::Missing;

/// How a `.ts` file becomes samples: `[data.ts]` of a recipe. What is predicted is in the file: its `@classLabel` or
/// `@targetLabel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TsOptions {
    /// How a missing number, `?` or `NaN`, is read.
    pub missing: Missing,
    /// How many bytes of numbers may be in memory. Those of a larger file are in a temporary file, in the system's
    /// folder for such files (`TMPDIR`), and are read batch by batch.
    pub memory: u64,
}

impl Default for TsOptions {
    fn default() -> Self {
        TsOptions { missing: Missing::default(), memory: 256 << 20 }
    }
}
