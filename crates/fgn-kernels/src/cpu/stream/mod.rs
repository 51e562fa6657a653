//! One time step of a few sequences, from weights packed once.
//!
//! A step of one sequence reads every weight once and uses it once: it takes as long as reading them
//! does. So they lie in the order in which they are read: for each slab of units (two vectors of
//! them), for each block, its panel for the input and then its panel for the hidden state. A thread
//! has a range of slabs; it computes their pre-activations, applies the cell's equations, and meets the
//! others only at the end of the step. Steps take the slabs forwards and backwards in turn: what was
//! read last is still in the cache, and is read first.

mod cells;
mod format;
pub(crate) mod parameters;
mod product;
mod rounded;
mod rows;
pub(crate) mod scores;
mod slabs;
pub(crate) mod state;
pub(crate) mod step;

#[cfg(any(test, feature = "testing"))]
#[cfg_attr(
    not(test),
    allow(dead_code, unused_imports, reason = "tests of built-in cells are left out")
)]
#[allow(clippy::unwrap_used, reason = "a test fails by it")]
pub(crate) mod tests;
