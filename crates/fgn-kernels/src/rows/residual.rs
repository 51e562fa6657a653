use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};

use crate::cpu::rows::residual::{SumRows, sum_backward, sum_forward};
use crate::rows::checks::{alike, shape, width};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;
use crate::storage::{contiguous_slice, cpu_slice};

/// `y + bias`, for `y: [.., D]` and `bias: [D]`.
///
/// # Errors
/// Tensors of other shapes, number types or devices.
pub fn add_bias(y: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let what = "sum with a bias";
    alike(what, &[("y", y), ("bias", bias)])?;
    shape(what, "bias", bias, &[width(what, y)?])?;
    if !y.device().is_cpu() {
        return y.broadcast_add(bias);
    }
    let op = SumOp { isa: Isa::active()?, mask: None };
    y.contiguous()?.apply_op2(&bias.contiguous()?, op)
}

/// A residual connection: `x + (y + bias) · mask`, for `x` and `y: [.., D]`, `bias: [D]`, and a mask `[M, D]` or none. Of
/// `N` rows, row `n` has the mask `n % M`: of steps `[T, B, D]`, a mask `[B, D]` is the same at all of them. The mask is
/// that of dropout: it has no gradient.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_kernels::add_residual;
///
/// let x = Tensor::ones((2, 1, 2), DType::F64, &Device::Cpu)?;
/// let bias = Tensor::new(&[10.0f64, 20.0], &Device::Cpu)?;
/// let mask = Tensor::new(&[[0.0f64, 2.0]], &Device::Cpu)?;
/// let sum = add_residual(&x, &x, &bias, Some(&mask))?;
/// assert_eq!(sum.to_vec3::<f64>()?, [[[1.0, 43.0]], [[1.0, 43.0]]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// Tensors of other shapes, number types or devices.
pub fn add_residual(
    x: &Tensor,
    y: &Tensor,
    bias: &Tensor,
    mask: Option<&Tensor>,
) -> Result<Tensor> {
    let what = "residual connection";
    alike(what, &[("x", x), ("y", y), ("bias", bias), ("mask", mask.unwrap_or(x))])?;
    let width = width(what, x)?;
    shape(what, "y", y, x.dims())?;
    shape(what, "bias", bias, &[width])?;
    check_mask(what, mask, [x.elem_count() / width, width])?;
    if !x.device().is_cpu() {
        return composed(x, y, bias, mask);
    }
    let mask = mask.map(|mask| mask.detach().contiguous()).transpose()?;
    let op = SumOp { isa: Isa::active()?, mask };
    x.contiguous()?.apply_op3(&y.contiguous()?, &bias.contiguous()?, op)
}

/// A mask `[M, D]` whose rows are repeated for so many rows of that width.
pub(super) fn check_mask(
    what: &str,
    mask: Option<&Tensor>,
    [rows, width]: [usize; 2],
) -> Result<()> {
    let Some(mask) = mask else { return Ok(()) };
    match *mask.dims() {
        [count, size] if size == width && count > 0 && rows.is_multiple_of(count) => Ok(()),
        ref found => {
            bail!("{what}: expected a mask [M, {width}], M a divisor of {rows}, got {found:?}")
        }
    }
}

/// The same, composed of Candle's operations.
fn composed(x: &Tensor, y: &Tensor, bias: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let y = y.broadcast_add(bias)?;
    match mask {
        Some(mask) => {
            let (count, width) = mask.dims2()?;
            let masked = y.reshape(((), count, width))?.broadcast_mul(&mask.detach())?;
            x + masked.reshape(x.shape())?
        }
        None => x + y,
    }
}

struct SumOp {
    isa: Isa,
    mask: Option<Tensor>,
}

