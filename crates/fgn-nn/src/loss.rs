//! What is minimised.

use candle_core::{D, DType, Tensor};
use candle_nn::ops::log_softmax;

use crate::{Error, Result};

/// The mean cross entropy of `logits: [B, C]` against the classes `target: [B]` (`U32`), a scalar.
/// Its gradient by the logits is `(softmax − one-hot) / B`.
///
/// # Errors
/// [`Error::Shape`] for other shapes, [`Error::DType`] for a target of another type,
/// [`Error::Target`] for a class that the logits do not have.
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    smoothed_cross_entropy(logits, target, 0.0)
}

/// As [`cross_entropy`], with a share `smoothing` of each target's weight, in `[0, 1)`, given to all
/// classes alike (Szegedy et al. 2016; PyTorch's `label_smoothing`).
///
/// # Errors
/// As [`cross_entropy`], and [`Error::Config`] for another share.
pub fn smoothed_cross_entropy(logits: &Tensor, target: &Tensor, smoothing: f64) -> Result<Tensor> {
    let (batch, classes) = match *logits.dims() {
        [batch, classes] if batch > 0 && classes > 0 => (batch, classes),
        _ => return Err(shape("logits", logits, "[B, C], neither zero".into())),
    };
    if target.dims() != [batch] {
        return Err(shape("targets", target, format!("[{batch}]")));
    }
    if target.dtype() != DType::U32 {
        return Err(Error::DType { what: "targets", found: target.dtype(), expected: "U32" });
    }
    crate::config::dropout("label_smoothing", smoothing)?;
    // Candle's `gather` takes u32::MAX for "no index": look before.
    let found = target.to_vec1::<u32>()?;
    if let Some(index) = found.iter().position(|&class| class as usize >= classes) {
        return Err(Error::Target { index, found: found[index], last: classes - 1 });
    }
    if smoothing == 0.0 {
        return Ok(candle_nn::loss::cross_entropy(logits, target)?);
    }
    let logarithms = log_softmax(logits, D::Minus1)?;
    let right = candle_nn::loss::nll(&logarithms, target)?.affine(1.0 - smoothing, 0.0)?;
    Ok((right - logarithms.mean_all()?.affine(smoothing, 0.0)?)?)
}

/// The mean squared difference of `output` and `target`, both `[B, N]`, a scalar. The target may be of
/// another type of number.
///
/// # Errors
/// [`Error::Shape`] for shapes that differ, or no number at all.
pub fn squared_error(output: &Tensor, target: &Tensor) -> Result<Tensor> {
    if output.dims() != target.dims() || output.elem_count() == 0 {
        return Err(shape("targets", target, format!("{:?}, neither zero", output.dims())));
    }
    Ok((output - target.to_dtype(output.dtype())?)?.sqr()?.mean_all()?)
}

/// Of `[B, T, ..]`, one row a step, those that are steps of a sequence and not the filling behind it:
/// `[N, ..]`, sequence by sequence. Without `lengths`, all are.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use fgn_nn::unpadded;
///
/// let steps = Tensor::new(&[[1u32, 2, 3], [4, 0, 0]], &Device::Cpu)?;
/// assert_eq!(unpadded(&steps, Some(&[3, 1]))?.to_vec1::<u32>()?, [1, 2, 3, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] for less than two dimensions or another number of lengths, and a length above `T`.
pub fn unpadded(steps: &Tensor, lengths: Option<&[usize]>) -> Result<Tensor> {
    let [batch, count, ..] = *steps.dims() else {
        return Err(shape("steps", steps, "[B, T, ..]".into()));
    };
    let rows = steps.flatten(0, 1)?;
    let Some(lengths) = lengths else {
        return Ok(rows);
    };
    if lengths.len() != batch || lengths.iter().any(|&length| length > count) {
        return Err(shape("steps", steps, format!("those of {} sequences", lengths.len())));
    }
    let rows_of = |(at, &length): (usize, &usize)| at * count..at * count + length;
    let valid: Vec<u32> =
        lengths.iter().enumerate().flat_map(rows_of).map(|row| row as u32).collect();
    let valid = Tensor::from_vec(valid, lengths.iter().sum::<usize>(), steps.device())?;
    Ok(rows.index_select(&valid, 0)?)
}

fn shape(what: &'static str, found: &Tensor, expected: String) -> Error {
    Error::Shape { what, found: found.dims().to_vec(), expected }
}
