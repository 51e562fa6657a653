use candle_core::{CpuStorage, CustomOp2, CustomOp3, D, DType, Layout, Result, Shape, Tensor};

use crate::cpu::rows::norm::{NormRows, norm_backward, norm_forward};
use crate::rows::checks::{alike, shape, width};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;
use crate::storage::{contiguous_slice, cpu_slice};

/// Root mean square normalisation of each row (Zhang & Sennrich 2019): `x / √(mean x² + ε) · weight`, for `x: [.., D]` and
/// `weight: [D]`.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use fgn_kernels::rms_norm;
///
/// let x = Tensor::new(&[[3.0f64, -3.0, 3.0, -3.0]], &Device::Cpu)?;
/// let weight = Tensor::new(&[1.0f64, 1.0, 1.0, 2.0], &Device::Cpu)?;
/// let y = rms_norm(&x, &weight, 0.0)?;
/// assert_eq!(y.to_vec2::<f64>()?, [[1.0, -1.0, 1.0, -2.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// Tensors of other shapes, number types or devices.
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    let what = "rms norm";
    alike(what, &[("x", x), ("weight", weight)])?;
    shape(what, "weight", weight, &[width(what, x)?])?;
    if !x.device().is_cpu() {
        return composed(x, weight, None, epsilon);
    }
    let op = NormOp { isa: Isa::active()?, epsilon };
    x.contiguous()?.apply_op2(&weight.contiguous()?, op)
}

/// Layer normalisation of each row (Ba, Kiros & Hinton 2016): `(x − mean x) / √(var x + ε) · weight + bias`, for `x: [..,
/// D]`, `weight: [D]` and `bias: [D]`.
///
/// # Errors
/// Tensors of other shapes, number types or devices.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    let what = "layer norm";
    alike(what, &[("x", x), ("weight", weight), ("bias", bias)])?;
    let width = width(what, x)?;
    shape(what, "weight", weight, &[width])?;
    shape(what, "bias", bias, &[width])?;
    if !x.device().is_cpu() {
        return composed(x, weight, Some(bias), epsilon);
    }
    let op = NormOp { isa: Isa::active()?, epsilon };
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)
}

/// The same, composed of Candle's operations; narrow types are widened.
fn composed(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
    let wide = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let mut rows = x.to_dtype(wide)?;
    if bias.is_some() {
        rows = rows.broadcast_sub(&rows.mean_keepdim(D::Minus1)?)?;
    }
    let scale = (rows.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?;
    let rows = rows.broadcast_div(&scale)?.to_dtype(x.dtype())?.broadcast_mul(weight)?;
    match bias {
        Some(bias) => rows.broadcast_add(bias),
        None => Ok(rows),
    }
}

#[derive(Clone, Copy)]
struct NormOp {
    isa: Isa,
    epsilon: f64,
}

impl NormOp {
    fn forward<E: Element>(
        self,
        x: (&CpuStorage, &Layout),
        weight: (&CpuStorage, &Layout),
        bias: Option<(&CpuStorage, &Layout)>,
    ) -> Result<(CpuStorage, Shape)> {
        let bias = bias.map(|(bias, layout)| contiguous_slice(bias, layout)).transpose()?;
        let rows = NormRows {
            x: contiguous_slice::<E>(x.0, x.1)?,
            weight: contiguous_slice(weight.0, weight.1)?,
            bias,
            epsilon: self.epsilon,
        };
        Ok((E::to_cpu_storage_owned(norm_forward(self.isa, rows)), x.1.shape().clone()))
    }

    /// The gradients of `x`, the weight and the bias; of the root mean square, zeros for the last.
    fn backward<E: Element>(
        self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        d_result: &Tensor,
    ) -> Result<[Tensor; 3]> {
        let d_result = d_result.contiguous()?;
        let [x_data, weight_data, d_data] = [x, weight, &d_result].map(Tensor::storage_and_layout);
        let bias_data = bias.map(Tensor::storage_and_layout);
        let rows = NormRows {
            x: cpu_slice::<E>(&x_data)?,
            weight: cpu_slice(&weight_data)?,
            bias: bias_data.as_ref().map(|bias| cpu_slice(bias)).transpose()?,
            epsilon: self.epsilon,
        };
        let d = norm_backward(self.isa, rows, cpu_slice(&d_data)?);
        let of_weight = |numbers| Tensor::from_vec(numbers, weight.shape(), weight.device());
        Ok([
            Tensor::from_vec(d.x, x.shape(), x.device())?,
            of_weight(d.weight)?,
            of_weight(d.bias)?,
        ])
    }

    fn gradients(
        self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        d_result: &Tensor,
    ) -> Result<[Tensor; 3]> {
        match x.dtype() {
            DType::F64 => self.backward::<f64>(x, weight, bias, d_result),
            _ => self.backward::<f32>(x, weight, bias, d_result),
        }
    }
}

impl CustomOp2 for NormOp {
    fn name(&self) -> &'static str {
        "fgn-rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = ((x, x_layout), (weight, weight_layout));
        match x.0 {
            CpuStorage::F64(_) => self.forward::<f64>(x, weight, None),
            _ => self.forward::<f32>(x, weight, None),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [d_x, d_weight, _] = self.gradients(x, weight, None, d_result)?;
        Ok((Some(d_x), Some(d_weight)))
    }
}

impl CustomOp3 for NormOp {
    fn name(&self) -> &'static str {
        "fgn-layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, bias) = ((x, x_layout), (weight, weight_layout), (bias, bias_layout));
        match x.0 {
            CpuStorage::F64(_) => self.forward::<f64>(x, weight, Some(bias)),
            _ => self.forward::<f32>(x, weight, Some(bias)),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [d_x, d_weight, d_bias] = self.gradients(x, weight, Some(bias), d_result)?;
        Ok((Some(d_x), Some(d_weight), Some(d_bias)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::testing::{assert_alike, var};

    #[test]
    fn the_composed_form_is_the_same() {
        let vars = [var(&[3, 2, 7], 1.0), var(&[7], 2.0), var(&[7], 3.0)];
        let [x, weight, bias] = [0, 1, 2].map(|n| vars[n].as_tensor());
        assert_alike(
            &vars[..2],
            &rms_norm(x, weight, 1e-5).unwrap(),
            &composed(x, weight, None, 1e-5).unwrap(),
        );
        assert_alike(
            &vars,
            &layer_norm(x, weight, bias, 1e-5).unwrap(),
            &composed(x, weight, Some(bias), 1e-5).unwrap(),
        );
    }
}
