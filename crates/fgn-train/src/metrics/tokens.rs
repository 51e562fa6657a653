//! What the metrics of tokens share.

use candle_core::D;
use fgn_schema::{IGNORED, Padded, Prediction, TargetSchema};
use serde_json::{Value, json};

use super::values::{restored, wrong_prediction};
use crate::error::Result;

/// Whether the targets are tokens.
pub(super) fn are_tokens(target: &TargetSchema) -> bool {
    matches!(target, TargetSchema::Sequence { .. } | TargetSchema::NextToken { .. })
}

/// For each target token of each sample, whether it has the largest logit, the first of several; `None` for one that
/// does not count. Padding is left out.
pub(super) fn hits(
    metric: &'static str,
    prediction: &Prediction,
    target: &Padded,
) -> Result<Vec<Vec<Option<bool>>>> {
    let Prediction::Logits(_) = prediction else {
        return Err(wrong_prediction(metric, "the logits of tokens"));
    };
    let (logits, counted) = prediction.rows(target)?;
    let mut predicted = match counted.dim(0)? {
        0 => Vec::new(),
        _ => logits.argmax(D::Minus1)?.to_vec1::<u32>()?,
    }
    .into_iter();
    let mut hit = |token: &u32| match *token {
        IGNORED => None,
        token => predicted.next().map(|predicted| predicted == token),
    };
    let mut samples = target.tensor().to_vec2::<u32>()?;
    for (tokens, &length) in samples.iter_mut().zip(target.lengths().unwrap_or_default()) {
        tokens.truncate(length);
    }
    Ok(samples.iter().map(|tokens| tokens.iter().map(&mut hit).collect()).collect())
}

/// How many there are of something, and how many of these are right.
#[derive(Default)]
pub(super) struct Share([u64; 2]);

impl Share {
    pub(super) fn add(&mut self, right: bool) {
        let Share([count, all_right]) = self;
        *count += 1;
        *all_right += u64::from(right);
    }

    /// NaN where there are none.
    pub(super) fn value(&self) -> f64 {
        let Share([count, right]) = *self;
        right as f64 / count as f64
    }

    pub(super) fn save(&self) -> Value {
        json!(self.0)
    }

    pub(super) fn restore(&mut self, saved: &Value) -> Result<()> {
        self.0 = restored(saved)?;
        Ok(())
    }
}

/// Batches of tokens for the tests of metrics: a prediction whose largest logits are those of the tokens `predicted`.
#[cfg(test)]
pub(super) mod tests {
    use candle_core::{Device, Tensor};
    use fgn_schema::{IGNORED, Padded, Prediction, TargetSchema};

    use crate::metrics::Metric;

    pub(in crate::metrics) const VOCABULARY: usize = 4;

    pub(in crate::metrics) fn sequences() -> TargetSchema {
        TargetSchema::Sequence { vocabulary: VOCABULARY, tokenizer: None }
    }

    /// Adds a batch to a metric; 9 in a target is [`IGNORED`].
    pub(in crate::metrics) fn add<const T: usize>(
        metric: &mut dyn Metric,
        predicted: &[[u32; T]],
        target: &[[u32; T]],
        lengths: &[usize],
    ) {
        let logits = predicted.iter().flatten().flat_map(|&token| {
            (0..VOCABULARY as u32).map(move |other| if other == token { 2.5 } else { 1.0 })
        });
        let shape = (predicted.len(), T, VOCABULARY);
        let logits: Vec<f32> = logits.collect();
        let logits = Tensor::from_vec(logits, shape, &Device::Cpu).unwrap();
        let target = target.iter().flatten().map(|&token| if token == 9 { IGNORED } else { token });
        let target: Vec<u32> = target.collect();
        let target = Tensor::from_vec(target, (predicted.len(), T), &Device::Cpu).unwrap();
        let padded = |tensor| Padded::with_lengths(tensor, lengths.to_vec()).unwrap();
        metric.update(&Prediction::Logits(padded(logits)), &padded(target)).unwrap();
    }

    /// Whether a metric refuses predictions of another kind.
    pub(in crate::metrics) fn refuses_others(metric: &mut dyn Metric) -> bool {
        let target = Padded::new(Tensor::new(&[[1u32, 2]], &Device::Cpu).unwrap());
        let likelihoods = Tensor::new(&[[-1f32, -2.0]], &Device::Cpu).unwrap().into();
        let others = [Prediction::LogLikelihoods(likelihoods), Prediction::Tokens(target.clone())];
        others.iter().all(|other| metric.update(other, &target).is_err())
    }
}
