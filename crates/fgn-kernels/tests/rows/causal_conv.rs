use candle_core::{Device, Tensor};
use fgn_kernels::causal_conv;

use crate::common::{WIDTHS, check, flat, var};

const BATCH: usize = 3;

/// Whether a step begins a new sequence.
fn is_reset(step: usize, sequence: usize) -> bool {
    (step * 7 + sequence * 3) % 5 == 4
}

fn resets(steps: usize) -> Tensor {
    let all = (0..steps * BATCH).map(|at| u8::from(is_reset(at / BATCH, at % BATCH)));
    Tensor::from_vec(all.collect(), (steps, BATCH), &Device::Cpu).unwrap()
}

/// The input `back` steps before a step, which may be of the state, and zero before a reset.
fn input(
    (x, state): (&[f64], &[f64]),
    [width, before]: [usize; 2],
    [step, sequence, feature]: [usize; 3],
    back: usize,
    has_resets: bool,
) -> f64 {
    let between = (step + 1).saturating_sub(back)..=step;
    if has_resets && back > 0 && between.into_iter().any(|step| is_reset(step, sequence)) {
        return 0.0;
    }
    match step.checked_sub(back) {
        Some(step) => x[(step * BATCH + sequence) * width + feature],
        None => state[((before + step - back) * BATCH + sequence) * width + feature],
    }
}

#[test]
fn it_is_what_its_formula_says() {
    for width in WIDTHS {
        for (steps, size) in [(1, 2), (1, 5), (2, 4), (45, 4)] {
            let before = size - 1;
            let vars = [
                var(&[steps, BATCH, width], 1),
                var(&[width, size], 2),
                var(&[width], 3),
                var(&[before, BATCH, width], 4),
            ];
            for has_resets in [false, true] {
                let resets = has_resets.then(|| resets(steps));
                let run = |of: &[Tensor]| {
                    causal_conv(&of[0], &of[1], &of[2], &of[3], resets.as_ref(), None).unwrap()
                };
                check(&vars, &|of| run(of).output, &|of| {
                    let number = |at: usize| {
                        let feature = at % width;
                        let (step, sequence) = (at / width / BATCH, at / width % BATCH);
                        let place = [step, sequence, feature];
                        let tap = |back: usize| {
                            let weight = of[1][feature * size + size - 1 - back];
                            let sizes = [width, before];
                            weight * input((&of[0], &of[3]), sizes, place, back, has_resets)
                        };
                        of[2][feature] + (0..size).map(tap).sum::<f64>()
                    };
                    (0..of[0].len()).map(number).collect()
                });
            }
        }
    }
}

/// Pieces with the state handed on are the whole, whatever their lengths; gradients pass through the state.
#[test]
fn pieces_continue_from_the_state() {
    let (width, size, steps) = (5, 4, 12);
    let x = var(&[steps, BATCH, width], 1);
    let (weight, bias) = (var(&[width, size], 2), var(&[width], 3));
    let state = var(&[size - 1, BATCH, width], 4);
    for resets in [None, Some(resets(steps))] {
        let whole = causal_conv(&x, &weight, &bias, &state, resets.as_ref(), None).unwrap();
        for pieces in [&[4, 4, 4][..], &[1, 2, 9], &[7, 1, 1, 1, 1, 1]] {
            let (mut carried, mut outputs, mut first) = (state.as_tensor().clone(), vec![], 0);
            for &piece in pieces {
                let part = x.narrow(0, first, piece).unwrap();
                let of_part = resets.as_ref().map(|all| all.narrow(0, first, piece).unwrap());
                let found =
                    causal_conv(&part, &weight, &bias, &carried, of_part.as_ref(), None).unwrap();
                outputs.push(found.output);
                carried = found.state;
                first += piece;
            }
            let outputs = Tensor::cat(&outputs, 0).unwrap();
            assert_eq!(flat(&outputs), flat(&whole.output));
            assert_eq!(flat(&carried), flat(&whole.state));
            let gradient = |y: &Tensor| {
                let gradients = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                flat(gradients.get(&x).unwrap())
            };
            for (found, expected) in gradient(&outputs).iter().zip(gradient(&whole.output)) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
    }
}

/// The state of each sequence is that at its own end.
#[test]
fn the_state_is_that_at_each_length() {
    let (width, size, steps) = (3, 4, 9);
    let x = var(&[steps, BATCH, width], 1);
    let (weight, bias) = (var(&[width, size], 2), var(&[width], 3));
    let state = var(&[size - 1, BATCH, width], 4);
    let lengths = [9, 2, 5];
    for resets in [None, Some(resets(steps))] {
        let found =
            causal_conv(&x, &weight, &bias, &state, resets.as_ref(), Some(&lengths)).unwrap();
        for (sequence, length) in lengths.into_iter().enumerate() {
            let part = x.narrow(0, 0, length).unwrap();
            let of_part = resets.as_ref().map(|all| all.narrow(0, 0, length).unwrap());
            let short = causal_conv(&part, &weight, &bias, &state, of_part.as_ref(), None).unwrap();
            let of = |state: &Tensor| flat(&state.narrow(1, sequence, 1).unwrap());
            assert_eq!(of(&found.state), of(&short.state));
        }
    }
}
