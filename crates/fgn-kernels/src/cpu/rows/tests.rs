//! Every instruction set computes the same, up to rounding.

use crate::cpu::rows::causal_conv::{ConvRows, conv_backward, conv_forward};
use crate::cpu::rows::gated::{GatedRows, gated_backward, gated_forward};
use crate::cpu::rows::norm::{NormRows, norm_backward, norm_forward};
use crate::cpu::rows::pool::{Steps, max_forward, mean_forward};
use crate::cpu::rows::pool_attention::{attention_backward, attention_forward};
use crate::cpu::rows::residual::{SumRows, sum_backward, sum_forward};
use crate::simd::isa::Isa;
use crate::simd::vector::Element;

/// Of sums of some dozens of products in `f32`, relative to the largest number (at least 1).
const TOLERANCE: f64 = 1e-5;
const STEPS: usize = 6;
const BATCH: usize = 3;

fn numbers<E: Element>(count: usize, seed: f64) -> Vec<E> {
    (0..count).map(|n| E::from_f64((seed + n as f64 * 0.7).sin())).collect()
}

/// The results of all operations and their gradients, for rows of that width.
fn everything<E: Element>(isa: Isa, width: usize) -> Vec<Vec<E>> {
    let rows = STEPS * BATCH;
    let [x, y, d] = [1.0, 2.0, 3.0].map(|seed| numbers::<E>(rows * width, seed));
    let [weight, bias] = [4.0, 5.0].map(|seed| numbers::<E>(width, seed));
    let mut all = Vec::new();
    for bias in [None, Some(&bias[..])] {
        let norm = NormRows { x: &x, weight: &weight, bias, epsilon: 1e-2 };
        all.push(norm_forward(isa, norm));
        let d = norm_backward(isa, norm, &d);
        all.extend([d.x, d.weight, d.bias]);
    }
    let (wide, long) = (numbers(2 * rows * width, 6.0), numbers(2 * width, 7.0));
    for bias in [&[][..], &long] {
        let gated = GatedRows { x: &wide, width, bias };
        all.push(gated_forward(isa, gated));
        let (d_x, d_bias) = gated_backward(isa, gated, &d);
        all.extend([d_x, d_bias]);
    }
    let mask = numbers(BATCH * width, 8.0);
    for (x, mask) in [(&x[..], &mask[..]), (&x, &[]), (&[], &mask), (&[], &[])] {
        let sums = SumRows { x, y: &y, bias: &bias, mask, first: 2 };
        all.push(sum_forward(isa, sums));
        let (d_bias, d_y) = sum_backward(isa, sums, &d);
        all.push(d_bias);
        all.extend(d_y);
    }
    let (taps, state) = (numbers(4 * width, 9.0), numbers(2 * BATCH * width, 10.0));
    let resets: Vec<u32> = (0..rows as u32).map(|row| 1 + row % 3).collect();
    for reach in [&[][..], &resets] {
        let shape = [STEPS, BATCH, width];
        let conv = ConvRows { shape, x: &x, taps: &taps, state: &state, reach };
        all.push(conv_forward(isa, conv));
        let d = conv_backward(isa, conv, &d);
        all.extend([d.x, d.taps, d.state]);
    }
    let steps = Steps { x: &x, width, lengths: &[6, 1, 4] };
    all.push(mean_forward(isa, steps));
    all.push(max_forward(isa, steps).0);
    let (pooled, logs) = attention_forward(isa, steps, &weight);
    let d_pooled = &d[..BATCH * width];
    let (d_x, d_query) = attention_backward(isa, steps, &weight, (&pooled, &logs), d_pooled);
    all.extend([pooled, d_x, d_query]);
    all
}

#[test]
fn every_instruction_set_computes_the_same() {
    let portable = *Isa::available().last().unwrap();
    for width in [1, 3, 8, 16, 19, 33, 64] {
        let expected = everything::<f64>(portable, width);
        for isa in Isa::available() {
            let found = everything::<f32>(isa, width);
            assert_eq!(found.len(), expected.len());
            for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(found.len(), expected.len());
                let scale = expected.iter().fold(1.0f64, |most, x| most.max(x.abs()));
                for (found, expected) in found.iter().zip(expected) {
                    let apart = (f64::from(*found) - expected).abs();
                    let name = isa.name();
                    assert!(apart <= TOLERANCE * scale, "{name}, {at}: {found} {expected}");
                }
            }
        }
    }
}
