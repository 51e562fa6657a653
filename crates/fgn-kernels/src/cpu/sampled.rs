//! The loss of a target against other items, row by row, and its gradient in the same pass.

use candle_core::WithDType;

use crate::cpu::memory::buffer::Buffer;
use crate::cpu::threads::pool::map_parallel;
use crate::run::sampled_loss::{EXCLUDED, SampledLoss};
use crate::simd::isa::Isa;
use crate::simd::vector::{Element, MAX_WIDTH, Simd, Task};

/// Rows of scores, which become their gradients.
pub(crate) struct Rows<'a, E> {
    pub(crate) loss: SampledLoss,
    /// `[N, C]`
    pub(crate) scores: &'a mut [E],
    /// Of each row the column and the item of its target.
    pub(crate) targets: &'a [Option<(usize, u32)>],
    /// The item of each column.
    pub(crate) items: &'a [u32],
    /// What is subtracted from each column; empty for nothing.
    pub(crate) offsets: &'a [E],
}

/// The score of what is no negative: its exponential is zero, and its square is finite.
const LOW: f64 = -1e15;

/// Added to a probability before its logarithm is taken.
const TINY: f64 = 1e-24;

/// About how many multiply-adds a score costs.
const WORK: usize = 40;

/// How many rows a thread takes at once.
const TOGETHER: usize = 8;

/// The loss of each row; 0 of one that does not count, whose gradient is zero.
pub(crate) fn sampled_rows<E: Element>(isa: Isa, rows: Rows<'_, E>) -> Vec<f64> {
    let Rows { loss, scores, targets, items, offsets } = rows;
    let work = scores.len() * WORK;
    let parts = scores.chunks_mut(TOGETHER * items.len()).zip(targets.chunks(TOGETHER));
    let losses = map_parallel(parts.collect(), work, |(scores, targets)| {
        let mut losses = vec![0.0; targets.len()];
        let rows = Rows { loss, scores, targets, items, offsets };
        isa.run(Part { rows, losses: &mut losses });
        losses
    });
    losses.concat()
}

struct Part<'a, E> {
    rows: Rows<'a, E>,
    losses: &'a mut [f64],
}

impl<E: Element> Task<E> for Part<'_, E> {
    #[inline(always)]
    fn run<S: Simd<Elem = E>>(self) {
        let Part { rows: Rows { loss, scores, targets, items, offsets }, losses } = self;
        let count = items.len();
        let padded = count.next_multiple_of(S::WIDTH);
        let mut scratch = [0; 3].map(|_| Buffer::zeroed(padded));
        let rows = scores.chunks_exact_mut(count).zip(targets).zip(losses);
        for ((scores, target), result) in rows {
            let Some((own, item)) = *target else {
                scores.fill(E::default());
                continue;
            };
            let score = scores[own].to_f64();
            let [row, first, second] = &mut scratch;
            negatives(scores, (own, item), items, offsets, row);
            let row = Row { scores: row, score, first, second };
            let slope;
            (*result, slope) = match loss {
                SampledLoss::CrossEntropy => row.cross_entropy::<S>(),
                SampledLoss::BprMax { regularization } => row.bpr_max::<S>(regularization),
                SampledLoss::Top1Max => row.top1_max::<S>(),
            };
            scores.copy_from_slice(&scratch[0][..count]);
            scores[own] = E::from_f64(slope);
        }
    }
}

/// Copies the scores of negatives, less the offsets, and [`LOW`] for all others and behind them.
#[inline(always)]
fn negatives<E: Element>(
    scores: &[E],
    (own, item): (usize, u32),
    items: &[u32],
    offsets: &[E],
    row: &mut [E],
) {
    let low = E::from_f64(LOW);
    let (row, rest) = row.split_at_mut(scores.len());
    rest.fill(low);
    if offsets.is_empty() {
        row.copy_from_slice(scores);
    } else {
        for ((to, &score), &offset) in row.iter_mut().zip(scores).zip(offsets) {
            *to = score - offset;
        }
    }
    for (to, &of) in row.iter_mut().zip(items) {
        let is_negative = (of != item) & (of != EXCLUDED);
        *to = if is_negative { *to } else { low };
    }
    row[own] = low;
}

/// The negatives of a row, padded to whole vectors, which become their gradients.
struct Row<'a, E> {
    scores: &'a mut [E],
    /// That of the target.
    score: f64,
    first: &'a mut [E],
    second: &'a mut [E],
}

