//! Weights of other libraries: PyTorch's and candle-nn's as they are, Keras' in its own layout.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use candle_nn::{GRUConfig, LSTMConfig, RNN, VarBuilder, VarMap};
use fgn_core::AnyCell;
use fgn_core::cells::Nonlinearity;
use fgn_nn::{Keras, Parameters, Recurrent, RecurrentConfig, RecurrentOptions, Result, rnn};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use tempfile::TempDir;

use crate::common::{flat, random, scramble};

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

/// The file's tensors as Keras computes with them: `x · kernel + h · recurrent_kernel + bias`, in its own
/// order of gates.
fn keras_steps(
    cell: AnyCell,
    tensors: &HashMap<String, Tensor>,
    prefix: &str,
    x: &Tensor,
) -> Tensor {
    let tensor = |name: &str| &tensors[&format!("{prefix}{name}")];
    let (kernel, recurrent, bias) = (tensor("kernel"), tensor("recurrent_kernel"), tensor("bias"));
    let sigmoid = |x: &Tensor| candle_nn::ops::sigmoid(x).unwrap();
    let zeros = Tensor::zeros((BATCH, HIDDEN), DType::F64, &Device::Cpu).unwrap();
    let (mut h, mut c) = (zeros.clone(), zeros);
    let mut outputs = Vec::new();
    for t in 0..STEPS {
        let of_input = x.get(t).unwrap().matmul(kernel).unwrap();
        let of_hidden = h.matmul(recurrent).unwrap();
        let gates = |x: Tensor, count| x.chunk(count, 1).unwrap();
        match cell {
            AnyCell::Lstm {} => {
                let all = (of_input + of_hidden).unwrap().broadcast_add(bias).unwrap();
                let all = gates(all, 4);
                let (i, f, o) = (sigmoid(&all[0]), sigmoid(&all[1]), sigmoid(&all[3]));
                c = ((f * &c).unwrap() + (i * all[2].tanh().unwrap()).unwrap()).unwrap();
                h = (o * c.tanh().unwrap()).unwrap();
            }
            AnyCell::Gru {} => {
                let of_input = of_input.broadcast_add(&bias.get(0).unwrap()).unwrap();
                let of_hidden = of_hidden.broadcast_add(&bias.get(1).unwrap()).unwrap();
                let (x, hidden) = (gates(of_input, 3), gates(of_hidden, 3));
                let z = sigmoid(&(&x[0] + &hidden[0]).unwrap());
                let r = sigmoid(&(&x[1] + &hidden[1]).unwrap());
                let new = (&x[2] + (r * &hidden[2]).unwrap()).unwrap().tanh().unwrap();
                h = ((&z * &h).unwrap() + (z.affine(-1.0, 1.0).unwrap() * new).unwrap()).unwrap();
            }
            _ => {
                let sum = (of_input + of_hidden).unwrap().broadcast_add(bias).unwrap();
                h = sum.tanh().unwrap();
            }
        }
        outputs.push(h.clone());
    }
    Tensor::stack(&outputs, 0).unwrap()
}

#[test]
fn keras_weights_compute_what_keras_does() {
    for (cell, gates) in [(AnyCell::LSTM, 4), (AnyCell::GRU, 3), (AnyCell::RNN, 1)] {
        let rows = gates * HIDDEN;
        let prefixes = ["l/lstm_cell/", "l_1/lstm_cell/"];
        let mut tensors = HashMap::new();
        for (place, prefix) in prefixes.iter().enumerate() {
            let input = [INPUT_SIZE, HIDDEN][place];
            let bias = if cell == AnyCell::GRU { vec![2, rows] } else { vec![rows] };
            for (name, shape) in [
                ("kernel", vec![input, rows]),
                ("recurrent_kernel", vec![HIDDEN, rows]),
                ("bias", bias),
            ] {
                let seed = tensors.len() as u64;
                tensors.insert(format!("{prefix}{name}"), random(&shape, seed));
            }
        }
        let config = &RecurrentConfig { layers: 2, ..RecurrentConfig::new(cell, HIDDEN) };
        let keras = Keras { name: "encoder", input_size: INPUT_SIZE, config, prefixes: &prefixes };
        let mut expected = x();
        for prefix in prefixes {
            expected = keras_steps(cell, &tensors, prefix, &expected);
        }
        // Files of older versions of Keras have a suffix.
        for suffix in ["", ":0"] {
            let named = tensors.iter().map(|(name, t)| (format!("{name}{suffix}"), t.clone()));
            let file = saved(named);
            let mut parameters = keras.load(&file.1, DType::F64, &Device::Cpu).unwrap();
            let layer = Recurrent::new(&mut parameters, "encoder", INPUT_SIZE, config).unwrap();
            assert_close(&run(&layer), &expected);

            let back = temporary();
            keras.save(&parameters, &back.1).unwrap();
            let back = candle_core::safetensors::load(&back.1, &Device::Cpu).unwrap();
            assert_eq!(back.len(), tensors.len());
            for (name, tensor) in &tensors {
                assert_eq!(flat(&back[name]), flat(tensor), "{name}");
                assert_eq!(back[name].dims(), tensor.dims(), "{name}");
            }
        }
    }
}

