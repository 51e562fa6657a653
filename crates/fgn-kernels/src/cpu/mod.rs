//! The CPU backend: slices and sizes, no tensor and no `Result` inside a loop.
//!
//! From the bottom up: `memory` and `threads`, `gemm` (matrix products), `cell` (the equations over views of rows), and
//! on top of them the passes: `forward`, `backward`, `stream` and `conv`.

pub(crate) mod arguments;
pub(crate) mod backward;
pub(crate) mod cell;
pub(crate) mod conv;
pub(crate) mod forward;
pub(crate) mod gemm;
pub(crate) mod memory;
pub(crate) mod rows;
pub(crate) mod sampled;
pub(crate) mod stream;
pub(crate) mod threads;

#[cfg(test)]
mod bf16_tests;
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(
    not(test),
    allow(dead_code, unused_imports, reason = "tests of built-in cells are left out")
)]
#[allow(clippy::unwrap_used, reason = "a test fails by it")]
pub(crate) mod option_tests;
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(
    not(test),
    allow(dead_code, unused_imports, reason = "tests of built-in cells are left out")
)]
#[allow(clippy::unwrap_used, reason = "a test fails by it")]
pub(crate) mod tests;
