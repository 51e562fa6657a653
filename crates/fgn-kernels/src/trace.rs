//! The values of gates at every step: for inspection, not for training.

use std::any::Any;

use candle_core::{DType, Result, Tensor};
use fgn_core::{AnyCell, Block, Cell, CellVisitor, LayerShape, Layout, Role, StepInput};

use crate::op::sequence;
use crate::run::backend::Backend;
use crate::run::gate_statistics::{CLOSED, GateStatistics, OPEN};
use crate::run::options::{Emit, SequenceOptions};
use crate::run::plan::NORM_EPSILON;
use crate::run::precision::Precision;

/// The values of the gates of a run over `T` steps of `B` sequences.
///
/// Values past a sequence's length are zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// `[T, B, H]`.
    pub shape: [usize; 3],
    /// `[B]`: the length of each sequence.
    pub lengths: Vec<usize>,
    /// The cell's gates, in the order of its blocks.
    pub gates: Vec<GateTrace>,
    /// `[T, B, H]`: the share of its memory that each unit retained, the effective forget gate (see
    /// [`Cell::retained`]); none for a cell without a gate on it.
    pub retained: Option<Vec<f64>>,
}

/// One gate at every step.
#[derive(Clone, Debug, PartialEq)]
pub struct GateTrace {
    /// Its name in the cell's equations.
    pub name: &'static str,
    /// What it is for.
    pub role: Role,
    /// `[T, B, H]`: its values, `0 ..= 1`.
    pub values: Vec<f64>,
}

impl Trace {
    /// The mean of `values [T, B, H]` for each unit, over all steps of all sequences.
    ///
    /// # Panics
    /// If there are fewer than `T · B · H` values.
    pub fn unit_means(&self, values: &[f64]) -> Vec<f64> {
        let mut means = vec![0.0; self.shape[2]];
        for row in self.rows() {
            for (mean, value) in means.iter_mut().zip(&values[row]) {
                *mean += value;
            }
        }
        let count = self.lengths.iter().sum::<usize>().max(1) as f64;
        means.iter_mut().for_each(|mean| *mean /= count);
        means
    }

    /// The statistics of a gate over all steps, unit by unit.
    ///
    /// # Panics
    /// If it has fewer than `T · B · H` values.
    pub fn summary(&self, of: &GateTrace) -> GateStatistics {
        let share = |has: fn(f64) -> bool| -> Vec<f64> {
            let marked: Vec<_> =
                of.values.iter().map(|&x| if has(x) { 1.0 } else { 0.0 }).collect();
            self.unit_means(&marked)
        };
        GateStatistics {
            name: of.name,
            role: of.role,
            mean: self.unit_means(&of.values),
            closed: share(|value| value < CLOSED),
            open: share(|value| value > OPEN),
        }
    }

    /// How many of `values [T, B, H]` lie in each of `bins` equal bins of `0 ..= 1`; values outside are counted in the
    /// nearest bin.
    ///
    /// # Panics
    /// If there are fewer than `T · B · H` values, or no bins.
    pub fn histogram(&self, values: &[f64], bins: usize) -> Vec<u64> {
        let mut counts = vec![0; bins];
        for value in self.rows().flat_map(|row| &values[row]) {
            // A float cast saturates.
            counts[((value * bins as f64) as usize).min(bins - 1)] += 1;
        }
        counts
    }

    /// For how many steps each unit remembers: `1 / (1 − mean of retained)`, infinite if the mean is 1; none for a cell
    /// without a gate on its memory.
    pub fn time_constants(&self) -> Option<Vec<f64>> {
        let means = self.unit_means(self.retained.as_ref()?);
        Some(means.into_iter().map(|mean| 1.0 / (1.0 - mean).max(0.0)).collect())
    }

    /// The ranges of `H` numbers of all steps that are within their sequence's length.
    fn rows(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let [steps, batch, hidden] = self.shape;
        let places = (0..steps).flat_map(move |t| (0..batch).map(move |b| (t, b)));
        let within = places.filter(|&(t, b)| t < self.lengths[b]);
        within.map(move |(t, b)| {
            let first = (t * batch + b) * hidden;
            first..first + hidden
        })
    }
}

