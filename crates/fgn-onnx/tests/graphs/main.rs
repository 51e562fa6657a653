//! Exported graphs compute what their models do.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod audio;
mod blocks;
mod case;
mod cells;
mod decoder;
mod guards;
mod images;
mod interpreter;
mod models;
mod pools;
mod python;
mod structure;
