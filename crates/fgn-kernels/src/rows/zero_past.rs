use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};

use crate::cpu::rows::zero_past::zero_past_lengths;
use crate::rows::checks::{self, alike, steps, within};
use crate::simd::vector::Element;
use crate::storage::{contiguous_slice, cpu_slice};

/// `x: [T, B, D]` with zeros past the length of each sequence, from 1 to `T`, where neither a gradient nor a NaN passes.
///
/// # Errors
/// Another shape or number type, and lengths that do not fit.
pub fn zero_past(x: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    let what = "zeros past the lengths";
    alike(what, &[("x", x)])?;
    let [count, batch, width] = steps(what, x)?;
    let lengths = checks::lengths(what, Some(lengths), [count, batch])?;
    if lengths.iter().all(|&length| length == count) {
        return Ok(x.clone());
    }
    if !x.device().is_cpu() {
        return composed(x, &lengths);
    }
    x.contiguous()?.apply_op1(ZeroPast { lengths, width })
}

/// The same, composed of Candle's operations.
fn composed(x: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    let within = within(x, lengths)?.to_dtype(DType::U8)?.broadcast_as(x.shape())?;
    within.where_cond(x, &x.zeros_like()?)
}

struct ZeroPast {
    lengths: Vec<usize>,
    width: usize,
}

impl ZeroPast {
    fn run<E: Element>(&self, x: &[E]) -> Vec<E> {
        zero_past_lengths(x, &self.lengths, self.width)
    }

    fn backward<E: Element>(&self, d_result: &Tensor) -> Result<Tensor> {
        let d_result = d_result.contiguous()?;
        let data = d_result.storage_and_layout();
        let d_x = self.run::<E>(cpu_slice(&data)?);
        Tensor::from_vec(d_x, d_result.shape(), d_result.device())
    }
}

impl CustomOp1 for ZeroPast {
    fn name(&self) -> &'static str {
        "fgn-zero-past"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let zeroed = match x {
            CpuStorage::F64(_) => CpuStorage::F64(self.run(contiguous_slice(x, layout)?)),
            _ => CpuStorage::F32(self.run(contiguous_slice(x, layout)?)),
        };
        Ok((zeroed, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, d_result: &Tensor) -> Result<Option<Tensor>> {
        let d_x = match d_result.dtype() {
            DType::F64 => self.backward::<f64>(d_result),
            _ => self.backward::<f32>(d_result),
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
        let x = var(&[4, 3, 5], 1.0);
        let lengths = [2, 4, 1];
        let own = zero_past(x.as_tensor(), &lengths).unwrap();
        let expected = composed(x.as_tensor(), &lengths).unwrap();
        assert_alike(std::slice::from_ref(&x), &own, &expected);
        let rows = own.to_vec3::<f64>().unwrap();
        let all = x.to_vec3::<f64>().unwrap();
        for (step, rows) in rows.iter().enumerate() {
            for (sequence, row) in rows.iter().enumerate() {
                match step < lengths[sequence] {
                    true => assert_eq!(*row, all[step][sequence]),
                    false => assert_eq!(*row, [0.0; 5]),
                }
            }
        }
    }
}
