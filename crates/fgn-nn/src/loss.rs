//! Losses: what training minimises.

use candle_core::{DType, Tensor};

use crate::check::{check, wrong_shape};
use crate::error::Result;

/// The loss of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loss {
    /// The mean over all targets: a scalar, which is differentiated.
    pub mean: Tensor,
    /// The number of targets: of samples, or, where each step has a target, of steps that are not padding.
    pub targets: usize,
    /// By what the mean of several batches weights this one: the number of targets, or, where targets have weights, the
    /// sum of these.
    pub weight: f64,
}

impl Loss {
    /// The mean loss, a scalar, of that many targets of the same weight.
    pub fn new(mean: Tensor, targets: usize) -> Self {
        Self { mean, targets, weight: targets as f64 }
    }

    /// With the sum of the targets' weights, of which it is the weighted mean.
    pub fn with_weight(self, weight: f64) -> Self {
        Self { weight, ..self }
    }
}

/// Options of a loss.
///
/// ```
/// let options = fgn_nn::LossOptions::default().with_label_smoothing(0.1);
/// assert_eq!(options.label_smoothing, 0.1);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LossOptions {
    /// The share of each target's weight that is spread over all classes, in `[0, 1)`: see
    /// [`CrossEntropy`](crate::CrossEntropy). Only for heads that predict classes.
    pub label_smoothing: f64,
    /// The weight of each class, above 0; empty if all are 1. The mean is the weighted one, as with PyTorch's `weight`.
    /// Only for the head `classification`.
    pub class_weights: Vec<f64>,
    /// The focus on targets that are predicted badly, at least 0: see [`CrossEntropy`](crate::CrossEntropy). Only for the
    /// head `classification`.
    pub focal_gamma: f64,
}

impl LossOptions {
    /// With that label smoothing.
    pub fn with_label_smoothing(self, label_smoothing: f64) -> Self {
        Self { label_smoothing, ..self }
    }

    /// With a weight for each class.
    pub fn with_class_weights(self, class_weights: Vec<f64>) -> Self {
        Self { class_weights, ..self }
    }

    /// With that focus.
    pub fn with_focal_gamma(self, focal_gamma: f64) -> Self {
        Self { focal_gamma, ..self }
    }

    /// Refuses all options, for a head whose loss has none.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for the first that is given.
    pub fn are_none(&self) -> Result<()> {
        self.without_label_smoothing()?;
        self.without_class_weights()
    }

    /// Refuses label smoothing, for a head without classes.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) unless it is 0.
    pub fn without_label_smoothing(&self) -> Result<()> {
        let expected = "0: only a head that predicts classes has label smoothing";
        check(self.label_smoothing == 0.0, "label_smoothing", self.label_smoothing, expected)
    }

    /// Refuses weights of classes and a focus, for any head but `classification`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for the first that is given.
    pub fn without_class_weights(&self) -> Result<()> {
        let found = format!("a list of {}", self.class_weights.len());
        let expected = "none: only the head classification has class weights";
        check(self.class_weights.is_empty(), "class_weights", found, expected)?;
        let expected = "0: only the head classification has it";
        check(self.focal_gamma == 0.0, "focal_gamma", self.focal_gamma, expected)
    }
}

/// The mean squared error of `output` and `target`, both `[B, V]`, a scalar. It is computed in the wider of
/// their data types, so that a target in `F64` loses nothing to an output in `F32`.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for shapes that differ, or an empty tensor.
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
