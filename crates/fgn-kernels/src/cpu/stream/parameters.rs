//! A layer's parameters, packed for single steps.

use fgn_core::{AnyCell, SequenceShape};

use crate::cpu::cell::units::{Units, bias_sum};
use crate::cpu::memory::buffer::Buffer;
use crate::cpu::memory::geometry::Geometry;
use crate::cpu::stream::format::{Bf16, F32, Format, Int8, VECTORS};
use crate::cpu::stream::product::{StreamBlock, StreamFeed, StreamPanels};
use crate::run::plan::Plan;
use crate::run::precision::Precision;
use crate::simd::isa::Isa;

/// A layer's parameters as its steps read them.
pub(crate) struct StreamParameters {
    pub(crate) cell: AnyCell,
    pub(crate) isa: Isa,
    pub(crate) plan: Plan,
    /// Its width is a slab's: [`VECTORS`] registers.
    pub(crate) g: Geometry,
    pub(crate) weights: Weights,
    /// What pre-activations begin with, `[G, padded]`: the bias, or zero where it is added later.
    pub(crate) start: Buffer<f32>,
    /// What projected units begin with.
    pub(crate) zeros: Buffer<f32>,
    pub(crate) units: Units<f32>,
}

/// The weights in the format that they are held in.
pub(crate) enum Weights {
    F32(Matrices<F32>),
    Bf16(Matrices<Bf16>),
    Int8(Matrices<Int8>),
}

/// The panels of the pre-activations and of the projection, if there is one.
pub(crate) struct Matrices<F: Format> {
    pub(crate) pre: StreamPanels<F>,
    /// Those of the pre-activations that are compared with a threshold.
    pub(crate) thresholds: StreamPanels<F32>,
    pub(crate) projection: Option<StreamPanels<F>>,
}

impl<F: Format> Matrices<F> {
    fn new(cell: AnyCell, g: &Geometry, parameters: &[f32]) -> Self {
        let SequenceShape { input, hidden, .. } = g.shape;
        let feed = |name, of: &[usize], depth: usize, block| {
            let place = of.iter().position(|&b| b == block)?;
            let rows = &g.tensor(name, parameters)[place * hidden * depth..][..hidden * depth];
            Some(StreamFeed { rows, depth })
        };
        let block = |block| StreamBlock {
            index: block,
            feeds: [
                feed("weight_ih", &g.input_blocks, input, block),
                feed("weight_hh", &g.hidden_blocks, g.output, block),
            ],
        };
        let (thresholds, others): (Vec<_>, Vec<_>) =
            (0..g.spec.blocks.len()).partition(|&block| cell.has_threshold(block));
        let blocks = |of: Vec<usize>| of.into_iter().map(block).collect::<Vec<_>>();
        let projection = g.states.unprojected.map(|_| {
            let feed = StreamFeed { rows: g.tensor("weight_hr", parameters), depth: hidden };
            let block = StreamBlock { index: 0, feeds: [Some(feed), None] };
            StreamPanels::new(g.width, g.output, &[block], 1)
        });
        let count = g.spec.blocks.len();
        Self {
            pre: StreamPanels::new(g.width, hidden, &blocks(others), count),
            thresholds: StreamPanels::new(g.width, hidden, &blocks(thresholds), count),
            projection,
        }
    }

    fn bytes(&self) -> usize {
        let projection = self.projection.as_ref().map_or(0, StreamPanels::bytes);
        self.pre.bytes() + self.thresholds.bytes() + projection
    }
}

impl StreamParameters {
    /// Of `parameters` packed as `fgn_core::Layout` says, for runs that do what `plan` says.
    pub(crate) fn new(
        cell: AnyCell,
        isa: Isa,
        plan: Plan,
        precision: Precision,
        parameters: &[f32],
    ) -> Self {
        let (input, hidden) = (plan.layer.input, plan.layer.hidden);
        let shape = SequenceShape { steps: 1, batch: 1, input, hidden };
        let g = Geometry::new(cell.spec(), shape, &plan, VECTORS * isa.width::<f32>());
        let weights = match precision {
            Precision::F32 => Weights::F32(Matrices::new(cell, &g, parameters)),
            Precision::Bf16 => Weights::Bf16(Matrices::new(cell, &g, parameters)),
            Precision::Int8 => Weights::Int8(Matrices::new(cell, &g, parameters)),
        };
        let units = Units::new(&g, parameters);
        let start = match units.norm {
            Some(_) => Buffer::zeroed(g.spec.blocks.len() * g.padded),
            None => bias_sum(&g, parameters),
        };
        let zeros = Buffer::zeroed(g.padded);
        Self { cell, isa, plan, g, weights, start, zeros, units }
    }

    /// The sizes of the input, of the states and of the output.
    pub(crate) fn sizes(&self) -> [usize; 3] {
        [self.g.shape.input, self.g.shape.hidden, self.g.output]
    }

    /// How many bytes a step reads.
    pub(crate) fn bytes(&self) -> usize {
        let weights = match &self.weights {
            Weights::F32(matrices) => matrices.bytes(),
            Weights::Bf16(matrices) => matrices.bytes(),
            Weights::Int8(matrices) => matrices.bytes(),
        };
        let Units { vectors, norm, norm_memory } = &self.units;
        let gains = norm.iter().chain(norm_memory).flatten();
        let units: usize = gains.chain([&self.start, vectors]).map(|row| size_of_val(&**row)).sum();
        weights + units
    }

    pub(crate) fn slabs(&self) -> usize {
        self.g.vectors()
    }
}
