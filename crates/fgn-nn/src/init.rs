//! First values of parameters: drawn in `f64`, row-major.

use fgn_core::{Role, Spec, TensorSlot};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::config::{ForgetBias, InitConfig, RecurrentInit, WeightInit};

/// The bound of a uniform distribution that keeps the variance of signals through a linear map, as
/// far as forward and backward agree on one (Glorot & Bengio 2010).
pub(crate) fn xavier_bound(inputs: usize, outputs: usize) -> f64 {
    (6.0 / (inputs as f64 + outputs as f64)).sqrt()
}

/// The bound of a uniform distribution that keeps the variance of signals through a linear map and
/// a ReLU (He et al. 2015).
pub(crate) fn kaiming_bound(inputs: usize) -> f64 {
    (6.0 / inputs as f64).sqrt()
}

/// `count` numbers from `U[-bound, bound)`.
pub(crate) fn uniform(rng: &mut ChaCha8Rng, count: usize, bound: f64) -> Vec<f64> {
    let draw = |_| (2.0 * rng.random::<f64>() - 1.0) * bound;
    (0..count).map(draw).collect()
}

/// One tensor of a recurrent layer of `hidden` units.
pub(crate) fn recurrent(
    init: &InitConfig,
    spec: &Spec,
    slot: &TensorSlot,
    hidden: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<f64> {
    let blocks = |draw: &mut dyn FnMut() -> Vec<f64>| -> Vec<f64> {
        slot.blocks.iter().flat_map(|_| draw()).collect()
    };
    match slot.name {
        "weight_hh" if init.recurrent == RecurrentInit::Orthogonal => {
            blocks(&mut || orthogonal(rng, hidden))
        }
        "weight_ih" | "weight_hh" => {
            blocks(&mut || weights(init.weights, rng, slot.shape[1], hidden))
        }
        // How much of itself a unit of the independently recurrent network keeps (Li et al. 2018).
        "u" => (0..slot.len()).map(|_| rng.random()).collect(),
        "bias_ih" => bias(init.forget_bias, spec, slot, hidden, rng),
        // bias_hh adds to bias_ih. A per-unit vector is the bias of a gate that sees nothing else
        // (w_o of fgn-scan, in tanh(c)·σ(w_o)): at 0 it is half open, as the output gate of an LSTM; or it
        // adds to one (a peephole).
        _ => vec![0.0; slot.len()],
    }
}

/// One block `[hidden, columns]`.
fn weights(init: WeightInit, rng: &mut ChaCha8Rng, columns: usize, hidden: usize) -> Vec<f64> {
    let count = hidden * columns;
    match init {
        WeightInit::XavierUniform => uniform(rng, count, xavier_bound(columns, hidden)),
        WeightInit::PytorchUniform => uniform(rng, count, 1.0 / (hidden as f64).sqrt()),
        WeightInit::TruncatedNormal { std } => {
            let cut = normals(rng).filter(|z| z.abs() <= 2.0);
            cut.map(|z| std * z).take(count).collect()
        }
    }
}

fn normals(rng: &mut ChaCha8Rng) -> impl Iterator<Item = f64> {
    rng.sample_iter(StandardNormal)
}

/// A random orthogonal matrix `[n, n]`: normal numbers, their rows made orthogonal one by one (the
/// modified Gram–Schmidt process, whose triangular factor has a positive diagonal, so that all
/// orthogonal matrices are equally likely).
fn orthogonal(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut matrix: Vec<f64> = normals(rng).take(n * n).collect();
    let mut rest = matrix.as_mut_slice();
    while !rest.is_empty() {
        let (row, below) = rest.split_at_mut(n);
        let length = dot(row, row).sqrt();
        row.iter_mut().for_each(|x| *x /= length);
        for other in below.chunks_exact_mut(n) {
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

fn bias(
    init: ForgetBias,
    spec: &Spec,
    slot: &TensorSlot,
    hidden: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<f64> {
    let forget: Vec<f64> = (0..hidden).map(|_| forget_bias(init, hidden, rng)).collect();
    let of_block = |&block: &usize, unit: usize| match (spec.blocks[block].role, init) {
        (Role::Forget, _) => forget[unit],
        (Role::Forgetting, ForgetBias::Constant(value)) => value,
        (Role::Forgetting | Role::Level, _) => 1.0,
        (Role::Update, _) | (Role::Input, ForgetBias::Chrono { .. }) => -forget[unit],
        (Role::Refine, ForgetBias::UniformGate) => -forget[unit],
        (Role::Input | Role::Output | Role::Candidate | Role::Refine | Role::Linear, _) => 0.0,
    };
    let units = |block| (0..hidden).map(move |unit| of_block(block, unit));
    slot.blocks.iter().flat_map(units).collect()
}

fn forget_bias(init: ForgetBias, hidden: usize, rng: &mut ChaCha8Rng) -> f64 {
    match init {
        ForgetBias::Constant(value) => value,
        ForgetBias::Chrono { t_max } => {
            let longest = (t_max - 1) as f64;
            (1.0 + (longest - 1.0) * rng.random::<f64>()).ln()
        }
        ForgetBias::UniformGate => {
            let edge = 1.0 / hidden as f64;
            let u = edge + (1.0 - 2.0 * edge) * rng.random::<f64>();
            -(1.0 / u - 1.0).ln()
        }
    }
}