/// Runs `cell` as [`sequence`] does in inference, with the same arguments. Returns the outputs of all steps, `[T, B, H]`
/// (`[T, B, P]` with a projection), and the values of the gates. Nothing is saved for a backward pass.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_core::{AnyCell, Layout};
/// use fgn_kernels::{SequenceOptions, trace};
///
/// # fn main() -> candle_core::Result<()> {
/// let (steps, batch, input, hidden) = (50, 4, 3, 8);
/// let parameters = Layout::new(AnyCell::FGN.spec(), input, hidden).len();
/// let weights = Tensor::full(0.01_f32, parameters, &Device::Cpu)?;
/// let x = Tensor::ones((steps, batch, input), DType::F32, &Device::Cpu)?;
/// let states = Tensor::zeros((2, batch, hidden), DType::F32, &Device::Cpu)?;
///
/// let (_output, trace) = trace(AnyCell::FGN, &x, &weights, &states, &SequenceOptions::default())?;
/// let names: Vec<_> = trace.gates.iter().map(|gate| gate.name).collect();
/// assert_eq!(names, ["i", "f", "o", "phi"]);
/// // With these weights, every gate is a little open.
/// assert_eq!(trace.histogram(&trace.gates[3].values, 2), [0, (steps * batch * hidden) as u64]);
/// # Ok(())
/// # }
/// ```
///
/// A trace computes in the tensors' own precision, whatever [`SequenceOptions::precision`] is.
///
/// # Errors
/// As [`sequence`].
pub fn trace(
    cell: AnyCell,
    x: &Tensor,
    weights: &Tensor,
    states: &Tensor,
    options: &SequenceOptions,
) -> Result<(Tensor, Trace)> {
    let options = SequenceOptions {
        emit: Emit::States,
        seed: None,
        telemetry: false,
        precision: Precision::F32,
        ..options.clone()
    };
    let [x, weights, states] = [x.detach(), weights.detach(), states.detach()];
    let run = sequence(cell, &x, &weights, &states, &options)?.output;
    let (steps, batch, input) = x.dims3()?;
    let hidden = states.dim(2)?;
    let layer = LayerShape {
        projection: options.projection,
        norm: options.norm,
        ..LayerShape::new(input, hidden)
    };
    let output = run.narrow(2, 0, 1)?.squeeze(2)?.narrow(2, 0, layer.output())?.contiguous()?;

    let before = Before::new(&run, &states, &options)?;
    let [products_x, products_h] = products(cell, layer, &x, &weights, &before)?;
    let weights = weights.to_dtype(DType::F64)?.to_vec1()?;
    let layout = Layout::of(cell.spec(), layer);
    let shape = [steps, batch, hidden];
    let steps = Steps { shape, layer, layout, weights, products_x, products_h, before };
    let trace = match cell.registered() {
        Some(cell) => (Backend::part::<TraceFor>(cell)?.0)(steps),
        None => match cell.visit(steps) {
            Some(trace) => trace,
            None => candle_core::bail!("{cell}: no kernels"),
        },
    };
    Ok((output, trace))
}

/// Computes the gates of a registered cell.
pub(crate) struct TraceFor(Box<dyn Fn(Steps) -> Trace + Send + Sync>);

impl TraceFor {
    /// The part of a [`Backend`] for `cell`.
    pub(crate) fn part<C: Cell>(cell: C) -> Box<dyn Any + Send + Sync> {
        Box::new(Self(Box::new(move |steps: Steps| steps.visit(cell))))
    }
}

/// The states before each step.
struct Before {
    /// `[T, B, S, H]`.
    states: Vec<f64>,
    lengths: Vec<usize>,
}

impl Before {
    /// Of `run [T, B, 1 + S, H]` and the initial `states [S, B, H]`.
    fn new(run: &Tensor, states: &Tensor, options: &SequenceOptions) -> Result<Self> {
        let (steps, batch, one_and_count, hidden) = run.dims4()?;
        let width = (one_and_count - 1) * hidden;
        let after = run.narrow(2, 1, one_and_count - 1)?;
        let after: Vec<f64> = after.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let initial =
            states.to_dtype(DType::F64)?.transpose(0, 1)?.flatten_all()?.to_vec1::<f64>()?;
        let resets = match &options.resets {
            Some(resets) => Some(resets.flatten_all()?.to_vec1::<u8>()?),
            None => None,
        };
        let lengths = options.lengths.clone().unwrap_or_else(|| vec![steps; batch]);
        let mut all = vec![0.0; steps * batch * width];
        for t in 0..steps {
            for b in (0..batch).filter(|&b| t < lengths[b]) {
                let place = t * batch + b;
                if resets.as_ref().is_some_and(|resets| resets[place] != 0) {
                    continue;
                }
                let first = if options.reverse { lengths[b] - 1 } else { 0 };
                let from = match t == first {
                    true => &initial[b * width..],
                    false if options.reverse => &after[(place + batch) * width..],
                    false => &after[(place - batch) * width..],
                };
                all[place * width..][..width].copy_from_slice(&from[..width]);
            }
        }
        if let Some(size) = options.projection {
            // Beyond the projection a hidden state is nothing, whatever was handed in.
            all.chunks_mut(width.max(1)).for_each(|states| states[size..hidden].fill(0.0));
        }
        Ok(Self { states: all, lengths })
    }
}

/// The matrix products of all steps: of the inputs, and of the hidden states before each step. Each is `[T, B, G · H]`
/// for the `G` blocks that have rows in it.
fn products(
    cell: AnyCell,
    layer: LayerShape,
    x: &Tensor,
    weights: &Tensor,
    before: &Before,
) -> Result<[Vec<f64>; 2]> {
    let layout = Layout::of(cell.spec(), layer);
    let product = |inputs: &Tensor, name: &str| -> Result<Vec<f64>> {
        let Some(slot) = layout.tensor(name) else { return Ok(Vec::new()) };
        let matrix = weights.narrow(0, slot.offset, slot.len())?.reshape(slot.shape.as_slice())?;
        let product = inputs.contiguous()?.matmul(&matrix.t()?)?;
        product.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
    };
    let (steps, batch, input) = x.dims3()?;
    let rows = steps * batch;
    let states = (rows, cell.spec().states.len(), layer.hidden);
    let h = Tensor::from_slice(&before.states, states, x.device())?;
    let h = h.narrow(1, 0, 1)?.squeeze(1)?.narrow(1, 0, layer.output())?.to_dtype(x.dtype())?;
    Ok([product(&x.reshape((rows, input))?, "weight_ih")?, product(&h, "weight_hh")?])
}

