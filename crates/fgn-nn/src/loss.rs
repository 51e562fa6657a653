//! Losses: what training minimises.

use candle_core::{D, DType, Tensor};
use candle_nn::ops::log_softmax;

use crate::check::{check, probability, wrong_shape};
use crate::error::{Error, Result};

/// The loss of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loss {
    /// The mean over all targets: a scalar, which is differentiated.
    pub mean: Tensor,
    /// The number of targets: of samples, or, where each step has a target, of steps that are not padding.
    pub targets: usize,
}

impl Loss {
    /// The mean loss, a scalar, of that many targets.
    pub fn new(mean: Tensor, targets: usize) -> Self {
        Self { mean, targets }
    }
}

/// Options of a loss.
///
/// ```
/// let options = fgn_nn::LossOptions::default().with_label_smoothing(0.1);
/// assert_eq!(options.label_smoothing, 0.1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LossOptions {
    /// The share of each target's weight that is spread over all classes, in `[0, 1)`: see
    /// [`smoothed_cross_entropy`]. Only for heads that predict classes.
    pub label_smoothing: f64,
}

impl LossOptions {
    /// With that label smoothing.
    pub fn with_label_smoothing(self, label_smoothing: f64) -> Self {
        Self { label_smoothing }
    }

    /// Refuses label smoothing, for a head without classes.
    ///
    /// # Errors
    /// [`Error::Config`] unless it is 0.
    pub fn without_label_smoothing(&self) -> Result<()> {
        let expected = "0: only a head that predicts classes has label smoothing";
        check(self.label_smoothing == 0.0, "label_smoothing", self.label_smoothing, expected)
    }
}

/// The mean cross entropy of `logits: [B, C]` against the classes `target: [B]` (`U32`), a scalar.
/// Its gradient with respect to the logits is `(softmax − one-hot) / B`.
///
/// # Errors
/// [`Error::Shape`] for other shapes, [`Error::DType`] for a target of another type,
/// [`Error::Target`] for a class out of range.
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    smoothed_cross_entropy(logits, target, 0.0)
}

/// As [`cross_entropy`], with a share `smoothing` of each target's weight, in `[0, 1)`, spread evenly over
/// all classes (Szegedy et al. 2016; PyTorch's `label_smoothing`).
///
/// # Errors
/// As [`cross_entropy`], and [`Error::Config`] for a share out of range.
pub fn smoothed_cross_entropy(logits: &Tensor, target: &Tensor, smoothing: f64) -> Result<Tensor> {
    let (batch, classes) = match *logits.dims() {
        [batch, classes] if batch > 0 && classes > 0 => (batch, classes),
        _ => return Err(wrong_shape("logits", logits, "[B, C], neither zero".into())),
    };
    if target.dims() != [batch] {
        return Err(wrong_shape("targets", target, format!("[{batch}]")));
    }
    if target.dtype() != DType::U32 {
        return Err(Error::DType { what: "targets", found: target.dtype(), expected: "U32" });
    }
    probability("label_smoothing", smoothing)?;
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

/// The mean squared error of `output` and `target`, both `[B, V]`, a scalar. It is computed in the wider of
/// their data types, so that a target in `F64` loses nothing to an output in `F32`.
///
/// # Errors
/// [`Error::Shape`] for shapes that differ, or an empty tensor.
pub fn mean_squared_error(output: &Tensor, target: &Tensor) -> Result<Tensor> {
    if output.dims() != target.dims() || output.elem_count() == 0 {
        return Err(wrong_shape("targets", target, format!("{:?}, neither zero", output.dims())));
    }
    let dtype = match (output.dtype(), target.dtype()) {
        (DType::F64, _) | (_, DType::F64) => DType::F64,
        (dtype, _) => dtype,
    };
    Ok((output.to_dtype(dtype)? - target.to_dtype(dtype)?)?.sqr()?.mean_all()?)
}
