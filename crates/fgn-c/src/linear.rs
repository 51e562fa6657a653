//! Linear maps.

use crate::error::Result;
use crate::matrix::{Format, Matrix};
use crate::parameters::Parameters;

/// `y = W x + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Matrix,
    pub(crate) bias: Vec<f32>,
}

impl Linear {
    /// Of the parameters `{name}.weight [outputs, inputs]` and `{name}.bias [outputs]`.
    pub(crate) fn new(
        parameters: &mut Parameters<'_>,
        name: &str,
        [outputs, inputs]: [usize; 2],
        format: Format,
    ) -> Result<Self> {
        let weight = matrix(parameters, &format!("{name}.weight"), [outputs, inputs], format)?;
        Ok(Self { weight, bias: parameters.take(&format!("{name}.bias"), &[outputs])? })
    }
}

/// The parameter called `name`, `[rows, columns]`.
pub(crate) fn matrix(
    parameters: &mut Parameters<'_>,
    name: &str,
    [rows, columns]: [usize; 2],
    format: Format,
) -> Result<Matrix> {
    Ok(Matrix::new(parameters.take(name, &[rows, columns])?, columns, format))
}
