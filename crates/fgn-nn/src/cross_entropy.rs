//! Cross entropy of classes, with weights, label smoothing, focus and ignored targets.

use candle_core::{D, DType, Tensor};
use candle_nn::ops::log_softmax;

use crate::check::{check, probability, wrong_shape};
use crate::error::{Error, Result};
use crate::loss::Loss;

/// The cross entropy of logits against classes, with options. It is usable alone, as PyTorch's `CrossEntropyLoss`, whose
/// `weight`, `label_smoothing` and `ignore_index` give the same values and gradients.
///
/// With the probabilities `p` of a row, its target `y`, weights `w` (1 without them), a share `s` of smoothing and `C`
/// classes, the loss of a row is
///
/// ```text
/// −(1 − s) · w_y · (1 − p_y)^gamma · ln p_y  −  s / C · Σ_c w_c · ln p_c
/// ```
///
/// and the mean is the sum over the rows that count, divided by the sum of their `w_y`.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use fgn_nn::CrossEntropy;
///
/// // Two rows; the second is not counted.
/// let logits = Tensor::new(&[[0f64, 3f64.ln()], [5.0, 5.0]], &Device::Cpu)?;
/// let target = Tensor::new(&[0u32, 9], &Device::Cpu)?;
/// let loss = CrossEntropy::default().with_ignore_index(9).loss(&logits, &target)?;
/// assert!((loss.mean.to_scalar::<f64>()? - 4f64.ln()).abs() < 1e-12);
/// assert_eq!(loss.targets, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CrossEntropy {
    /// The weight of each class, above 0; empty if all are 1.
    pub class_weights: Vec<f64>,
    /// The share of each target's weight that is spread evenly over all classes, in `[0, 1)` (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// How much less the rows count that are predicted well already, at least 0 (Lin et al. 2017, "focal loss"): 0 for no
    /// difference. Not together with label smoothing.
    pub focal_gamma: f64,
    /// Targets of this class do not count.
    pub ignore_index: Option<u32>,
}

impl CrossEntropy {
    /// With a weight for each class.
    pub fn with_class_weights(self, class_weights: Vec<f64>) -> Self {
        Self { class_weights, ..self }
    }

    /// With that share of smoothing.
    pub fn with_label_smoothing(self, label_smoothing: f64) -> Self {
        Self { label_smoothing, ..self }
    }

    /// With that focus.
    pub fn with_focal_gamma(self, focal_gamma: f64) -> Self {
        Self { focal_gamma, ..self }
    }

    /// With a class whose targets do not count.
    pub fn with_ignore_index(self, class: u32) -> Self {
        Self { ignore_index: Some(class), ..self }
    }

    /// Checks every option, for so many classes.
    ///
    /// # Errors
    /// [`Error::Config`] names the first invalid one.
    pub fn check(&self, classes: usize) -> Result<()> {
        probability("label_smoothing", self.label_smoothing)?;
        let gamma = self.focal_gamma;
        check(gamma >= 0.0 && gamma.is_finite(), "focal_gamma", gamma, "0, or a number above it")?;
        let expected = "0 with label_smoothing: the loss has one of the two";
        check(gamma == 0.0 || self.label_smoothing == 0.0, "focal_gamma", gamma, expected)?;
        let weights = &self.class_weights;
        if weights.is_empty() {
            return Ok(());
        }
        let expected = format!("{classes}, one for each class");
        check(weights.len() == classes, "class_weights", listed(weights.len()), expected)?;
        let wrong = weights.iter().find(|&&weight| !(weight > 0.0 && weight.is_finite()));
        let found = wrong.copied().unwrap_or(1.0);
        check(wrong.is_none(), "class_weights", found, "finite numbers above 0")
    }

    /// The mean loss of `logits: [N, C]` against `target: [N]` in `U32`, or of `[B, T, C]` against `[B, T]`. Where no
    /// target counts, it is 0 of 0 targets.
    ///
    /// # Errors
    /// [`Error::Shape`] for other shapes, [`Error::DType`] for a target of another type, [`Error::Target`] for a class out
    /// of range, [`Error::Config`] for an option out of range.
    pub fn loss(&self, logits: &Tensor, target: &Tensor) -> Result<Loss> {
        let (logits, classes) = rows(logits, target)?;
        self.check(classes)?;
        // Candle's `gather` takes u32::MAX for "no index": look before.
        let found = target.flatten_all()?.to_vec1::<u32>()?;
        let is_ignored = |class: u32| self.ignore_index == Some(class);
        let wrong = |&class: &u32| class as usize >= classes && !is_ignored(class);
        if let Some(index) = found.iter().position(wrong) {
            return Err(Error::Target { index, found: found[index], last: classes - 1 });
        }
        let counted: Vec<u32> = (0..)
            .zip(&found)
            .filter(|&(_, &class)| !is_ignored(class))
            .map(|(row, _)| row)
            .collect();
        if counted.is_empty() {
            // In the graph, so that it can be differentiated: its gradients are zeros.
            return Ok(Loss::new(logits.sub(&logits)?.sum_all()?, 0));
        }
        if counted.len() == found.len() {
            return self.mean(&logits, &found);
        }
        let kept: Vec<u32> = counted.iter().map(|&row| found[row as usize]).collect();
        let count = counted.len();
        let rows = Tensor::from_vec(counted, count, logits.device())?;
        self.mean(&logits.index_select(&rows, 0)?, &kept)
    }

