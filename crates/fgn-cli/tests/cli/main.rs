//! The binary `fgn`, as a user runs it.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod bad_input;
mod c_source;
mod generated_images;
mod import;
mod interruptions;
mod offsets;
mod own_data;
mod own_images;
mod pipes;
mod place;
mod programs;
mod recommend;
mod runs;
mod sounds;
mod sweeps;
mod texts;
