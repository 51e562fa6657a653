//! What a run does, for all backends: options, their checks, the schedule of steps, and the rules for states.
//!
//! Knows sizes and numbers alone: no vector, no thread, no device.

pub(crate) mod backend;
pub(crate) mod checks;
pub(crate) mod gate_statistics;
pub(crate) mod options;
pub(crate) mod plan;
pub(crate) mod precision;
pub(crate) mod rules;
pub(crate) mod sampled_loss;
pub(crate) mod schedule;
#[cfg(any(test, feature = "testing"))]
#[cfg_attr(
    not(test),
    allow(dead_code, unused_imports, reason = "tests of built-in cells are left out")
)]
#[allow(clippy::unwrap_used, reason = "a test fails by it")]
pub(crate) mod testing;
