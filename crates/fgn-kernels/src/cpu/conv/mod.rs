//! The image block: a 3x3 convolution with bias, ReLU and a 2x2 max-pool.

pub(crate) mod backward;
pub(crate) mod forward;
mod pixels;
pub(crate) mod shape;
