//! Checks of arguments, and the devices that operations run on.

use candle_core::{DType, Result, Tensor, bail};

/// All of one number type, on one device; on the CPU of `f32` or `f64`.
pub(super) fn alike(what: &str, tensors: &[(&str, &Tensor)]) -> Result<()> {
    let Some(&(first, like)) = tensors.first() else { return Ok(()) };
    let is_known = !like.device().is_cpu() || matches!(like.dtype(), DType::F32 | DType::F64);
    for &(name, tensor) in tensors {
        if tensor.dtype() != like.dtype() || !is_known {
            bail!(
                "{what}: expected tensors all of f32 or all of f64, got {name} of {:?} beside {first} of {:?}",
                tensor.dtype(),
                like.dtype()
            );
        }
        if !tensor.device().same_device(like.device()) {
            let [found, expected] = [tensor, like].map(|tensor| tensor.device().location());
            bail!("{what}: {name} on {found:?} beside {first} on {expected:?}");
        }
    }
    Ok(())
}

/// The size of the last dimension, which is not zero.
pub(super) fn width(what: &str, x: &Tensor) -> Result<usize> {
    match x.dims().last() {
        Some(&width) if width > 0 => Ok(width),
        _ => bail!("{what}: expected rows of one number or more, got shape {:?}", x.dims()),
    }
}

/// A tensor of that shape.
pub(super) fn shape(what: &str, name: &str, tensor: &Tensor, expected: &[usize]) -> Result<()> {
    if tensor.dims() != expected {
        bail!("{what}: expected {name} of shape {expected:?}, got {:?}", tensor.dims());
    }
    Ok(())
}

/// The steps, sequences and width of `x: [T, B, D]`, none of them zero.
pub(super) fn steps(what: &str, x: &Tensor) -> Result<[usize; 3]> {
    match *x.dims() {
        [steps, batch, width] if steps * batch * width > 0 => Ok([steps, batch, width]),
        _ => bail!("{what}: expected [T, B, D] without a size of zero, got shape {:?}", x.dims()),
    }
}

/// The length of each of `batch` sequences, from 1 to `steps`, which all have if none is given.
pub(super) fn lengths(
    what: &str,
    lengths: Option<&[usize]>,
    [steps, batch]: [usize; 2],
) -> Result<Vec<usize>> {
    let Some(lengths) = lengths else { return Ok(vec![steps; batch]) };
    if lengths.len() != batch {
        bail!("{what}: expected a length for each of {batch} sequences, got {}", lengths.len());
    }
    let wrong = |&(_, length): &(usize, &usize)| !(1..=steps).contains(length);
    if let Some((sequence, length)) = lengths.iter().enumerate().find(wrong) {
        bail!("{what}: expected lengths of 1 to {steps}, got {length} for sequence {sequence}");
    }
    Ok(lengths.to_vec())
}

/// `[T, B, 1]` in the data type of `x: [T, B, ..]`: 1 within each sequence, 0 past its length.
pub(super) fn within(x: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    let steps = x.dim(0)?;
    let all =
        (0..steps).flat_map(|step| lengths.iter().map(move |&length| u8::from(step < length)));
    let all = Tensor::from_vec(all.collect(), (steps, lengths.len(), 1), x.device())?;
    all.to_dtype(x.dtype())
}
