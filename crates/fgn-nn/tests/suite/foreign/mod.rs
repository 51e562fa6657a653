//! Weights of other libraries: PyTorch's and candle-nn's as they are, Keras' in its own layout.

mod candle;
mod keras;
mod pytorch;

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use fgn_nn::{Parameters, Recurrent, RecurrentConfig, RecurrentOptions, Result};
use tempfile::TempDir;

use crate::common::{flat, random};

/// Of a few steps in `f64`, of numbers about 1.
const ROUNDING_TOLERANCE: f64 = 1e-13;
const INPUT_SIZE: usize = 3;
const HIDDEN: usize = 4;
const STEPS: usize = 6;
const BATCH: usize = 2;

fn assert_close(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dims(), expected.dims());
    for (found, expected) in flat(found).into_iter().zip(flat(expected)) {
        assert!((found - expected).abs() < ROUNDING_TOLERANCE, "{found} {expected}");
    }
}

/// A file that is gone with its folder.
struct Temporary(#[allow(dead_code)] TempDir, PathBuf);

fn temporary() -> Temporary {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weights.safetensors");
    Temporary(folder, path)
}

fn saved(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Temporary {
    let file = temporary();
    let tensors: HashMap<_, _> = tensors.into_iter().collect();
    candle_core::safetensors::save(&tensors, &file.1).unwrap();
    file
}

fn load(file: &Temporary, name: &str, config: &RecurrentConfig) -> Result<Recurrent> {
    let mut parameters = Parameters::load(&file.1, DType::F64, &Device::Cpu)?;
    Recurrent::new(&mut parameters, name, INPUT_SIZE, config)
}

fn x() -> Tensor {
    random(&[STEPS, BATCH, INPUT_SIZE], 2)
}

fn run(layer: &Recurrent) -> Tensor {
    layer.forward(&x(), &RecurrentOptions::default()).unwrap().output
}
