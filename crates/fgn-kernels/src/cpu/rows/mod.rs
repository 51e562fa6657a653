//! Operations over the rows of a tensor, each in one pass over memory: norms, gates, sums, convolutions and pools over
//! time.

pub(crate) mod causal_conv;
pub(crate) mod gated;
mod lanes;
pub(crate) mod norm;
mod parts;
pub(crate) mod pool;
pub(crate) mod pool_attention;
mod product;
pub(crate) mod residual;
pub(crate) mod residual_block;
pub(crate) mod zero_past;

#[cfg(test)]
mod tests;
