//! Models as C source, built by the host's C compiler with strict flags, against the models themselves.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod blocks;
mod cells;
mod cortex_m4;
mod int8;
mod models;
mod oracle;
mod pools;
mod program;
mod tables;
mod target;
