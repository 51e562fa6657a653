//! What every kind of input layer provides.

use std::fmt::Debug;

use candle_core::DType;
use fgn_schema::{InputSchema, Moments, Padded, Statistics};
use serde_json::{Map, Value};

use crate::dropout::Mode;
use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::sequences::Sequences;

/// A kind of input layer: its configuration, from which the layer is built.
///
/// A new kind is a file with a configuration that implements this trait and a layer that implements
/// [`InputLayer`], and a line in the registry in `inputs/mod.rs`.
pub trait InputKind: Debug {
    /// The smallest samples that it is for. An incomplete recipe is checked with them before any data is
    /// read.
    fn stand_in() -> InputSchema
    where
        Self: Sized;

    /// The keys of the configuration that follow from the data; `None` if it is not for such samples. Keys
    /// that are `given` in the recipe win over those returned.
    fn complete(
        given: &Map<String, Value>,
        samples: &InputSchema,
        statistics: &Statistics,
    ) -> Option<Map<String, Value>>
    where
        Self: Sized;

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] names the first invalid field, as a path from the
    /// [`ModelConfig`](crate::ModelConfig).
    fn validate(&self) -> Result<()>;

    /// The samples that it is for.
    fn samples(&self) -> InputSchema;

    /// Checks that it is for such samples: by default, for those of [`samples`](Self::samples) alone.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with the samples that it is for.
    fn accepts(&self, samples: &InputSchema) -> Result<()> {
        let expected = self.samples();
        if *samples == expected {
            return Ok(());
        }
        let (found, expected) = (samples.to_string(), format!("{expected} (model.input)"));
        Err(Error::Mismatch { found, expected })
    }

    /// `I`: the number of features per step.
    fn features(&self) -> usize;

    /// `T`: the number of steps, where it is the same for all samples.
    fn steps(&self) -> Option<usize> {
        None
    }

    /// The data type of the samples, for a model that computes in `model`. Where it is `F64`, samples of `F32`
    /// are read too: they are widened.
    fn dtype(&self, model: DType) -> DType {
        model
    }

    /// Whether in training sequences have other steps than the samples: some are cut off, say. Then no step can have a
    /// target of its own.
    fn changes_steps(&self) -> bool {
        false
    }

    /// The mean and standard deviation of features by which the layer standardises them, if it does.
    fn scale(&self) -> Option<&Moments> {
        None
    }

    /// The layer, its parameters named `{name}.` and so on.
    ///
    /// # Errors
    /// As [`validate`](Self::validate), and those of [`Parameters::take`].
    fn build(&self, parameters: &mut Parameters, name: &str) -> Result<Box<dyn InputLayer>>;
}

/// An input layer: turns samples into sequences of features.
pub trait InputLayer: Debug + Send + Sync {
    /// Samples `[B, ..]` to features `[T, B, I]`, in contiguous memory. The sequences may have other lengths
    /// than the samples, for example after subsampling. In training a layer may drop some of them. Steps come first, although in the samples the batch
    /// does: give the sequences whole to [`Recurrent::forward`](crate::Recurrent::forward), which knows.
    ///
    /// # Errors
    /// [`Error::Shape`] for samples of another shape or an empty batch; what else its kind refuses.
    fn forward(&self, samples: &Padded, mode: &mut Mode<'_>) -> Result<Sequences>;
}
