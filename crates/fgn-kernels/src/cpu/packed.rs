//! A layer's parameters laid out for the kernels: by each thread for itself, or once for all of them.

use std::sync::{Arc, OnceLock};

use fgn_core::oracle::Shape;

use super::buffer::Buffer;
use super::crew::Crew;
use super::geometry::Geometry;
use super::isa::Isa;
use super::panels::{Panels, WeightRows};
use super::pool;
use super::simd::Element;
use super::tile::PANEL_VECTORS;

/// What gives a thread its laid out parameters: those that there are, or what `lay_out` makes, once for all
/// threads or for each its own.
pub(super) fn for_each_thread<E, P: Send + Sync>(
    g: &Geometry,
    given: Option<Arc<P>>,
    lay_out: impl Fn(&mut Crew) -> P + Send + Sync,
) -> impl Fn() -> Arc<P> + Send + Sync {
    let together = given.is_none() && g.packs_together::<E>();
    let common = match together {
        true => Some(Arc::new(pool::with_crew(g.crew(), &lay_out))),
        false => given,
    };
    move || common.clone().unwrap_or_else(|| Arc::new(lay_out(&mut Crew::alone())))
}

/// A layer's parameters laid out for the forward pass.
pub(super) struct Packed<E> {
    /// How many of the blocks have their input's product together with the recurrent one: the first ones.
    pub(super) fused: usize,
    /// `weight_ih`: the other blocks fed by the input, one after the other.
    pub(super) input: Panels<E>,
    /// `weight_hh`: one panel for each register of units, holding its blocks side by side; above them, of
    /// fused blocks, their rows of `weight_ih`.
    pub(super) hidden: Panels<E>,
    /// `weight_hr`, if there is a projection.
    pub(super) projection: Option<Panels<E>>,
    /// What pre-activations begin with, `[G, padded]`: the bias, or zero where it is added later.
    pub(super) start: Buffer<E>,
    pub(super) units: Units<E>,
}

/// A layer's parameters laid out for one forward pass after another, each way when it is first asked for: the
/// input's product apart from the recurrent one, and both as one.
pub(crate) struct LaidOut<E>([OnceLock<Arc<Packed<E>>>; 2]);

impl<E> LaidOut<E> {
    pub(crate) fn new() -> Self {
        Self([const { OnceLock::new() }; 2])
    }
}

impl<E: Element> LaidOut<E> {
    /// Laid out for a run; `lay_out` makes it so.
    pub(super) fn of(&self, g: &Geometry, lay_out: impl FnOnce() -> Packed<E>) -> Arc<Packed<E>> {
        self.0[usize::from(g.fuses_input::<E>())].get_or_init(|| Arc::new(lay_out())).clone()
    }
}

/// What each unit has of its own.
pub(super) struct Units<E> {
    /// The per-unit vectors, `[V, padded]`.
    pub(super) vectors: Buffer<E>,
    /// Gain and bias of each block, `[G, padded]` each, if they are normalised.
    pub(super) norm: Option<[Buffer<E>; 2]>,
    /// Gain and bias of the memory, if it is normalised.
    pub(super) norm_memory: Option<[Buffer<E>; 2]>,
}

impl<E: Element> Units<E> {
    pub(super) fn new(g: &Geometry, parameters: &[E]) -> Self {
        let padded = |name: &str| {
            let mut row = Buffer::zeroed(g.padded);
            row[..g.shape.hidden].copy_from_slice(g.tensor(name, parameters));
            row
        };
        Self {
            vectors: self::vectors(g, parameters),
            norm: g.derivatives.norm.map(|_| [gain(g, parameters), bias(g, parameters)]),
            norm_memory: g
                .derivatives
                .norm_memory
                .map(|_| ["norm_memory", "norm_memory_bias"].map(padded)),
        }
    }
}

