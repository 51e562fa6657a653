//! What holds for features whatever the signal: chunks change nothing, steps come when they are due, bad input is an error.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod errors;
mod signals;
mod streams;
mod values;
