//! The elements of a parameter in the memory of another device: tensors, updated by operations of Candle.

use std::ops::Range;

use candle_core::{DType, Result, Tensor, Var};

use super::recording::{Recorded, Recording};
use super::rule::{Elements, Step};
use super::rules::OptimizerConfig;

/// Updates the ranges of `var`'s elements, each by its step. `moments` are flat.
///
/// # Errors
/// A gradient of another type or shape than the parameter's.
pub(super) fn update(
    config: &OptimizerConfig,
    var: &Var,
    gradient: &Tensor,
    moments: &mut [Tensor],
    steps: &[(Range<usize>, Step)],
) -> Result<()> {
    let parameter = var.as_detached_tensor().flatten_all()?;
    let gradient = gradient.reshape(parameter.shape())?;
    let mut updated = vec![Vec::with_capacity(steps.len()); 1 + moments.len()];
    for (range, step) in steps {
        let piece = |of: &Tensor| of.narrow(0, range.start, range.len());
        let recording = Recording::default();
        let elements = Tensors {
            parameter: piece(&parameter)?,
            gradient: piece(&gradient)?,
            moments: moments.iter().map(piece).collect::<Result<_>>()?,
            step,
            recording: &recording,
        };
        for (updated, piece) in updated.iter_mut().zip(config.update(step, elements)?) {
            updated.push(piece);
        }
    }
    let mut updated = updated.iter().map(|pieces| Tensor::cat(pieces, 0));
    let parameter = updated.next().transpose()?.unwrap_or(parameter);
    for (moment, updated) in moments.iter_mut().zip(updated) {
        *moment = updated?;
    }
    var.set(&parameter.reshape(var.shape())?)
}

/// As [`update`], of some rows: they are read, updated by the step of each, and written back.
///
/// # Errors
/// As there, and a row out of range.
pub(super) fn update_rows(
    config: &OptimizerConfig,
    var: &Var,
    (rows, gradient): (&[u32], &Tensor),
    moments: &mut [Tensor],
    steps: &[(Range<usize>, Step)],
) -> Result<()> {
    let width = gradient.elem_count() / rows.len().max(1);
    let gradient = gradient.reshape((rows.len(), width))?;
    let shape = (var.elem_count() / width.max(1), width);
    let parameter = var.as_detached_tensor().reshape(shape)?;
    let moments: Vec<Tensor> =
        moments.iter().map(|moment| moment.reshape(shape)).collect::<Result<_>>()?;
    for (range, step) in steps {
        let is_in = |row: &u32| range.contains(&(*row as usize * width));
        let (at, rows): (Vec<u32>, Vec<u32>) =
            (0..).zip(rows).filter(|(_, row)| is_in(row)).unzip();
        if rows.is_empty() {
            continue;
        }
        let indices = |all: Vec<u32>| Tensor::new(&all[..], var.device());
        let (at, rows) = (indices(at)?, indices(rows)?);
        let piece = |of: &Tensor| of.index_select(&rows, 0)?.flatten_all();
        let recording = Recording::default();
        let elements = Tensors {
            parameter: piece(&parameter)?,
            gradient: gradient.index_select(&at, 0)?.flatten_all()?,
            moments: moments.iter().map(piece).collect::<Result<_>>()?,
            step,
            recording: &recording,
        };
        let updated = config.update(step, elements)?;
        let columns = rows.unsqueeze(1)?.broadcast_as((rows.elem_count(), width))?.contiguous()?;
        for (whole, updated) in [&parameter].into_iter().chain(&moments).zip(updated) {
            whole.scatter_set(&columns, &updated.reshape(columns.shape())?, 0)?;
        }
    }
    Ok(())
}

/// The sum of squares, each number clamped to `limit` on both sides before.
///
/// # Errors
/// None that is known; those of Candle.
pub(super) fn square_sum(gradient: &Tensor, limit: f64) -> Result<f64> {
    let gradient = gradient.to_dtype(DType::F64)?;
    let clamped = match limit.is_finite() {
        true => gradient.clamp(-limit, limit)?,
        false => gradient,
    };
    clamped.sqr()?.sum_all()?.to_scalar()
}

/// Some elements of a parameter, each tensor of one dimension.
struct Tensors<'a> {
    parameter: Tensor,
    gradient: Tensor,
    moments: Vec<Tensor>,
    step: &'a Step,
    recording: &'a Recording,
}

impl<'a> Elements<Recorded<'a>> for Tensors<'a> {
    /// The new elements, and their moments.
    type Output = Result<Vec<Tensor>>;

    fn update<const M: usize>(
        self,
        _: [&'static str; M],
        formula: impl Fn(
            Recorded<'a>,
            Recorded<'a>,
            [Recorded<'a>; M],
        ) -> (Recorded<'a>, [Recorded<'a>; M]),
    ) -> Result<Vec<Tensor>> {
        let Tensors { parameter, gradient, moments, step, recording } = self;
        let moments: [Tensor; M] =
            moments.try_into().expect("a tensor for each moment of the rule");
        let p = recording.input(parameter.clone());
        let g = step.gradient()(p, recording.input(gradient));
        let (p, moments) = formula(p, g, moments.map(|moment| recording.input(moment)));
        let results: Vec<_> = [p].into_iter().chain(moments).collect();
        recording.run(&results, &parameter)
    }
}
