//! Numbers that are not finite: where they come from, and what is done about them.

use candle_core::{Tensor, Var};
use fgn_data::Batch;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{Error, Gradients, Result};

/// What to do about a step whose loss or gradient is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NonFinite {
    /// Stop, and say which step, which samples and which tensors.
    #[default]
    Stop,
    /// Warn, and leave the step out. Weights that are not finite stop it all the same.
    Skip,
}

/// A loss or a gradient that is not finite.
pub(super) struct Trouble {
    what: String,
    tensors: Vec<String>,
}

impl Trouble {
    /// Of a loss: which of the input and the parameters are not finite either.
    pub(super) fn loss(loss: f64, batch: &Batch, parameters: &[(String, Var)]) -> Result<Trouble> {
        let mut tensors = not_finite(parameters)?;
        for (name, tensor) in [("the batch's input", &batch.input), ("its target", &batch.target)] {
            if !is_finite(tensor)? {
                tensors.push(name.into());
            }
        }
        Ok(Trouble { what: format!("the loss is {loss}"), tensors })
    }

    /// Of gradients, if there is any.
    pub(super) fn gradients(
        gradients: &Gradients,
        parameters: &[(String, Var)],
    ) -> Result<Option<Trouble>> {
        let places = gradients.not_finite()?;
        if places.is_empty() {
            return Ok(None);
        }
        let name = |place: usize| format!("the gradient of {}", parameters[place].0);
        let tensors = places.into_iter().map(name).collect();
        Ok(Some(Trouble { what: "a gradient is not finite".into(), tensors }))
    }

    /// # Errors
    /// The trouble itself, unless the step is to be left out and the parameters are finite.
    pub(super) fn pass_over(
        self,
        how: NonFinite,
        parameters: &[(String, Var)],
        epoch: usize,
        step: usize,
        samples: &[u32],
    ) -> Result<()> {
        let broken = not_finite(parameters)?;
        let error = Error::NotFinite {
            what: self.what,
            epoch,
            step,
            samples: listed(samples),
            tensors: match self.tensors.is_empty() {
                true => "all parameters and the batch are finite".into(),
                false => format!("not finite: {}", self.tensors.join(", ")),
            },
        };
        match how {
            NonFinite::Skip if broken.is_empty() => {
                warn!("left out: {error}");
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// # Errors
/// A measured loss that is not finite.
pub(super) fn measured(loss: f64, epoch: usize) -> Result<()> {
    match loss.is_finite() {
        true => Ok(()),
        false => Err(Error::NotMeasured { loss, epoch }),
    }
}

fn not_finite(parameters: &[(String, Var)]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (name, var) in parameters {
        if !is_finite(var)? {
            names.push(name.clone());
        }
    }
    Ok(names)
}

/// Of a sum of zeros times the numbers, which is 0 if they all are finite.
fn is_finite(tensor: &Tensor) -> Result<bool> {
    if !tensor.dtype().is_float() || tensor.elem_count() == 0 {
        return Ok(true);
    }
    let sum = (tensor.detach() * 0.0)?.sum_all()?.to_dtype(candle_core::DType::F64)?;
    Ok(sum.to_scalar::<f64>()? == 0.0)
}

/// The first of them, and how many more there are.
fn listed(samples: &[u32]) -> String {
    const SHOWN: usize = 100;
    let shown: Vec<_> = samples.iter().take(SHOWN).map(u32::to_string).collect();
    match samples.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn what_is_not_finite_is_found() {
        let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
        assert!(is_finite(&tensor(&[0.0, -0.0, f32::MAX, f32::MIN])).unwrap());
        assert!(!is_finite(&tensor(&[0.0, f32::NAN])).unwrap());
        assert!(!is_finite(&tensor(&[f32::NEG_INFINITY, f32::INFINITY])).unwrap());
        assert!(is_finite(&Tensor::zeros(3, DType::U32, &Device::Cpu).unwrap()).unwrap());
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(listed(&[3, 1]), "3, 1");
        let long: Vec<u32> = (0..130).collect();
        assert!(listed(&long).ends_with("98, 99 and 30 more"));
    }
}
