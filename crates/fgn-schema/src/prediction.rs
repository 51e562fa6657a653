//! What a model's head computes for a batch.

use candle_core::{DType, Tensor};

use crate::error::{Error, Result};
use crate::padded::Padded;

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
}

impl Prediction {
    /// The tensor, whatever it means.
    pub fn output(&self) -> &Padded {
        match self {
            Prediction::Logits(output) | Prediction::Values(output) => output,
        }
    }

    /// The same prediction, outside the computation graph.
    pub fn detach(&self) -> Prediction {
        match self {
            Prediction::Logits(logits) => Prediction::Logits(logits.detach()),
            Prediction::Values(values) => Prediction::Values(values.detach()),
        }
    }

    /// Whether there is a prediction for each step, rather than one for each sample.
    pub fn is_per_step(&self) -> bool {
        self.output().tensor().rank() == 3
    }

    /// The predictions and their targets, one row each: `[N, ..]` both. `N` counts the samples, or, where each
    /// step has a prediction, the steps that are not padding. Values and their targets are both in `F64`, so that
    /// their differences are those of the targets as they were read.
    ///
    /// # Errors
    /// [`Error::Target`] for a target of another shape.
    pub fn rows(&self, target: &Padded) -> Result<(Tensor, Tensor)> {
        let output = self.output().tensor();
        let rank = match self {
            Prediction::Logits(_) => output.rank().saturating_sub(1),
            Prediction::Values(_) => output.rank(),
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
            Prediction::Logits(_) => Ok((output, target)),
            Prediction::Values(_) => {
                Ok((output.to_dtype(DType::F64)?, target.to_dtype(DType::F64)?))
            }
        }
    }
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
}
