//! Optimizers: on the CPU one pass over memory for each parameter, in place, in a fixed order.
//!
//! The formulas are those of `torch.optim`, one file each in [`rules`]; results do not depend on how many threads
//! there are.

use candle_core::{Tensor, Var};

use crate::error::Result;
use crate::group::Group;
use gradients::{Clip, Gradient, Gradients};
use groups::{NamedRows, ParameterGroup, Piece, pieces};
use rule::Step;
use rules::OptimizerConfig;
use update::{Moments, update, update_rows};
use values::{Coding, Values};

pub(crate) mod average;
pub(crate) mod gradients;
pub(crate) mod groups;
mod number;
mod on_device;
mod recording;
pub(crate) mod reduce;
mod rule;
pub(crate) mod rules;
mod slices;
#[cfg(test)]
mod tests;
mod update;
pub(crate) mod values;

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
    /// The process that remembers and updates it, where each has some; else all do.
    owner: Option<usize>,
    is_own: bool,
}

impl Optimizer {
    /// Takes `parameters` to update; `rows` are parts of them that `groups` may name.
    ///
    /// # Errors
    /// An option outside its range, a group that nothing is in, and a parameter that is neither f32 nor
    /// f64.
    pub fn new(
        config: &OptimizerConfig,
        groups: &[ParameterGroup],
        parameters: &[(String, Var)],
        rows: &[NamedRows],
    ) -> Result<Optimizer> {
        config.check()?;
        groups.iter().try_for_each(ParameterGroup::check)?;
        let pieces = pieces(config, groups, parameters, rows)?;
        let count = config.moments().len();
        let parameter = |((name, var), pieces): (&(String, Var), _)| {
            let moments = Moments::zeros(count, var)?;
            let (name, var) = (name.clone(), var.clone());
            Ok(Parameter { name, var, moments, pieces, owner: None, is_own: true })
        };
        let parameters = parameters.iter().zip(pieces).map(parameter).collect::<Result<_>>()?;
        Ok(Optimizer { config: *config, parameters, steps: 0 })
    }

    /// Makes one step with `gradients`, at the learning rate times `factor`; gives their norm before it
    /// was clipped. A parameter without a gradient stays as it is, and so do rows without one where gradients are
    /// sparse: neither their moments nor, with weight decay, they themselves decay in such a step (as in PyTorch's
    /// `SparseAdam`).
    ///
    /// # Errors
    /// A gradient of another type than its parameter's.
    pub fn step(&mut self, gradients: &Gradients, clip: Clip, factor: f64) -> Result<f64> {
        let norm = gradients.norm(clip)?;
        let scale = clip.norm.map_or(1.0, |max| (max / (norm + NORM_EPSILON)).min(1.0));
        self.steps += 1;
        let (config, steps) = (self.config, self.steps);
        for (Parameter { var, moments, pieces, is_own, .. }, gradient) in
            self.parameters.iter_mut().zip(&gradients.0)
        {
            let Some(gradient) = gradient.as_ref().filter(|_| *is_own) else {
                continue;
            };
            let step = |piece: &Piece| {
                let rate = config.learning_rate() * factor * piece.rate;
                let step = Step::new(config.decay(), steps, rate, piece.weight_decay);
                (piece.range.clone(), step.clipped(clip.limit(), scale))
            };
            let steps: Vec<_> = pieces.iter().map(step).collect();
            match gradient {
                Gradient::Dense(gradient) => update(&config, var, gradient, moments, &steps)?,
                Gradient::Rows(rows, gradient) => {
                    update_rows(&config, var, (rows, gradient), moments, &steps)?;
                }
            }
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
            for Parameter { name, var, moments, .. } in
                self.parameters.iter().filter(|it| it.is_own)
            {
                all.push((format!("{moment}/{name}"), moments.get(nth, var)?));
            }
        }
        Ok(all)
    }

    /// From now on each process of a group remembers and updates only some of the parameters, before the first step. The
    /// largest come first, each to the process that has the least so far.
    ///
    /// # Errors
    /// None that is known; those of Candle.
    pub(crate) fn shard(&mut self, group: &dyn Group) -> Result<()> {
        let mut order: Vec<usize> = (0..self.parameters.len()).collect();
        let size_of = |at: &usize| self.parameters[*at].var.elem_count();
        order.sort_by_key(|at| std::cmp::Reverse(size_of(at)));
        let mut loads = vec![0; group.size()];
        for at in order {
            let owner = (0..loads.len()).min_by_key(|&rank| loads[rank]).unwrap_or(0);
            let parameter = &mut self.parameters[at];
            loads[owner] += parameter.var.elem_count();
            parameter.owner = Some(owner);
            parameter.is_own = owner == group.rank();
            if !parameter.is_own {
                parameter.moments = Moments::zeros(0, &parameter.var)?;
            }
        }
        Ok(())
    }

    /// Whether each process remembers some of the parameters only.
    pub(crate) fn is_sharded(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.owner.is_some())
    }

    /// Gives all processes the parameters that each has updated; does nothing if all update all of them.
    ///
    /// # Errors
    /// Those of the group.
    pub(crate) fn share(&self, group: &dyn Group) -> Result<()> {
        if !self.is_sharded() {
            return Ok(());
        }
        let mut mine = Vec::new();
        for Parameter { var, .. } in self.parameters.iter().filter(|parameter| parameter.is_own) {
            Values::of(var)?.encode(0..var.elem_count(), Coding::Exact, &mut mine);
        }
        for (rank, bytes) in group.gather(mine)?.iter().enumerate() {
            let mut rest = &bytes[..];
            let theirs = self.parameters.iter().filter(|it| it.owner == Some(rank) && !it.is_own);
            for Parameter { var, .. } in theirs {
                let count = var.elem_count();
                let values = Values::decode(&mut rest, count, var.dtype(), Coding::Exact)?;
                var.set(&values.tensor(var.dims(), var.device())?)?;
            }
        }
        Ok(())
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
            let own = self.parameters.iter_mut().filter(|it| it.is_own);
            for Parameter { name, var, moments, .. } in own {
                moments.set(nth, &find(&format!("{moment}/{name}"), var)?)?;
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// As PyTorch has it, so that a norm of 0 divides nothing.
const NORM_EPSILON: f64 = 1e-6;
