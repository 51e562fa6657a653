//! What a run does, for all backends: options, their checks, the schedule of steps, and the rules for states.
//!
//! Knows sizes and numbers alone: no vector, no thread, no device.

pub(crate) mod checks;
pub(crate) mod gate_statistics;
pub(crate) mod options;
pub(crate) mod plan;
pub(crate) mod precision;
pub(crate) mod rules;
pub(crate) mod sampled_loss;
pub(crate) mod schedule;
#[cfg(test)]
pub(crate) mod testing;
