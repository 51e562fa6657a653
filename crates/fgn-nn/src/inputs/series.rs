//! Sequences of numbers.

use candle_core::{DType, Tensor};
use fgn_schema::{InputSchema, Moments, Padded, Statistics};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kind::{InputKind, InputLayer};
use super::series_augment::SeriesAugment;
use crate::check::{moments, size, wrong_shape};
use crate::completion;
use crate::dropout::Mode;
use crate::error::{Error, Result};
use crate::parameters::Parameters;
use crate::scaling::Scaling;
use crate::sequences::Sequences;

/// Samples that are sequences of numbers already: `[B, T, features]`, in `F64` or `F32`, becomes `[T, B, I]`
/// with `I = features`, standardised if a scale is given. Scaling is done in `F64`; its result is converted to
/// the model's type. A number that is too large for that type is an error.
///
/// Without a scale, a model of `F32` reads numbers as they are: of numbers with a large offset, as time stamps
/// have, it sees no differences.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// The number of features per step.
    pub features: usize,
    /// The mean and standard deviation of each feature: the layer subtracts the one and divides by the
    /// other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Moments>,
    /// How series are changed in training.
    #[serde(default, skip_serializing_if = "SeriesAugment::is_none")]
    pub augment: SeriesAugment,
}

impl Series {
    /// So many features per step, without a scale.
    pub fn new(features: usize) -> Self {
        Self { features, scale: None, augment: SeriesAugment::default() }
    }
}

impl InputKind for Series {
    fn stand_in() -> InputSchema {
        InputSchema::Series { features: 1 }
    }

    fn complete(
        _: &Map<String, Value>,
        samples: &InputSchema,
        statistics: &Statistics,
    ) -> Option<Map<String, Value>> {
        let InputSchema::Series { features } = *samples else { return None };
        let mut keys = Map::from_iter([("features".into(), json!(features))]);
        if let Some(found) = &statistics.input {
            keys.insert("scale".into(), completion::moments(found));
        }
        Some(keys)
    }

    fn validate(&self) -> Result<()> {
        size("input.features", self.features, 1)?;
        self.augment.validate()?;
        match &self.scale {
            Some(scale) => moments("input.scale", scale, self.features),
            None => Ok(()),
        }
    }

    fn samples(&self) -> InputSchema {
        InputSchema::Series { features: self.features }
    }

    fn features(&self) -> usize {
        self.features
    }

    fn changes_steps(&self) -> bool {
        self.augment.crop > 0.0
    }

    fn scale(&self) -> Option<&Moments> {
        self.scale.as_ref()
    }

    /// Numbers come as they are in a file, and are scaled before they are narrowed.
    fn dtype(&self, _: DType) -> DType {
        DType::F64
    }

    fn build(&self, parameters: &mut Parameters, _: &str) -> Result<Box<dyn InputLayer>> {
        self.validate()?;
        let scale = self.scale.as_ref().map(|scale| Scaling::new(scale, parameters.device()));
        let (features, dtype) = (self.features, parameters.dtype());
        let augment = self.augment;
        Ok(Box::new(Steps { features, dtype, scale: scale.transpose()?, augment }))
    }
}

#[derive(Debug)]
struct Steps {
    features: usize,
    /// The model's type.
    dtype: DType,
    scale: Option<Scaling>,
    augment: SeriesAugment,
}

impl InputLayer for Steps {
    fn forward(&self, samples: &Padded, mode: &mut Mode<'_>) -> Result<Sequences> {
        let x = samples.tensor();
        if !matches!(*x.dims(), [batch, steps, features] if batch * steps > 0 && features == self.features)
        {
            let expected = format!("[B, T, {}], neither zero", self.features);
            return Err(wrong_shape("sequences", x, expected));
        }
        let x = match &self.scale {
            Some(scale) => self.narrow(&scale.remove(x)?)?,
            None => self.narrow(x)?,
        };
        let (x, lengths) = self.augment.apply(x, samples.lengths(), mode)?;
        Sequences::new(x.transpose(0, 1)?.contiguous()?, lengths)
    }
}

