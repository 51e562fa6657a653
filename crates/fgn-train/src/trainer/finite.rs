//! Values that are not finite: where they come from, and what is done about them.

use candle_core::Var;
use fgn_schema::{Batch, Padded};
use tracing::warn;

use crate::error::{Error, Result};
use crate::optimizer::gradients::Gradients;
use crate::training_config::NonFinite;

/// A loss or a gradient that is not finite.
pub(super) struct Trouble {
    what: String,
    tensors: Vec<String>,
}

impl Trouble {
    /// Of a loss: which of the input and the parameters are not finite either.
    pub(super) fn loss(loss: f64, batch: &Batch, parameters: &[(String, Var)]) -> Result<Trouble> {
        let mut tensors = not_finite(parameters)?;
        for (name, parts) in [("input", batch.inputs()), ("target", batch.targets())] {
            for part in parts {
                if !part.is_finite()? {
                    tensors.push(format!("the batch's {name}"));
                }
            }
        }
        Ok(Trouble { what: format!("the loss is {loss}"), tensors })
    }

    /// Of gradients, if there is any.
    pub(super) fn gradients(
        gradients: &Gradients,
        parameters: &[(String, Var)],
    ) -> Result<Option<Trouble>> {
        let indices = gradients.not_finite()?;
        if indices.is_empty() {
            return Ok(None);
        }
        let name = |index: usize| format!("the gradient of {}", parameters[index].0);
        let tensors = indices.into_iter().map(name).collect();
        Ok(Some(Trouble { what: "a gradient is not finite".into(), tensors }))
    }

    /// What it is, for other processes.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Reports the trouble of a step on the samples at the indices `samples`.
    ///
    /// # Errors
    /// The trouble itself, unless the step is to be skipped and the parameters are finite.
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
            samples: match samples {
                [] => "samples of the given batches".into(),
                _ => format!("samples {} of the training part", listed(samples)),
            },
            tensors: match self.tensors.is_empty() {
                true => "all parameters and the batch are finite".into(),
                false => format!("not finite: {}", self.tensors.join(", ")),
            },
        };
        match how {
            NonFinite::Skip if broken.is_empty() => {
                warn!("skipped: {error}");
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// Checks a measured loss.
///
/// # Errors
/// A loss that is not finite.
pub(crate) fn measured(loss: f64, epoch: usize) -> Result<()> {
    match loss.is_finite() {
        true => Ok(()),
        false => Err(Error::NotMeasured { loss, epoch }),
    }
}

fn not_finite(parameters: &[(String, Var)]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (name, var) in parameters {
        if !Padded::new(var.as_tensor().clone()).is_finite()? {
            names.push(name.clone());
        }
    }
    Ok(names)
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
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(listed(&[3, 1]), "3, 1");
        let long: Vec<u32> = (0..130).collect();
        assert!(listed(&long).ends_with("98, 99 and 30 more"));
    }
}
