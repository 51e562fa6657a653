use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};

use crate::cpu::rows::causal_conv::{ConvRows, conv_backward, conv_forward};
use crate::rows::checks::{self, alike, shape, steps};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;
use crate::storage::{contiguous_slice, cpu_slice};

/// What [`causal_conv`] returns.
#[derive(Clone, Debug)]
pub struct CausalConvOutput {
    /// `[T, B, D]`
    pub output: Tensor,
    /// `[K − 1, B, D]`: the last inputs of each sequence, from which the next steps continue. Those before a reset are
    /// zero.
    pub state: Tensor,
}

/// A depthwise causal convolution over time: for each feature, `y_t = bias + Σ_k weight_k · x_(t − K + 1 + k)`, with `k` from
/// 0 to `K − 1`.
///
/// | argument | shape | |
/// |---|---|---|
/// | `x` | `[T, B, D]` | the inputs of `B` sequences |
/// | `weight` | `[D, K]` | `K` at least 2; the last column is that of the present input |
/// | `bias` | `[D]` | |
/// | `state` | `[K − 1, B, D]` | the inputs before the first step |
/// | `resets` | `[T, B]` in `U8` | where it is not 0, a new sequence begins: inputs before the step are zero for it and all later ones |
/// | `lengths` | | the length of each sequence, from 1 to `T`, at which its new state is taken; `T` if not given |
///
/// Outputs past a sequence's length mean nothing.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_kernels::causal_conv;
///
/// let x = Tensor::new(&[[[1.0f64]], [[2.0]], [[4.0]]], &Device::Cpu)?;
/// let weight = Tensor::new(&[[10.0f64, 1.0]], &Device::Cpu)?;
/// let zero = Tensor::zeros(1, DType::F64, &Device::Cpu)?;
/// let state = Tensor::new(&[[[0.5f64]]], &Device::Cpu)?;
/// let found = causal_conv(&x, &weight, &zero, &state, None, None)?;
/// assert_eq!(found.output.to_vec3::<f64>()?, [[[6.0]], [[12.0]], [[24.0]]]);
/// assert_eq!(found.state.to_vec3::<f64>()?, [[[4.0]]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// Tensors of other shapes, number types or devices, and lengths that do not fit.
pub fn causal_conv(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    state: &Tensor,
    resets: Option<&Tensor>,
    lengths: Option<&[usize]>,
) -> Result<CausalConvOutput> {
    let what = "causal convolution";
    alike(what, &[("x", x), ("weight", weight), ("bias", bias), ("state", state)])?;
    let [count, batch, width] = steps(what, x)?;
    let size = match *weight.dims() {
        [_, size] if size >= 2 => size,
        _ => bail!("{what}: expected a weight [{width}, K], K at least 2, got {:?}", weight.dims()),
    };
    shape(what, "weight", weight, &[width, size])?;
    shape(what, "bias", bias, &[width])?;
    shape(what, "state", state, &[size - 1, batch, width])?;
    let lengths = checks::lengths(what, lengths, [count, batch])?;
    let reach = resets.map(|resets| reach(resets, [count, batch], size)).transpose()?;
    let reach = reach.unwrap_or_default();
    let x = x.contiguous()?;
    let next = next_state(&x, state, &lengths, &reach)?;
    let output = if x.device().is_cpu() {
        let taps = Tensor::cat(&[&weight.t()?.contiguous()?, &bias.unsqueeze(0)?], 0)?;
        let op = ConvOp { isa: Isa::active()?, reach };
        x.apply_op3(&taps, &state.contiguous()?, op)?
    } else {
        composed(&x, weight, bias, state, &reach)?
    };
    Ok(CausalConvOutput { output, state: next })
}

/// `[T, B]`: how many inputs each step reads, from the present one back.
fn reach(resets: &Tensor, [steps, batch]: [usize; 2], size: usize) -> Result<Vec<u32>> {
    let what = "causal convolution";
    shape(what, "resets", resets, &[steps, batch])?;
    if resets.dtype() != DType::U8 {
        bail!("{what}: expected resets in U8, got {:?}", resets.dtype());
    }
    let mut last = vec![size as u32; batch];
    let mut all = Vec::with_capacity(steps * batch);
    for resets in resets.to_vec2::<u8>()? {
        for (last, reset) in last.iter_mut().zip(resets) {
            *last = if reset != 0 { 1 } else { (*last + 1).min(size as u32) };
            all.push(*last);
        }
    }
    Ok(all)
}