    /// The mean of rows that all count.
    fn mean(&self, logits: &Tensor, classes: &[u32]) -> Result<Loss> {
        let target = Tensor::new(classes, logits.device())?;
        let (count, smoothing) = (classes.len(), self.label_smoothing);
        if self.class_weights.is_empty() && self.focal_gamma == 0.0 {
            if smoothing == 0.0 {
                return Ok(Loss::new(candle_nn::loss::cross_entropy(logits, &target)?, count));
            }
            let logarithms = log_softmax(logits, D::Minus1)?;
            let right = candle_nn::loss::nll(&logarithms, &target)?.affine(1.0 - smoothing, 0.0)?;
            let mean = (right - logarithms.mean_all()?.affine(smoothing, 0.0)?)?;
            return Ok(Loss::new(mean, count));
        }
        let logarithms = log_softmax(logits, D::Minus1)?;
        let mut own = logarithms.gather(&target.unsqueeze(1)?, 1)?.squeeze(1)?;
        if self.focal_gamma > 0.0 {
            own = (self.focus(&own)? * own)?;
        }
        let constant = |numbers: &[f64]| -> Result<Tensor> {
            Ok(Tensor::new(numbers, logits.device())?.to_dtype(logits.dtype())?)
        };
        let mut weight = count as f64;
        if !self.class_weights.is_empty() {
            let of_rows = classes.iter().map(|&class| self.class_weights[class as usize]);
            let of_rows: Vec<f64> = of_rows.collect();
            weight = of_rows.iter().sum();
            own = (own * constant(&of_rows)?)?;
        }
        let mut sum = own.sum_all()?.affine(smoothing - 1.0, 0.0)?;
        if smoothing > 0.0 {
            let of_classes = constant(&self.class_weights)?;
            let all = logarithms.broadcast_mul(&of_classes)?.sum_all()?;
            sum = (sum - all.affine(smoothing / self.class_weights.len() as f64, 0.0)?)?;
        }
        Ok(Loss::new(sum.affine(1.0 / weight, 0.0)?, count).with_weight(weight))
    }

    /// `(1 − p)^gamma`, of the logarithm of `p`.
    fn focus(&self, logarithm: &Tensor) -> Result<Tensor> {
        /// Below the resolution of `f32` near 1: at 0 itself, a power below 1 has no gradient.
        const LEAST: f64 = 1e-8;
        let rest = logarithm.exp()?.affine(-1.0, 1.0)?.maximum(LEAST)?;
        Ok(rest.powf(self.focal_gamma)?)
    }
}

/// The logits as rows, `[N, C]`, and their number of classes.
fn rows(logits: &Tensor, target: &Tensor) -> Result<(Tensor, usize)> {
    let classes = match *logits.dims() {
        [_, classes] | [_, _, classes] if logits.elem_count() > 0 => classes,
        _ => {
            let expected = "[N, C] or [B, T, C], none of them zero".into();
            return Err(wrong_shape("logits", logits, expected));
        }
    };
    let expected = &logits.dims()[..logits.rank() - 1];
    if target.dims() != expected {
        return Err(wrong_shape("targets", target, format!("{expected:?}")));
    }
    if target.dtype() != DType::U32 {
        return Err(Error::DType { what: "targets", found: target.dtype(), expected: "U32" });
    }
    Ok((logits.reshape(((), classes))?, classes))
}

fn listed(count: usize) -> String {
    format!("{count} number{}", if count == 1 { "" } else { "s" })
}

/// The mean cross entropy of `logits: [N, C]` against the classes `target: [N]` (`U32`), or of `[B, T, C]` against
/// `[B, T]`: a scalar. Its gradient with respect to the logits is `(softmax − one-hot) / N`.
///
/// # Errors
/// [`Error::Shape`] for other shapes, [`Error::DType`] for a target of another type,
/// [`Error::Target`] for a class out of range.
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    Ok(CrossEntropy::default().loss(logits, target)?.mean)
}

/// As [`cross_entropy`], with a share `smoothing` of each target's weight, in `[0, 1)`, spread evenly over
/// all classes (Szegedy et al. 2016; PyTorch's `label_smoothing`).
///
/// # Errors
/// As [`cross_entropy`], and [`Error::Config`] for a share out of range.
pub fn smoothed_cross_entropy(logits: &Tensor, target: &Tensor, smoothing: f64) -> Result<Tensor> {
    Ok(CrossEntropy::default().with_label_smoothing(smoothing).loss(logits, target)?.mean)
}
