//! What a check says of a breach.

use std::fmt;

/// One breach: where, what was found there, and what is expected.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) at: String,
    pub(super) found: String,
    pub(super) expected: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}; expected {}", self.at, self.found, self.expected)
    }
}
