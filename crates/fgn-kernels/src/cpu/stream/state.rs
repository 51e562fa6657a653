//! The sequences of a stream between two steps.

use std::io;
use std::ops::Range;

use crate::cpu::memory::buffer::Buffer;
use crate::cpu::stream::parameters::{StreamParameters, Weights};
use crate::cpu::stream::rounded::{ROUNDED_TOGETHER, Rounded};
use crate::cpu::threads::team::Team;

/// Some sequences in the middle of their streams.
pub(crate) struct StreamState {
    pub(crate) batch: usize,
    /// `[B, depth]`, each row padded with zeros.
    pub(crate) x: Buffer<f32>,
    /// Of both the input and the hidden state, if the weights' format needs it.
    pub(crate) rounded: Rounded,
    /// `[B, G, padded]`.
    pub(crate) pre: Buffer<f32>,
    pub(crate) apart: Apart,
    /// The states after the last step and room for the next ones, in turn: `[S, B, padded]` each.
    pub(crate) states: [Buffer<f32>; 2],
    /// Which of the two is the last step's; also the direction in which the slabs are taken.
    pub(crate) now: usize,
    pub(crate) team: Team,
}

/// What is kept of a step beside the states, `[B, padded]` each, if there is such: the hidden state before
/// and after its projection, and the normalised memory.
pub(crate) struct Apart {
    pub(crate) unprojected: Buffer<f32>,
    pub(crate) projected: Buffer<f32>,
    pub(crate) memory: Buffer<f32>,
}

impl StreamState {
    /// All states zero.
    pub(crate) fn new(packed: &StreamParameters, batch: usize, threads: usize) -> io::Result<Self> {
        let g = &packed.g;
        let states = || Buffer::zeroed(g.spec.states.len() * batch * g.padded);
        let rows = |wanted| Buffer::zeroed(if wanted { batch * g.padded } else { 0 });
        let team = Team::new(threads.min(packed.slabs()))?;
        let x = Buffer::zeroed(batch * g.shape.input.next_multiple_of(ROUNDED_TOGETHER));
        let rounded = match packed.weights {
            Weights::Int8(_) => [x.len() + batch * g.padded, 2 * batch],
            _ => [0; 2],
        };
        Ok(Self {
            batch,
            x,
            rounded: Rounded::new(team.threads(), rounded[0], rounded[1]),
            pre: Buffer::zeroed(batch * g.spec.blocks.len() * g.padded),
            apart: Apart {
                unprojected: rows(g.states.unprojected.is_some()),
                projected: rows(g.states.unprojected.is_some()),
                memory: rows(g.states.normalized_memory.is_some()),
            },
            states: [states(), states()],
            now: 0,
            team,
        })
    }

    pub(crate) fn batch(&self) -> usize {
        self.batch
    }

    /// The last step's states of `sequences`, `[S, sequences, H]`.
    pub(crate) fn states(&self, packed: &StreamParameters, sequences: Range<usize>) -> Vec<f32> {
        let now = &self.states[self.now];
        self.rows(packed, sequences).flat_map(|row| &now[row]).copied().collect()
    }

    /// Sets the states of `sequences` to `to: [S, sequences, H]`.
    pub(crate) fn set_states(
        &mut self,
        packed: &StreamParameters,
        sequences: Range<usize>,
        to: &[f32],
    ) {
        let rows = self.rows(packed, sequences);
        let now = &mut self.states[self.now];
        for (row, to) in rows.zip(to.chunks(packed.g.shape.hidden)) {
            now[row].copy_from_slice(to);
        }
    }

    /// Sets the states of `sequences` to zero.
    pub(crate) fn reset(&mut self, packed: &StreamParameters, sequences: Range<usize>) {
        let rows = self.rows(packed, sequences);
        let now = &mut self.states[self.now];
        rows.for_each(|row| now[row].fill(0.0));
    }

    /// Where the states of `sequences` lie, first those of all sequences for the first state.
    fn rows(
        &self,
        packed: &StreamParameters,
        sequences: Range<usize>,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        let (batch, g) = (self.batch, &packed.g);
        let (states, hidden, padded) = (g.spec.states.len(), g.shape.hidden, g.padded);
        (0..states).flat_map(move |s| {
            sequences.clone().map(move |b| {
                let first = (s * batch + b) * padded;
                first..first + hidden
            })
        })
    }
}