/// What the gates are computed from, unit by unit.
struct Steps {
    shape: [usize; 3],
    layer: LayerShape,
    layout: Layout,
    weights: Vec<f64>,
    products_x: Vec<f64>,
    products_h: Vec<f64>,
    before: Before,
}

impl CellVisitor for Steps {
    type Output = Trace;

    fn visit<C: Cell>(self, cell: C) -> Trace {
        let [steps, batch, hidden] = self.shape;
        let size = steps * batch * hidden;
        let places = C::SPEC.indices(Block::is_gate);
        let gate = |&g: &usize| GateTrace {
            name: C::SPEC.blocks[g].name,
            role: C::SPEC.blocks[g].role,
            values: vec![0.0; size],
        };
        let mut gates: Vec<_> = places.iter().map(gate).collect();
        let mut retained = C::SPEC.has_gated_memory().then(|| vec![0.0; size]);
        for t in 0..steps {
            for b in (0..batch).filter(|&b| t < self.before.lengths[b]) {
                let row = t * batch + b;
                for (unit, at) in self.arguments::<C>(row).iter().enumerate() {
                    let all = cell.gates(at);
                    for (gate, &g) in gates.iter_mut().zip(&places) {
                        gate.values[row * hidden + unit] = all[g];
                    }
                    if let Some(retained) = &mut retained {
                        retained[row * hidden + unit] = cell.retained(at);
                    }
                }
            }
        }
        let lengths = self.before.lengths;
        Trace { shape: self.shape, lengths, gates, retained }
    }
}

impl Steps {
    /// The arguments of all units at a step of a sequence.
    fn arguments<C: Cell>(&self, row: usize) -> Vec<StepInput<f64>> {
        let hidden = self.layer.hidden;
        let mut units = vec![StepInput::zero(); hidden];
        for g in 0..C::SPEC.blocks.len() {
            let mut pre = vec![0.0; hidden];
            self.add(&mut pre, "weight_ih", g, row);
            self.add(&mut pre, "weight_hh", g, row);
            if self.layer.norm.pre && C::SPEC.blocks[g].is_normalized() {
                normalise(&mut pre);
                let gains = self.vector("norm_pre", g);
                pre.iter_mut().zip(gains).for_each(|(pre, gain)| *pre *= gain);
            }
            for name in ["bias_ih", "bias_hh"] {
                let bias = self.vector(name, g);
                pre.iter_mut().zip(bias).for_each(|(pre, bias)| *pre += bias);
            }
            units.iter_mut().zip(pre).for_each(|(at, pre)| at.pre[g] = pre);
        }
        let count = C::SPEC.states.len();
        for s in 0..count {
            let states = &self.before.states[(row * count + s) * hidden..][..hidden];
            units.iter_mut().zip(states).for_each(|(at, &state)| at.prev[s] = state);
        }
        for (v, name) in C::SPEC.vectors.iter().enumerate() {
            let Some(slot) = self.layout.tensor(name) else { continue };
            let vector = &self.weights[slot.range()];
            units.iter_mut().zip(vector).for_each(|(at, &value)| at.vectors[v] = value);
        }
        units
    }

    /// Adds a block's part of a product.
    fn add(&self, pre: &mut [f64], name: &str, block: usize, row: usize) {
        let Some(slot) = self.layout.tensor(name) else { return };
        let Some(place) = slot.blocks.iter().position(|&of| of == block) else { return };
        let products = if name == "weight_ih" { &self.products_x } else { &self.products_h };
        let hidden = pre.len();
        let part = &products[(row * slot.blocks.len() + place) * hidden..][..hidden];
        pre.iter_mut().zip(part).for_each(|(pre, product)| *pre += product);
    }

    /// A block's part of a tensor with a number for each unit; empty where it has none.
    fn vector(&self, name: &str, block: usize) -> &[f64] {
        let hidden = self.layer.hidden;
        let found = self.layout.tensor(name).and_then(|slot| {
            let place = slot.blocks.iter().position(|&of| of == block)?;
            Some(&self.weights[slot.offset + place * hidden..][..hidden])
        });
        found.unwrap_or_default()
    }
}

/// Normalises to a mean of 0 and a variance of 1.
fn normalise(row: &mut [f64]) {
    let count = row.len() as f64;
    let mean = row.iter().sum::<f64>() / count;
    row.iter_mut().for_each(|x| *x -= mean);
    let variance = row.iter().map(|x| x * x).sum::<f64>() / count;
    row.iter_mut().for_each(|x| *x /= (variance + NORM_EPSILON).sqrt());
}
