//! Models as [ONNX](https://onnx.ai) graphs, which other programs run: ONNX Runtime in Python, C++, JavaScript and on
//! phones, for example.
//!
//! [`export`] takes a model and returns its graph in inference:
//!
//! | | name | shape |
//! |---|---|---|
//! | samples | `images`, `series`, `tokens` or `audio` | as the input layer takes them, `[batch, ..]` |
//! | the number of steps of each, or of samples of a sound | `lengths` | `[batch]`; all if left out |
//! | initial states | `state_l0`, `state_l0_reverse`, `state_l1` … | `[S, batch, H]`; zeros if left out |
//! | prediction | `logits`, `values`, `scores` or `answers` | `[batch, ..]`, or `[batch, time, ..]` |
//! | states after the last step | `next_state_l0` … | `[S, batch, H]` |
//!
//! `S` counts the states of the cell and, after them, the inputs that the convolution of a residual block keeps; `H` the
//! units. What a run returns as states is the initial state of the next, so that a long sequence can be cut into pieces.
//! `batch` and `time` may be of any size.
//!
//! LSTM, GRU and RNN become ONNX's own operators. Every other cell, and every option that those lack, becomes a `Scan`,
//! whose body is written from the equations of the cell themselves ([`fgn_core::recording`]): a new cell needs nothing
//! here. Features of sounds are computed by the graph, and the answers of a decoder are searched by it, in a `Loop`.
//!
//! A part of a model that has no graph here is an error ([`Error::Unsupported`]). So is a parameter that no part of the
//! graph reads.
#![forbid(unsafe_code)]

mod attribute;
mod context;
mod decoder;
mod error;
mod export;
mod graph;
mod heads;
mod inputs;
mod port;
pub mod proto;
mod recurrent;
mod weights;

pub use error::{Error, Result};
pub use export::{ExportOptions, OnnxModel, export};
pub use port::Port;
pub use {fgn_nn, prost};