impl SumOp {
    fn forward<E: Element>(
        &self,
        x: Option<(&CpuStorage, &Layout)>,
        y: (&CpuStorage, &Layout),
        bias: (&CpuStorage, &Layout),
    ) -> Result<(CpuStorage, Shape)> {
        let mask = self.mask.as_ref().map(Tensor::storage_and_layout);
        let rows = SumRows {
            x: match x {
                Some((x, layout)) => contiguous_slice::<E>(x, layout)?,
                None => &[],
            },
            y: contiguous_slice(y.0, y.1)?,
            bias: contiguous_slice(bias.0, bias.1)?,
            mask: match &mask {
                Some(mask) => cpu_slice(mask)?,
                None => &[],
            },
            first: 0,
        };
        Ok((E::to_cpu_storage_owned(sum_forward(self.isa, rows)), y.1.shape().clone()))
    }

    /// The gradients of `y` and of the bias.
    fn backward<E: Element>(&self, bias: &Tensor, d_result: &Tensor) -> Result<[Tensor; 2]> {
        let d_result = d_result.contiguous()?;
        let [bias_data, d_data] = [bias, &d_result].map(Tensor::storage_and_layout);
        let mask = self.mask.as_ref().map(Tensor::storage_and_layout);
        let rows = SumRows {
            x: &[],
            y: &[],
            bias: cpu_slice::<E>(&bias_data)?,
            mask: match &mask {
                Some(mask) => cpu_slice(mask)?,
                None => &[],
            },
            first: 0,
        };
        let (d_bias, d_y) = sum_backward(self.isa, rows, cpu_slice(&d_data)?);
        let d_y = match d_y {
            Some(d_y) => Tensor::from_vec(d_y, d_result.shape(), d_result.device())?,
            None => d_result.clone(),
        };
        Ok([d_y, Tensor::from_vec(d_bias, bias.shape(), bias.device())?])
    }

    fn gradients(&self, bias: &Tensor, d_result: &Tensor) -> Result<[Tensor; 2]> {
        match bias.dtype() {
            DType::F64 => self.backward::<f64>(bias, d_result),
            _ => self.backward::<f32>(bias, d_result),
        }
    }
}

impl CustomOp2 for SumOp {
    fn name(&self) -> &'static str {
        "fgn-add-bias"
    }

    fn cpu_fwd(
        &self,
        y: &CpuStorage,
        y_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (y, bias) = ((y, y_layout), (bias, bias_layout));
        match y.0 {
            CpuStorage::F64(_) => self.forward::<f64>(None, y, bias),
            _ => self.forward::<f32>(None, y, bias),
        }
    }

    fn bwd(
        &self,
        _: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [d_y, d_bias] = self.gradients(bias, d_result)?;
        Ok((Some(d_y), Some(d_bias)))
    }
}

impl CustomOp3 for SumOp {
    fn name(&self) -> &'static str {
        "fgn-add-residual"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, y, bias) = (Some((x, x_layout)), (y, y_layout), (bias, bias_layout));
        match y.0 {
            CpuStorage::F64(_) => self.forward::<f64>(x, y, bias),
            _ => self.forward::<f32>(x, y, bias),
        }
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [d_y, d_bias] = self.gradients(bias, d_result)?;
        Ok((Some(d_result.clone()), Some(d_y), Some(d_bias)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::testing::{assert_alike, var};

    #[test]
    fn the_composed_form_is_the_same() {
        let vars = [var(&[3, 2, 7], 1.0), var(&[3, 2, 7], 5.0), var(&[7], 2.0)];
        let [x, y, bias] = [0, 1, 2].map(|n| vars[n].as_tensor());
        let masks = [var(&[2, 7], 3.0), var(&[6, 7], 3.0)];
        for mask in [None, Some(masks[0].as_tensor()), Some(masks[1].as_tensor())] {
            let own = add_residual(x, y, bias, mask).unwrap();
            assert_alike(&vars, &own, &composed(x, y, bias, mask).unwrap());
        }
        let [own, other] = [add_bias(y, bias).unwrap(), y.broadcast_add(bias).unwrap()];
        assert_alike(&vars[1..], &own, &other);
    }
}
