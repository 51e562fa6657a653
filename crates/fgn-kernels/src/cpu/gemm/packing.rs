//! A layer's parameters packed for the kernels: by each thread for itself, or once for all of them.

use std::sync::{Arc, OnceLock};

use fgn_core::SequenceShape;

use crate::cpu::cell::units::{Units, bias_sum};
use crate::cpu::gemm::panels::{Panels, WeightRows};
use crate::cpu::gemm::tile_size::PANEL_VECTORS;
use crate::cpu::memory::buffer::Buffer;
use crate::cpu::memory::geometry::Geometry;
use crate::cpu::threads::pool::with_team;
use crate::cpu::threads::team::Team;
use crate::simd::isa::Isa;
use crate::simd::vector::Element;

/// What gives a thread its packed parameters: those that there are, or what `pack` makes, once for all
/// threads or for each its own.
pub(crate) fn packed_for_each_thread<E, P: Send + Sync>(
    g: &Geometry,
    given: Option<Arc<P>>,
    pack: impl Fn(&mut Team) -> P + Send + Sync,
) -> impl Fn() -> Arc<P> + Send + Sync {
    let together = given.is_none() && g.packs_together::<E>();
    let common = match together {
        true => Some(Arc::new(with_team(g.team(), &pack))),
        false => given,
    };
    move || common.clone().unwrap_or_else(|| Arc::new(pack(&mut Team::alone())))
}

/// A layer's parameters packed for the forward pass.
pub(crate) struct Packed<E> {
    /// How many of the blocks have their input's product together with the recurrent one: the first ones.
    pub(crate) fused: usize,
    /// `weight_ih`: the other blocks that read the input, one after the other.
    pub(crate) input: Panels<E>,
    /// `weight_hh`: one panel for each vector of units, holding its blocks side by side; above them, of
    /// fused blocks, their rows of `weight_ih`.
    pub(crate) hidden: Panels<E>,
    /// `weight_hr`, if there is a projection.
    pub(crate) projection: Option<Panels<E>>,
    /// What pre-activations begin with, `[G, padded]`: the bias, or zero where it is added later.
    pub(crate) start: Buffer<E>,
    pub(crate) units: Units<E>,
}

/// A layer's parameters packed for one forward pass after another, each way when it is first asked for: the
/// input's product apart from the recurrent one, and both as one; as they are, and rounded to bf16.
pub(crate) struct PackCache<E>([OnceLock<Arc<Packed<E>>>; 4]);

impl<E> PackCache<E> {
    pub(crate) fn new() -> Self {
        Self([const { OnceLock::new() }; 4])
    }
}

impl<E: Element> PackCache<E> {
    /// Packed for a run; `pack` makes it so.
    pub(crate) fn of(&self, g: &Geometry, pack: impl FnOnce() -> Packed<E>) -> Arc<Packed<E>> {
        let way = usize::from(g.fuses_input::<E>()) + 2 * usize::from(g.bf16.is_some());
        self.0[way].get_or_init(|| Arc::new(pack())).clone()
    }
}

impl<E: Element> Packed<E> {
    pub(crate) fn new(isa: Isa, g: &Geometry, parameters: &[E], team: &mut Team) -> Self {
        let SequenceShape { input, hidden, .. } = g.shape;
        let (weight_ih, weight_hh) =
            (g.tensor("weight_ih", parameters), g.tensor("weight_hh", parameters));
        let (inputs, hiddens, vectors) = (g.input_blocks.len(), g.hidden_blocks.len(), g.vectors());
        // Blocks that read both come first in either matrix.
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
        let depths: Vec<_> = of_hidden.iter().map(|rows| rows.depth).collect();
        let projection = g.states.unprojected.map(|_| {
            let groups: Vec<_> =
                (0..g.output.div_ceil(g.width)).map(|v| g.rows(g.output, 0, v)).collect();
            let matrix = g.tensor("weight_hr", parameters);
            let rows = WeightRows { matrix, depth: hidden, groups: &groups };
            Panels::transposed(isa, &[rows], PANEL_VECTORS, team).rounded(g.bf16, &[hidden], team)
        });
        let units = Units::new(g, parameters);
        let start = match units.norm {
            Some(_) => Buffer::zeroed(g.spec.blocks.len() * g.padded),
            None => bias_sum(g, parameters),
        };
        Self {
            fused,
            input: Panels::transposed(
                isa,
                &[WeightRows { matrix: weight_ih, depth: input, groups: &by_block }],
                PANEL_VECTORS,
                team,
            )
            .rounded(g.bf16, &[input], team),
            hidden: Panels::transposed(isa, of_hidden, hiddens.max(1), team)
                .rounded(g.bf16, &depths, team),
            projection,
            start,
            units,
        }
    }
}

/// A layer's parameters packed for the backward pass.
pub(crate) struct PackedBack<E> {
    /// `weight_hh`.
    pub(crate) hidden: Panels<E>,
    /// `weight_ih`, if the gradients with respect to the input are asked for.
    pub(crate) input: Option<Panels<E>>,
    /// `weight_hr`, if there is a projection.
    pub(crate) projection: Option<Panels<E>>,
    pub(crate) units: Units<E>,
}

impl<E: Element> PackedBack<E> {
    pub(crate) fn new(g: &Geometry, parameters: &[E], d_x: bool, team: &mut Team) -> Self {
        let SequenceShape { input, hidden, .. } = g.shape;
        let mut panels = |name, columns, segments: &[usize]| {
            let panels = Panels::straight(g.tensor(name, parameters), columns, g.width, team);
            panels.rounded(g.bf16, segments, team)
        };
        let of_blocks = |blocks: &[usize]| vec![hidden; blocks.len()];
        Self {
            hidden: panels("weight_hh", g.output, &of_blocks(&g.hidden_blocks)),
            input: d_x.then(|| panels("weight_ih", input, &of_blocks(&g.input_blocks))),
            projection: g.states.unprojected.map(|_| panels("weight_hr", hidden, &[g.output])),
            units: Units::new(g, parameters),
        }
    }
}
