use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, D, DType, Layout, Result, Shape, Tensor, bail,
};

use crate::cpu::rows::gated::{GatedRows, gated_backward, gated_forward};
use crate::rows::checks::{alike, shape, width};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;
use crate::storage::{contiguous_slice, cpu_slice};

/// A gated linear unit (SwiGLU: Shazeer 2020): `silu(a) · b` for rows `[a; b]` of `x: [.., 2 · M]`, where `silu(a) = a
/// σ(a)`. Returns `[.., M]`. A `bias: [2 · M]` is added to each row first.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use fgn_kernels::gated;
///
/// let x = Tensor::new(&[[0.0f64, 1.0, 5.0, 2.0]], &Device::Cpu)?;
/// let y = gated(&x, None)?.to_vec2::<f64>()?;
/// assert_eq!(y[0][0], 0.0);
/// assert!((y[0][1] - 2.0 / (1.0 + (-1f64).exp())).abs() < 1e-12);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// Tensors of other shapes, number types or devices.
pub fn gated(x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let what = "gated linear unit";
    let width = width(what, x)?;
    if !width.is_multiple_of(2) {
        bail!("{what}: expected rows of an even size, got shape {:?}", x.dims());
    }
    alike(what, &[("x", x), ("bias", bias.unwrap_or(x))])?;
    if let Some(bias) = bias {
        shape(what, "bias", bias, &[width])?;
    }
    if !x.device().is_cpu() {
        return composed(x, bias);
    }
    let (op, x) = (GatedOp { isa: Isa::active()? }, x.contiguous()?);
    match bias {
        Some(bias) => x.apply_op2(&bias.contiguous()?, op),
        None => x.apply_op1(op),
    }
}

/// The same, composed of Candle's operations.
fn composed(x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let x = match bias {
        Some(bias) => x.broadcast_add(bias)?,
        None => x.clone(),
    };
    let width = x.dim(D::Minus1)? / 2;
    let [a, b] = [0, width].map(|first| x.narrow(D::Minus1, first, width));
    a?.silu()? * b?
}

#[derive(Clone, Copy)]
struct GatedOp {
    isa: Isa,
}

impl GatedOp {
    fn forward<E: Element>(
        self,
        x: (&CpuStorage, &Layout),
        bias: Option<(&CpuStorage, &Layout)>,
    ) -> Result<(CpuStorage, Shape)> {
        let mut dims = x.1.dims().to_vec();
        let Some(width) = dims.last_mut() else { bail!("gated linear unit of a scalar") };
        *width /= 2;
        let bias = match bias {
            Some((bias, layout)) => contiguous_slice(bias, layout)?,
            None => &[],
        };
        let rows = GatedRows { x: contiguous_slice::<E>(x.0, x.1)?, width: *width, bias };
        Ok((E::to_cpu_storage_owned(gated_forward(self.isa, rows)), dims.into()))
    }

    /// The gradients of `x` and of the bias, which is empty where there is none.
    fn backward<E: Element>(
        self,
        x: &Tensor,
        bias: Option<&Tensor>,
        d_result: &Tensor,
    ) -> Result<[Tensor; 2]> {
        let d_result = d_result.contiguous()?;
        let [x_data, d_data] = [x, &d_result].map(Tensor::storage_and_layout);
        let bias_data = bias.map(Tensor::storage_and_layout);
        let rows = GatedRows {
            x: cpu_slice::<E>(&x_data)?,
            width: d_result.dim(D::Minus1)?,
            bias: match &bias_data {
                Some(bias) => cpu_slice(bias)?,
                None => &[],
            },
        };
        let (d_x, d_bias) = gated_backward(self.isa, rows, cpu_slice(&d_data)?);
        let count = d_bias.len();
        let d_bias = Tensor::from_vec(d_bias, count, x.device())?;
        Ok([Tensor::from_vec(d_x, x.shape(), x.device())?, d_bias])
    }

    fn gradients(
        self,
        x: &Tensor,
        bias: Option<&Tensor>,
        d_result: &Tensor,
    ) -> Result<[Tensor; 2]> {
        match x.dtype() {
            DType::F64 => self.backward::<f64>(x, bias, d_result),
            _ => self.backward::<f32>(x, bias, d_result),
        }
    }
}

impl CustomOp1 for GatedOp {
    fn name(&self) -> &'static str {
        "fgn-gated"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        match x {
            CpuStorage::F64(_) => self.forward::<f64>((x, layout), None),
            _ => self.forward::<f32>((x, layout), None),
        }
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, d_result: &Tensor) -> Result<Option<Tensor>> {
        let [d_x, _] = self.gradients(x, None, d_result)?;
        Ok(Some(d_x))
    }
}

impl CustomOp2 for GatedOp {
    fn name(&self) -> &'static str {
        "fgn-gated-with-bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, bias) = ((x, x_layout), Some((bias, bias_layout)));
        match x.0 {
            CpuStorage::F64(_) => self.forward::<f64>(x, bias),
            _ => self.forward::<f32>(x, bias),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [d_x, d_bias] = self.gradients(x, Some(bias), d_result)?;
        Ok((Some(d_x), Some(d_bias)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::testing::{assert_alike, var};

    #[test]
    fn the_composed_form_is_the_same() {
        let vars = [var(&[3, 2, 14], 1.0), var(&[14], 2.0)];
        let [x, bias] = [0, 1].map(|n| vars[n].as_tensor());
        assert_alike(&vars[..1], &gated(x, None).unwrap(), &composed(x, None).unwrap());
        let [own, other] = [gated(x, Some(bias)).unwrap(), composed(x, Some(bias)).unwrap()];
        assert_alike(&vars, &own, &other);
    }
}