impl Steps {
    /// The numbers in the model's type.
    ///
    /// # Errors
    /// [`Error::Range`] for a number that is finite, but not in that type.
    fn narrow(&self, x: &Tensor) -> Result<Tensor> {
        let narrow = x.to_dtype(self.dtype)?;
        if x.dtype() != DType::F64 || self.dtype == DType::F64 {
            return Ok(narrow);
        }
        let largest = x.detach().abs()?.max_all()?.to_scalar::<f64>()?;
        if !largest.is_finite() || largest <= f64::from(f32::MAX) {
            return Ok(narrow);
        }
        let features = x.detach().flatten_to(1)?.abs()?.max(0)?.to_vec1::<f64>()?;
        let feature = features.iter().position(|&found| found == largest).unwrap_or(0);
        let scaled = self.scale.is_some();
        Err(Error::Range { feature, found: largest, scaled, dtype: self.dtype })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// The features that a layer of a model in `F32` gives for the steps of one sequence.
    fn read(scale: Option<Moments>, numbers: &[f64]) -> Result<Vec<f32>> {
        let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu)?;
        let layer = Series { scale, ..Series::new(1) }.build(&mut parameters, "input")?;
        let x = Tensor::from_slice(numbers, (1, numbers.len(), 1), &Device::Cpu)?;
        Ok(layer.forward(&x.into(), &mut Mode::Eval)?.tensor().flatten_all()?.to_vec1()?)
    }

    #[test]
    fn numbers_are_scaled_before_they_are_narrowed() {
        let scale = |mean, std| Some(Moments { mean: vec![mean], std: vec![std] });
        let stamps = [1_700_000_000.0, 1_700_000_001.0, 1_700_000_003.0];
        assert_eq!(read(scale(1_700_000_001.0, 2.0), &stamps).unwrap(), [-0.5, 0.0, 1.0]);
        assert_eq!(read(scale(0.0, 1e-46), &[1e-46, -3e-46]).unwrap(), [1.0, -3.0]);
        assert_eq!(read(scale(0.0, 1e300), &[1e300]).unwrap(), [1.0]);
    }

    #[test]
    fn a_number_too_large_for_the_model_is_an_error() {
        let error = read(None, &[0.0, 1e39]).unwrap_err().to_string();
        let expected =
            "feature 0 is 1e39, which does not fit F32, the model's type: give model.input.scale";
        assert!(error.starts_with(expected), "{error}");
        let scale = Moments { mean: vec![0.0], std: vec![0.25] };
        let error = read(Some(scale), &[3e38]).unwrap_err().to_string();
        assert!(
            error.starts_with("feature 0 is 1.2e39 after scaling, which does not fit F32"),
            "{error}"
        );
        assert_eq!(read(None, &[3e38]).unwrap(), [3e38]);
    }

    #[test]
    fn a_scale_has_a_finite_mean_and_std_for_each_feature() {
        let error = |features, mean: &[f64], std: &[f64]| {
            let scale = Moments { mean: mean.to_vec(), std: std.to_vec() };
            Series { scale: Some(scale), ..Series::new(features) }
                .validate()
                .unwrap_err()
                .to_string()
        };
        let found = error(2, &[0.0], &[1.0, 1.0]);
        let expected = "`input.scale` is 1 means and 2 standard deviations, expected 2 of each";
        assert_eq!(found, expected);
        for (mean, std) in [([0.0, f64::NAN], [1.0, 1.0]), ([0.0, 0.0], [1.0, 0.0])] {
            let found = error(2, &mean, &std);
            assert!(found.starts_with("`input.scale` is Moments"), "{found}");
        }
        let none = Series::new(0).validate().unwrap_err().to_string();
        assert!(none.starts_with("`input.features` is 0"), "{none}");
    }

    #[test]
    fn the_scale_is_that_of_the_data_unless_the_recipe_has_one() {
        let found = Moments { mean: vec![0.5, 2.0], std: vec![1.0, 3.0] };
        let statistics = Statistics::new(Some(found.clone()), None);
        let schema = InputSchema::Series { features: 2 };
        let keys = Series::complete(&Map::new(), &schema, &statistics).unwrap();
        let config: Series = serde_json::from_value(keys.into()).unwrap();
        assert_eq!(config, Series { scale: Some(found), ..Series::new(2) });
    }
}
