//! Standardisation: values to mean 0 and standard deviation 1, and back.

use candle_core::{DType, Device, Tensor};
use fgn_schema::Moments;

use crate::error::Result;

/// `(x − mean) / std`, value by value, in `F64`: a model of `F32` narrows what is standardised, so that values
/// with a large offset keep their differences.
#[derive(Clone, Debug)]
pub(crate) struct Scaling {
    mean: Tensor,
    std: Tensor,
}

impl Scaling {
    /// Tensors `[N]` in `F64` on `device`.
    pub(crate) fn new(moments: &Moments, device: &Device) -> Result<Self> {
        let tensor = |numbers: &[f64]| Tensor::from_slice(numbers, numbers.len(), device);
        Ok(Self { mean: tensor(&moments.mean)?, std: tensor(&moments.std)? })
    }

    /// Standardises `x: [.., N]` of any float type; the result is in `F64`.
    pub(crate) fn remove(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.to_dtype(DType::F64)?.broadcast_sub(&self.mean)?.broadcast_div(&self.std)?)
    }

    /// The inverse of [`remove`](Self::remove), in `F64` too.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.to_dtype(DType::F64)?.broadcast_mul(&self.std)?.broadcast_add(&self.mean)?)
    }
}
