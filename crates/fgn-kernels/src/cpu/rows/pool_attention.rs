//! Weighted means over the steps of sequences, with weights by a softmax of products with a query.
//!
//! Both passes read each step once. Forward, the sums are scaled down whenever a larger score comes. Backward, the weight
//! of a step is `exp(q · x − L)` with the logarithm `L` of the sum of all exponentials, and the gradient of its score is
//! `weight · (d · x − d · out)`.

use crate::cpu::rows::lanes::{add_scaled, dot, load, store};
use crate::cpu::rows::parts::{in_parts, sum};
use crate::cpu::rows::pool::Steps;
use crate::simd::isa::Isa;
use crate::simd::vector::{Element, Simd, Task};

/// About how many multiply-adds a number costs.
const WORK: usize = 4;

/// The weighted means, `[B, D]`, and `L` of each sequence.
pub(crate) fn attention_forward<E: Element>(
    isa: Isa,
    steps: Steps<'_, E>,
    query: &[E],
) -> (Vec<E>, Vec<f64>) {
    let count = steps.sequences_of_part();
    let mut out = vec![E::default(); steps.lengths.len() * steps.width];
    let mut logs = vec![0.0; steps.lengths.len()];
    let parts = out.chunks_mut(count * steps.width).zip(logs.chunks_mut(count)).enumerate();
    in_parts(parts.collect(), WORK * steps.x.len(), |(part, (out, logs))| {
        isa.run(Forward { steps, query, first: part * count, out, logs });
    });
    (out, logs)
}

struct Forward<'a, E> {
    steps: Steps<'a, E>,
    query: &'a [E],
    /// The index of the first sequence of the part.
    first: usize,
    out: &'a mut [E],
    logs: &'a mut [f64],
}

impl<E: Element> Task<E> for Forward<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Forward { steps, query, first, out, logs } = self;
        let sequences = first..first + logs.len();
        let mut sums = vec![0.0; logs.len()];
        // `logs` has the largest score so far.
        logs.fill(f64::NEG_INFINITY);
        for step in 0..steps.longest(sequences.clone()) {
            let rows = out.chunks_exact_mut(steps.width).zip(logs.iter_mut().zip(&mut sums));
            for (sequence, (out, (largest, sum))) in sequences.clone().zip(rows) {
                if step >= steps.lengths[sequence] {
                    continue;
                }
                let x = steps.row(step, sequence);
                let score = dot::<S>(query, x);
                if score > *largest {
                    let less = (*largest - score).exp();
                    scale::<S>(out, less);
                    (*sum, *largest) = (*sum * less, score);
                }
                let weight = (score - *largest).exp();
                *sum += weight;
                add_scaled::<S>(out, x, weight);
            }
        }
        for ((out, log), sum) in out.chunks_exact_mut(steps.width).zip(logs).zip(sums) {
            scale::<S>(out, 1.0 / sum);
            *log += sum.ln();
        }
    }
}

/// The gradients of `x` and of the query, given that of the weighted means.
pub(crate) fn attention_backward<E: Element>(
    isa: Isa,
    steps: Steps<'_, E>,
    query: &[E],
    (out, logs): (&[E], &[f64]),
    d_out: &[E],
) -> (Vec<E>, Vec<E>) {
    let mut d_x = vec![E::default(); steps.x.len()];
    let parts = d_x.chunks_mut(out.len()).enumerate().collect();
    let sums = in_parts(parts, 2 * WORK * steps.x.len(), |(step, d_x)| {
        let mut d_query = vec![E::default(); query.len()];
        isa.run(Backward { steps, query, out, logs, d_out, step, d_x, d_query: &mut d_query });
        d_query
    });
    (d_x, sum(&sums, query.len()))
}

struct Backward<'a, E> {
    steps: Steps<'a, E>,
    query: &'a [E],
    out: &'a [E],
    logs: &'a [f64],
    d_out: &'a [E],
    step: usize,
    /// Zeros.
    d_x: &'a mut [E],
    d_query: &'a mut [E],
}

impl<E: Element> Task<E> for Backward<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let width = self.steps.width;
        for (sequence, d_x) in self.d_x.chunks_exact_mut(width).enumerate() {
            if self.step >= self.steps.lengths[sequence] {
                continue;
            }
            let x = self.steps.row(self.step, sequence);
            let [out, d] = [self.out, self.d_out].map(|all| &all[sequence * width..][..width]);
            let weight = (dot::<S>(self.query, x) - self.logs[sequence]).exp();
            let d_score = weight * (dot::<S>(d, x) - dot::<S>(d, out));
            add_scaled::<S>(d_x, d, weight);
            add_scaled::<S>(d_x, self.query, d_score);
            add_scaled::<S>(self.d_query, x, d_score);
        }
    }
}

#[inline(always)]
fn scale<S: Simd>(row: &mut [S::Elem], factor: f64) {
    let factor = S::splat(factor);
    for at in (0..row.len()).step_by(S::WIDTH) {
        store(load::<S>(row, at) * factor, row, at);
    }
}
