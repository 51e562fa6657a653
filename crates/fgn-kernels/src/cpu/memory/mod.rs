//! Memory: buffers that are used again, the sizes of a run, and rows by step and sequence.

pub(crate) mod buffer;
pub(crate) mod geometry;
pub(crate) mod rows;
