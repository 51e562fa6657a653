//! Initialisation of parameters.
//!
//! A recurrent layer draws its own as its [`InitConfig`] says. The functions here are for layers of other
//! kinds, and for setting single parameters: they draw in `f64`, row-major, from a seeded
//! [`Generator`](crate::Generator).
//!
//! ```
//! use fgn_nn::{Generator, init};
//!
//! let mut generator = Generator::seed_from_u64(1);
//! let matrix = init::orthogonal(&mut generator, 4, 4);
//! let square: f64 = matrix[..4].iter().map(|x| x * x).sum();
//! assert!((square - 1.0).abs() < 1e-12);
//! ```

mod config;
mod draw;
mod tensors;

pub use config::{ForgetBias, InitConfig, InitRule, RecurrentInit, Ring, WeightInit};
pub use draw::{
    chrono, kaiming_bound, orthogonal, truncated_normal, uniform, uniform_gate, xavier_bound,
};
pub(crate) use tensors::tensor;
