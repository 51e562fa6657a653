use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};

use crate::cpu::conv::backward::conv_backward;
use crate::cpu::conv::forward::conv_forward;
use crate::cpu::conv::shape::{ConvArguments, ConvShape};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;
use crate::storage::{contiguous_slice, cpu_slice};

/// A 3x3 convolution (stride 1, padding 1), bias, ReLU and 2x2 max-pooling, as one node of the computation graph.
///
/// | argument | shape | |
/// |---|---|---|
/// | `x` | `[B, H, W, C]` | images, channels **last** |
/// | `weight` | `[O, C, 3, 3]` | PyTorch's layout |
/// | `bias` | `[O]` | |
///
/// Returns `[B, H/2, W/2, O]`. All are `f32`, or all are `f64`, on one device; on a GPU it is composed of Candle's
/// operations. The result has gradients with respect to all three. If several pixels of a pool are equal, the first one
/// is the largest.
///
/// # Errors
/// If shapes, number types or devices do not fit, if `H` or `W` is odd, or if a size is zero.
pub fn conv_relu_pool(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let shape = checked_shape(x, weight, bias)?;
    if !x.device().is_cpu() {
        return composed(x, weight, bias);
    }
    let op = ConvOp {
        shape,
        isa: Isa::active()?,
        save: [x, weight, bias].iter().any(|tensor| tensor.track_op()),
        with_x: x.track_op(),
        picks: OnceLock::new(),
    };
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)
}

