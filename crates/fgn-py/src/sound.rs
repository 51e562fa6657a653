//! A model on a sound that comes in.

use std::sync::{Mutex, PoisonError};

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::arrays::{owned, slice};
use crate::errors::{error, work};

/// A sound that comes in piece by piece.
#[pyclass(frozen, module = "fgn._fgn")]
pub(crate) struct SoundStream {
    stream: Mutex<fgn_nn::SoundStream>,
}

impl SoundStream {
    pub(crate) fn new(stream: fgn_nn::SoundStream) -> SoundStream {
        SoundStream { stream: Mutex::new(stream) }
    }

    /// The logits of the steps that `read` completes, a row each.
    fn logits<'py>(
        &self,
        py: Python<'py>,
        read: impl FnOnce(
            &mut fgn_nn::SoundStream,
            &mut dyn FnMut(fgn_nn::SoundStep<'_>) -> fgn_nn::Result<()>,
        ) -> fgn_nn::Result<()>
        + Send,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (logits, width) = work(py, || {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            let (mut logits, mut width) = (Vec::new(), 0);
            read(&mut stream, &mut |step| {
                width = step.logits.len();
                logits.extend_from_slice(step.logits);
                Ok(())
            })
            .map_err(error)?;
            Ok((logits, width))
        })?;
        let steps = logits.len().checked_div(width).unwrap_or(0);
        owned(py, logits, &[steps, width])
    }
}

#[pymethods]
impl SoundStream {
    /// Reads samples from -1 to 1 at the model's rate: the logits of each step that is complete, `[N, V]`.
    fn push<'py>(
        &self,
        py: Python<'py>,
        samples: PyReadonlyArray1<'py, f32>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let samples = slice(&samples, "samples")?;
        self.logits(py, |stream, each| stream.push(samples, each))
    }

    /// Ends the sound: the logits of the steps that waited for more samples.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.logits(py, |stream, each| stream.finish(each))
    }

    /// Begins another sound.
    fn reset(&self) -> PyResult<()> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).reset().map_err(error)
    }

    /// The seconds from one step to the next.
    #[getter]
    fn step_seconds(&self) -> f64 {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).step_seconds()
    }
}
