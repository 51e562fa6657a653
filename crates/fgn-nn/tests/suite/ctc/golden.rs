//! Losses and gradients held against PyTorch's, which `goldens/ctc.py` wrote.

use candle_core::{DType, Device, Tensor, Var};
use fgn_nn::{CtcOptions, ctc_loss, serde_json};
use serde::Deserialize;

use crate::common::flat;

#[derive(Deserialize)]
struct Golden {
    blank: usize,
    zero_infinity: bool,
    lengths: Vec<usize>,
    targets: Vec<Vec<u32>>,
    logits: Vec<Vec<Vec<f64>>>,
    weights: Vec<f64>,
    losses: Vec<f64>,
    gradients: Vec<Vec<Vec<f64>>>,
}

/// How far numbers may be apart: a share of their size, and a floor for those near zero.
#[derive(Clone, Copy)]
struct Tolerance {
    relative: f64,
    floor: f64,
}

const F64: Tolerance = Tolerance { relative: 1e-6, floor: 1e-12 };
const F32: Tolerance = Tolerance { relative: 1e-4, floor: 1e-6 };

/// The largest differences found: of losses, relative, and of gradients, absolute.
#[derive(Default, Debug)]
struct Largest {
    loss: f64,
    gradient: f64,
}

impl Golden {
    fn check(&self, dtype: DType, tolerance: Tolerance, largest: &mut Largest) {
        let tensor = |values: Tensor| values.to_dtype(dtype).unwrap();
        let logits = tensor(Tensor::new(self.logits.clone(), &Device::Cpu).unwrap());
        let weights = tensor(Tensor::new(&self.weights[..], &Device::Cpu).unwrap());
        let options = CtcOptions::new(self.blank).with_zero_infinity(self.zero_infinity);
        let expected: Vec<f64> = self.gradients.concat().concat();
        for batch_first in [false, true] {
            let turned = |tensor: &Tensor| match batch_first {
                true => tensor.transpose(0, 1).unwrap().contiguous().unwrap(),
                false => tensor.clone(),
            };
            let var = Var::from_tensor(&turned(&logits)).unwrap();
            let options = options.with_batch_first(batch_first);
            let losses = ctc_loss(&var, Some(&self.lengths), &self.targets, &options).unwrap();
            for (found, &expected) in flat(&losses).into_iter().zip(&self.losses) {
                let error = (found - expected).abs();
                assert!(
                    error <= tolerance.relative * expected.abs() + tolerance.floor,
                    "loss {found}, not {expected}"
                );
                largest.loss = largest.loss.max(error / expected.abs().max(1.0));
            }
            let sum = (losses * &weights).unwrap().sum_all().unwrap();
            let gradients = sum.backward().unwrap();
            let found = flat(&turned(gradients.get(&var).unwrap()));
            assert_eq!(found.len(), expected.len());
            for (found, &expected) in found.into_iter().zip(&expected) {
                let error = (found - expected).abs();
                assert!(
                    error <= tolerance.relative * expected.abs() + tolerance.floor,
                    "gradient {found}, not {expected}"
                );
                largest.gradient = largest.gradient.max(error);
            }
        }
    }
}

fn check(text: &str, name: &str) {
    let goldens: Vec<Golden> = serde_json::from_str(text).unwrap();
    for (dtype, tolerance) in [(DType::F64, F64), (DType::F32, F32)] {
        let mut largest = Largest::default();
        goldens.iter().for_each(|golden| golden.check(dtype, tolerance, &mut largest));
        println!("{name}: {} batches in {dtype:?}: {largest:?}", goldens.len());
    }
}

#[test]
fn losses_and_gradients_are_those_of_pytorch() {
    check(include_str!("../../goldens/ctc.json"), "committed");
}

/// Compares the random batches in the folder that `FGN_CTC_CASES` names, where it is set.
#[test]
fn so_are_those_of_random_batches() {
    if let Some(folder) = std::env::var_os("FGN_CTC_CASES") {
        let text = std::fs::read_to_string(std::path::Path::new(&folder).join("ctc.json")).unwrap();
        check(&text, "random");
    }
}
