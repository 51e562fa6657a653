//! The binary `fgn`, as a user runs it.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod bad_input;
mod interruptions;
mod own_data;
mod own_images;
mod place;
mod runs;
mod sweeps;
