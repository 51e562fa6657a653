//! Stacks of recurrent layers.

mod bad_input;
mod blocks;
mod layout;
mod precision;
mod stack;
mod state;
mod stream;
mod table;
mod trace;

use candle_core::Tensor;
use fgn_nn::{Recurrent, RecurrentConfig};

use crate::common::{Named, flat, parameters, scramble};

/// Of sums of some dozens of products of numbers about 1, in `f64`.
const ROUNDING_TOLERANCE: f64 = 1e-12;
const INPUT_SIZE: usize = 3;

/// A layer in `f64` with parameters without any structure.
fn layer(config: &RecurrentConfig) -> (Recurrent, Vec<Named>) {
    let mut parameters = parameters(1);
    let layer = Recurrent::new(&mut parameters, "layer", INPUT_SIZE, config).unwrap();
    scramble(parameters.list());
    (layer, parameters.list().to_vec())
}

fn assert_close(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dims(), expected.dims());
    for (found, expected) in flat(found).into_iter().zip(flat(expected)) {
        assert!((found - expected).abs() < ROUNDING_TOLERANCE, "{found} {expected}");
    }
}