/// The last inputs of each sequence, those of `state` where it has too few of its own.
fn next_state(x: &Tensor, state: &Tensor, lengths: &[usize], reach: &[u32]) -> Result<Tensor> {
    let (before, batch, width) = state.dims3()?;
    // Of each number of the new state, its row in `x` and in `state`, and which of the two it is from.
    let (mut rows, mut old, mut is_own, mut is_kept) = (vec![], vec![], vec![], vec![]);
    for at in 0..before {
        for (sequence, &length) in lengths.iter().enumerate() {
            let input = at + length;
            let own = input.checked_sub(before);
            rows.push((own.unwrap_or(0) * batch + sequence) as u32);
            old.push((input.min(before - 1) * batch + sequence) as u32);
            is_own.push(u8::from(own.is_some()));
            let last = reach.get((length - 1) * batch + sequence);
            is_kept.push(u8::from(last.is_none_or(|&reach| before - at <= reach as usize)));
        }
    }
    let device = x.device();
    let index = |rows: Vec<u32>| Tensor::from_vec(rows, before * batch, device);
    let flags = |flags: Vec<u8>| {
        let flags = Tensor::from_vec(flags, (before * batch, 1), device)?;
        flags.broadcast_as((before * batch, width))
    };
    let own = x.flatten(0, 1)?.index_select(&index(rows)?, 0)?;
    let old = state.contiguous()?.flatten(0, 1)?.index_select(&index(old)?, 0)?;
    let mut next = flags(is_own)?.where_cond(&own, &old)?;
    if is_kept.contains(&0) {
        next = flags(is_kept)?.where_cond(&next, &next.zeros_like()?)?;
    }
    next.reshape((before, batch, width))
}

/// The outputs, composed of Candle's operations.
fn composed(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    state: &Tensor,
    reach: &[u32],
) -> Result<Tensor> {
    let (steps, batch, width) = x.dims3()?;
    let size = weight.dim(1)?;
    let inputs = Tensor::cat(&[state, x], 0)?;
    let mut sum = bias.broadcast_as((steps, batch, width))?;
    for k in 0..size {
        let mut read = inputs.narrow(0, k, steps)?;
        if !reach.is_empty() {
            let is_read = |&reach: &u32| u8::from(k >= size - reach as usize);
            let is_read: Vec<u8> = reach.iter().map(is_read).collect();
            let is_read = Tensor::from_vec(is_read, (steps, batch, 1), x.device())?;
            let zeros = read.zeros_like()?;
            read = is_read.broadcast_as(read.shape())?.where_cond(&read, &zeros)?;
        }
        sum = (sum + read.broadcast_mul(&weight.narrow(1, k, 1)?.squeeze(1)?)?)?;
    }
    Ok(sum)
}

struct ConvOp {
    isa: Isa,
    reach: Vec<u32>,
}

impl ConvOp {
    fn forward<E: Element>(
        &self,
        [x, taps, state]: [(&CpuStorage, &Layout); 3],
    ) -> Result<(CpuStorage, Shape)> {
        let rows = ConvRows {
            shape: x.1.shape().dims3()?.into(),
            x: contiguous_slice::<E>(x.0, x.1)?,
            taps: contiguous_slice(taps.0, taps.1)?,
            state: contiguous_slice(state.0, state.1)?,
            reach: &self.reach,
        };
        Ok((E::to_cpu_storage_owned(conv_forward(self.isa, rows)), x.1.shape().clone()))
    }

    fn backward<E: Element>(
        &self,
        [x, taps, state]: [&Tensor; 3],
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let d_result = d_result.contiguous()?;
        let [x_data, taps_data, state_data, d_data] =
            [x, taps, state, &d_result].map(Tensor::storage_and_layout);
        let rows = ConvRows {
            shape: x.dims3()?.into(),
            x: cpu_slice::<E>(&x_data)?,
            taps: cpu_slice(&taps_data)?,
            state: cpu_slice(&state_data)?,
            reach: &self.reach,
        };
        let d = conv_backward(self.isa, rows, cpu_slice(&d_data)?);
        let tensor =
            |numbers, like: &Tensor| Tensor::from_vec(numbers, like.shape(), like.device());
        Ok((Some(tensor(d.x, x)?), Some(tensor(d.taps, taps)?), Some(tensor(d.state, state)?)))
    }
}

impl CustomOp3 for ConvOp {
    fn name(&self) -> &'static str {
        "fgn-causal-conv"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        taps: &CpuStorage,
        taps_layout: &Layout,
        state: &CpuStorage,
        state_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let storages = [(x, x_layout), (taps, taps_layout), (state, state_layout)];
        match x {
            CpuStorage::F64(_) => self.forward::<f64>(storages),
            _ => self.forward::<f32>(storages),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        taps: &Tensor,
        state: &Tensor,
        _: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        match x.dtype() {
            DType::F64 => self.backward::<f64>([x, taps, state], d_result),
            _ => self.backward::<f32>([x, taps, state], d_result),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::rows::testing::{assert_alike, var};

    #[test]
    fn the_composed_form_is_the_same() {
        let (steps, batch, width, size) = (6, 2, 5, 4);
        let shape = [steps, batch, width];
        let vars =
            [var(&shape, 1.0), var(&[width, size], 2.0), var(&[width], 3.0), var(&[3, 2, 5], 5.0)];
        let [x, weight, bias, state] = [0, 1, 2, 3].map(|n| vars[n].as_tensor());
        let resets = [0u8, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1];
        let resets = Tensor::from_slice(&resets, (steps, batch), &Device::Cpu).unwrap();
        for resets in [None, Some(&resets)] {
            let own = causal_conv(x, weight, bias, state, resets, None).unwrap().output;
            let reach = resets.map(|resets| reach(resets, [steps, batch], size).unwrap());
            let other = composed(x, weight, bias, state, &reach.unwrap_or_default()).unwrap();
            assert_alike(&vars, &own, &other);
        }
    }
}
