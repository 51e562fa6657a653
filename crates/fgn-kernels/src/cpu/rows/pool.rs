//! Means and maxima over the steps of sequences.

use std::ops::Range;

use crate::cpu::rows::lanes::add;
use crate::cpu::rows::parts::in_parts;
use crate::simd::isa::Isa;
use crate::simd::vector::{Element, Simd, Task};

/// Sequences to pool.
#[derive(Clone, Copy)]
pub(crate) struct Steps<'a, E> {
    /// `[T, B, D]`
    pub(crate) x: &'a [E],
    /// `D`
    pub(crate) width: usize,
    /// `[B]`
    pub(crate) lengths: &'a [usize],
}

/// Into how many parts the sequences of a batch are divided for the threads.
const PARTS: usize = 16;

impl<E> Steps<'_, E> {
    /// The row of a step of a sequence.
    #[inline(always)]
    pub(super) fn row(&self, step: usize, sequence: usize) -> &[E] {
        &self.x[(step * self.lengths.len() + sequence) * self.width..][..self.width]
    }

    /// How many sequences a part has.
    pub(super) fn sequences_of_part(&self) -> usize {
        self.lengths.len().div_ceil(PARTS).max(1)
    }

    /// The longest of those sequences.
    #[inline(always)]
    pub(super) fn longest(&self, sequences: Range<usize>) -> usize {
        self.lengths[sequences].iter().copied().max().unwrap_or(0)
    }
}

/// The mean over each sequence's own steps, `[B, D]`.
pub(crate) fn mean_forward<E: Element>(isa: Isa, steps: Steps<'_, E>) -> Vec<E> {
    let count = steps.sequences_of_part();
    let mut out = vec![E::default(); steps.lengths.len() * steps.width];
    let parts = out.chunks_mut(count * steps.width).enumerate().collect();
    in_parts(parts, steps.x.len(), |(part, out)| {
        isa.run(Mean { steps, first: part * count, out });
    });
    out
}

struct Mean<'a, E> {
    steps: Steps<'a, E>,
    /// The index of the first sequence of the part.
    first: usize,
    out: &'a mut [E],
}

impl<E: Element> Task<E> for Mean<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Mean { steps, first, out } = self;
        let sequences = first..first + out.len() / steps.width;
        for step in 0..steps.longest(sequences.clone()) {
            for (sequence, out) in sequences.clone().zip(out.chunks_exact_mut(steps.width)) {
                if step < steps.lengths[sequence] {
                    add::<S>(out, steps.row(step, sequence));
                }
            }
        }
        for (sequence, out) in sequences.zip(out.chunks_exact_mut(steps.width)) {
            let share = E::from_f64(1.0 / steps.lengths[sequence] as f64);
            for number in out {
                *number *= share;
            }
        }
    }
}

/// The gradient of `x`, given that of the means.
pub(crate) fn mean_backward<E: Element>(lengths: &[usize], d_out: &[E], steps: usize) -> Vec<E> {
    let width = d_out.len() / lengths.len().max(1);
    let rows = d_out.chunks_exact(width).zip(lengths);
    let shares = rows.flat_map(|(d, &length)| {
        let share = E::from_f64(1.0 / length as f64);
        d.iter().map(move |&d| d * share)
    });
    let shares: Vec<E> = shares.collect();
    let mut d_x = vec![E::default(); steps * d_out.len()];
    let parts = d_x.chunks_mut(d_out.len()).enumerate().collect();
    in_parts(parts, steps * d_out.len(), |(step, d_x)| {
        let rows = d_x.chunks_exact_mut(width).zip(shares.chunks_exact(width));
        for ((d_x, share), &length) in rows.zip(lengths) {
            if step < length {
                d_x.copy_from_slice(share);
            }
        }
    });
    d_x
}

/// The largest number over each sequence's own steps, `[B, D]`, and the step of each: of equal ones the first.
pub(crate) fn max_forward<E: Element>(isa: Isa, steps: Steps<'_, E>) -> (Vec<E>, Vec<u32>) {
    let count = steps.sequences_of_part();
    let mut out = vec![E::default(); steps.lengths.len() * steps.width];
    let mut picks = vec![0; out.len()];
    let size = count * steps.width;
    let parts = out.chunks_mut(size).zip(picks.chunks_mut(size)).enumerate().collect();
    in_parts(parts, steps.x.len(), |(part, (out, picks))| {
        isa.run(Max { steps, first: part * count, out, picks });
    });
    (out, picks)
}

struct Max<'a, E> {
    steps: Steps<'a, E>,
    first: usize,
    out: &'a mut [E],
    picks: &'a mut [u32],
}

impl<E: Element> Task<E> for Max<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Max { steps, first, out, picks } = self;
        let width = steps.width;
        let sequences = first..first + out.len() / width;
        for step in 0..steps.longest(sequences.clone()) {
            let rows = out.chunks_exact_mut(width).zip(picks.chunks_exact_mut(width));
            for (sequence, (out, picks)) in sequences.clone().zip(rows) {
                if step >= steps.lengths[sequence] {
                    continue;
                }
                let numbers = out.iter_mut().zip(picks).zip(steps.row(step, sequence));
                for ((best, pick), &x) in numbers {
                    // What is NaN must get through.
                    let is_larger = step == 0 || x > *best || x.partial_cmp(&x).is_none();
                    *best = if is_larger { x } else { *best };
                    *pick = if is_larger { step as u32 } else { *pick };
                }
            }
        }
    }
}

/// The gradient of `x`, given that of the maxima.
pub(crate) fn max_backward<E: Element>(picks: &[u32], d_out: &[E], steps: usize) -> Vec<E> {
    let mut d_x = vec![E::default(); steps * d_out.len()];
    for (at, (&pick, &d)) in picks.iter().zip(d_out).enumerate() {
        d_x[pick as usize * d_out.len() + at] = d;
    }
    d_x
}
