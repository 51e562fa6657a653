//! An exponential moving average of the weights.

use candle_core::{CpuStorage, InplaceOp2, Layout, Tensor, Var, bail};

use super::update::range;
use crate::error::Result;

/// An exponential moving average of a model's weights, which is often a better model than the weights
/// themselves (Polyak & Juditsky, 1992).
///
/// After step `t` the average moves by `1 − min(decay, (1 + t) / (10 + t))` towards the weights: at the
/// beginning, when they are still far from good, it follows them faster.
pub(crate) struct Average {
    decay: f64,
    values: Vec<Var>,
}

impl Average {
    /// Begins with the weights as they are.
    pub(crate) fn new(decay: f64, parameters: &[(String, Var)]) -> Result<Average> {
        let copy = |(_, var): &(String, Var)| Var::from_tensor(&var.copy()?);
        let values = parameters.iter().map(copy).collect::<candle_core::Result<_>>()?;
        Ok(Average { decay, values })
    }

    /// Moves towards `parameters`, which have made `steps` steps; those that are `frozen` are their own averages.
    pub(crate) fn follow(
        &self,
        parameters: &[(String, Var)],
        frozen: &[bool],
        steps: u64,
    ) -> Result<()> {
        let steps = steps as f64;
        let keep = self.decay.min((1.0 + steps) / (10.0 + steps));
        let all = self.values.iter().zip(parameters).zip(frozen);
        for ((average, (_, var)), _) in all.filter(|(_, is_frozen)| !**is_frozen) {
            match average.device().is_cpu() {
                true => average.inplace_op2(var, &Blend { keep })?,
                false => average.set(&blended(average, var, keep)?)?,
            }
        }
        Ok(())
    }

    /// Exchanges the averages and the weights.
    pub(crate) fn swap(&self, parameters: &[(String, Var)]) -> Result<()> {
        for (average, (_, var)) in self.values.iter().zip(parameters) {
            let weights = var.copy()?;
            var.set(average)?;
            average.set(&weights)?;
        }
        Ok(())
    }

    /// Goes on from averages taken before.
    pub(crate) fn set(&self, values: &[Tensor]) -> Result<()> {
        for (average, value) in self.values.iter().zip(values) {
            average.set(value)?;
        }
        Ok(())
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Tensor> {
        self.values.iter().map(Var::as_tensor)
    }
}

/// The same in another device's memory.
fn blended(average: &Tensor, weights: &Tensor, keep: f64) -> candle_core::Result<Tensor> {
    (average * keep)? + (weights * (1.0 - keep))?
}

/// `average = keep · average + (1 − keep) · weights`, in place.
struct Blend {
    keep: f64,
}

impl InplaceOp2 for Blend {
    fn name(&self) -> &'static str {
        "average"
    }

    fn cpu_fwd(
        &self,
        average: &mut CpuStorage,
        average_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (at, from) = (range(average_layout)?, range(weights_layout)?);
        match (average, weights) {
            (CpuStorage::F32(average), CpuStorage::F32(weights)) => {
                let (keep, take) = (self.keep as f32, (1.0 - self.keep) as f32);
                for (average, weight) in average[at].iter_mut().zip(&weights[from]) {
                    *average = keep * *average + take * weight;
                }
            }
            (CpuStorage::F64(average), CpuStorage::F64(weights)) => {
                for (average, weight) in average[at].iter_mut().zip(&weights[from]) {
                    *average = self.keep * *average + (1.0 - self.keep) * weight;
                }
            }
            _ => bail!("an average and its weights differ in type"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn it_follows_and_changes_places() {
        let var = Var::new(&[1.0f64, -2.0], &Device::Cpu).unwrap();
        let parameters = [("w".to_owned(), var.clone())];
        let average = Average::new(0.9, &parameters).unwrap();
        let mut expected = [1.0, -2.0];
        for step in 1..200 {
            let weights = [f64::from(step).sin(), f64::from(step)];
            var.set(&Tensor::new(&weights, &Device::Cpu).unwrap()).unwrap();
            let before = average.values[0].copy().unwrap();
            average.follow(&parameters, &[false], step as u64).unwrap();
            let keep = f64::min(0.9, f64::from(1 + step) / f64::from(10 + step));
            let same = blended(&before, &var, keep).unwrap().to_vec1::<f64>().unwrap();
            for (found, expected) in average.values[0].to_vec1::<f64>().unwrap().iter().zip(same) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
            for (expected, weight) in expected.iter_mut().zip(weights) {
                *expected = keep * *expected + (1.0 - keep) * weight;
            }
        }
        let weights = var.to_vec1::<f64>().unwrap();
        average.swap(&parameters).unwrap();
        for (found, expected) in var.to_vec1::<f64>().unwrap().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        average.swap(&parameters).unwrap();
        assert_eq!(var.to_vec1::<f64>().unwrap(), weights);
        let before = average.values[0].to_vec1::<f64>().unwrap();
        average.follow(&parameters, &[true], 200).unwrap();
        assert_eq!(average.values[0].to_vec1::<f64>().unwrap(), before);
    }
}
