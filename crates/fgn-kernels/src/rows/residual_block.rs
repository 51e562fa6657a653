use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor};

use crate::cpu::rows::residual_block::{BlockRows, BlockShape, block_backward, block_forward};
use crate::rows::checks::{alike, shape, width};
use crate::rows::gated::gated;
use crate::rows::norm::{layer_norm, rms_norm};
use crate::rows::residual::{add_residual, check_mask};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;
use crate::storage::{contiguous_slice, cpu_slice};

/// A linear map: `weight: [O, I]` and `bias: [O]`.
#[derive(Clone, Copy, Debug)]
pub struct LinearMap<'a> {
    /// `[O, I]`
    pub weight: &'a Tensor,
    /// `[O]`
    pub bias: &'a Tensor,
}

/// The gated multi-layer perceptron of a [`residual_block`] with `M` hidden units.
#[derive(Clone, Copy, Debug)]
pub struct GatedMlp<'a> {
    /// The weight of the norm, `[D]`.
    pub norm: &'a Tensor,
    /// The bias of a [`layer_norm`], `[D]`; without one the norm is an [`rms_norm`].
    pub norm_bias: Option<&'a Tensor>,
    /// What the norm adds to the mean square.
    pub epsilon: f64,
    /// From `D` to `2 M` features.
    pub up: LinearMap<'a>,
    /// From `M` to `D` features.
    pub down: LinearMap<'a>,
    /// The mask of the dropout, as [`add_residual`] takes it.
    pub mask: Option<&'a Tensor>,
}

/// What follows the cell of a residual block, for the residual stream `x: [N, D]` and the outputs `y: [N, D]` of the cell:
///
/// ```text
/// x₁ = x + out(y) · mask
/// x₂ = x₁ + down(gated(up(norm(x₁)))) · mlp.mask
/// ```
///
/// Returns `x₂: [N, D]`, or `x₁` without an `mlp`. This is [`add_residual`], [`rms_norm`] or [`layer_norm`], [`gated`] and
/// three products as one operation forward and one backward. It reads and writes little more than `x`, `y` and the result,
/// and keeps nothing else for the backward pass.
///
/// # Errors
/// Tensors of other shapes, number types or devices.
pub fn residual_block(
    x: &Tensor,
    y: &Tensor,
    out: LinearMap<'_>,
    mask: Option<&Tensor>,
    mlp: Option<GatedMlp<'_>>,
) -> Result<Tensor> {
    let block_shape = checked(x, y, out, mask, mlp.as_ref())?;
    if !x.device().is_cpu() {
        return composed(x, y, out, mask, mlp);
    }
    let mut weights = vec![out.weight.flatten_all()?, out.bias.clone()];
    if let Some(mlp) = &mlp {
        weights.push(mlp.norm.clone());
        weights.extend(mlp.norm_bias.cloned());
        for map in [mlp.up, mlp.down] {
            weights.extend([map.weight.flatten_all()?, map.bias.clone()]);
        }
    }
    let weights = Tensor::cat(&weights, 0)?;
    let masks = [mask, mlp.and_then(|mlp| mlp.mask)];
    let contiguous = |mask: &Tensor| mask.detach().contiguous();
    let [first, second] = masks.map(|mask| mask.map(contiguous).transpose());
    let op = BlockOp { isa: Isa::active()?, shape: block_shape, masks: [first?, second?] };
    x.contiguous()?.apply_op3(&y.contiguous()?, &weights, op)
}

fn checked(
    x: &Tensor,
    y: &Tensor,
    out: LinearMap<'_>,
    mask: Option<&Tensor>,
    mlp: Option<&GatedMlp<'_>>,
) -> Result<BlockShape> {
    let what = "residual block";
    let (rows, _) = x.dims2()?;
    let size = width(what, x)?;
    let mut tensors = vec![("x", x), ("y", y), ("weight", out.weight), ("bias", out.bias)];
    tensors.extend(mask.map(|mask| ("mask", mask)));
    shape(what, "y", y, &[rows, size])?;
    shape(what, "the weight of `out`", out.weight, &[size, size])?;
    shape(what, "the bias of `out`", out.bias, &[size])?;
    check_mask(what, mask, [rows, size])?;
    let mut found = BlockShape { width: size, hidden: 0, is_centred: false, epsilon: 0.0 };
    if let Some(mlp) = mlp {
        let hidden = width(what, mlp.down.weight)?;
        found.hidden = hidden;
        (found.is_centred, found.epsilon) = (mlp.norm_bias.is_some(), mlp.epsilon);
        shape(what, "the weight of the norm", mlp.norm, &[size])?;
        if let Some(bias) = mlp.norm_bias {
            shape(what, "the bias of the norm", bias, &[size])?;
            tensors.push(("the bias of the norm", bias));
        }
        shape(what, "the weight of `up`", mlp.up.weight, &[2 * hidden, size])?;
        shape(what, "the bias of `up`", mlp.up.bias, &[2 * hidden])?;
        shape(what, "the weight of `down`", mlp.down.weight, &[size, hidden])?;
        shape(what, "the bias of `down`", mlp.down.bias, &[size])?;
        check_mask(what, mlp.mask, [rows, size])?;
        tensors.extend([
            ("the weight of the norm", mlp.norm),
            ("the weight of `up`", mlp.up.weight),
            ("the bias of `up`", mlp.up.bias),
            ("the weight of `down`", mlp.down.weight),
            ("the bias of `down`", mlp.down.bias),
        ]);
        tensors.extend(mlp.mask.map(|mask| ("the mask of the mlp", mask)));
    }
    alike(what, &tensors)?;
    Ok(found)
}

