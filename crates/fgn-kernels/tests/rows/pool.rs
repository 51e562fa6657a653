use candle_core::{Device, Tensor};
use fgn_kernels::{pool_attention, pool_max, pool_mean, zero_past};

use crate::common::{WIDTHS, check, flat, var};

const STEPS: usize = 26;
const BATCH: usize = 5;
const LENGTHS: [usize; BATCH] = [26, 1, 7, 25, 13];

/// What `pool` makes of the steps of each feature of each sequence.
fn pooled(x: &[f64], width: usize, lengths: &[usize], pool: &dyn Fn(&[f64]) -> f64) -> Vec<f64> {
    let number = |at: usize| {
        let of_step = |step: usize| x[step * BATCH * width + at];
        pool(&(0..lengths[at / width]).map(of_step).collect::<Vec<_>>())
    };
    (0..BATCH * width).map(number).collect()
}

#[test]
fn means_and_maxima_are_over_each_sequence_s_own_steps() {
    for width in WIDTHS {
        let x = [var(&[STEPS, BATCH, width], 1)];
        for lengths in [None, Some(&LENGTHS[..])] {
            let all = lengths.unwrap_or(&[STEPS; BATCH]);
            check(&x, &|of| pool_mean(&of[0], lengths).unwrap(), &|of| {
                let mean = |steps: &[f64]| steps.iter().sum::<f64>() / steps.len() as f64;
                pooled(&of[0], width, all, &mean)
            });
            check(&x, &|of| pool_max(&of[0], lengths).unwrap(), &|of| {
                let max = |steps: &[f64]| steps.iter().copied().fold(f64::MIN, f64::max);
                pooled(&of[0], width, all, &max)
            });
        }
    }
}

#[test]
fn attention_weights_each_sequence_s_own_steps() {
    for width in WIDTHS {
        let vars = [var(&[STEPS, BATCH, width], 1), var(&[width], 2)];
        for lengths in [None, Some(&LENGTHS[..])] {
            let all = lengths.unwrap_or(&[STEPS; BATCH]);
            check(&vars, &|of| pool_attention(&of[0], &of[1], lengths).unwrap(), &|of| {
                let mut out = Vec::new();
                for (sequence, &length) in all.iter().enumerate() {
                    let row = |step: usize| &of[0][(step * BATCH + sequence) * width..][..width];
                    let score = |step: usize| -> f64 {
                        row(step).iter().zip(&of[1]).map(|(x, q)| x * q).sum()
                    };
                    let weights: Vec<f64> = (0..length).map(|step| score(step).exp()).collect();
                    let total: f64 = weights.iter().sum();
                    for feature in 0..width {
                        let terms = weights.iter().enumerate();
                        let sum: f64 =
                            terms.map(|(step, weight)| weight * row(step)[feature]).sum();
                        out.push(sum / total);
                    }
                }
                out
            });
        }
    }
}

/// Scores of some thousands have no exponential of their own.
#[test]
fn attention_takes_large_scores() {
    let x = Tensor::new(&[[[-5e4f64]], [[4e4]], [[5e4]], [[5e4]]], &Device::Cpu).unwrap();
    let query = Tensor::new(&[1.0f64], &Device::Cpu).unwrap();
    assert_eq!(flat(&pool_attention(&x, &query, None).unwrap()), [5e4]);
}

/// What is past a length has no effect, even where it is not finite.
#[test]
fn padding_is_not_read() {
    let x = var(&[STEPS, BATCH, 7], 1);
    let query = var(&[7], 2);
    let lengths = Some(&LENGTHS[..]);
    let mut numbers = flat(&x);
    for (at, number) in numbers.iter_mut().enumerate() {
        if at / 7 / BATCH >= LENGTHS[at / 7 % BATCH] {
            *number = f64::NAN;
        }
    }
    let padded = Tensor::from_vec(numbers, x.shape(), &Device::Cpu).unwrap();
    let clean = zero_past(&x, &LENGTHS).unwrap();
    assert_eq!(flat(&zero_past(&padded, &LENGTHS).unwrap()), flat(&clean));
    let all = |x: &Tensor| {
        [
            pool_mean(x, lengths).unwrap(),
            pool_max(x, lengths).unwrap(),
            pool_attention(x, &query, lengths).unwrap(),
        ]
        .map(|pooled| flat(&pooled))
    };
    assert_eq!(all(&padded), all(&clean));
}

/// A NaN within a sequence is not hidden.
#[test]
fn what_is_nan_gets_through() {
    let x = Tensor::new(&[[[1.0f64]], [[f64::NAN]], [[2.0]]], &Device::Cpu).unwrap();
    let query = Tensor::new(&[1.0f64], &Device::Cpu).unwrap();
    assert!(flat(&pool_mean(&x, None).unwrap())[0].is_nan());
    assert!(flat(&pool_attention(&x, &query, None).unwrap())[0].is_nan());
    let x = Tensor::new(&[[[1.0f64]], [[3.0]], [[f64::NAN]]], &Device::Cpu).unwrap();
    assert!(flat(&pool_max(&x, None).unwrap())[0].is_nan());
}
