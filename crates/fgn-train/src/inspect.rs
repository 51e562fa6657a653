//! What the parameters of a model hold.

use candle_core::{DType, Tensor};
use fgn_nn::Model;
use serde::Serialize;

use crate::error::Result;

/// What one parameter holds. Mean, standard deviation, bounds and norm are over its finite values, and
/// NaN where it has none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterSummary {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its type of number, `f32` or `f64`.
    pub dtype: &'static str,
    /// How many values it has.
    pub count: usize,
    /// Those of them that are not finite.
    pub not_finite: usize,
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub std: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The root of the sum of squares.
    pub norm: f64,
}

/// What each parameter of a model holds, in the model's order.
///
/// # Errors
/// Parameters that cannot be brought to the CPU.
///
/// ```
/// use candle_core::{DType, Device};
/// use fgn_train::{Config, Model, summarize_parameters};
///
/// let config = Config::recipe("mnist-rows")?;
/// let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu)?;
/// let found = summarize_parameters(&model)?;
/// assert_eq!(found.iter().map(|parameter| parameter.count).sum::<usize>(), model.parameter_count());
/// assert!(found.iter().all(|parameter| parameter.not_finite == 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn summarize_parameters(model: &Model) -> Result<Vec<ParameterSummary>> {
    let all = model.parameters().iter();
    all.map(|(name, var)| summary(name, var)).collect()
}

fn summary(name: &str, tensor: &Tensor) -> Result<ParameterSummary> {
    let numbers: Vec<f64> = tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let count = finite().count();
    let mean = finite().sum::<f64>() / count as f64;
    let variance = finite().map(|number| (number - mean).powi(2)).sum::<f64>() / count as f64;
    let norm = match count {
        0 => f64::NAN,
        _ => finite().map(|number| number * number).sum::<f64>().sqrt(),
    };
    Ok(ParameterSummary {
        name: name.to_owned(),
        shape: tensor.dims().to_vec(),
        dtype: tensor.dtype().as_str(),
        count: numbers.len(),
        not_finite: numbers.len() - count,
        mean,
        std: variance.sqrt(),
        // Where no value is finite, NaN is left.
        min: finite().fold(f64::NAN, f64::min),
        max: finite().fold(f64::NAN, f64::max),
        norm,
    })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn non_finite_values_are_counted_and_left_out() {
        let tensor = |numbers: &[f32]| Tensor::new(numbers, &Device::Cpu).unwrap();
        let found = summary("a", &tensor(&[3.0, f32::NAN, -4.0, f32::INFINITY, 1.0])).unwrap();
        let expected = ParameterSummary {
            name: "a".into(),
            shape: vec![5],
            dtype: "f32",
            count: 5,
            not_finite: 2,
            mean: 0.0,
            std: (26.0f64 / 3.0).sqrt(),
            min: -4.0,
            max: 3.0,
            norm: 26.0f64.sqrt(),
        };
        assert_eq!(found, expected);
        let found = summary("b", &tensor(&[f32::NAN])).unwrap();
        let none = [found.mean, found.std, found.min, found.max, found.norm];
        assert!(none.iter().all(|number| number.is_nan()), "{found:?}");
        let large = summary("c", &tensor(&[f32::MAX, f32::MAX])).unwrap();
        assert!(large.norm.is_finite() && large.std == 0.0, "{large:?}");
    }
}
