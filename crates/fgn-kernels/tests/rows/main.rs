//! Operations over rows against naive oracles in `f64`, with their gradients, on awkward sizes and any number of threads.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod causal_conv;
mod common;
mod gated;
mod norm;
mod pool;
mod residual;
mod threads;
