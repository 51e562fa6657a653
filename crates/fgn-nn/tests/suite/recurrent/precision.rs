//! Layers whose products round their operands to bf16.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::{Parameters, Precision, Recurrent, RecurrentConfig, RecurrentOptions};

use super::INPUT_SIZE;
use crate::common::{flat, random};

/// Of outputs below 1 after a few steps: bf16 has 8 bits.
const ROUNDED: f64 = 0.02;

fn layer(dtype: DType) -> Recurrent {
    let mut parameters = Parameters::new(1, dtype, &Device::Cpu).unwrap();
    let config = RecurrentConfig {
        layers: 2,
        bidirectional: true,
        ..RecurrentConfig::new(AnyCell::LSTM, 12)
    };
    Recurrent::new(&mut parameters, "layer", INPUT_SIZE, &config).unwrap()
}

#[test]
fn a_precision_holds_in_every_pass_and_in_a_frozen_layer() {
    let x = random(&[6, 3, INPUT_SIZE], 1).to_dtype(DType::F32).unwrap();
    let run = |layer: &Recurrent| -> Tensor {
        layer.forward(&x, &RecurrentOptions::default()).unwrap().output
    };
    let mut layer = layer(DType::F32);
    let exact = flat(&run(&layer));
    layer.set_precision(Precision::Bf16).unwrap();
    let rounded = flat(&run(&layer));
    let difference = exact.iter().zip(&rounded).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!((1e-6..ROUNDED).contains(&difference), "{difference}");
    assert_eq!(flat(&run(&layer.detached())), rounded);
    assert_eq!(flat(&run(&layer.frozen().unwrap())), rounded);
    layer.set_precision(Precision::F32).unwrap();
    assert_eq!(flat(&run(&layer)), exact);
}

#[test]
fn precisions_that_a_layer_has_not_are_refused() {
    for (dtype, precision, expected) in [
        (DType::F32, Precision::Int8, "Int8 is for streams alone"),
        (DType::F64, Precision::Bf16, "F32, as the layer is of F64"),
    ] {
        let error = layer(dtype).set_precision(precision).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    layer(DType::F64).set_precision(Precision::F32).unwrap();
}
