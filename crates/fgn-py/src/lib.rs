//! The native half of the Python package `fgn`. Users see the other half, in `python/fgn`.
//!
//! - [`layer`]: one layer in one direction, forward and backward, on NumPy arrays: what `fgn.torch` is made of.
//! - [`model`], [`sound`]: trained models.
//! - [`training`]: a training with callbacks.
//!
//! Configurations, answers and metrics pass as JSON. Arrays that come in must be contiguous and aligned; the Python half
//! sees to that. The GIL is released during all work ([`errors::work`]).
#![forbid(unsafe_code)]

/// Outputs and gradients are allocated in every step; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod arrays;
mod errors;
mod layer;
mod model;
mod sampling;
mod sound;
mod training;

/// The native module of the package `fgn`.
#[pyo3::pymodule]
mod _fgn {
    #[pymodule_export]
    use crate::errors::{Error, InternalError};
    #[pymodule_export]
    use crate::layer::{Layer, Saved, initial_parameters};
    #[pymodule_export]
    use crate::model::{Model, State};
    #[pymodule_export]
    use crate::sound::SoundStream;
    #[pymodule_export]
    use crate::training::{instruction_set, recipes, train};

    #[pymodule_init]
    fn init(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        fgn_nn::keep_freed_memory();
        Ok(())
    }
}
