//! Exported graphs compute what their models do.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod case;
mod cells;
mod interpreter;
mod models;
mod python;
mod structure;
