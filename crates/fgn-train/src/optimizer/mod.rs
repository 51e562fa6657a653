//! Optimizers: on the CPU one pass over memory for each parameter, in place, in a fixed order.
//!
//! The formulas are those of `torch.optim`; results do not depend on how many threads there are.

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};

use crate::Result;
use groups::{Piece, pieces};
use update::{Moments, Rule, square_sum, update};

mod average;
pub(crate) mod config;
mod elsewhere;
mod groups;
#[cfg(test)]
mod tests;
mod update;

pub(crate) use average::Average;
pub use config::OptimizerConfig;
pub use groups::{Group, NamedRows};

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
pub struct Gradients(Vec<Option<Tensor>>);

/// Holds the parameters of a model and what it remembers of their gradients.
///
/// ```
/// use candle_core::{Device, Var};
/// use fgn_train::{Clip, Gradients, Optimizer, OptimizerConfig};
///
/// let x = Var::new(&[3.0f64], &Device::Cpu)?;
/// let parameters = [("x".to_owned(), x.clone())];
/// let mut optimizer = Optimizer::new(&OptimizerConfig::sgd(0.25), &[], &parameters, &[])?;
/// let loss = x.sqr()?.sum_all()?;
/// let gradients = Gradients::new(&parameters, &loss.backward()?)?;
/// optimizer.step(&gradients, Clip::default(), 1.0)?;
/// assert_eq!(x.to_vec1::<f64>()?, [1.5]); // 3 - 0.25 * 2 * 3
/// # Ok::<(), fgn_train::Error>(())
/// ```
pub struct Optimizer {
    config: OptimizerConfig,
    parameters: Vec<Parameter>,
    steps: u64,
}

struct Parameter {
    name: String,
    var: Var,
    moments: Moments,
    pieces: Vec<Piece>,
}

impl Clip {
    /// # Errors
    /// A limit that is not above 0.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, limit) in [("clip.norm", self.norm), ("clip.value", self.value)] {
            if let Some(limit) = limit {
                config::positive(key, limit)?;
            }
        }
        Ok(())
    }

    fn limit(&self) -> f64 {
        self.value.unwrap_or(f64::INFINITY)
    }
}

impl Gradients {
    /// Those that a backward pass gave.
    ///
    /// # Errors
    /// None that is known; those of Candle.
    pub fn new(parameters: &[(String, Var)], store: &GradStore) -> Result<Gradients> {
        let gradient =
            |(_, var): &(String, Var)| store.get(var).map(Tensor::contiguous).transpose();
        Ok(Gradients(parameters.iter().map(gradient).collect::<candle_core::Result<_>>()?))
    }

    /// Adds those of another backward pass for the same parameters.
    ///
    /// # Errors
    /// Gradients of other shapes.
    pub fn add(&mut self, others: Gradients) -> Result<()> {
        for (sum, other) in self.0.iter_mut().zip(others.0) {
            *sum = match (sum.take(), other) {
                (Some(one), Some(other)) => Some((one + other)?),
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
            *gradient = (&*gradient * factor)?;
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
            sum += square_sum(gradient, clip.limit())?;
        }
        Ok(sum.sqrt())
    }

    /// Which of them hold a number that is not finite.
    ///
    /// # Errors
    /// As [`norm`](Self::norm).
    pub fn not_finite(&self) -> Result<Vec<usize>> {
        let mut places = Vec::new();
        for (place, gradient) in self.0.iter().enumerate() {
            if let Some(gradient) = gradient
                && !square_sum(gradient, f64::INFINITY)?.is_finite()
            {
                places.push(place);
            }
        }
        Ok(places)
    }
}

impl Optimizer {
    /// Takes `parameters` to update; `rows` are parts of them that `groups` may name.
    ///
    /// # Errors
    /// An option outside its range, a group that nothing is in, and a parameter that is neither f32 nor
    /// f64.
    pub fn new(
        config: &OptimizerConfig,
        groups: &[Group],
        parameters: &[(String, Var)],
        rows: &[NamedRows],
    ) -> Result<Optimizer> {
        config.check()?;
        groups.iter().try_for_each(Group::check)?;
        let pieces = pieces(config, groups, parameters, rows)?;
        let parameter = |((name, var), pieces): (&(String, Var), _)| {
            let moments = Moments::zeros(config.moments().len(), var)?;
            Ok(Parameter { name: name.clone(), var: var.clone(), moments, pieces })
        };
        let parameters = parameters.iter().zip(pieces).map(parameter).collect::<Result<_>>()?;
        Ok(Optimizer { config: *config, parameters, steps: 0 })
    }

    /// Makes one step with `gradients`, at the learning rate times `factor`; gives their norm before it
    /// was clipped. A parameter without a gradient stays as it is.
    ///
    /// # Errors
    /// A gradient of another type than its parameter's.
    pub fn step(&mut self, gradients: &Gradients, clip: Clip, factor: f64) -> Result<f64> {
        let norm = gradients.norm(clip)?;
        let scale = clip.norm.map_or(1.0, |max| (max / (norm + NORM_EPSILON)).min(1.0));
        self.steps += 1;
        let (config, steps) = (self.config, self.steps);
        for (Parameter { var, moments, pieces, .. }, gradient) in
            self.parameters.iter_mut().zip(&gradients.0)
        {
            let Some(gradient) = gradient else {
                continue;
            };
            let rule = |piece: &Piece| {
                let rate = config.learning_rate() * factor * piece.rate;
                let rule = Rule::new(&config, steps, rate, piece.weight_decay);
                (piece.range.clone(), rule.clipped(clip.limit(), scale))
            };
            update(var, gradient, moments, &pieces.iter().map(rule).collect::<Vec<_>>())?;
        }
        Ok(norm)
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// What it remembers, as tensors of the parameters' shapes: `exp_avg/head.weight` and so on, with
    /// PyTorch's names.
    ///
    /// # Errors
    /// None that is known; those of Candle.
    pub fn moments(&self) -> Result<Vec<(String, Tensor)>> {
        let mut all = Vec::new();
        for (nth, moment) in self.config.moments().iter().enumerate() {
            for Parameter { name, var, moments, .. } in &self.parameters {
                all.push((format!("{moment}/{name}"), moments.get(nth, var)?));
            }
        }
        Ok(all)
    }

    /// Goes on from `steps` steps with what was remembered then; `find` gives each tensor of
    /// [`moments`](Self::moments) by its name, the parameter's shape and its type.
    ///
    /// # Errors
    /// Whatever `find` returns, and a tensor of another type.
    pub fn restore(
        &mut self,
        steps: u64,
        mut find: impl FnMut(&str, &Var) -> Result<Tensor>,
    ) -> Result<()> {
        for (nth, moment) in self.config.moments().iter().enumerate() {
            for Parameter { name, var, moments, .. } in &mut self.parameters {
                moments.set(nth, &find(&format!("{moment}/{name}"), var)?)?;
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// As PyTorch has it, so that a norm of 0 divides nothing.
const NORM_EPSILON: f64 = 1e-6;
