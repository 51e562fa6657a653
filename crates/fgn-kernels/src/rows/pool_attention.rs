use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor, bail};

use crate::cpu::rows::pool::Steps;
use crate::cpu::rows::pool_attention::{attention_backward, attention_forward};
use crate::rows::checks::{self, alike, shape, steps, within};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;
use crate::storage::{contiguous_slice, cpu_slice};

/// The weighted mean of `x: [T, B, D]` over the steps of each sequence, `[B, D]`. The weights of a sequence are the softmax
/// over its steps of `query · x`, with `query: [D]`. Each sequence has its own length, from 1 to `T`; without lengths,
/// `T`.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use fgn_kernels::pool_attention;
///
/// let x = Tensor::new(&[[[1.0f64, 0.0]], [[0.0, 1.0]]], &Device::Cpu)?;
/// let query = Tensor::new(&[3f64.ln(), 0.0], &Device::Cpu)?;
/// let pooled = pool_attention(&x, &query, None)?.to_vec2::<f64>()?;
/// assert!((pooled[0][0] - 0.75).abs() < 1e-12 && (pooled[0][1] - 0.25).abs() < 1e-12);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// Tensors of other shapes, number types or devices, and lengths that do not fit.
pub fn pool_attention(x: &Tensor, query: &Tensor, lengths: Option<&[usize]>) -> Result<Tensor> {
    let what = "attention over time";
    alike(what, &[("x", x), ("query", query)])?;
    let [count, batch, width] = steps(what, x)?;
    shape(what, "query", query, &[width])?;
    let lengths = checks::lengths(what, lengths, [count, batch])?;
    if !x.device().is_cpu() {
        return composed(x, query, &lengths);
    }
    let op = AttentionOp { isa: Isa::active()?, lengths, saved: OnceLock::new() };
    x.contiguous()?.apply_op2(&query.contiguous()?, op)
}

/// The same, composed of Candle's operations.
fn composed(x: &Tensor, query: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    let scores = x.broadcast_mul(query)?.sum_keepdim(2)?;
    let within = within(x, lengths)?.to_dtype(DType::U8)?;
    let none = scores.zeros_like()?.affine(0.0, f64::NEG_INFINITY)?;
    let scores = within.where_cond(&scores, &none)?;
    let weights = scores.broadcast_sub(&scores.max_keepdim(0)?.detach())?.exp()?;
    let weights = weights.broadcast_div(&weights.sum_keepdim(0)?)?;
    let within = within.broadcast_as(x.shape())?;
    within.where_cond(x, &x.zeros_like()?)?.broadcast_mul(&weights)?.sum(0)
}

struct AttentionOp {
    isa: Isa,
    lengths: Vec<usize>,
    /// The logarithm of each sequence's sum of exponentials, once the operation has run.
    saved: OnceLock<Vec<f64>>,
}

impl AttentionOp {
    fn forward<E: Element>(
        &self,
        x: (&CpuStorage, &Layout),
        query: (&CpuStorage, &Layout),
    ) -> Result<(CpuStorage, Shape)> {
        let (_, batch, width) = x.1.shape().dims3()?;
        let steps = Steps { x: contiguous_slice::<E>(x.0, x.1)?, width, lengths: &self.lengths };
        let query = contiguous_slice(query.0, query.1)?;
        let (pooled, logs) = attention_forward(self.isa, steps, query);
        self.saved.get_or_init(|| logs);
        Ok((E::to_cpu_storage_owned(pooled), (batch, width).into()))
    }

    fn backward<E: Element>(
        &self,
        x: &Tensor,
        query: &Tensor,
        result: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(logs) = self.saved.get() else {
            bail!("attention over time: backward without a forward pass");
        };
        let d_result = d_result.contiguous()?;
        let [x_data, query_data, result, d_data] =
            [x, query, result, &d_result].map(Tensor::storage_and_layout);
        let (_, _, width) = x.dims3()?;
        let steps = Steps { x: cpu_slice::<E>(&x_data)?, width, lengths: &self.lengths };
        let (d_x, d_query) = attention_backward(
            self.isa,
            steps,
            cpu_slice(&query_data)?,
            (cpu_slice(&result)?, logs),
            cpu_slice(&d_data)?,
        );
        let d_x = Tensor::from_vec(d_x, x.shape(), x.device())?;
        Ok((Some(d_x), Some(Tensor::from_vec(d_query, query.shape(), query.device())?)))
    }
}

impl CustomOp2 for AttentionOp {
    fn name(&self) -> &'static str {
        "fgn-pool-attention"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        query: &CpuStorage,
        query_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, query) = ((x, x_layout), (query, query_layout));
        match x.0 {
            CpuStorage::F64(_) => self.forward::<f64>(x, query),
            _ => self.forward::<f32>(x, query),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        query: &Tensor,
        result: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        match x.dtype() {
            DType::F64 => self.backward::<f64>(x, query, result, d_result),
            _ => self.backward::<f32>(x, query, result, d_result),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::testing::{assert_alike, var};

    #[test]
    fn the_composed_form_is_the_same() {
        let vars = [var(&[4, 3, 5], 1.0), var(&[5], 2.0)];
        let [x, query] = [0, 1].map(|n| vars[n].as_tensor());
        for lengths in [[4, 4, 4], [2, 4, 1]] {
            let own = pool_attention(x, query, Some(&lengths)).unwrap();
            assert_alike(&vars, &own, &composed(x, query, &lengths).unwrap());
        }
    }
}
