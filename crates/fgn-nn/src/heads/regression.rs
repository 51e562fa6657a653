//! Several values.

use candle_core::Tensor;
use fgn_kernels::Emit;
use fgn_schema::{
    Moments, Padded, Prediction, Statistics, TargetSchema, significant, significant_among,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::{self, Answer};
use super::kind::{Encoded, Head, HeadKind};
use super::outputs;
use super::pool::{Pool, Pooled};
use crate::check;
use crate::completion;
use crate::dense::Linear;
use crate::dropout::Mode;
use crate::error::{Error, Result};
use crate::loss::{Loss, LossOptions, mean_squared_error};
use crate::parameters::Parameters;
use crate::scaling::Scaling;

/// Predicts several values for each sample, or for each of its steps: a linear layer, and the mean squared
/// error as the loss. Its parameters are those of a [`Linear`] layer, and of [`Pool`].
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Regression {
    /// The number of values.
    pub values: usize,
    /// The names of the values; if not given, they are counted from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Whether each step has values, rather than each sample.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_step: bool,
    /// What is read of the outputs of the steps, where each sample has values.
    #[serde(default, skip_serializing_if = "Pool::is_last")]
    pub pool: Pool,
    /// The mean and standard deviation of each value. The linear layer predicts standardised values, which
    /// are scaled back to the targets' units in `F64`; the loss is that of standardised values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Moments>,
}

impl Regression {
    /// So many values for each sample, without a scale.
    pub fn new(values: usize) -> Self {
        Self { values, names: Vec::new(), per_step: false, pool: Pool::Last, scale: None }
    }
}

impl HeadKind for Regression {
    fn stand_in() -> TargetSchema {
        TargetSchema::Value { names: outputs::names(&[], 1), per_step: false }
    }

    /// A recipe that says how many values there are says all about them: nothing is added to it.
    fn complete(
        given: &Map<String, Value>,
        targets: &TargetSchema,
        statistics: &Statistics,
    ) -> Option<Map<String, Value>> {
        let TargetSchema::Value { names, per_step } = targets else { return None };
        if given.contains_key("values") {
            return Some(Map::new());
        }
        let mut keys = outputs::keys("values", names, *per_step);
        if let Some(found) = &statistics.target {
            keys.insert("scale".into(), completion::moments(found));
        }
        Some(keys)
    }

    fn validate(&self) -> Result<()> {
        check::size("head.values", self.values, 1)?;
        self.pool.validate(self.per_step)?;
        check::names("head.names", &self.names, self.values)?;
        match &self.scale {
            Some(scale) => check::moments("head.scale", scale, self.values),
            None => Ok(()),
        }
    }

    fn target(&self) -> TargetSchema {
        let names = outputs::names(&self.names, self.values);
        TargetSchema::Value { names, per_step: self.per_step }
    }

    fn metrics(&self) -> &'static [&'static str] {
        &["mae", "rmse", "r2"]
    }

    fn accepts(&self, targets: &TargetSchema) -> Result<()> {
        match targets {
            TargetSchema::Value { names, .. } if names.len() == self.values => {
                outputs::accepts_steps(targets, self.per_step)?;
                outputs::accepts_names(targets, &self.names)
            }
            _ => {
                let values = if self.values == 1 { "value" } else { "values" };
                let expected = format!("{} {values} (model.head.values)", self.values);
                Err(Error::Mismatch { found: targets.to_string(), expected })
            }
        }
    }

    fn build(
        &self,
        parameters: &mut Parameters,
        name: &str,
        inputs: usize,
    ) -> Result<Box<dyn Head>> {
        self.validate()?;
        let linear = Linear::new(parameters, name, inputs, self.values)?;
        let scale = self.scale.as_ref().map(|scale| Scaling::new(scale, parameters.device()));
        Ok(Box::new(RegressionHead {
            linear,
            pooled: Pooled::new(self.pool, parameters, name, inputs)?,
            scale: scale.transpose()?,
            spread: self.scale.as_ref().map_or_else(Vec::new, |scale| scale.std.clone()),
            count: self.values,
            names: self.names.clone(),
            per_step: self.per_step,
        }))
    }
}

#[derive(Debug)]
struct RegressionHead {
    linear: Linear,
    pooled: Pooled,
    scale: Option<Scaling>,
    /// The standard deviations of the scale; without one, empty.
    spread: Vec<f64>,
    count: usize,
    names: Vec<String>,
    per_step: bool,
}

impl Head for RegressionHead {
    fn emit(&self) -> Emit {
        self.pooled.emit(self.per_step)
    }

