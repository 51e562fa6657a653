//! State dicts of PyTorch's layers, and files that do not fit.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_core::cells::Nonlinearity;
use fgn_nn::{Parameters, Recurrent, RecurrentConfig};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::{HIDDEN, INPUT_SIZE, load, run, saved, temporary};
use crate::common::{flat, random, scramble};

/// Configurations of the cells that PyTorch has.
fn configs() -> Vec<RecurrentConfig> {
    let rnn = |nonlinearity| AnyCell::Rnn { nonlinearity };
    let cells = [AnyCell::LSTM, AnyCell::GRU, AnyCell::RNN, rnn(Nonlinearity::Relu)];
    let sizes = [1, 2, 3].into_iter().flat_map(|layers| [false, true].map(|both| (layers, both)));
    let all = sizes.flat_map(|(layers, bidirectional)| {
        [false, true].into_iter().flat_map(move |bias| {
            cells.map(|cell| {
                let config = RecurrentConfig::new(cell, HIDDEN);
                RecurrentConfig { layers, bidirectional, bias, ..config }
            })
        })
    });
    all.collect()
}

#[test]
fn saved_and_loaded_under_any_prefix_beside_other_tensors() {
    let projected = RecurrentConfig {
        projection: Some(2),
        layers: 2,
        bidirectional: true,
        ..RecurrentConfig::new(AnyCell::LSTM, HIDDEN)
    };
    for config in configs().into_iter().chain([projected]) {
        for name in ["", "encoder.rnn"] {
            let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
            let layer = Recurrent::new(&mut parameters, name, INPUT_SIZE, &config).unwrap();
            scramble(parameters.list());
            let file = temporary();
            parameters.save(&file.1).unwrap();
            let mut tensors = candle_core::safetensors::load(&file.1, &Device::Cpu).unwrap();
            tensors.insert("head.weight".to_owned(), random(&[2, 2], 1));
            tensors.insert("decoder.rnn.weight_ih_l7".to_owned(), random(&[2, 2], 1));
            let file = saved(tensors);
            assert_eq!(flat(&run(&load(&file, name, &config).unwrap())), flat(&run(&layer)));
        }
    }
}

#[test]
fn numbers_of_half_precision_are_converted() {
    let config = RecurrentConfig::new(AnyCell::LSTM, HIDDEN);
    let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
    Recurrent::new(&mut parameters, "", INPUT_SIZE, &config).unwrap();
    for dtype in [DType::F16, DType::BF16, DType::F32] {
        let tensors = parameters
            .list()
            .iter()
            .map(|(name, var)| (name.clone(), var.as_tensor().detach().to_dtype(dtype).unwrap()));
        let tensors: HashMap<_, _> = tensors.collect();
        for (name, var) in parameters.list() {
            var.set(&tensors[name].to_dtype(DType::F64).unwrap()).unwrap();
        }
        let layer = load(&saved(tensors), "", &config).unwrap();
        let expected = temporary();
        parameters.save(&expected.1).unwrap();
        assert_eq!(flat(&run(&layer)), flat(&run(&load(&expected, "", &config).unwrap())));
    }
}

#[test]
fn a_tensor_of_a_type_that_no_parameter_has_matters_only_in_a_parameter_s_place() {
    let config = RecurrentConfig::new(AnyCell::GRU, HIDDEN);
    let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu).unwrap();
    Recurrent::new(&mut parameters, "rnn", INPUT_SIZE, &config).unwrap();
    for (name, fits) in [("mask", true), ("rnn.bias_hh_l0", false)] {
        let numbers = parameters.list().iter().filter(|(other, _)| other != name);
        let numbers = numbers.map(|(name, var)| {
            let bytes = flat(var).iter().flat_map(|&x| (x as f32).to_le_bytes()).collect();
            (name.clone(), Dtype::F32, var.dims().to_vec(), bytes)
        });
        let mut all: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = numbers.collect();
        all.push((name.to_owned(), Dtype::BOOL, vec![12], vec![1; 12]));
        let views = all.iter().map(|(name, dtype, shape, data)| {
            (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        let file = temporary();
        std::fs::write(&file.1, safetensors::serialize(views, None).unwrap()).unwrap();
        let loaded = load(&file, "rnn", &config);
        assert_eq!(loaded.is_ok(), fits);
        if let Err(error) = loaded {
            let expected = "tensor `rnn.bias_hh_l0` holds U8, expected F16, BF16, F32 or F64";
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

#[test]
fn what_does_not_fit_is_named_with_its_shape() {
    let config = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::LSTM, HIDDEN) };
    let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
    Recurrent::new(&mut parameters, "rnn", INPUT_SIZE, &config).unwrap();
    let tensors: HashMap<_, _> = parameters
        .list()
        .iter()
        .map(|(name, var)| (name.clone(), var.as_tensor().detach()))
        .collect();
    let error = |change: &dyn Fn(&mut HashMap<String, Tensor>), config: &RecurrentConfig| {
        let mut tensors = tensors.clone();
        change(&mut tensors);
        load(&saved(tensors), "rnn", config).map(drop).unwrap_err().to_string()
    };
    let set = |name: &str, tensor: Tensor| {
        let name = name.to_owned();
        move |tensors: &mut HashMap<String, Tensor>| {
            tensors.insert(name.clone(), tensor.clone());
        }
    };
    let gone = |tensors: &mut HashMap<String, Tensor>| drop(tensors.remove("rnn.bias_hh_l1"));
    let words = Tensor::zeros((16, 3), DType::U32, &Device::Cpu).unwrap();
    let nothing = |_: &mut HashMap<String, Tensor>| {};
    let one = RecurrentConfig { layers: 1, ..config.clone() };
    let unbiased = RecurrentConfig { bias: false, ..config.clone() };
    let gru = RecurrentConfig { cell: AnyCell::GRU, ..config.clone() };
    for (found, expected) in [
        (error(&gone, &config), "tensor `rnn.bias_hh_l1` is missing, expected with shape [16]"),
        (
            error(&set("rnn.weight_ih_l0", random(&[12, 3], 1)), &config),
            "tensor `rnn.weight_ih_l0` has shape [12, 3], expected [16, 3]",
        ),
        (
            error(&set("rnn.weight_ih_l0", words), &config),
            "tensor `rnn.weight_ih_l0` holds U32, expected F16, BF16, F32 or F64",
        ),
        (
            error(&set("rnn.weight_hr_l0", random(&[2, 4], 1)), &config),
            "unexpected tensor `rnn.weight_hr_l0` of shape [2, 4]",
        ),
        (
            error(&set("rnn.weight_ih_l0_reverse", random(&[16, 3], 1)), &config),
            "unexpected tensor `rnn.weight_ih_l0_reverse` of shape [16, 3]",
        ),
        (error(&nothing, &one), "l1` of shape [16"),
        (error(&nothing, &unbiased), "unexpected tensor `rnn.bias_hh_l0` of shape [16]"),
        (error(&nothing, &gru), "tensor `rnn.weight_ih_l0` has shape [16, 3], expected [12, 3]"),
    ] {
        assert!(found.contains(expected), "{found:?} does not say {expected:?}");
        assert!(found.contains("weights.safetensors: "), "{found}");
    }
    let file = temporary();
    std::fs::write(&file.1, b"PK\x03\x04 a file of PyTorch's own kind").unwrap();
    let error = load(&file, "rnn", &config).map(drop).unwrap_err().to_string();
    assert!(error.contains("not a complete safetensors file"), "{error}");
}
