//! A weighted mean over the steps of a sequence, as a layer.

use candle_core::{Module, Tensor, Var};
use candle_nn::VarBuilder;
use fgn_kernels::pool_attention;

use crate::check::width;
use crate::error::Result;
use crate::parameters::{Parameters, joined};

/// A weighted mean of the outputs `h_t` of all steps, `Σ_t α_t h_t` with `α = softmax_t(q · h_t)`. The parameter is the query
/// `query [H]`, which is zero at first: all steps count alike. [`Pool::Attention`](crate::Pool::Attention) is the same
/// within a head.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_nn::{AttentionPool, Parameters};
///
/// let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu)?;
/// let pool = AttentionPool::new(&mut parameters, "pool", 1)?;
/// assert_eq!(parameters.list()[0].0, "pool.query");
///
/// // One sequence of two steps; the third is padding.
/// let outputs = Tensor::new(&[[[1f64]], [[3.0]], [[100.0]]], &Device::Cpu)?;
/// let pooled = pool.forward(&outputs, Some(&[2]))?.to_vec2::<f64>()?;
/// assert!((pooled[0][0] - 2.0).abs() < 1e-12);
/// # Ok::<(), fgn_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AttentionPool {
    query: Var,
}

impl AttentionPool {
    /// A layer over outputs of `size` values. The parameter is named `{name}.query`, or `query` with an empty name.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a size of 0.
    pub fn new(parameters: &mut Parameters, name: &str, size: usize) -> Result<Self> {
        width("size", size)?;
        let query = parameters.take(joined(name, "query"), &[size], |_| vec![0.0; size])?;
        Ok(Self { query })
    }

    /// As [`new`](Self::new), with the parameter `query` of candle-nn's `vb`.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`Parameters::from_builder`].
    pub fn from_builder(size: usize, vb: VarBuilder<'_>) -> Result<Self> {
        Self::new(&mut Parameters::from_builder(&vb, 0)?, "", size)
    }

    /// `outputs: [T, B, H]` give `[B, H]`. Steps at or past a sequence's length do not count.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) for other shapes, or lengths that do not fit.
    pub fn forward(&self, outputs: &Tensor, lengths: Option<&[usize]>) -> Result<Tensor> {
        Ok(pool_attention(outputs, &self.query, lengths)?)
    }
}

/// Over all steps: `[T, B, H]` gives `[B, H]`.
impl Module for AttentionPool {
    fn forward(&self, outputs: &Tensor) -> candle_core::Result<Tensor> {
        Ok(AttentionPool::forward(self, outputs, None)?)
    }
}
