//! The parameters of a model as numbers.

use std::collections::BTreeSet;

use candle_core::DType;
use fgn_nn::Model;

use crate::error::{Error, Result};

/// The parameters of a model. At the end all must have been [taken](Self::take): one that was not belongs to a part of
/// the model that the C source would lack.
pub(crate) struct Parameters<'a> {
    model: &'a Model,
    taken: BTreeSet<String>,
}

impl<'a> Parameters<'a> {
    pub(crate) fn new(model: &'a Model) -> Self {
        Self { model, taken: BTreeSet::new() }
    }

    /// The numbers of the parameter called `name`, which must have that shape.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let wrong = |reason| Error::Parameter { name: name.to_owned(), reason };
        let parameters = self.model.parameters().iter();
        let found = parameters.filter(|(found, _)| found == name).map(|(_, var)| var).next();
        let var =
            found.ok_or_else(|| wrong(format!("is missing, expected with shape {shape:?}")))?;
        if var.dims() != shape {
            return Err(wrong(format!("has shape {:?}, expected {shape:?}", var.dims())));
        }
        self.taken.insert(name.to_owned());
        let numbers: Vec<f64> = var.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        floats(&format!("parameter `{name}`"), &numbers)
    }

    /// Checks that all have been taken.
    pub(crate) fn finish(self) -> Result<()> {
        let mut names = self.model.parameters().iter().map(|(name, _)| name);
        match names.find(|name| !self.taken.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(Error::Parameter {
                name: name.clone(),
                reason: "belongs to a part of the model that is not written as C source".into(),
            }),
        }
    }
}

/// Numbers as `float`, all finite.
pub(crate) fn floats(what: &str, numbers: &[f64]) -> Result<Vec<f32>> {
    let narrow: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
    match narrow.iter().position(|number| !number.is_finite()) {
        None => Ok(narrow),
        Some(index) => Err(Error::Number { what: what.to_owned(), index, found: numbers[index] }),
    }
}

/// Standard deviations, which must not become zero.
pub(crate) fn spreads(field: &str, std: &[f64]) -> Result<Vec<f32>> {
    let what = format!("the standard deviations of {field}");
    let narrow = floats(&what, std)?;
    match narrow.iter().position(|std| !std.is_normal()) {
        None => Ok(narrow),
        Some(index) => Err(Error::Number { what, index, found: std[index] }),
    }
}
