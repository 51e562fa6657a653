//! The arithmetic of `update.rs` for parameters in the memory of another device, as operations of Candle.

use std::ops::Range;

use candle_core::{DType, Result, Tensor, Var};

use super::update::{Kind, Rule};

/// What is remembered of one parameter's gradients: up to two lists of numbers.
pub(super) type Moments = [Option<Tensor>; 2];

/// Updates `var` by `rules[n].1` in the range `rules[n].0` of its numbers.
///
/// # Errors
/// A gradient of another type or shape than the parameter's.
pub(super) fn update(
    var: &Var,
    gradient: &Tensor,
    moments: &mut Moments,
    rules: &[(Range<usize>, Rule)],
) -> Result<()> {
    let parameter = var.as_detached_tensor().flatten_all()?;
    let gradient = gradient.reshape(parameter.shape())?;
    let mut pieces = [vec![], vec![], vec![]];
    for (range, rule) in rules {
        let piece = |of: &Tensor| of.narrow(0, range.start, range.len());
        let of_moment = |moment: &Option<Tensor>| moment.as_ref().map(piece).transpose();
        let [mut m, mut v] = [of_moment(&moments[0])?, of_moment(&moments[1])?];
        let p = rule.applied(&piece(&parameter)?, &piece(&gradient)?, &mut m, &mut v)?;
        for (pieces, piece) in pieces.iter_mut().zip([Some(p), m, v]) {
            pieces.extend(piece);
        }
    }
    let [parameters, first, second] = pieces;
    for (moment, pieces) in moments.iter_mut().zip([first, second]) {
        if !pieces.is_empty() {
            *moment = Some(Tensor::cat(&pieces, 0)?);
        }
    }
    var.set(&Tensor::cat(&parameters, 0)?.reshape(var.shape())?)
}

/// The sum of squares, each number clamped to `limit` on both sides before.
///
/// # Errors
/// None that is known; those of Candle.
pub(super) fn square_sum(gradient: &Tensor, limit: f64) -> Result<f64> {
    clamped(&gradient.to_dtype(DType::F64)?, limit)?.sqr()?.sum_all()?.to_scalar()
}

fn clamped(gradient: &Tensor, limit: f64) -> Result<Tensor> {
    match limit.is_finite() {
        true => gradient.clamp(-limit, limit),
        false => Ok(gradient.clone()),
    }
}

impl Rule {
    /// What the parameters `p` become with gradients `g`. `m` and `v` are what is remembered of them, in
    /// the order of [`OptimizerConfig::moments`](crate::OptimizerConfig).
    fn applied(
        self,
        p: &Tensor,
        g: &Tensor,
        m: &mut Option<Tensor>,
        v: &mut Option<Tensor>,
    ) -> Result<Tensor> {
        let mut g = (clamped(g, self.limit)? * self.scale)?;
        if self.l2 != 0.0 {
            g = (g + (p * self.l2)?)?;
        }
        // keep · moment + take · new.
        let moved = |moment: &Option<Tensor>, keep: f64, take: f64, new: &Tensor| match moment {
            Some(moment) => (moment * keep)? + (new * take)?,
            None => new * take,
        };
        let step = match self.kind {
            Kind::Sgd { momentum: 0.0, rate, .. } => (g * rate)?,
            Kind::Sgd { momentum, rate, nesterov } => {
                let sum = m.insert(moved(m, momentum, 1.0, &g)?);
                match nesterov {
                    true => (((&*sum * momentum)? + g)? * rate)?,
                    false => (&*sum * rate)?,
                }
            }
            Kind::RmsProp { alpha, epsilon, momentum, rate } => {
                let square = m.insert(moved(m, alpha, 1.0 - alpha, &g.sqr()?)?);
                let g = (g / (square.sqrt()? + epsilon)?)?;
                match momentum {
                    0.0 => (g * rate)?,
                    _ => (&*v.insert(moved(v, momentum, 1.0, &g)?) * rate)?,
                }
            }
            Kind::Adam { beta1, beta2, epsilon, rate, root } => {
                let mean = m.insert(moved(m, beta1, 1.0 - beta1, &g)?);
                let square = v.insert(moved(v, beta2, 1.0 - beta2, &g.sqr()?)?);
                ((&*mean * rate)? / ((square.sqrt()? * root)? + epsilon)?)?
            }
            Kind::Lion { beta1, beta2, rate } => {
                let step = (moved(m, beta1, 1.0 - beta1, &g)?.sign()? * rate)?;
                *m = Some(moved(m, beta2, 1.0 - beta2, &g)?);
                step
            }
        };
        (p * self.keep)? - step
    }
}