impl<E: Element> Row<'_, E> {
    /// The largest of the negatives' scores.
    #[inline(always)]
    fn largest<S: Simd<Elem = E>>(&self) -> f64 {
        let mut largest = S::splat(LOW);
        for at in (0..self.scores.len()).step_by(S::WIDTH) {
            largest = load::<S>(self.scores, at).max_or(largest);
        }
        let all = numbers(largest);
        all[..S::WIDTH].iter().fold(LOW, |largest, number| largest.max(number.to_f64()))
    }

    /// The loss and its slope by the target's score.
    #[inline(always)]
    fn cross_entropy<S: Simd<Elem = E>>(self) -> (f64, f64) {
        let largest = self.largest::<S>().max(self.score);
        let mut sum = S::zero();
        for at in (0..self.scores.len()).step_by(S::WIDTH) {
            let r = load::<S>(self.scores, at);
            let e = exponential(r, largest);
            sum = sum + e;
            store(e, self.scores, at);
        }
        let own = (self.score - largest).exp();
        let sum = total(sum) + own;
        let scale = S::splat(1.0 / sum);
        for at in (0..self.scores.len()).step_by(S::WIDTH) {
            store(load::<S>(self.scores, at) * scale, self.scores, at);
        }
        (sum.ln() + largest - self.score, own / sum - 1.0)
    }

    #[inline(always)]
    fn bpr_max<S: Simd<Elem = E>>(self, regularization: f64) -> (f64, f64) {
        let largest = self.largest::<S>();
        let score = S::splat(self.score);
        let [mut sum, mut right, mut slope, mut squares] = [S::zero(); 4];
        for at in (0..self.scores.len()).step_by(S::WIDTH) {
            let r = load::<S>(self.scores, at);
            let (e, sigmoid) = (exponential(r, largest), (score - r).sigmoid());
            let weighted = e * sigmoid;
            sum = sum + e;
            right = right + weighted;
            slope = (-weighted).mul_add(sigmoid, slope + weighted);
            squares = (e * r).mul_add(r, squares);
            store(e, self.first, at);
            store(sigmoid, self.second, at);
        }
        let sum = total(sum).max(f64::MIN_POSITIVE);
        let [right, slope, squares] = [right, slope, squares].map(|of| total(of) / sum);
        let by = 1.0 / (right + TINY);
        let [weight, factor, mean] = [1.0 / sum, by, right].map(S::splat);
        let [penalty, mean_square] = [regularization, squares].map(S::splat);
        for at in (0..self.scores.len()).step_by(S::WIDTH) {
            let (r, s) = (load::<S>(self.scores, at), load::<S>(self.first, at) * weight);
            let sigmoid = load::<S>(self.second, at);
            // σ (1 − σ) − (σ − P) = P − σ².
            let change = factor * ((-sigmoid).mul_add(sigmoid, mean));
            let of_square = penalty * (r.mul_add(r, r + r) - mean_square);
            store(s * (change + of_square), self.scores, at);
        }
        (-(right + TINY).ln() + regularization * squares, -slope * by)
    }

    #[inline(always)]
    fn top1_max<S: Simd<Elem = E>>(self) -> (f64, f64) {
        let largest = self.largest::<S>();
        let score = S::splat(self.score);
        let [mut sum, mut loss, mut slope] = [S::zero(); 3];
        for at in (0..self.scores.len()).step_by(S::WIDTH) {
            let r = load::<S>(self.scores, at);
            let e = exponential(r, largest);
            let (above, square) = ((r - score).sigmoid(), (r * r).sigmoid());
            let weighted = e * above;
            sum = sum + e;
            loss = e.mul_add(square, loss + weighted);
            slope = (-weighted).mul_add(above, slope + weighted);
            // The slope of both sigmoids, and their sum.
            let of_square = (r + r) * (-square).mul_add(square, square);
            store(e, self.first, at);
            store((-above).mul_add(above, above + of_square) + above + square, self.second, at);
        }
        let sum = total(sum).max(f64::MIN_POSITIVE);
        let [loss, slope] = [loss, slope].map(|of| total(of) / sum);
        let [weight, mean] = [1.0 / sum, loss].map(S::splat);
        for at in (0..self.scores.len()).step_by(S::WIDTH) {
            let s = load::<S>(self.first, at) * weight;
            store(s * (load::<S>(self.second, at) - mean), self.scores, at);
        }
        (loss, -slope)
    }
}

/// `exp(r − largest)`, and exactly zero for what is no negative.
#[inline(always)]
fn exponential<S: Simd>(r: S, largest: f64) -> S {
    (r - S::splat(largest)).exp() * (r - S::splat(LOW / 2.0)).binary()
}

/// A vector from `at` on.
#[inline(always)]
fn load<S: Simd>(from: &[S::Elem], at: usize) -> S {
    let from = &from[at..at + S::WIDTH];
    // SAFETY: the slice is as long as the vector.
    unsafe { S::load(from.as_ptr()) }
}

/// Writes a vector from `at` on.
#[inline(always)]
fn store<S: Simd>(vector: S, to: &mut [S::Elem], at: usize) {
    let to = &mut to[at..at + S::WIDTH];
    // SAFETY: the slice is as long as the vector.
    unsafe { vector.store(to.as_mut_ptr()) };
}

/// The numbers of a vector, and zeros.
#[inline(always)]
fn numbers<S: Simd>(vector: S) -> [S::Elem; MAX_WIDTH] {
    let mut all = [S::Elem::default(); MAX_WIDTH];
    store(vector, &mut all, 0);
    all
}

/// The sum of a vector's numbers.
#[inline(always)]
fn total<S: Simd>(vector: S) -> f64 {
    numbers(vector).iter().map(|number| number.to_f64()).sum()
}
