//! Everything that a training needs to resume as if it had never stopped.
//!
//! A checkpoint is a folder of five files: the configuration, the weights, the state of the optimizer
//! (with averages, carried states and the best weights), how far the training is, and the checksums of
//! these four. It is written beside and renamed, and synced before and after; so a folder of that name
//! is a whole checkpoint, unless the disk has damaged it: then reading it says so.

pub(crate) mod files;
pub(crate) mod store;
#[cfg(test)]
mod tests;
