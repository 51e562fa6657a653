//! Recurrent layers: stacks over any cell, their states, streams and traces.

mod block;
mod check;
mod checked;
mod config;
mod forward;
mod layer;
mod masks;
mod options;
mod sequence_dropout;
mod stack;
mod state;
mod stream;
mod trace;

pub use block::config::{BlockConfig, BlockNorm};
pub use block::norm::RowNorm;
pub use config::RecurrentConfig;
pub use options::{RecurrentInput, RecurrentOptions, RecurrentOutput};
pub use sequence_dropout::SequenceDropout;
pub use stack::Recurrent;
pub use state::State;
pub use stream::{Stream, StreamWeights};
pub use trace::LayerTrace;
