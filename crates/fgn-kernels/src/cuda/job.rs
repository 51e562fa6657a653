//! The data of a run, and the arguments that all its launches share.

use candle_core::Result;
use fgn_core::{AnyCell, Layout, MAX_BLOCKS, MAX_VECTORS, SequenceShape, Spec};

use super::Number;
use super::gpu::{Gpu, Launch, Matrix, Product, Run};
use super::source::Places;
use super::strategy::Strategy;
use crate::run::options::Emit;
use crate::run::plan::Plan;

/// A run over a sequence.
pub(crate) struct Job<'a> {
    pub(crate) cell: AnyCell,
    pub(crate) shape: SequenceShape,
    pub(crate) plan: &'a Plan,
    pub(crate) number: Number,
    pub(crate) strategy: Strategy,
}

/// Where the caller's tensors lie on the device: `x: [T, B, I]`, the packed weights, `states: [S, B, H]`.
#[derive(Clone, Copy)]
pub(crate) struct Inputs {
    pub(crate) x: u64,
    pub(crate) weights: u64,
    pub(crate) states: u64,
}

/// Neighbouring blocks whose rows of `weight_ih` and columns of products lie side by side.
pub(super) struct InputRun {
    pub(super) column: usize,
    /// Where its rows begin among the flat parameters.
    pub(super) offset: usize,
    pub(super) blocks: usize,
}

/// Lengths and resets on the device.
pub(super) struct Marks<M> {
    lengths: Option<M>,
    resets: Option<M>,
}

impl Job<'_> {
    pub(super) fn spec(&self) -> &'static Spec {
        self.cell.spec()
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::of(self.spec(), self.plan.layer)
    }

    /// `T · B`.
    pub(super) fn rows(&self) -> usize {
        self.shape.steps * self.shape.batch
    }

    /// The size of the hidden state that is output and fed back.
    pub(super) fn output(&self) -> usize {
        self.plan.layer.output()
    }

    /// Numbers of a row of pre-activations.
    pub(super) fn pre_width(&self) -> usize {
        self.spec().blocks.len() * self.shape.hidden
    }

    /// Where the blocks that read the hidden state begin in a row of pre-activations, and how many numbers
    /// they have.
    pub(super) fn hidden_columns(&self) -> (usize, usize) {
        let hidden = Places::of(self.spec()).hidden.len();
        let first = self.spec().blocks.len() - hidden;
        (first * self.shape.hidden, hidden * self.shape.hidden)
    }

    pub(super) fn input_runs(&self) -> Vec<InputRun> {
        let layout = self.layout();
        let Some(slot) = layout.tensor("weight_ih") else { return Vec::new() };
        let places = Places::of(self.spec());
        let mut runs: Vec<InputRun> = Vec::new();
        for (row, &block) in slot.blocks.iter().enumerate() {
            let column = places.columns[block];
            match runs.last_mut().filter(|run| run.column + run.blocks == column) {
                Some(run) => run.blocks += 1,
                None => {
                    let offset = slot.offset + row * self.shape.hidden * self.shape.input;
                    runs.push(InputRun { column, offset, blocks: 1 });
                }
            }
        }
        runs
    }

    /// Whether steps run in another order than that of the inputs, or some inputs are not read.
    pub(super) fn reorders(&self) -> bool {
        self.plan.schedule.reversed() || self.plan.schedule.lengths().is_some()
    }

    pub(super) fn marks<G: Gpu>(&self, gpu: &G) -> Result<Marks<G::Memory>> {
        let schedule = &self.plan.schedule;
        let lengths = schedule.lengths().map(|lengths| {
            let bytes: Vec<u8> =
                lengths.iter().flat_map(|&length| (length as i32).to_ne_bytes()).collect();
            gpu.upload(&bytes)
        });
        let resets = schedule.marked_resets().map(|resets| {
            let bytes: Vec<u8> = resets.iter().map(|&reset| reset.into()).collect();
            gpu.upload(&bytes)
        });
        Ok(Marks { lengths: lengths.transpose()?, resets: resets.transpose()? })
    }

    /// The arguments that all launches of this run share.
    pub(super) fn run<G: Gpu>(
        &self,
        gpu: &G,
        marks: &Marks<G::Memory>,
        inputs: Inputs,
        save: bool,
    ) -> Run {
        let SequenceShape { steps, batch, input, hidden } = self.shape;
        let (layer, rules) = (self.plan.layer, self.plan.rules);
        let layout = self.layout();
        let first = |name: &str| layout.tensor(name).map_or(-1, |slot| slot.offset as i64);
        let of_blocks = |name: &str| {
            let mut places = [-1; MAX_BLOCKS];
            if let Some(slot) = layout.tensor(name) {
                for (row, &block) in slot.blocks.iter().enumerate() {
                    places[block] = (slot.offset + row * hidden) as i64;
                }
            }
            places
        };
        let mut vector = [-1; MAX_VECTORS];
        for (place, name) in vector.iter_mut().zip(self.spec().vectors) {
            *place = first(name);
        }
        // As the backend for the CPU compares them.
        let below = |rate: f64| i64::from((rate * 2.0_f64.powi(32)) as u32);
        let address = |memory: &Option<G::Memory>| memory.as_ref().map_or(0, |of| gpu.address(of));
        Run {
            steps: steps as i64,
            batch: batch as i64,
            input: input as i64,
            hidden: hidden as i64,
            output: self.output() as i64,
            state_slots: if save { steps + 1 } else { 2 } as i64,
            fed_slots: if save { steps } else { 2 } as i64,
            hidden_slots: if save { steps } else { 1 } as i64,
            reverse: self.plan.schedule.reversed().into(),
            emit: match self.plan.emit {
                Emit::All => 0,
                Emit::Last => 1,
                Emit::States => 2,
            },
            normalise_pre: layer.norm.pre.into(),
            normalise_memory: layer.norm.memory.into(),
            project: layer.projection.is_some().into(),
            masked: rules.seed.is_some().into(),
            seed: rules.seed.unwrap_or(0),
            zoneout_below: rules.zoneout.map(below),
            drop_below: below(rules.dropout.rate),
            drop_per_step: rules.dropout.per_step.into(),
            zoneout: rules.zoneout,
            drop_scale: 1.0 / (1.0 - rules.dropout.rate),
            clip: rules.clip.unwrap_or(0.0),
            weight_hidden: first("weight_hh"),
            bias_input: of_blocks("bias_ih"),
            bias_hidden: of_blocks("bias_hh"),
            gain: of_blocks("norm_pre"),
            vector,
            memory_gain: first("norm_memory"),
            memory_bias: first("norm_memory_bias"),
            block_rows: match self.strategy {
                Strategy::Persistent { block_rows, .. } => block_rows as i64,
                _ => 0,
            },
            lengths: address(&marks.lengths),
            resets: address(&marks.resets),
            weights: inputs.weights,
            initial: inputs.states,
            ..Run::default()
        }
    }

    /// A matrix of the weights' numbers, `offset` numbers behind `address`.
    pub(super) fn narrow(&self, address: u64, offset: usize, stride: usize) -> Matrix {
        let address = address + (offset * self.number.narrow()) as u64;
        Matrix { address, stride, transposed: false, wide: false }
    }

    /// A matrix of the equations' numbers.
    pub(super) fn wide(&self, address: u64, offset: usize, stride: usize) -> Matrix {
        let address = address + (offset * self.number.wide()) as u64;
        Matrix { address, stride, transposed: false, wide: true }
    }
}

