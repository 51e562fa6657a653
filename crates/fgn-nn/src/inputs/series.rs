//! Sequences of numbers.

use fgn_schema::{InputSchema, Moments, Padded, Statistics};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kind::{InputKind, InputLayer};
use crate::check::{moments, size, wrong_shape};
use crate::completion;
use crate::error::Result;
use crate::parameters::Parameters;
use crate::scaling::Scaling;
use crate::sequences::Sequences;

/// Samples that are sequences of numbers already: `[B, T, features]` becomes `[T, B, I]` with
/// `I = features`, standardised if a scale is given.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// The number of features per step.
    pub features: usize,
    /// The mean and standard deviation of each feature: the layer subtracts the one and divides by the
    /// other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Moments>,
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

    fn build(&self, parameters: &mut Parameters, _: &str) -> Result<Box<dyn InputLayer>> {
        self.validate()?;
        let scale = self.scale.as_ref().map(|scale| Scaling::new(scale, parameters));
        Ok(Box::new(Steps { features: self.features, scale: scale.transpose()? }))
    }
}

#[derive(Debug)]
struct Steps {
    features: usize,
    scale: Option<Scaling>,
}

impl InputLayer for Steps {
    fn forward(&self, samples: &Padded) -> Result<Sequences> {
        let x = samples.tensor();
        if !matches!(*x.dims(), [batch, steps, features] if batch * steps > 0 && features == self.features)
        {
            let expected = format!("[B, T, {}], neither zero", self.features);
            return Err(wrong_shape("sequences", x, expected));
        }
        let x = match &self.scale {
            Some(scale) => scale.remove(x)?.transpose(0, 1)?,
            None => x.transpose(0, 1)?,
        };
        Sequences::new(x.contiguous()?, samples.lengths().map(<[_]>::to_vec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_a_finite_mean_and_std_for_each_feature() {
        let error = |features, mean: &[f64], std: &[f64]| {
            let scale = Moments { mean: mean.to_vec(), std: std.to_vec() };
            Series { features, scale: Some(scale) }.validate().unwrap_err().to_string()
        };
        let found = error(2, &[0.0], &[1.0, 1.0]);
        let expected = "`input.scale` is 1 means and 2 standard deviations, expected 2 of each";
        assert_eq!(found, expected);
        for (mean, std) in [([0.0, f64::NAN], [1.0, 1.0]), ([0.0, 0.0], [1.0, 0.0])] {
            let found = error(2, &mean, &std);
            assert!(found.starts_with("`input.scale` is Moments"), "{found}");
        }
        let none = Series { features: 0, scale: None }.validate().unwrap_err().to_string();
        assert!(none.starts_with("`input.features` is 0"), "{none}");
    }

    #[test]
    fn the_scale_is_that_of_the_data_unless_the_recipe_has_one() {
        let found = Moments { mean: vec![0.5, 2.0], std: vec![1.0, 3.0] };
        let statistics = Statistics::new(Some(found.clone()), None);
        let schema = InputSchema::Series { features: 2 };
        let keys = Series::complete(&Map::new(), &schema, &statistics).unwrap();
        let config: Series = serde_json::from_value(keys.into()).unwrap();
        assert_eq!(config, Series { features: 2, scale: Some(found) });
    }
}
