//! What a model's head computes for a batch.

use candle_core::{DType, Tensor};

use crate::error::{Error, Result};
use crate::padded::Padded;
use crate::ranking::Ranking;
use crate::schema::IGNORED;

/// What a head computes for a batch: what metrics compare with the targets, and what is decoded into answers
/// that people read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Prediction {
    /// Unnormalised log-probabilities of `C` classes: `[B, C]`, or `[B, T, C]` for each step. The target is
    /// `[B]` or `[B, T]` in `U32`.
    Logits(Padded),
    /// `V` values in the targets' own units: `[B, V]`, or `[B, T, V]` for each step, in `F64` or `F32`. The
    /// target has the same shape.
    Values(Padded),
    /// The logarithm of the probability of each target token or pixel, `[B, T]`: of a head that does not compute those
    /// of all tokens, or that was given the target. The target is `[B, T]` in `U32`.
    LogLikelihoods(Padded),
    /// A sequence of tokens for each sample, `[B, U]` in `U32`: what a model answers where no target is known.
    Tokens(Padded),
    /// Unnormalised log-probabilities of `V` labels at each step, `[B, T, V]`, the last of which is the blank: the
    /// distribution over alignments of connectionist temporal classification. The target is a sequence of tokens,
    /// `[B, U]` in `U32`, with a length of its own, whose end token has the index of the blank.
    Alignments(Padded),
    /// The best of many items after each step that counts, and the ranks of the targets.
    Ranking(Ranking),
    /// The loss of each step, `[B, T]`, and 0 where a target does not count: of a head that keeps no scores in training.
    /// Its mean may be differentiated. It says nothing of the rank among all items.
    StepLosses(Padded),
}

