//! The tensors of several samples.

use candle_core::{DType, Device, Tensor};

use crate::error::{Error, Result};
use crate::padded::Padded;

/// Some samples and their targets. Each part has lengths of its own, so that an answer may be longer or
/// shorter than its question.
///
/// Most models take one input and predict one target. A custom model may take several: further ones follow the
/// first, in an order that its data set and the model agree on.
#[derive(Clone, Debug)]
pub struct Batch {
    inputs: Vec<Padded>,
    targets: Vec<Padded>,
    resets: Option<Tensor>,
}

impl Batch {
    /// A batch of one input and one target.
    pub fn new(input: impl Into<Padded>, target: impl Into<Padded>) -> Batch {
        Batch { inputs: vec![input.into()], targets: vec![target.into()], resets: None }
    }

    /// With one more input.
    pub fn with_input(mut self, input: impl Into<Padded>) -> Batch {
        self.inputs.push(input.into());
        self
    }

    /// With one more target.
    pub fn with_target(mut self, target: impl Into<Padded>) -> Batch {
        self.targets.push(target.into());
        self
    }

    /// With steps at which a new sequence begins within a row, `[B, T]` in `U8`: where it is not 0, the state of a
    /// model is set to zero before the step. So the rows of a batch can be pieces of many sequences, one after the
    /// other.
    ///
    /// # Errors
    /// [`Error::Resets`] for another shape than that of the first two dimensions of the input, or another type.
    pub fn with_resets(mut self, resets: Tensor) -> Result<Batch> {
        let dims = self.input().tensor().dims();
        let expected = &dims[..dims.len().min(2)];
        if resets.dims() != expected || resets.dtype() != DType::U8 {
            let (found, expected) = (resets.dims().to_vec(), expected.to_vec());
            return Err(Error::Resets { found, dtype: resets.dtype().as_str(), expected });
        }
        self.resets = Some(resets);
        Ok(self)
    }

    /// Where a new sequence begins within a row, `[B, T]`, if any does.
    pub fn resets(&self) -> Option<&Tensor> {
        self.resets.as_ref()
    }

    /// The first input.
    pub fn input(&self) -> &Padded {
        &self.inputs[0]
    }

    /// The first target.
    pub fn target(&self) -> &Padded {
        &self.targets[0]
    }

    /// All inputs, at least one.
    pub fn inputs(&self) -> &[Padded] {
        &self.inputs
    }

    /// All targets, at least one.
    pub fn targets(&self) -> &[Padded] {
        &self.targets
    }

    /// `B`: how many samples there are.
    pub fn size(&self) -> usize {
        self.input().batch_size()
    }

    /// The same on another device.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) if a tensor cannot be copied there.
    pub fn to_device(&self, device: &Device) -> Result<Batch> {
        let all = |parts: &[Padded]| -> Result<Vec<Padded>> {
            parts.iter().map(|part| part.to_device(device)).collect()
        };
        let resets = self.resets.as_ref().map(|resets| resets.to_device(device)).transpose()?;
        Ok(Batch { inputs: all(&self.inputs)?, targets: all(&self.targets)?, resets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_fit_their_input() {
        let zeros = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
        let batch = || Batch::new(zeros(&[2, 3], DType::U32), zeros(&[2, 3], DType::U32));
        let series = Batch::new(zeros(&[2, 3, 5], DType::F64), zeros(&[2, 1], DType::F64));
        let resets = || zeros(&[2, 3], DType::U8);
        let batch_with = batch().with_resets(resets()).unwrap();
        assert_eq!(batch_with.to_device(&Device::Cpu).unwrap().resets().unwrap().dims(), [2, 3]);
        assert!(series.with_resets(resets()).is_ok() && batch().resets().is_none());
        for wrong in [zeros(&[3, 2], DType::U8), zeros(&[2, 3], DType::U32)] {
            let error = batch().with_resets(wrong).unwrap_err().to_string();
            assert!(error.ends_with("expected [2, 3] in u8"), "{error}");
        }
    }
}