/// The same, composed of other operations.
fn composed(
    x: &Tensor,
    y: &Tensor,
    out: LinearMap<'_>,
    mask: Option<&Tensor>,
    mlp: Option<GatedMlp<'_>>,
) -> Result<Tensor> {
    let x = add_residual(x, &y.matmul(&out.weight.t()?)?, out.bias, mask)?;
    let Some(mlp) = mlp else { return Ok(x) };
    let normalised = match mlp.norm_bias {
        Some(bias) => layer_norm(&x, mlp.norm, bias, mlp.epsilon)?,
        None => rms_norm(&x, mlp.norm, mlp.epsilon)?,
    };
    let hidden = gated(&normalised.matmul(&mlp.up.weight.t()?)?, Some(mlp.up.bias))?;
    add_residual(&x, &hidden.matmul(&mlp.down.weight.t()?)?, mlp.down.bias, mlp.mask)
}

struct BlockOp {
    isa: Isa,
    shape: BlockShape,
    masks: [Option<Tensor>; 2],
}

impl BlockOp {
    fn forward<E: Element>(
        &self,
        [x, y, weights]: [(&CpuStorage, &Layout); 3],
    ) -> Result<(CpuStorage, Shape)> {
        let masks = self.masks.each_ref().map(|mask| mask.as_ref().map(Tensor::storage_and_layout));
        let [first, second] = masks.each_ref().map(|mask| mask.as_ref().map(cpu_slice::<E>));
        let rows = BlockRows {
            shape: self.shape,
            x: contiguous_slice::<E>(x.0, x.1)?,
            y: contiguous_slice(y.0, y.1)?,
            weights: contiguous_slice(weights.0, weights.1)?,
            masks: [first.transpose()?.unwrap_or(&[]), second.transpose()?.unwrap_or(&[])],
        };
        Ok((E::to_cpu_storage_owned(block_forward(self.isa, rows)), x.1.shape().clone()))
    }

    fn backward<E: Element>(
        &self,
        [x, y, weights]: [&Tensor; 3],
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let d_result = d_result.contiguous()?;
        let [x_data, y_data, weights_data, d_data] =
            [x, y, weights, &d_result].map(Tensor::storage_and_layout);
        let masks = self.masks.each_ref().map(|mask| mask.as_ref().map(Tensor::storage_and_layout));
        let [first, second] = masks.each_ref().map(|mask| mask.as_ref().map(cpu_slice::<E>));
        let rows = BlockRows {
            shape: self.shape,
            x: cpu_slice::<E>(&x_data)?,
            y: cpu_slice(&y_data)?,
            weights: cpu_slice(&weights_data)?,
            masks: [first.transpose()?.unwrap_or(&[]), second.transpose()?.unwrap_or(&[])],
        };
        let d = block_backward(self.isa, rows, cpu_slice(&d_data)?);
        let tensor =
            |numbers, like: &Tensor| Tensor::from_vec(numbers, like.shape(), like.device());
        Ok((Some(tensor(d.x, x)?), Some(tensor(d.y, y)?), Some(tensor(d.weights, weights)?)))
    }
}

impl CustomOp3 for BlockOp {
    fn name(&self) -> &'static str {
        "fgn-residual-block"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let storages = [(x, x_layout), (y, y_layout), (weights, weights_layout)];
        match x {
            CpuStorage::F64(_) => self.forward::<f64>(storages),
            _ => self.forward::<f32>(storages),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        weights: &Tensor,
        _: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        match x.dtype() {
            DType::F64 => self.backward::<f64>([x, y, weights], d_result),
            _ => self.backward::<f32>([x, y, weights], d_result),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::testing::{assert_alike, var};

    /// Several groups of several parts, and a rest.
    const ROWS: usize = 5 * 7 * 1000;

    #[test]
    fn the_composed_form_is_the_same() {
        for (width, hidden, count) in [(3, 5, ROWS), (7, 4, 35), (33, 20, 35)] {
            let mut vars = vec![var(&[count, width], 1.0), var(&[count, width], 2.0)];
            vars.extend([var(&[width, width], 3.0), var(&[width], 4.0)]);
            vars.extend([var(&[width], 5.0), var(&[width], 6.0)]);
            vars.extend([var(&[2 * hidden, width], 7.0), var(&[2 * hidden], 8.0)]);
            vars.extend([var(&[width, hidden], 9.0), var(&[width], 10.0)]);
            let masks = [var(&[5, width], 11.0), var(&[count, width], 12.0)];
            let all: Vec<&Tensor> = vars.iter().map(|var| var.as_tensor()).collect();
            let map = |at: usize| LinearMap { weight: all[at], bias: all[at + 1] };
            for (norm_bias, [first, second]) in [
                (None, [None, None]),
                (None, [Some(masks[0].as_tensor()), None]),
                (Some(all[5]), [Some(masks[0].as_tensor()), Some(masks[1].as_tensor())]),
            ] {
                let mlp = GatedMlp {
                    norm: all[4],
                    norm_bias,
                    epsilon: 1e-2,
                    up: map(6),
                    down: map(8),
                    mask: second,
                };
                for mlp in [None, Some(mlp)] {
                    let own = residual_block(all[0], all[1], map(2), first, mlp).unwrap();
                    let other = composed(all[0], all[1], map(2), first, mlp).unwrap();
                    let used: Vec<_> = match (mlp, norm_bias) {
                        (None, _) => vars[..4].to_vec(),
                        (_, None) => [&vars[..5], &vars[6..]].concat(),
                        _ => vars.clone(),
                    };
                    assert_alike(&used, &own, &other);
                }
            }
        }
    }
}
