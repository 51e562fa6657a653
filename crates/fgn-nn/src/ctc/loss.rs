//! The loss: what users call, and the checks of what they give.

use candle_core::{Device, Tensor};

use super::op::{Axes, CtcOp, Plan, Target};
use crate::check::{check, float, wrong_shape};
use crate::error::{Error, Result};

/// Options of [`ctc_loss`].
///
/// ```
/// use fgn_nn::CtcOptions;
///
/// let options = CtcOptions::new(28).with_zero_infinity(true);
/// assert!(options.zero_infinity && !options.batch_first);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CtcOptions {
    /// The index of the blank among the classes.
    pub blank: usize,
    /// Whether an infinite loss counts as 0 and has a gradient of 0: PyTorch's `zero_infinity`. Without it a target that
    /// is too long for its sample is an error.
    pub zero_infinity: bool,
    /// Whether logits are `[B, T, V]`, rather than `[T, B, V]`.
    pub batch_first: bool,
}

impl CtcOptions {
    /// A blank of that index, and no other option.
    pub fn new(blank: usize) -> Self {
        Self { blank, zero_infinity: false, batch_first: false }
    }

    /// With infinite losses as 0, or not.
    pub fn with_zero_infinity(self, zero_infinity: bool) -> Self {
        Self { zero_infinity, ..self }
    }

    /// With logits `[B, T, V]`, or not.
    pub fn with_batch_first(self, batch_first: bool) -> Self {
        Self { batch_first, ..self }
    }
}

/// The CTC loss of each sample in nats: the negative logarithm of the probability of its target, summed over all
/// alignments (Graves et al. 2006).
///
/// | argument | shape | |
/// |---|---|---|
/// | `logits` | `[T, B, V]` | unnormalised log-probabilities, in `F32` or `F64`; the softmax is part of the operation. Log-probabilities may be given, too: their softmax is what they are |
/// | `lengths` | `[B]` | the number of steps `T_b ≤ T` of each sample; `None` where all have `T` |
/// | `targets` | `[B]` | the labels of each sample, without blanks; may be empty |
/// | result | `[B]` | in the logits' type |
///
/// With `y` the softmax of the logits, `B(π)` what is left of a path `π` without repetitions and blanks, and `l` the
/// target,
///
/// ```text
/// loss = −ln Σ_{π: B(π) = l} Π_t y_t(π_t)
/// ∂loss / ∂logit_t(k) = y_t(k) − P(π_t = k | l)
/// ```
///
/// Steps past a sample's length have a gradient of zero. For PyTorch's `reduction="mean"`, divide each loss by the
/// length of its target (at least 1) and take the mean.
///
/// A target of `L` labels, of which `R` equal the one before, needs `L + R` steps: between equal labels there is a
/// blank. Where there are fewer, no alignment exists; that is an error, or with `zero_infinity` a loss and a gradient of
/// zero. The loss is also infinite where logits of −∞ leave no alignment; then the gradient is NaN, or with
/// `zero_infinity` both are zero. Logits that are NaN or +∞ give a loss and a gradient of NaN.
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use fgn_nn::{CtcOptions, ctc_loss};
///
/// // Two steps with equal probabilities of "a" and the blank. Three of four paths are "a": a a, a -, - a.
/// let logits = Var::new(&[[[0f64, 0.0]], [[0.0, 0.0]]], &Device::Cpu)?;
/// let loss = ctc_loss(&logits, None, &[[0u32]], &CtcOptions::new(1))?;
/// assert!((loss.to_vec1::<f64>()?[0] - (4.0_f64 / 3.0).ln()).abs() < 1e-15);
/// // At each step two of those three paths have an "a".
/// let gradients = loss.sum_all()?.backward()?;
/// let gradient = gradients.get(&logits).unwrap().flatten_all()?.to_vec1::<f64>()?;
/// assert!((gradient[0] - (1.0 / 2.0 - 2.0 / 3.0)).abs() < 1e-15);
///
/// let error = ctc_loss(&logits, None, &[[0u32, 0]], &CtcOptions::new(1)).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the target of sample 0 of the batch has 2 labels and 1 repetition, which need 3 steps, expected at \
///      most 2, the length of the sample"
/// );
/// # Ok::<(), fgn_nn::Error>(())
/// ```
///
/// # Memory and speed
/// It runs on the CPU, samples in parallel; logits on another device are copied there. Where the logits are tracked the
/// gradient is computed at once and saved, as many numbers as there are logits. Results do not depend on the number of
/// threads.
///
/// # Errors
/// [`Error::Shape`] for logits or a number of targets that do not fit, [`Error::DType`] for another type of logits,
/// [`Error::Batch`] for lengths that do not fit, [`Error::Config`] for a blank that is no class, [`Error::Target`] for a
/// label that is none, [`Error::TargetSequence`] for a target with a blank, or one without an alignment.
pub fn ctc_loss(
    logits: &Tensor,
    lengths: Option<&[usize]>,
    targets: &[impl AsRef<[u32]>],
    options: &CtcOptions,
) -> Result<Tensor> {
    float("logits", logits.dtype())?;
    let axes = match *logits.dims() {
        [steps, batch, classes] if !options.batch_first => Axes { steps, batch, classes },
        [batch, steps, classes] => Axes { steps, batch, classes },
        _ => Axes { steps: 0, batch: 0, classes: 0 },
    };
    if axes.steps * axes.batch * axes.classes == 0 {
        let expected = if options.batch_first { "[B, T, V]" } else { "[T, B, V]" };
        return Err(wrong_shape("logits", logits, format!("{expected}, none of them zero")));
    }
    let last = axes.classes - 1;
    check(options.blank <= last, "blank", options.blank, format!("0 to {last}, a class"))?;
    let samples = checked(logits, axes, lengths, targets, options)?;
    let CtcOptions { blank, zero_infinity, batch_first } = *options;
    let plan = Plan { blank, zero_infinity, batch_first, is_tracked: logits.track_op() };
    let device = logits.device();
    let logits = logits.to_device(&Device::Cpu)?;
    // The operation reads the numbers of a step as a slice.
    let logits = if logits.stride().last() == Some(&1) { logits } else { logits.contiguous()? };
    let op = CtcOp::new(axes, plan, samples);
    Ok(logits.apply_op1(op)?.to_device(device)?)
}

