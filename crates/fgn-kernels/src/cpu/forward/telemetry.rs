//! What gates do, counted while their pre-activations are in cache.

use std::ops::Range;

use fgn_core::Role;

use crate::cpu::cell::forward_rows::{ForwardRow, ForwardRows};
use crate::cpu::forward::block::{ForwardBlock, ForwardStep};
use crate::cpu::memory::buffer::{Buffer, Shared};
use crate::cpu::memory::geometry::Geometry;
use crate::run::gate_statistics::{CLOSED, GateStatistics, OPEN};
use crate::simd::vector::{Element, MAX_WIDTH, Simd, Task};

/// What is summed up for each unit: the gate, and the steps at which it was shut and open.
const SUMS: usize = 3;

/// The sums of each sequence, apart, so that they do not depend on the number of threads.
pub(crate) struct Counts {
    /// The names and roles of those blocks that are gates, and their places.
    gates: Vec<(&'static str, Role, usize)>,
    /// `[B, gates, SUMS, padded]`.
    sums: Buffer<f64>,
    hidden: usize,
    padded: usize,
}

/// A view for the threads.
#[derive(Clone, Copy)]
pub(crate) struct CountsShared<'a> {
    gates: &'a [(&'static str, Role, usize)],
    sums: Shared<f64>,
}

impl Counts {
    pub(crate) fn new(g: &Geometry) -> Self {
        let blocks = g.spec.blocks.iter().enumerate();
        let gates = blocks.filter(|(_, block)| block.is_gate());
        let gates: Vec<_> = gates.map(|(place, block)| (block.name, block.role, place)).collect();
        let sums = Buffer::zeroed(g.shape.batch * gates.len() * SUMS * g.padded);
        Self { gates, sums, hidden: g.shape.hidden, padded: g.padded }
    }

    pub(crate) fn shared(&mut self) -> CountsShared<'_> {
        CountsShared { gates: &self.gates, sums: self.sums.shared() }
    }

    /// The means over `steps` steps of all sequences.
    pub(crate) fn finish(self, steps: usize) -> Vec<GateStatistics> {
        let row = self.gates.len() * SUMS * self.padded;
        let mean = |gate: usize, sum: usize| -> Vec<f64> {
            let mut totals = vec![0.0; self.hidden];
            for sequence in self.sums.chunks(row) {
                let sums = &sequence[(gate * SUMS + sum) * self.padded..];
                totals.iter_mut().zip(sums).for_each(|(total, more)| *total += more);
            }
            totals.iter_mut().for_each(|total| *total /= steps as f64);
            totals
        };
        let gates = self.gates.iter().enumerate();
        gates
            .map(|(gate, &(name, role, _))| GateStatistics {
                name,
                role,
                mean: mean(gate, 0),
                closed: mean(gate, 1),
                open: mean(gate, 2),
            })
            .collect()
    }
}

/// Counts a part of the units, for the steps of a block.
pub(crate) struct CountGates<'a, E: Element> {
    pub(crate) block: &'a ForwardBlock<'a, E>,
    pub(crate) counts: CountsShared<'a>,
    pub(crate) times: &'a Range<usize>,
    pub(crate) part: usize,
    pub(crate) parts: usize,
}

impl<E: Element> Task<E> for CountGates<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Self { block, counts, times, part, parts } = self;
        for k in times.clone() {
            let ForwardStep { run, view: ForwardRows { rows, .. } } = block.step(k);
            let g = run.g;
            let units = part * g.vectors() / parts..(part + 1) * g.vectors() / parts;
            for &ForwardRow { b, pre, .. } in rows {
                for (n, &(_, _, block)) in counts.gates.iter().enumerate() {
                    for unit in units.clone() {
                        let place = unit * S::WIDTH;
                        let here = block * g.padded + place;
                        let sums = ((b * counts.gates.len() + n) * SUMS) * g.padded + place;
                        // SAFETY: the task's own rows and units, with `padded` numbers for each block
                        // and each sum.
                        unsafe {
                            let mut pre = S::load(pre.add(here));
                            if let Some([gain, bias]) = &run.packed.units.norm {
                                let bias = S::load(bias.as_ptr().add(here));
                                pre = pre.mul_add(S::load(gain.as_ptr().add(here)), bias);
                            }
                            let mut gates = [E::default(); MAX_WIDTH];
                            let activated =
                                run.context.activates && g.spec.blocks[block].activation.is_some();
                            let gate = if activated { pre } else { pre.sigmoid() };
                            gate.store(gates.as_mut_ptr());
                            let sums = counts.sums.at(sums);
                            for (lane, gate) in gates.iter().enumerate().take(S::WIDTH) {
                                let gate = gate.to_f64();
                                let closed = if gate < CLOSED { 1.0 } else { 0.0 };
                                let open = if gate > OPEN { 1.0 } else { 0.0 };
                                *sums.add(lane) += gate;
                                *sums.add(g.padded + lane) += closed;
                                *sums.add(2 * g.padded + lane) += open;
                            }
                        }
                    }
                }
            }
        }
    }
}
