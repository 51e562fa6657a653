//! The cells, one file each, and their registry.

mod cifg;
mod fgn;
mod fgn_scan;
mod gru;
mod ind_rnn;
mod janet;
mod lstm;
mod mgu;
mod min_gru;
mod min_lstm;
mod peephole_lstm;
mod registry;
mod rnn;
mod slstm;
mod sru;
mod ur_lstm;

pub use registry::*;