    fn forward(
        &self,
        encoded: &Encoded<'_>,
        _: Option<&Padded>,
        _: &mut Mode<'_>,
    ) -> Result<Prediction> {
        let mut values = self.linear.forward(&self.pooled.forward(encoded)?)?;
        if let Some(scale) = &self.scale {
            values = scale.apply(&values)?;
        }
        Ok(Prediction::Values(outputs::batch(values, self.per_step, encoded)?))
    }

    fn loss(
        &self,
        prediction: &Prediction,
        target: &Padded,
        options: &LossOptions,
    ) -> Result<Loss> {
        options.are_none()?;
        values(prediction)?;
        let (predicted, target) = prediction.rows(target)?;
        let mean = self.error(&predicted, &target)?;
        Ok(Loss::new(mean, target.dim(0)?))
    }

    fn decode(&self, prediction: &Prediction) -> Result<Vec<Answer>> {
        let samples = outputs::rows::<f64>(values(prediction)?)?;
        Ok(samples.iter().map(|rows| self.answer(rows)).collect())
    }
}

impl RegressionHead {
    /// The mean squared error of standardised values.
    fn error(&self, predicted: &Tensor, target: &Tensor) -> Result<Tensor> {
        match &self.scale {
            Some(scale) => mean_squared_error(&scale.remove(predicted)?, &scale.remove(target)?),
            None => mean_squared_error(predicted, target),
        }
    }

    /// The answer for a sample, from the values of the sample or of its steps.
    fn answer(&self, rows: &[Vec<f64>]) -> Answer {
        let names = outputs::names(&self.names, self.count);
        let text = |(index, &value): (usize, &f64)| match self.spread.get(index) {
            Some(&spread) => significant_among(value, spread),
            None => significant(value),
        };
        let line = |values: &[f64]| {
            answer::line(names.iter().cloned().zip(values.iter().enumerate().map(text)))
        };
        let keys = |values: &[f64]| {
            let numbers = values.iter().copied().map(Value::from);
            let named = answer::by_name(names.iter().cloned().zip(numbers));
            Map::from_iter([("values".to_owned(), named)])
        };
        if !self.per_step {
            let values = rows.first().map_or(&[][..], Vec::as_slice);
            return Answer::new(line(values), keys(values));
        }
        let texts: Vec<_> = rows.iter().map(|values| line(values)).collect();
        let steps: Vec<_> = rows.iter().map(|values| Value::from(keys(values))).collect();
        Answer::new(answer::steps(&texts), Map::from_iter([("steps".into(), steps.into())]))
    }
}

fn values(prediction: &Prediction) -> Result<&Padded> {
    match prediction {
        Prediction::Values(values) => Ok(values),
        _ => Err(Error::Prediction { found: prediction.kind(), expected: "values" }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_for_targets_of_as_many_values() {
        let value = |names: &[&str], per_step| TargetSchema::Value {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            per_step,
        };
        let head = Regression::new(2);
        head.accepts(&value(&["x", "y"], false)).unwrap();
        let class = Regression::stand_in();
        let named = Regression { names: vec!["x".into(), "y".into()], ..Regression::new(2) };
        for (head, targets, expected) in [
            (&head, class, "1 value, expected 2 values (model.head.values)"),
            (&head, value(&["x", "y"], true), "a target per step, expected a target per sample"),
            (
                &named,
                value(&["y", "x"], false),
                "targets called y, x, expected targets called x, y",
            ),
        ] {
            let error = head.accepts(&targets).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the data has {expected}")), "{error}");
        }
    }

    #[test]
    fn the_scale_is_that_of_the_data_unless_the_recipe_says_how_many_values() {
        let found = Moments { mean: vec![0.5], std: vec![3.0] };
        let statistics = Statistics::new(None, Some(found.clone()));
        let targets = TargetSchema::Value { names: vec!["x".into()], per_step: true };
        let keys = Regression::complete(&Map::new(), &targets, &statistics).unwrap();
        let config: Regression = serde_json::from_value(keys.into()).unwrap();
        let names = vec!["x".to_owned()];
        let scale = Some(found);
        assert_eq!(config, Regression { names, per_step: true, scale, ..Regression::new(1) });
        let given = Map::from_iter([("values".to_owned(), json!(1))]);
        assert_eq!(Regression::complete(&given, &targets, &statistics), Some(Map::new()));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let error = Regression::new(0).validate().unwrap_err().to_string();
        assert_eq!(error, "`head.values` is 0, expected 1 to 16777216");
        let scale = Some(Moments { mean: vec![0.0], std: vec![0.0] });
        let error = Regression { scale, ..Regression::new(1) }.validate().unwrap_err().to_string();
        assert!(error.starts_with("`head.scale` is Moments"), "{error}");
    }
}