impl Prediction {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Prediction::Logits(_) => "logits",
            Prediction::Values(_) => "values",
            Prediction::LogLikelihoods(_) => "log-likelihoods",
            Prediction::Tokens(_) => "tokens",
            Prediction::Alignments(_) => "alignments",
            Prediction::Ranking(_) => "a ranking of items",
            Prediction::StepLosses(_) => "the losses of steps",
        }
    }

    /// The tensor, whatever it means.
    pub fn output(&self) -> &Padded {
        match self {
            Prediction::Logits(output)
            | Prediction::Values(output)
            | Prediction::LogLikelihoods(output)
            | Prediction::Tokens(output)
            | Prediction::Alignments(output)
            | Prediction::StepLosses(output) => output,
            Prediction::Ranking(ranking) => ranking.items(),
        }
    }

    /// The same prediction, outside the computation graph.
    pub fn detach(&self) -> Prediction {
        let detached = self.output().detach();
        match self {
            Prediction::Logits(_) => Prediction::Logits(detached),
            Prediction::Values(_) => Prediction::Values(detached),
            Prediction::LogLikelihoods(_) => Prediction::LogLikelihoods(detached),
            Prediction::Tokens(_) => Prediction::Tokens(detached),
            Prediction::Alignments(_) => Prediction::Alignments(detached),
            Prediction::Ranking(ranking) => Prediction::Ranking(ranking.detach()),
            Prediction::StepLosses(_) => Prediction::StepLosses(detached),
        }
    }

    /// Whether there is a prediction for each step, rather than one for each sample. A ranking with targets has one for
    /// each step whose target counts.
    pub fn is_per_step(&self) -> bool {
        match self {
            Prediction::Logits(output) | Prediction::Values(output) => output.tensor().rank() == 3,
            Prediction::LogLikelihoods(_)
            | Prediction::Tokens(_)
            | Prediction::Alignments(_)
            | Prediction::StepLosses(_) => true,
            Prediction::Ranking(ranking) => ranking.targets().is_some(),
        }
    }

    /// The predictions and their targets, one row each: `[N, ..]` both. `N` counts the samples, or, where each
    /// step has a prediction, the steps that are neither padding nor [`IGNORED`]. Values and their targets are both
    /// in `F64`, so that their differences are those of the targets as they were read.
    ///
    /// # Errors
    /// [`Error::Target`] for a target of another shape, [`Error::Rows`] for alignments, whose targets belong to no step,
    /// and for rankings, which know where their targets are.
    pub fn rows(&self, target: &Padded) -> Result<(Tensor, Tensor)> {
        let output = self.output().tensor();
        let rank = match self {
            Prediction::Alignments(_) | Prediction::Ranking(_) => {
                return Err(Error::Rows { found: self.kind() });
            }
            Prediction::Logits(_) => output.rank().saturating_sub(1),
            _ => output.rank(),
        };
        let (expected, found) = (&output.dims()[..rank], target.tensor().dims());
        if expected != found || self.output().lengths() != target.lengths() {
            let lengths = self.output().lengths();
            let lengths = lengths.map_or(String::new(), |all| format!(" with lengths {all:?}"));
            let expected = format!("{expected:?}{lengths}");
            return Err(Error::Target { found: found.to_vec(), expected });
        }
        let (output, target) = match self.is_per_step() {
            true => (self.output().steps()?, target.steps()?),
            false => (output.clone(), target.tensor().clone()),
        };
        match self {
            Prediction::Values(_) => {
                Ok((output.to_dtype(DType::F64)?, target.to_dtype(DType::F64)?))
            }
            _ => counted(output, target),
        }
    }

    /// Where each of the [`rows`](Self::rows) is: its sample in the batch, and its step, which is 0 where each sample has
    /// one prediction.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use fgn_schema::{IGNORED, Padded, Prediction};
    ///
    /// let logits = Tensor::zeros((2, 3, 5), DType::F32, &Device::Cpu)?;
    /// let target = Tensor::new(&[[IGNORED, 4, 0], [2, IGNORED, IGNORED]], &Device::Cpu)?;
    /// let prediction = Prediction::Logits(logits.into());
    /// assert_eq!(prediction.positions(&target.into())?, [(0, 1), (0, 2), (1, 0)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn positions(&self, target: &Padded) -> Result<Vec<(usize, usize)>> {
        let (rows, _) = self.rows(target)?;
        let output = self.output();
        let steps = match self.is_per_step() {
            true => output.tensor().dims().get(1).copied().unwrap_or(0),
            false => 1,
        };
        let length = |sample: usize| match output.lengths() {
            Some(lengths) if self.is_per_step() => lengths[sample],
            _ => steps,
        };
        let samples = 0..output.batch_size();
        let mut all: Vec<(usize, usize)> = samples
            .flat_map(|sample| (0..length(sample)).map(move |step| (sample, step)))
            .collect();
        if rows.dims().first() != Some(&all.len()) {
            let targets = match self.is_per_step() {
                true => target.steps()?,
                false => target.tensor().clone(),
            };
            let targets = targets.to_vec1::<u32>()?;
            let mut is_counted = targets.iter().map(|&target| target != IGNORED);
            all.retain(|_| is_counted.next().unwrap_or(false));
        }
        Ok(all)
    }
}

