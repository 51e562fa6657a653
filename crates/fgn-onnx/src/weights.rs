//! The parameters of a model, by name.

use std::collections::BTreeSet;

use candle_core::{DType, Var};

use crate::error::{Error, Result};

/// The parameters of a model, and which of them the graph has.
pub(crate) struct Weights<'a> {
    parameters: &'a [(String, Var)],
    /// What the names given here lack at their beginning.
    prefix: String,
    taken: BTreeSet<String>,
}

impl<'a> Weights<'a> {
    pub(crate) fn new(parameters: &'a [(String, Var)]) -> Self {
        Self { parameters, prefix: String::new(), taken: BTreeSet::new() }
    }

    /// The parameters whose names begin so, by the rest of their names. Those that it takes are to be
    /// [absorbed](Self::absorb).
    pub(crate) fn within(&self, prefix: &str) -> Self {
        Self { prefix: format!("{}{prefix}", self.prefix), ..Self::new(self.parameters) }
    }

    /// Counts what others have taken as taken.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.taken.extend(other.taken);
    }

    /// The values of a parameter of that shape, row-major.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let name = format!("{}{name}", self.prefix);
        let Some((_, var)) = self.parameters.iter().find(|(known, _)| *known == name) else {
            return Err(Error::MissingParameter { name, expected: shape.to_vec() });
        };
        if var.dims() != shape {
            let (found, expected) = (var.dims().to_vec(), shape.to_vec());
            return Err(Error::ParameterShape { name, found, expected });
        }
        self.taken.insert(name);
        Ok(var.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
    }

    /// As [`take`](Self::take), of a matrix with its rows as columns.
    pub(crate) fn transposed(
        &mut self,
        name: &str,
        [rows, columns]: [usize; 2],
    ) -> Result<Vec<f32>> {
        Ok(transposed(&self.take(name, &[rows, columns])?, columns))
    }

    /// Whether the model has a parameter of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|(known, _)| known.strip_prefix(&self.prefix) == Some(name))
    }

    /// Refuses a model with a parameter that no part of the graph reads: the graph would compute something else.
    pub(crate) fn check_all_taken(&self) -> Result<()> {
        match self.parameters.iter().find(|(name, _)| !self.taken.contains(name)) {
            None => Ok(()),
            Some((name, _)) => {
                let reason = "no part of the graph reads it";
                Err(Error::unsupported(format!("the parameter {name}"), reason))
            }
        }
    }
}

/// The columns of a row-major matrix, one after the other.
pub(crate) fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let column = |at: usize| matrix.iter().skip(at).step_by(columns.max(1)).copied();
    (0..columns).flat_map(column).collect()
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    fn parameters() -> Vec<(String, Var)> {
        let tensor = Tensor::new(&[[1.0_f64, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap();
        let var = Var::from_tensor(&tensor).unwrap();
        vec![("head.weight".to_owned(), var.clone()), ("head.extra".to_owned(), var)]
    }

    #[test]
    fn columns_are_rows_of_the_transposed() {
        let parameters = parameters();
        let mut weights = Weights::new(&parameters);
        let found = weights.transposed("head.weight", [2, 3]).unwrap();
        assert_eq!(found, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn parameters_that_do_not_fit_are_named() {
        let parameters = parameters();
        let mut weights = Weights::new(&parameters);
        let error = |found: Result<Vec<f32>>| found.unwrap_err().to_string();
        assert_eq!(
            error(weights.take("head.bias", &[2])),
            "the model has no parameter head.bias, expected one of shape [2]"
        );
        assert_eq!(
            error(weights.take("head.weight", &[3, 2])),
            "the parameter head.weight has shape [2, 3], expected [3, 2]"
        );
        weights.take("head.weight", &[2, 3]).unwrap();
        assert_eq!(
            weights.check_all_taken().unwrap_err().to_string(),
            "the parameter head.extra cannot be exported to ONNX: no part of the graph reads it"
        );
        weights.take("head.extra", &[2, 3]).unwrap();
        weights.check_all_taken().unwrap();
    }
}
