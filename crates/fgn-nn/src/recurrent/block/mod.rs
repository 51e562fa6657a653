//! Residual blocks around the recurrent layers of a deep stack.
//!
//! From the bottom up: `norm`, `linear`, `conv` and `mlp` are the parts of a block, `residual` is a block, `blocks` is
//! all of them. `stream` runs them step by step.

pub(super) mod blocks;
pub(super) mod config;
mod conv;
mod linear;
mod mlp;
pub(super) mod norm;
pub(super) mod residual;
pub(super) mod stream;
