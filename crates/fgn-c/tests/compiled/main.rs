//! Models as C source, built by the host's C compiler with strict flags, against the models themselves.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod cells;
mod int8;
mod models;
mod program;
mod tables;
