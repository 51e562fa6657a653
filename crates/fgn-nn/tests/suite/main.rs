//! The tests of this crate from outside, in one binary.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod builder;
mod common;
mod config;
mod ctc;
mod decoder;
mod example;
mod foreign;
mod gradients;
mod images;
mod init;
mod layers;
mod loss;
mod model_file;
mod modules;
mod next_item;
mod parameters;
mod pool;
mod recurrent;
mod sequences;
mod text;
mod vocabulary;