/// The rows whose target is not [`IGNORED`].
fn counted(output: Tensor, target: Tensor) -> Result<(Tensor, Tensor)> {
    if target.dtype() != DType::U32 || target.rank() != 1 {
        return Ok((output, target));
    }
    let all = target.to_vec1::<u32>()?;
    let rows: Vec<u32> =
        (0..).zip(&all).filter(|&(_, &id)| id != IGNORED).map(|(row, _)| row).collect();
    if rows.len() == all.len() {
        return Ok((output, target));
    }
    let count = rows.len();
    let rows = Tensor::from_vec(rows, count, output.device())?;
    Ok((output.index_select(&rows, 0)?, target.index_select(&rows, 0)?))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn zeros(shape: &[usize], dtype: DType) -> Tensor {
        Tensor::zeros(shape, dtype, &Device::Cpu).unwrap()
    }

    #[test]
    fn targets_that_do_not_fit_are_refused() {
        let logits = Prediction::Logits(zeros(&[2, 3], DType::F32).into());
        let values = Prediction::Values(zeros(&[2, 3], DType::F32).into());
        for (prediction, good, bad) in [(logits, &[2][..], &[2, 3][..]), (values, &[2, 3], &[2])] {
            assert!(prediction.rows(&zeros(good, DType::U32).into()).is_ok());
            let error = prediction.rows(&zeros(bad, DType::U32).into());
            assert!(matches!(error, Err(Error::Target { .. })), "{prediction:?}");
        }
        let per_step = Prediction::Logits(zeros(&[2, 4, 3], DType::F32).into());
        assert!(per_step.rows(&zeros(&[2, 4], DType::U32).into()).is_ok());
        let padded = Padded::with_lengths(zeros(&[2, 4], DType::U32), vec![4, 2]);
        assert!(padded.is_ok_and(|padded| per_step.rows(&padded).is_err()));
    }

    #[test]
    fn values_are_compared_in_f64() {
        let predicted = Tensor::new(&[[0.5f32]], &Device::Cpu).unwrap();
        let target = Tensor::new(&[[1_700_000_000.25f64]], &Device::Cpu).unwrap();
        let prediction = Prediction::Values(predicted.into());
        let (predicted, target) = prediction.rows(&target.into()).unwrap();
        let error = (target - predicted).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(error, [[1_699_999_999.75]]);
    }

    #[test]
    fn alignments_have_no_rows() {
        let target = zeros(&[2, 4], DType::U32).into();
        let prediction = Prediction::Alignments(zeros(&[2, 4, 3], DType::F32).into());
        let error = prediction.rows(&target).unwrap_err().to_string();
        assert!(error.starts_with("a prediction of alignments has no rows"), "{error}");
        assert!(prediction.is_per_step());
        assert_eq!(prediction.detach().kind(), "alignments");
    }

    #[test]
    fn ignored_targets_have_no_row() {
        let logits = Tensor::arange(0f32, 12.0, &Device::Cpu).unwrap().reshape((2, 3, 2)).unwrap();
        let target = Tensor::new(&[[1, IGNORED, 0], [IGNORED, 1, 0]], &Device::Cpu).unwrap();
        let lengths = vec![3, 2];
        let prediction = Prediction::Logits(Padded::with_lengths(logits, lengths.clone()).unwrap());
        let target = Padded::with_lengths(target, lengths).unwrap();
        let (logits, target) = prediction.rows(&target).unwrap();
        assert_eq!(logits.to_vec2::<f32>().unwrap(), [[0.0, 1.0], [4.0, 5.0], [8.0, 9.0]]);
        assert_eq!(target.to_vec1::<u32>().unwrap(), [1, 0, 1]);
    }

    #[test]
    fn rows_are_found_where_they_are() {
        let lengths = vec![3, 2];
        let padded = |tensor: Tensor| Padded::with_lengths(tensor, lengths.clone()).unwrap();
        let logits = Prediction::Logits(padded(zeros(&[2, 3, 2], DType::F32)));
        let targets = |of: &[[u32; 3]; 2]| padded(Tensor::new(of, &Device::Cpu).unwrap());
        let target = targets(&[[1, IGNORED, 0], [IGNORED, 1, 0]]);
        assert_eq!(logits.positions(&target).unwrap(), [(0, 0), (0, 2), (1, 1)]);
        let all = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)];
        assert_eq!(logits.positions(&targets(&[[0; 3]; 2])).unwrap(), all);
        assert!(logits.positions(&targets(&[[IGNORED; 3]; 2])).unwrap().is_empty());
        let values = Prediction::Values(padded(zeros(&[2, 3, 4], DType::F32)));
        assert_eq!(values.positions(&padded(zeros(&[2, 3, 4], DType::F64))).unwrap(), all);
        let each = Prediction::Logits(zeros(&[3, 2], DType::F32).into());
        let target = Tensor::new(&[1, IGNORED, 0], &Device::Cpu).unwrap();
        assert_eq!(each.positions(&target.into()).unwrap(), [(0, 0), (2, 0)]);
        assert!(each.positions(&zeros(&[2], DType::U32).into()).is_err());
    }
}
