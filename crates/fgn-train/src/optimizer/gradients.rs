//! The gradients of a model's parameters, and their limits.

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use fgn_nn::TouchedRows;
use serde::{Deserialize, Serialize};

use super::update::square_sum;
use crate::error::Result;
use crate::ranges::positive;

/// Limits for the gradients of a step; none if left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// The largest norm that all gradients together may have, above 0; larger ones are scaled down to
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<f64>,
    /// The largest size that each number of a gradient may have, above 0; larger ones are set to it,
    /// before the norm is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

/// The gradients of a model's parameters: in their order, none where there is none.
#[derive(Clone, Debug)]
pub struct Gradients(pub(super) Vec<Option<Gradient>>);

/// The gradient of a parameter.
#[derive(Clone, Debug)]
pub(super) enum Gradient {
    /// Of the parameter's shape.
    Dense(Tensor),
    /// Of some rows, ascending and each once, `[rows, ..]`; all others are zero.
    Rows(Vec<u32>, Tensor),
}

impl Gradient {
    /// Its numbers that may differ from zero.
    fn tensor(&self) -> &Tensor {
        match self {
            Gradient::Dense(tensor) | Gradient::Rows(_, tensor) => tensor,
        }
    }

    pub(super) fn add(self, other: Gradient) -> candle_core::Result<Gradient> {
        match (self, other) {
            (Gradient::Dense(one), Gradient::Dense(other)) => Ok(Gradient::Dense((one + other)?)),
            (Gradient::Dense(whole), Gradient::Rows(rows, values))
            | (Gradient::Rows(rows, values), Gradient::Dense(whole)) => {
                let rows = Tensor::new(&rows[..], whole.device())?;
                Ok(Gradient::Dense(whole.index_add(&rows, &values, 0)?))
            }
            (Gradient::Rows(first, one), Gradient::Rows(second, other)) => {
                let mut rows = [&first[..], &second].concat();
                rows.sort_unstable();
                rows.dedup();
                let mut shape = one.dims().to_vec();
                shape[0] = rows.len();
                let mut sum = Tensor::zeros(shape, one.dtype(), one.device())?;
                for (of, values) in [(first, one), (second, other)] {
                    let place = |row: &u32| rows.partition_point(|known| known < row) as u32;
                    let places: Vec<u32> = of.iter().map(place).collect();
                    sum = sum.index_add(&Tensor::new(&places[..], sum.device())?, &values, 0)?;
                }
                Ok(Gradient::Rows(rows, sum))
            }
        }
    }
}

impl Clip {
    /// Checks the limits.
    ///
    /// # Errors
    /// A limit that is not above 0.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, limit) in [("clip.norm", self.norm), ("clip.value", self.value)] {
            if let Some(limit) = limit {
                positive(key, limit)?;
            }
        }
        Ok(())
    }

    /// The largest size of a gradient's numbers; infinite without a limit.
    pub(super) fn limit(&self) -> f64 {
        self.value.unwrap_or(f64::INFINITY)
    }
}

impl Gradients {
    /// Those that a backward pass gave.
    ///
    /// # Errors
    /// None that is known; those of Candle.
    pub fn new(parameters: &[(String, Var)], store: &GradStore) -> Result<Gradients> {
        Gradients::with_rows(parameters, store, &[])
    }

    /// Those that a backward pass gave, of whole parameters and of the rows that the model has
    /// [read](fgn_nn::Model::take_touched_rows).
    ///
    /// # Errors
    /// None that is known; those of Candle.
    pub fn with_rows(
        parameters: &[(String, Var)],
        store: &GradStore,
        touched: &[TouchedRows],
    ) -> Result<Gradients> {
        let dense = |var: &Var| store.get(var).map(Tensor::contiguous).transpose();
        let gradient = |(name, var): &(String, Var)| -> candle_core::Result<_> {
            let mut sum = dense(var)?.map(Gradient::Dense);
            for of in touched.iter().filter(|of| of.parameter == *name) {
                if let Some(values) = dense(&of.values)? {
                    let rows = Gradient::Rows(of.rows.clone(), values);
                    sum = Some(match sum {
                        None => rows,
                        Some(sum) => sum.add(rows)?,
                    });
                }
            }
            Ok(sum)
        };
        Ok(Gradients(parameters.iter().map(gradient).collect::<candle_core::Result<_>>()?))
    }

    /// Of each parameter, whether it has one.
    pub(crate) fn are_there(&self) -> impl Iterator<Item = bool> {
        self.0.iter().map(Option::is_some)
    }

    /// Leaves out the gradients of the parameters that are `frozen`, in their order: these stay as they are.
    pub(crate) fn leave_out(&mut self, frozen: &[bool]) {
        for (gradient, _) in self.0.iter_mut().zip(frozen).filter(|(_, is_frozen)| **is_frozen) {
            *gradient = None;
        }
    }

    /// Adds those of another backward pass for the same parameters.
    ///
    /// # Errors
    /// Gradients of other shapes.
    pub fn add(&mut self, others: Gradients) -> Result<()> {
        for (sum, other) in self.0.iter_mut().zip(others.0) {
            *sum = match (sum.take(), other) {
                (Some(one), Some(other)) => Some(one.add(other)?),
                (one, other) => one.or(other),
            };
        }
        Ok(())
    }

    /// Multiplies them all.
    ///
    /// # Errors
    /// None that is known; those of Candle.
    pub fn scale(&mut self, factor: f64) -> Result<()> {
        for gradient in self.0.iter_mut().flatten() {
            let (Gradient::Dense(values) | Gradient::Rows(_, values)) = gradient;
            *values = (&*values * factor)?;
        }
        Ok(())
    }

    /// Their Euclidean norm together, after `clip.value`, before `clip.norm`.
    ///
    /// # Errors
    /// A gradient that is neither f32 nor f64.
    pub fn norm(&self, clip: Clip) -> Result<f64> {
        let mut sum = 0.0;
        for gradient in self.0.iter().flatten() {
            sum += square_sum(gradient.tensor(), clip.limit())?;
        }
        Ok(sum.sqrt())
    }

    /// Which of them hold a number that is not finite.
    ///
    /// # Errors
    /// As [`norm`](Self::norm).
    pub fn not_finite(&self) -> Result<Vec<usize>> {
        let mut indices = Vec::new();
        for (index, gradient) in self.0.iter().enumerate() {
            if let Some(gradient) = gradient
                && !square_sum(gradient.tensor(), f64::INFINITY)?.is_finite()
            {
                indices.push(index);
            }
        }
        Ok(indices)
    }
}