/// Lengths and targets that fit the logits and each other.
fn checked(
    logits: &Tensor,
    axes: Axes,
    lengths: Option<&[usize]>,
    targets: &[impl AsRef<[u32]>],
    options: &CtcOptions,
) -> Result<Vec<Target>> {
    let wrong_lengths = |found: String, expected: String| {
        Error::Batch(fgn_schema::Error::Lengths { found, shape: logits.dims().to_vec(), expected })
    };
    if let Some(lengths) = lengths.filter(|lengths| lengths.len() != axes.batch) {
        return Err(wrong_lengths(format!("of {} samples", lengths.len()), axes.batch.to_string()));
    }
    if targets.len() != axes.batch {
        return Err(Error::Shape {
            what: "targets",
            found: vec![targets.len()],
            expected: format!("[{}], one for each sample", axes.batch),
        });
    }
    let target = |(index, target): (usize, &_)| {
        let labels: &[u32] = AsRef::as_ref(target);
        let steps = lengths.map_or(axes.steps, |lengths| lengths[index]);
        if steps > axes.steps {
            let expected = format!("each from 0 to {}", axes.steps);
            return Err(wrong_lengths(format!("with {steps}"), expected));
        }
        check_labels(index, labels, axes.classes - 1, options.blank)?;
        let repetitions = labels.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let is_feasible = labels.len() + repetitions <= steps;
        if !is_feasible && !options.zero_infinity {
            return Err(infeasible(index, labels.len(), repetitions, steps));
        }
        Ok(Target { labels: labels.to_vec(), steps, is_feasible })
    };
    targets.iter().enumerate().map(target).collect()
}

fn check_labels(sample: usize, labels: &[u32], last: usize, blank: usize) -> Result<()> {
    if let Some(&found) = labels.iter().find(|&&label| label as usize > last) {
        return Err(Error::Target { index: sample, found, last });
    }
    match labels.iter().position(|&label| label as usize == blank) {
        Some(position) => Err(Error::TargetSequence {
            sample,
            found: format!("the blank, {blank}, at position {position}"),
            expected: "labels alone".into(),
        }),
        None => Ok(()),
    }
}

fn infeasible(sample: usize, labels: usize, repetitions: usize, steps: usize) -> Error {
    let count =
        |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    Error::TargetSequence {
        sample,
        found: format!(
            "{} and {}, which need {}",
            count(labels, "label"),
            count(repetitions, "repetition"),
            count(labels + repetitions, "step")
        ),
        expected: format!("at most {steps}, the length of the sample"),
    }
}
