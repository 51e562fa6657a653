//! Which layer of a stack, and which direction of it.

use std::fmt;

/// One layer of a recurrent stack, and one direction of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerDirection {
    /// Counted from 0, from the input upwards.
    pub(crate) layer: usize,
    /// Whether it runs from the end of a sequence to its beginning.
    pub(crate) reverse: bool,
}

impl fmt::Display for LayerDirection {
    /// As in the names of parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "_l{}{}", self.layer, if self.reverse { "_reverse" } else { "" })
    }
}
