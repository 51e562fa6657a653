//! Distributions that parameters are drawn from.

use rand::Rng;
use rand_distr::StandardNormal;

use super::config::Ring;
use crate::random::Generator;

/// The bound of a uniform distribution that keeps the variance of signals through a linear map, as
/// far as forward and backward agree on one: `√(6 / (inputs + outputs))` (Glorot & Bengio 2010).
pub fn xavier_bound(inputs: usize, outputs: usize) -> f64 {
    (6.0 / (inputs as f64 + outputs as f64)).sqrt()
}

/// The bound of a uniform distribution that keeps the variance of signals through a linear map and
/// a ReLU: `√(6 / inputs)` (He et al. 2015).
pub fn kaiming_bound(inputs: usize) -> f64 {
    (6.0 / inputs as f64).sqrt()
}

/// `count` numbers from `U[-bound, bound)`.
pub fn uniform(generator: &mut Generator, count: usize, bound: f64) -> Vec<f64> {
    let draw = |_| (2.0 * generator.next_f64() - 1.0) * bound;
    (0..count).map(draw).collect()
}

/// `count` numbers from a normal distribution about 0, truncated at twice its standard deviation `std`.
pub fn truncated_normal(generator: &mut Generator, count: usize, std: f64) -> Vec<f64> {
    let truncated = normals(generator).filter(|z| z.abs() <= 2.0);
    truncated.map(|z| std * z).take(count).collect()
}

/// A random matrix `[rows, columns]` whose rows, or columns where those are fewer, are
/// orthonormal, all such matrices equally likely (Saxe, McClelland & Ganguli 2014).
pub fn orthogonal(generator: &mut Generator, rows: usize, columns: usize) -> Vec<f64> {
    if rows <= columns {
        return orthonormal_rows(generator, rows, columns);
    }
    let transposed = orthonormal_rows(generator, columns, rows);
    (0..rows * columns).map(|index| transposed[index % columns * rows + index / columns]).collect()
}

/// Biases of a forget gate for memories of up to about `t_max` steps: `ln U[1, t_max − 1]` (Tallec &
/// Ollivier 2018). An input gate beside it has them with the opposite sign.
pub fn chrono(generator: &mut Generator, count: usize, t_max: usize) -> Vec<f64> {
    let longest = t_max.saturating_sub(1).max(1) as f64;
    (0..count).map(|_| (1.0 + (longest - 1.0) * generator.next_f64()).ln()).collect()
}

/// Biases of the forget gates of `count` units, with which their values spread evenly over (0, 1):
/// `−ln(1/u − 1)`, `u ~ U[1/count, 1 − 1/count]` (Gu et al. 2020). For a single unit the bias is 0.
pub fn uniform_gate(generator: &mut Generator, count: usize) -> Vec<f64> {
    let edge = (1.0 / count as f64).min(0.5);
    let mut draw = || edge + (1.0 - 2.0 * edge) * generator.next_f64();
    (0..count).map(|_| -(1.0 / draw() - 1.0).ln()).collect()
}

/// For eigenvalues spread evenly over the area of a ring, `ln(r² / (1 − r²))` of each radius `r` (Orvieto et al. 2023).
pub(super) fn ring_radii(generator: &mut Generator, count: usize, ring: Ring) -> Vec<f64> {
    let [inner, outer] = [ring.r_min, ring.r_max].map(|r| r * r);
    let mut square = || inner + (outer - inner) * open(generator);
    (0..count).map(|_| square()).map(|square| (square / (1.0 - square)).ln()).collect()
}

/// And `ln tan(θ/2)` of each phase θ, up to the ring's largest.
pub(super) fn ring_phases(generator: &mut Generator, count: usize, ring: Ring) -> Vec<f64> {
    (0..count).map(|_| (ring.max_phase * open(generator) / 2.0).tan().ln()).collect()
}

/// A number from `U(0, 1)`, neither of both.
fn open(generator: &mut Generator) -> f64 {
    generator.next_f64().clamp(1e-6, 1.0 - 1e-6)
}

fn normals(generator: &mut Generator) -> impl Iterator<Item = f64> {
    generator.rng().sample_iter(StandardNormal)
}

/// Normal numbers, their rows made orthogonal one by one (the modified Gram–Schmidt process, whose
/// triangular factor has a positive diagonal, so that none is more likely than another). `rows` are at
/// most `columns`.
fn orthonormal_rows(generator: &mut Generator, rows: usize, columns: usize) -> Vec<f64> {
    let mut matrix: Vec<f64> = normals(generator).take(rows * columns).collect();
    let mut rest = matrix.as_mut_slice();
    while !rest.is_empty() {
        let (row, below) = rest.split_at_mut(columns);
        let length = dot(row, row).sqrt();
        row.iter_mut().for_each(|x| *x /= length);
        for other in below.chunks_exact_mut(columns) {
            let along = dot(row, other);
            for (x, direction) in other.iter_mut().zip(&*row) {
                *x -= along * direction;
            }
        }
        rest = below;
    }
    matrix
}

/// In eight sums side by side: the order of a single one could not be vectorised.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}
