//! The tensors of several samples.

use candle_core::Device;

use crate::error::Result;
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
}

impl Batch {
    /// A batch of one input and one target.
    pub fn new(input: impl Into<Padded>, target: impl Into<Padded>) -> Batch {
        Batch { inputs: vec![input.into()], targets: vec![target.into()] }
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
        Ok(Batch { inputs: all(&self.inputs)?, targets: all(&self.targets)? })
    }
}
