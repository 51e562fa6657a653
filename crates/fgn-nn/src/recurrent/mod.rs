//! Recurrent layers: stacks over any cell, their states, streams and traces.

mod check;
mod checked;
mod config;
mod layer;
mod masks;
mod options;
mod stack;
mod state;
mod stream;
mod trace;

pub use config::{RecurrentConfig, SequenceDropout};
pub use options::{RecurrentInput, RecurrentOptions, RecurrentOutput};
pub use stack::Recurrent;
pub use state::State;
pub use stream::{Stream, StreamWeights};
pub use trace::LayerTrace;