#[test]
fn keras_files_that_do_not_fit() {
    let config = RecurrentConfig::new(AnyCell::GRU, HIDDEN);
    fn of<'a>(config: &'a RecurrentConfig, prefixes: &'a [&'a str]) -> Keras<'a> {
        Keras { name: "", input_size: INPUT_SIZE, config, prefixes }
    }
    let file = saved([
        ("gru/kernel".to_owned(), random(&[3, 12], 1)),
        ("gru/recurrent_kernel".to_owned(), random(&[4, 12], 1)),
        ("gru/bias".to_owned(), random(&[12], 1)),
    ]);
    let error = |config: &RecurrentConfig, prefixes: &[&str]| {
        let loaded = of(config, prefixes).load(&file.1, DType::F64, &Device::Cpu);
        loaded.map(drop).unwrap_err().to_string()
    };
    let lstm = RecurrentConfig { cell: AnyCell::LSTM, ..config.clone() };
    let fgn = RecurrentConfig { cell: AnyCell::FGN, ..config.clone() };
    let both = RecurrentConfig { bidirectional: true, ..config.clone() };
    let projected = RecurrentConfig { projection: Some(2), ..lstm.clone() };
    for (found, expected) in [
        (error(&config, &["gru/"]), "tensor `gru/bias` has shape [12], expected [2, 12]"),
        (error(&lstm, &["gru/"]), "tensor `gru/kernel` has shape [3, 12], expected [3, 16]"),
        (
            error(&config, &["lstm/"]),
            "tensor `lstm/kernel` is missing, expected with shape [3, 12]",
        ),
        (error(&both, &["gru/"]), "`prefixes` is 1 names, expected 2, one for each layer"),
        (error(&fgn, &["gru/"]), "`recurrent.cell` is fgn, expected lstm, gru or rnn"),
        (error(&projected, &["gru/"]), "`recurrent.projection` is 2, expected none"),
    ] {
        assert!(found.contains(expected), "{found:?} does not say {expected:?}");
    }
    let parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
    let error = of(&config, &["gru/"]).save(&parameters, &file.1).unwrap_err().to_string();
    assert!(error.contains("a layer with a parameter \"weight_ih_l0\""), "{error}");
}