impl<E: Element> Packed<E> {
    pub(super) fn new(isa: Isa, g: &Geometry, parameters: &[E], crew: &mut Crew) -> Self {
        let Shape { input, hidden, .. } = g.shape;
        let (weight_ih, weight_hh) =
            (g.tensor("weight_ih", parameters), g.tensor("weight_hh", parameters));
        let (inputs, hiddens, vectors) = (g.input_blocks.len(), g.hidden_blocks.len(), g.vectors());
        // Blocks fed by both come first in either matrix.
        let fused = if g.fuses_input::<E>() { hiddens } else { 0 };
        let by_block: Vec<_> =
            (fused..inputs).flat_map(|p| (0..vectors).map(move |v| g.row_group(p, v))).collect();
        let by_unit: Vec<_> =
            (0..vectors).flat_map(|v| (0..hiddens).map(move |p| g.row_group(p, v))).collect();
        let of_hidden = [
            WeightRows { matrix: weight_ih, depth: input, groups: &by_unit },
            WeightRows { matrix: weight_hh, depth: g.output, groups: &by_unit },
        ];
        let of_hidden = if fused > 0 { &of_hidden[..] } else { &of_hidden[1..] };
        let projection = g.states.unprojected.map(|_| {
            let groups: Vec<_> =
                (0..g.output.div_ceil(g.width)).map(|v| g.rows(g.output, 0, v)).collect();
            let matrix = g.tensor("weight_hr", parameters);
            let rows = WeightRows { matrix, depth: hidden, groups: &groups };
            Panels::transposed(isa, &[rows], PANEL_VECTORS, crew)
        });
        let units = Units::new(g, parameters);
        let start = match units.norm {
            Some(_) => Buffer::zeroed(g.spec.blocks.len() * g.padded),
            None => self::bias(g, parameters),
        };
        Self {
            fused,
            input: Panels::transposed(
                isa,
                &[WeightRows { matrix: weight_ih, depth: input, groups: &by_block }],
                PANEL_VECTORS,
                crew,
            ),
            hidden: Panels::transposed(isa, of_hidden, hiddens.max(1), crew),
            projection,
            start,
            units,
        }
    }
}

/// A layer's parameters laid out for the backward pass.
pub(super) struct PackedBack<E> {
    /// `weight_hh`.
    pub(super) hidden: Panels<E>,
    /// `weight_ih`, if the derivatives by the input are asked for.
    pub(super) input: Option<Panels<E>>,
    /// `weight_hr`, if there is a projection.
    pub(super) projection: Option<Panels<E>>,
    pub(super) units: Units<E>,
}

impl<E: Element> PackedBack<E> {
    pub(super) fn new(g: &Geometry, parameters: &[E], d_x: bool, crew: &mut Crew) -> Self {
        let Shape { input, hidden, .. } = g.shape;
        let mut panels =
            |name, columns| Panels::straight(g.tensor(name, parameters), columns, g.width, crew);
        Self {
            hidden: panels("weight_hh", g.output),
            input: d_x.then(|| panels("weight_ih", input)),
            projection: g.states.unprojected.map(|_| panels("weight_hr", hidden)),
            units: Units::new(g, parameters),
        }
    }
}

/// The gains of each block, `[G, padded]`: 1 for one that is not normalised.
fn gain<E: Element>(g: &Geometry, parameters: &[E]) -> Buffer<E> {
    let hidden = g.shape.hidden;
    let mut gain = Buffer::zeroed(g.spec.blocks.len() * g.padded);
    for block in 0..g.spec.blocks.len() {
        gain[block * g.padded..][..hidden].fill(E::from_f64(1.0));
    }
    if let Some(slot) = g.layout.tensor("norm_pre") {
        let rows = parameters[slot.range()].chunks(hidden);
        for (&block, row) in slot.blocks.iter().zip(rows) {
            gain[block * g.padded..][..hidden].copy_from_slice(row);
        }
    }
    gain
}

/// The sum of both biases, `[G, padded]`.
pub(super) fn bias<E: Element>(g: &Geometry, parameters: &[E]) -> Buffer<E> {
    let mut bias = Buffer::zeroed(g.spec.blocks.len() * g.padded);
    for name in ["bias_ih", "bias_hh"] {
        let Some(slot) = g.layout.tensor(name) else {
            continue;
        };
        let rows = parameters[slot.range()].chunks(g.shape.hidden);
        for (&block, row) in slot.blocks.iter().zip(rows) {
            let sums = &mut bias[block * g.padded..][..g.shape.hidden];
            sums.iter_mut().zip(row).for_each(|(sum, &b)| *sum += b);
        }
    }
    bias
}

/// The per-unit vectors, `[V, padded]`.
pub(super) fn vectors<E: Element>(g: &Geometry, parameters: &[E]) -> Buffer<E> {
    let mut vectors = Buffer::zeroed(g.spec.vectors.len() * g.padded);
    for (v, name) in g.spec.vectors.iter().enumerate() {
        vectors[v * g.padded..][..g.shape.hidden].copy_from_slice(g.tensor(name, parameters));
    }
    vectors
}
