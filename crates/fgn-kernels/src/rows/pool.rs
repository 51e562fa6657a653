use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};

use crate::cpu::rows::pool::{Steps, max_backward, max_forward, mean_backward, mean_forward};
use crate::rows::checks::{self, alike, steps, within};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;
use crate::storage::{contiguous_slice, cpu_slice};

/// The mean of `x: [T, B, D]` over the steps of each sequence, `[B, D]`. Each has its own length, from 1 to `T`; without
/// lengths, `T`.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use fgn_kernels::pool_mean;
///
/// // Three steps of two sequences, of which the second ends after two.
/// let x = Tensor::new(&[[[1.0f64], [1.0]], [[2.0], [2.0]], [[6.0], [9.0]]], &Device::Cpu)?;
/// assert_eq!(pool_mean(&x, Some(&[3, 2]))?.to_vec2::<f64>()?, [[3.0], [1.5]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// Another shape or number type, and lengths that do not fit.
pub fn pool_mean(x: &Tensor, lengths: Option<&[usize]>) -> Result<Tensor> {
    pool(x, lengths, "mean over time", Pool::Mean)
}

/// The largest number of `x: [T, B, D]` over the steps of each sequence, `[B, D]`, with lengths as
/// [`pool_mean`] takes them. The gradient goes to the first step that has it.
///
/// # Errors
/// As there.
pub fn pool_max(x: &Tensor, lengths: Option<&[usize]>) -> Result<Tensor> {
    pool(x, lengths, "maximum over time", Pool::Max(OnceLock::new()))
}

fn pool(x: &Tensor, lengths: Option<&[usize]>, what: &'static str, pool: Pool) -> Result<Tensor> {
    alike(what, &[("x", x)])?;
    let [count, batch, _] = steps(what, x)?;
    let lengths = checks::lengths(what, lengths, [count, batch])?;
    if !x.device().is_cpu() {
        return composed(x, &lengths, &pool);
    }
    x.contiguous()?.apply_op1(PoolOp { isa: Isa::active()?, lengths, steps: count, pool })
}

/// The same, composed of Candle's operations.
fn composed(x: &Tensor, lengths: &[usize], pool: &Pool) -> Result<Tensor> {
    let within = within(x, lengths)?;
    match pool {
        Pool::Mean => {
            let counts: Vec<f64> = lengths.iter().map(|&length| length as f64).collect();
            let counts = Tensor::from_vec(counts, (lengths.len(), 1), x.device())?;
            let within = within.to_dtype(DType::U8)?.broadcast_as(x.shape())?;
            let kept = within.where_cond(x, &x.zeros_like()?)?;
            kept.sum(0)?.broadcast_div(&counts.to_dtype(x.dtype())?)
        }
        Pool::Max(_) => {
            let least = x.zeros_like()?.affine(0.0, f64::NEG_INFINITY)?;
            let within = within.to_dtype(DType::U8)?.broadcast_as(x.shape())?;
            within.where_cond(x, &least)?.max(0)
        }
    }
}

enum Pool {
    Mean,
    /// With the step of each maximum, once the operation has run.
    Max(OnceLock<Vec<u32>>),
}

struct PoolOp {
    isa: Isa,
    lengths: Vec<usize>,
    steps: usize,
    pool: Pool,
}

impl PoolOp {
    fn forward<E: Element>(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, batch, width) = layout.shape().dims3()?;
        let steps = Steps { x: contiguous_slice::<E>(x, layout)?, width, lengths: &self.lengths };
        let pooled = match &self.pool {
            Pool::Mean => mean_forward(self.isa, steps),
            Pool::Max(saved) => {
                let (pooled, picks) = max_forward(self.isa, steps);
                saved.get_or_init(|| picks);
                pooled
            }
        };
        Ok((E::to_cpu_storage_owned(pooled), (batch, width).into()))
    }

    fn backward<E: Element>(&self, x: &Tensor, d_result: &Tensor) -> Result<Tensor> {
        let d_result = d_result.contiguous()?;
        let data = d_result.storage_and_layout();
        let d_result = cpu_slice::<E>(&data)?;
        let d_x = match &self.pool {
            Pool::Mean => mean_backward(&self.lengths, d_result, self.steps),
            Pool::Max(saved) => match saved.get() {
                Some(picks) => max_backward(picks, d_result, self.steps),
                None => bail!("maximum over time: backward without a forward pass"),
            },
        };
        Tensor::from_vec(d_x, x.shape(), x.device())
    }
}

impl CustomOp1 for PoolOp {
    fn name(&self) -> &'static str {
        "fgn-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        match x {
            CpuStorage::F64(_) => self.forward::<f64>(x, layout),
            _ => self.forward::<f32>(x, layout),
        }
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, d_result: &Tensor) -> Result<Option<Tensor>> {
        let d_x = match x.dtype() {
            DType::F64 => self.backward::<f64>(x, d_result),
            _ => self.backward::<f32>(x, d_result),
        };
        d_x.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::testing::{assert_alike, var};

    #[test]
    fn the_composed_form_is_the_same() {
        let vars = [var(&[4, 3, 5], 1.0)];
        let x = vars[0].as_tensor();
        for lengths in [[4, 4, 4], [2, 4, 1]] {
            let own = pool_mean(x, Some(&lengths)).unwrap();
            assert_alike(&vars, &own, &composed(x, &lengths, &Pool::Mean).unwrap());
            let own = pool_max(x, Some(&lengths)).unwrap();
            let max = Pool::Max(OnceLock::new());
            assert_alike(&vars, &own, &composed(x, &lengths, &max).unwrap());
        }
    }
}