/// A `VarMap` with numbers without any structure in it, once `make` has asked for them.
fn vars(make: impl FnOnce(VarBuilder<'static>)) -> VarMap {
    let vars = VarMap::new();
    make(VarBuilder::from_varmap(&vars, DType::F64, &Device::Cpu));
    let data = vars.data().lock().unwrap();
    let mut all: Vec<_> = data.iter().map(|(name, var)| (name.clone(), var.clone())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    scramble(&all);
    drop(data);
    vars
}

#[test]
fn candle_nn_s_files_load_as_they_are() {
    let batch_first = x().transpose(0, 1).unwrap().contiguous().unwrap();
    for cell in [AnyCell::LSTM, AnyCell::GRU] {
        let mut expected = None;
        let map = vars(|vb| match cell {
            AnyCell::Gru {} => drop(
                candle_nn::gru(INPUT_SIZE, HIDDEN, GRUConfig::default(), vb.pp("rnn")).unwrap(),
            ),
            _ => drop(
                candle_nn::lstm(INPUT_SIZE, HIDDEN, LSTMConfig::default(), vb.pp("rnn")).unwrap(),
            ),
        });
        let vb = VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu).pp("rnn");
        if cell == AnyCell::GRU {
            let layer = candle_nn::gru(INPUT_SIZE, HIDDEN, GRUConfig::default(), vb).unwrap();
            let states = layer.seq(&batch_first).unwrap();
            expected.replace(states.into_iter().map(|state| state.h).collect::<Vec<_>>());
        } else {
            let layer = candle_nn::lstm(INPUT_SIZE, HIDDEN, LSTMConfig::default(), vb).unwrap();
            let states = layer.seq(&batch_first).unwrap();
            expected.replace(states.into_iter().map(|state| state.h).collect());
        }
        let file = temporary();
        map.save(&file.1).unwrap();
        let layer = load(&file, "rnn", &RecurrentConfig::new(cell, HIDDEN)).unwrap();
        assert_close(&run(&layer), &Tensor::stack(&expected.unwrap(), 0).unwrap());
    }
}

/// Code written for candle-nn's trait.
fn sequence<R: RNN>(layer: &R, x: &Tensor) -> (Tensor, R::State) {
    let states = layer.seq(x).unwrap();
    (layer.states_to_tensor(&states).unwrap(), states[STEPS - 1].clone())
}

fn stepwise<R: RNN>(layer: &R, x: &Tensor) -> R::State {
    let mut state = layer.zero_state(BATCH).unwrap();
    for t in 0..STEPS {
        let x = x.narrow(1, t, 1).unwrap().squeeze(1).unwrap().contiguous().unwrap();
        state = layer.step(&x, &state).unwrap();
    }
    state
}

#[test]
fn the_trait_of_candle_nn_gives_what_candle_nn_gives() {
    let x = x().transpose(0, 1).unwrap().contiguous().unwrap();
    let backward = LSTMConfig {
        layer_idx: 2,
        direction: candle_nn::rnn::Direction::Backward,
        ..LSTMConfig::default()
    };
    for config in [LSTMConfig::default(), LSTMConfig::default_no_bias(), backward] {
        let map = vars(|vb| drop(rnn::lstm(INPUT_SIZE, HIDDEN, config, vb).unwrap()));
        let vb = || VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
        let ours = rnn::lstm(INPUT_SIZE, HIDDEN, config, vb()).unwrap();
        let theirs = candle_nn::lstm(INPUT_SIZE, HIDDEN, config, vb()).unwrap();
        let (found, expected) = (sequence(&ours, &x), sequence(&theirs, &x));
        assert_close(&found.0, &expected.0);
        for state in [found.1, stepwise(&ours, &x)] {
            assert_close(state.h(), expected.1.h());
            assert_close(state.c(), expected.1.c());
        }
        let gradients = |output: Tensor| {
            let weights = random(output.dims(), 9);
            let gradients = (output * weights).unwrap().sum_all().unwrap().backward().unwrap();
            let data = map.data().lock().unwrap();
            let mut names: Vec<_> = data.keys().cloned().collect();
            names.sort();
            names
                .iter()
                .flat_map(|name| flat(gradients.get(&data[name]).unwrap()))
                .collect::<Vec<_>>()
        };
        let (found, expected) = (gradients(found.0), gradients(expected.0));
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
    }
    for config in [GRUConfig::default(), GRUConfig::default_no_bias()] {
        let map = vars(|vb| drop(rnn::gru(INPUT_SIZE, HIDDEN, config, vb).unwrap()));
        let vb = || VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
        let ours = rnn::gru(INPUT_SIZE, HIDDEN, config, vb()).unwrap();
        let theirs = candle_nn::gru(INPUT_SIZE, HIDDEN, config, vb()).unwrap();
        let (found, expected) = (sequence(&ours, &x), sequence(&theirs, &x));
        assert_close(&found.0, &expected.0);
        for state in [found.1, stepwise(&ours, &x)] {
            assert_close(state.h(), expected.1.h());
        }
    }
    let map = vars(|vb| drop(rnn::gru(INPUT_SIZE, HIDDEN, GRUConfig::default(), vb).unwrap()));
    let vb = || VarBuilder::from_varmap(&map, DType::F64, &Device::Cpu);
    let error = rnn::gru(INPUT_SIZE, HIDDEN + 1, GRUConfig::default(), vb()).map(drop).unwrap_err();
    assert!(error.to_string().contains("weight_ih_l0"), "{error}");
    let layer = rnn::gru(INPUT_SIZE, HIDDEN, GRUConfig::default(), vb()).unwrap();
    let error = layer.seq(&random(&[BATCH, STEPS, 4], 1)).map(drop).unwrap_err();
    assert!(error.to_string().contains("have shape [2, 6, 4], expected [B, T, 3]"), "{error}");
}
