//! A cell over a whole sequence, as plainly as it can be written: the reference for the tests of every kernel.
//!
//! Run over `f64` it computes values, over [`Dual`](crate::Dual) numbers their exact derivatives in one direction. It
//! stores the input of every step and is slow. [`forward`] and [`backward`] are a layer without options;
//! [`run_with_options`] has all options of the kernels. Needs the feature `oracle`.

mod bf16;
mod options;
mod plain;
mod rows;

pub use bf16::bf16;
pub use options::{OracleOptions, OracleRun, Real, run_with_options};
pub use plain::{OracleForward, OracleGradients, backward, backward_in_bf16, forward};
