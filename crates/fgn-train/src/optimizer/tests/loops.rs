//! Every optimizer's update, bit for bit, against plain loops over slices of f32.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::naive::torches;
use super::random;
use crate::optimizer::rule::Step;
use crate::optimizer::rules::OptimizerConfig;
use crate::optimizer::rules::adagrad::Adagrad;
use crate::optimizer::rules::adam::Adam;
use crate::optimizer::rules::adamw::AdamW;
use crate::optimizer::rules::lion::Lion;
use crate::optimizer::rules::rmsprop::RmsProp;
use crate::optimizer::rules::sgd::Sgd;
use crate::optimizer::slices::Slices;

const LIMIT: f64 = 1.5;
const SCALE: f64 = 0.7;

/// A step written out. The order of its operations, and which constants are computed in f64 before they are
/// rounded, are what a resumed training has to repeat.
#[allow(clippy::too_many_lines, reason = "one arm for each optimizer")]
fn step(
    config: &OptimizerConfig,
    number: i32,
    rate: f64,
    p: &mut [f32],
    g: &[f32],
    moments: &mut [Vec<f32>],
) {
    let t = |value: f64| value as f32;
    let weight_decay = config.weight_decay();
    let (l2, keep) = match config {
        OptimizerConfig::AdamW(_) | OptimizerConfig::Lion(_) => (0.0, 1.0 - rate * weight_decay),
        _ => (weight_decay, 1.0),
    };
    let [limit, scale, l2, keep] = [LIMIT, SCALE, l2, keep].map(t);
    let ready = |p: f32, g: f32| g.clamp(-limit, limit) * scale + l2 * p;
    #[allow(unreachable_patterns, reason = "optimizers may be added")]
    match (*config, moments) {
        (OptimizerConfig::Sgd(Sgd { .. }), []) => {
            for (p, &g) in p.iter_mut().zip(g) {
                *p -= t(rate) * ready(*p, g);
            }
        }
        (OptimizerConfig::Sgd(Sgd { momentum, nesterov, .. }), [m]) => {
            let [momentum, rate] = [momentum, rate].map(t);
            let [ahead, present] = if nesterov { [momentum, 1.0] } else { [1.0, 0.0] };
            for ((p, &g), sum) in p.iter_mut().zip(g).zip(m) {
                let g = ready(*p, g);
                *sum = momentum * *sum + g;
                *p -= rate * (ahead * *sum + present * g);
            }
        }
        (OptimizerConfig::RmsProp(RmsProp { alpha, epsilon, .. }), [m]) => {
            let [a, b, epsilon, rate] = [alpha, 1.0 - alpha, epsilon, rate].map(t);
            for ((p, &g), square) in p.iter_mut().zip(g).zip(m) {
                let g = ready(*p, g);
                *square = a * *square + b * g * g;
                *p -= rate * g / (square.sqrt() + epsilon);
            }
        }
        (OptimizerConfig::RmsProp(RmsProp { alpha, epsilon, momentum, .. }), [m, v]) => {
            let [a, b, epsilon, rate] = [alpha, 1.0 - alpha, epsilon, rate].map(t);
            for (((p, &g), square), sum) in p.iter_mut().zip(g).zip(m).zip(v) {
                let g = ready(*p, g);
                *square = a * *square + b * g * g;
                *sum = t(momentum) * *sum + g / (square.sqrt() + epsilon);
                *p -= rate * *sum;
            }
        }
        (
            OptimizerConfig::Adam(Adam { beta1, beta2, epsilon, .. })
            | OptimizerConfig::AdamW(AdamW { beta1, beta2, epsilon, .. }),
            [m, v],
        ) => {
            let rate = rate / (1.0 - beta1.powi(number));
            let root = (1.0 - beta2.powi(number)).sqrt().recip();
            let [epsilon, rate, root] = [epsilon, rate, root].map(t);
            let [b1, b2, a1, a2] = [beta1, beta2, 1.0 - beta1, 1.0 - beta2].map(t);
            for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                let g = ready(*p, g);
                *m = b1 * *m + a1 * g;
                *v = b2 * *v + a2 * g * g;
                *p = *p * keep - rate * *m / (v.sqrt() * root + epsilon);
            }
        }
        (OptimizerConfig::Lion(Lion { beta1, beta2, .. }), [m]) => {
            let sign = |x: f32| if x == 0.0 { 0.0 } else { x.signum() };
            let [b1, b2, a1, a2] = [beta1, beta2, 1.0 - beta1, 1.0 - beta2].map(t);
            for ((p, &g), m) in p.iter_mut().zip(g).zip(m) {
                let g = ready(*p, g);
                *p = *p * keep - t(rate) * sign(b1 * *m + a1 * g);
                *m = b2 * *m + a2 * g;
            }
        }
        (OptimizerConfig::Adagrad(Adagrad { epsilon, .. }), [m]) => {
            let [epsilon, rate] = [epsilon, rate].map(t);
            for ((p, &g), sum) in p.iter_mut().zip(g).zip(m) {
                let g = ready(*p, g);
                *sum += g * g;
                *p -= rate * g / (sum.sqrt() + epsilon);
            }
        }
        _ => unreachable!("`torches` holds no other"),
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_optimizer_updates_as_its_loop_does_bit_for_bit() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    // Zeros of both signs, denormal and infinite values; and no multiple of a vector's length.
    let special = [0.0, -0.0, 1e-40, -1e-40, f32::INFINITY, f32::NEG_INFINITY];
    let mut numbers = |specials| {
        let ordinary = random(&mut rng, 1001).into_iter().map(|value| value as f32);
        let mut values: Vec<f32> = ordinary.collect();
        values[..special.len()].copy_from_slice(&special);
        values[10..10 + special.len()].fill(specials);
        values
    };
    for config in [0.0, 0.3].into_iter().flat_map(|decay| torches(0.01, decay)) {
        let mut found = numbers(-0.0);
        let mut expected = found.clone();
        let mut found_moments = vec![vec![0.0; found.len()]; config.moments().len()];
        let mut expected_moments = found_moments.clone();
        for number in 1..=12 {
            let gradient = numbers(0.0);
            let rate = 0.01 / f64::from(number);
            let decay = config.weight_decay();
            let now = Step::new(config.decay(), number as u64, rate, decay).clipped(LIMIT, SCALE);
            let elements = Slices {
                range: 0..found.len(),
                parameter: &mut found,
                gradient: &gradient,
                moments: &mut found_moments,
                step: &now,
            };
            config.update(&now, elements);
            step(&config, number, rate, &mut expected, &gradient, &mut expected_moments);
            assert_eq!(bits(&found), bits(&expected), "{config:?}, step {number}");
            for (found, expected) in found_moments.iter().zip(&expected_moments) {
                assert_eq!(bits(found), bits(expected), "{config:?}, step {number}");
            }
        }
    }
}
