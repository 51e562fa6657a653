//! Operations over the rows of a tensor: what lies between the recurrent layers of a deep stack. Each is one operation
//! forward and one backward, in one pass over memory, on all threads.

mod causal_conv;
mod checks;
mod gated;
mod norm;
mod pool;
mod pool_attention;
mod residual;
mod residual_block;
#[cfg(test)]
mod testing;
mod zero_past;

pub use causal_conv::{CausalConvOutput, causal_conv};
pub use gated::gated;
pub use norm::{layer_norm, rms_norm};
pub use pool::{pool_max, pool_mean};
pub use pool_attention::pool_attention;
pub use residual::{add_bias, add_residual};
pub use residual_block::{GatedMlp, LinearMap, residual_block};
pub use zero_past::zero_past;