impl Matrix {
    pub(super) fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }
}

/// `c = a · b`.
pub(super) fn product(sizes: [usize; 3], a: Matrix, b: Matrix, c: Matrix) -> Product {
    Product { sizes, a, b, c, add: false }
}

/// Starts a kernel with a thread for each of `count` numbers.
pub(super) fn over<G: Gpu>(gpu: &G, kernel: &'static str, count: usize, run: &Run) -> Result<()> {
    let threads = gpu.limits()?.threads;
    let grid = [count.div_ceil(threads).min(1 << 16), 1];
    gpu.launch(&Launch { kernel, grid, threads, shared: 0, cooperative: false }, run)
}

/// Starts a kernel with a block of threads for each sequence, which add up `bytes` each.
pub(super) fn over_rows<G: Gpu>(
    gpu: &G,
    kernel: &'static str,
    batch: usize,
    bytes: usize,
    run: &Run,
) -> Result<()> {
    let threads = gpu.limits()?.threads;
    let launch =
        Launch { kernel, grid: [batch, 1], threads, shared: threads * bytes, cooperative: false };
    gpu.launch(&launch, run)
}

/// Puts rows of `width` numbers into the order of steps, or back.
pub(super) fn reorder<G: Gpu>(
    gpu: &G,
    job: &Job<'_>,
    run: &Run,
    [from, to]: [u64; 2],
    inverse: bool,
) -> Result<()> {
    let width = job.shape.input;
    let run = Run { from, to, width: width as i64, inverse: inverse.into(), ..*run };
    over(gpu, "fgn_reorder", job.rows() * width, &run)
}