fn checked_shape(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<ConvShape> {
    let &[batch, height, width, channels_in] = x.dims() else {
        bail!("convolution: expected images of shape [B, H, W, C], got {:?}", x.dims());
    };
    let &[channels_out, weight_in, 3, 3] = weight.dims() else {
        bail!("convolution: expected a weight of shape [O, C, 3, 3], got {:?}", weight.dims());
    };
    if weight_in != channels_in || bias.dims() != [channels_out] {
        bail!(
            "convolution of images {:?}: expected a weight of shape [{channels_out}, {channels_in}, 3, \
             3] and a bias of shape [{channels_out}], got {:?} and {:?}",
            x.dims(),
            weight.dims(),
            bias.dims()
        );
    }
    if !height.is_multiple_of(2) || !width.is_multiple_of(2) {
        bail!("convolution: expected an even height and width to pool, got {height} x {width}");
    }
    if batch * height * width * channels_in * channels_out == 0 {
        bail!(
            "convolution: no size may be zero: images {:?}, weight {:?}",
            x.dims(),
            weight.dims()
        );
    }
    for (name, tensor) in [("images", x), ("weight", weight), ("bias", bias)] {
        if tensor.dtype() != x.dtype() || !matches!(x.dtype(), DType::F32 | DType::F64) {
            bail!(
                "convolution: expected images, weight and bias all of f32 or all of f64, got {name} of \
                 {:?} beside images of {:?}",
                tensor.dtype(),
                x.dtype()
            );
        }
        if !tensor.device().same_device(x.device()) {
            let [found, images] = [tensor, x].map(|tensor| tensor.device().location());
            bail!("convolution: {name} on {found:?} beside images on {images:?}");
        }
    }
    Ok(ConvShape { batch, height, width, channels_in, channels_out })
}

/// The same, composed of Candle's operations.
fn composed(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (batch, height, width, _) = x.dims4()?;
    let channels = bias.elem_count();
    let channels_first = x.permute((0, 3, 1, 2))?.contiguous()?;
    let convolved = channels_first.conv2d(weight, 1, 1, 1, 1)?;
    let positive = convolved.broadcast_add(&bias.reshape((1, channels, 1, 1))?)?.relu()?;
    // A pool by reshaping: the gradient of Candle's own is another one.
    let squares = positive.reshape((batch * channels, height / 2, 2, width / 2, 2))?;
    let pooled = squares.max(4)?.max(2)?.reshape((batch, channels, height / 2, width / 2))?;
    pooled.permute((0, 2, 3, 1))?.contiguous()
}

struct ConvOp {
    shape: ConvShape,
    isa: Isa,
    save: bool,
    with_x: bool,
    /// The index of the largest pixel of each pool, once the operation has run.
    picks: OnceLock<Vec<u8>>,
}

impl CustomOp3 for ConvOp {
    fn name(&self) -> &'static str {
        "fgn-conv-relu-pool"
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
        let storages = [(x, x_layout), (weight, weight_layout), (bias, bias_layout)];
        match x {
            CpuStorage::F64(_) => self.forward::<f64>(storages),
            _ => self.forward::<f32>(storages),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _result: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        match x.dtype() {
            DType::F64 => self.backward::<f64>(x, weight, bias, d_result),
            _ => self.backward::<f32>(x, weight, bias, d_result),
        }
    }
}

impl ConvOp {
    fn forward<E: Element>(
        &self,
        [x, weight, bias]: [(&CpuStorage, &Layout); 3],
    ) -> Result<(CpuStorage, Shape)> {
        let ConvShape { batch, height, width, channels_out, .. } = self.shape;
        let arguments = ConvArguments {
            shape: self.shape,
            x: contiguous_slice::<E>(x.0, x.1)?,
            weight: contiguous_slice(weight.0, weight.1)?,
            bias: contiguous_slice(bias.0, bias.1)?,
        };
        let (pooled, picks) = conv_forward(self.isa, arguments);
        if self.save {
            self.picks.get_or_init(|| picks);
        }
        let shape = Shape::from((batch, height / 2, width / 2, channels_out));
        Ok((E::to_cpu_storage_owned(pooled), shape))
    }

    fn backward<E: Element>(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(picks) = self.picks.get() else {
            bail!("convolution: backward without a forward pass that saved for it");
        };
        let d_result = d_result.contiguous()?;
        let tensors = [x, weight, bias, &d_result].map(Tensor::storage_and_layout);
        let [x_data, weight_data, bias_data, d_data] = &tensors;
        let arguments = ConvArguments {
            shape: self.shape,
            x: cpu_slice::<E>(x_data)?,
            weight: cpu_slice(weight_data)?,
            bias: cpu_slice(bias_data)?,
        };
        let d = conv_backward(self.isa, arguments, picks, cpu_slice(d_data)?, self.with_x);
        let tensor =
            |numbers, like: &Tensor| Tensor::from_vec(numbers, like.shape(), like.device());
        Ok((
            d.x.map(|d_x| tensor(d_x, x)).transpose()?,
            Some(tensor(d.weight, weight)?),
            Some(tensor(d.bias, bias)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// The largest difference allowed between the two ways, in `f64`.
    const TOLERANCE: f64 = 1e-12;

    #[test]
    fn the_composed_form_is_the_same() {
        let tensor = |shape: &[usize], seed: f64| -> Var {
            let count: usize = shape.iter().product();
            let numbers = (0..count).map(|n| (seed + n as f64 * 0.7).sin()).collect::<Vec<f64>>();
            Var::from_tensor(&Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()).unwrap()
        };
        let vars = [tensor(&[3, 4, 6, 2], 1.0), tensor(&[5, 2, 3, 3], 2.0), tensor(&[5], 3.0)];
        let [x, weight, bias] = [0, 1, 2].map(|n| vars[n].as_tensor());
        let [own, other] =
            [conv_relu_pool(x, weight, bias).unwrap(), composed(x, weight, bias).unwrap()];
        let by = tensor(own.dims(), 4.0);
        let gradients =
            |y: &Tensor| (y * by.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        let [of_own, of_other] = [gradients(&own), gradients(&other)];
        let of = |grads: &candle_core::backprop::GradStore, n: usize| {
            grads.get(&vars[n]).unwrap().clone()
        };
        let mut pairs = vec![(own, other)];
        pairs.extend((0..3).map(|n| (of(&of_own, n), of(&of_other, n))));
        for (own, other) in pairs {
            assert_eq!(own.dims(), other.dims());
            let difference = (own - other).unwrap().abs().unwrap().max_all().unwrap();
            assert!(difference.to_scalar::<f64>().unwrap() < TOLERANCE);
        }
    }
}
