//! Standardisation: values to mean 0 and standard deviation 1, and back.

use candle_core::Tensor;
use fgn_schema::Moments;

use crate::error::Result;
use crate::parameters::Parameters;

/// `(x − mean) / std`, value by value.
#[derive(Clone, Debug)]
pub(crate) struct Scaling {
    mean: Tensor,
    std: Tensor,
}

impl Scaling {
    /// Tensors `[N]` of the parameters' type, on their device.
    pub(crate) fn new(moments: &Moments, parameters: &Parameters) -> Result<Self> {
        let tensor = |numbers: &[f64]| {
            let all = Tensor::from_slice(numbers, numbers.len(), parameters.device())?;
            all.to_dtype(parameters.dtype())
        };
        Ok(Self { mean: tensor(&moments.mean)?, std: tensor(&moments.std)? })
    }

    /// Standardises `x: [.., N]`.
    pub(crate) fn remove(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.broadcast_sub(&self.mean)?.broadcast_div(&self.std)?)
    }

    /// The inverse of [`remove`](Self::remove).
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.broadcast_mul(&self.std)?.broadcast_add(&self.mean)?)
    }
}
