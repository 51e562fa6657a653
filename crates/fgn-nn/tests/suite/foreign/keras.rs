//! Keras' weights in its own layout, against its equations written out.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_core::cells::Nonlinearity;
use fgn_nn::{Error, Keras, KerasOptions, Parameters, Recurrent, RecurrentConfig};

use super::{
    BATCH, HIDDEN, INPUT_SIZE, ROUNDING_TOLERANCE, STEPS, Temporary, assert_close, run, saved,
    temporary, x,
};
use crate::common::{flat, random};

/// The layers of Keras.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layer {
    Lstm,
    Gru { reset_after: bool },
    SimpleRnn { relu: bool },
}

use Layer::{Gru, Lstm, SimpleRnn};

impl Layer {
    fn gates(self) -> usize {
        match self {
            Lstm => 4,
            Gru { .. } => 3,
            SimpleRnn { .. } => 1,
        }
    }

    fn cell(self) -> AnyCell {
        match self {
            Lstm => AnyCell::LSTM,
            Gru { .. } => AnyCell::GRU,
            SimpleRnn { relu: false } => AnyCell::RNN,
            SimpleRnn { relu: true } => AnyCell::Rnn { nonlinearity: Nonlinearity::Relu },
        }
    }

    /// As `get_config()` gives them.
    fn options(self, use_bias: bool) -> KerasOptions {
        let activation = if self == (SimpleRnn { relu: true }) { "relu" } else { "tanh" };
        let is_gated = !matches!(self, SimpleRnn { .. });
        KerasOptions {
            activation: activation.into(),
            recurrent_activation: is_gated.then(|| "sigmoid".into()),
            use_bias,
            reset_after: match self {
                Gru { reset_after } => Some(reset_after),
                _ => None,
            },
            go_backwards: false,
        }
    }

    /// The tensors of a layer, in Keras' shapes.
    fn tensors(self, prefix: &str, input: usize, use_bias: bool) -> HashMap<String, Tensor> {
        let rows = self.gates() * HIDDEN;
        let bias = match self {
            Gru { reset_after: true } => vec![2, rows],
            _ => vec![rows],
        };
        let shapes = [vec![input, rows], vec![HIDDEN, rows], bias];
        let names = ["kernel", "recurrent_kernel", "bias"];
        let count = if use_bias { 3 } else { 2 };
        let all = names.iter().zip(shapes).take(count).enumerate();
        all.map(|(seed, (name, shape))| {
            let seed = (10 * prefix.len() + seed) as u64;
            (format!("{prefix}{name}"), random(&shape, seed))
        })
        .collect()
    }
}

type Matrix = Vec<Vec<f64>>;

fn matrix(tensor: &Tensor) -> Matrix {
    tensor.to_vec2().unwrap()
}

/// Of each of Keras' gates, for one unit: `x · kernel`, from a row vector.
fn product(x: &[f64], kernel: &Matrix, unit: usize) -> Vec<f64> {
    let column = |at: usize| x.iter().zip(kernel).map(|(x, row)| x * row[at]).sum();
    (0..kernel[0].len() / HIDDEN).map(|gate| column(gate * HIDDEN + unit)).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// What a layer of Keras computes for `x: [T, B, I]`, one number at a time: the equations of
/// `keras.layers.LSTMCell.call`, `GRUCell.call` and `SimpleRNNCell.call`.
fn keras(layer: Layer, tensors: &HashMap<String, Tensor>, prefix: &str, x: &Tensor) -> Tensor {
    let tensor = |name: &str| tensors.get(&format!("{prefix}{name}"));
    let (kernel, recurrent) =
        (matrix(tensor("kernel").unwrap()), matrix(tensor("recurrent_kernel").unwrap()));
    let rows = layer.gates() * HIDDEN;
    let bias = tensor("bias").map_or_else(Vec::new, flat);
    let bias = |at: usize| bias.get(at).copied().unwrap_or(0.0);
    let mut outputs = vec![vec![vec![0.0; HIDDEN]; BATCH]; STEPS];
    for sequence in 0..BATCH {
        let (mut h, mut c) = (vec![0.0; HIDDEN], vec![0.0; HIDDEN]);
        for (step, outputs) in outputs.iter_mut().enumerate() {
            let x: Vec<f64> = x.get(step).unwrap().get(sequence).unwrap().to_vec1().unwrap();
            let before = h.clone();
            // r ⊙ h, which the candidate of a GRU without reset_after reads.
            let reset: Vec<f64> = match layer {
                Gru { reset_after: false } => (0..HIDDEN)
                    .map(|unit| {
                        let (x, h) =
                            (product(&x, &kernel, unit), product(&before, &recurrent, unit));
                        sigmoid(x[1] + h[1] + bias(HIDDEN + unit)) * before[unit]
                    })
                    .collect(),
                _ => Vec::new(),
            };
            for unit in 0..HIDDEN {
                let of_x = product(&x, &kernel, unit);
                let of_h = product(&before, &recurrent, unit);
                let b = |gate: usize| bias(gate * HIDDEN + unit);
                let sum = |gate: usize| of_x[gate] + of_h[gate] + b(gate);
                h[unit] = match layer {
                    Lstm => {
                        let (i, f, o) = (sigmoid(sum(0)), sigmoid(sum(1)), sigmoid(sum(3)));
                        c[unit] = f * c[unit] + i * sum(2).tanh();
                        o * c[unit].tanh()
                    }
                    Gru { reset_after: true } => {
                        let b_h = |gate: usize| bias(rows + gate * HIDDEN + unit);
                        let z = sigmoid(sum(0) + b_h(0));
                        let r = sigmoid(sum(1) + b_h(1));
                        let candidate = (of_x[2] + b(2) + r * (of_h[2] + b_h(2))).tanh();
                        z * before[unit] + (1.0 - z) * candidate
                    }
                    Gru { reset_after: false } => {
                        let z = sigmoid(sum(0));
                        let of_reset = product(&reset, &recurrent, unit);
                        let candidate = (of_x[2] + of_reset[2] + b(2)).tanh();
                        z * before[unit] + (1.0 - z) * candidate
                    }
                    SimpleRnn { relu: false } => sum(0).tanh(),
                    SimpleRnn { relu: true } => sum(0).max(0.0),
                };
            }
            outputs[sequence].clone_from(&h);
        }
    }
    let flat: Vec<f64> = outputs.into_iter().flatten().flatten().collect();
    Tensor::from_vec(flat, (STEPS, BATCH, HIDDEN), &Device::Cpu).unwrap()
}

fn load(keras: Keras<'_>, file: &Temporary) -> fgn_nn::Result<(Parameters<'static>, Recurrent)> {
    let mut parameters = keras.load(&file.1, DType::F64, &Device::Cpu)?;
    let layer = Recurrent::new(&mut parameters, keras.name, INPUT_SIZE, keras.config)?;
    Ok((parameters, layer))
}

#[test]
fn keras_weights_compute_what_keras_does() {
    let rnns = [false, true].map(|relu| SimpleRnn { relu });
    let layers = [Lstm, Gru { reset_after: true }].into_iter().chain(rnns);
    for (layer, use_bias) in layers.flat_map(|layer| [(layer, false), (layer, true)]) {
        let prefixes = ["l/cell/", "l_1/cell/"];
        let mut tensors = layer.tensors(prefixes[0], INPUT_SIZE, use_bias);
        tensors.extend(layer.tensors(prefixes[1], HIDDEN, use_bias));
        let config = RecurrentConfig::new(layer.cell(), HIDDEN);
        let config = &RecurrentConfig { layers: 2, bias: use_bias, ..config };
        let options = &layer.options(use_bias);
        let keras_layer =
            Keras { name: "encoder", input_size: INPUT_SIZE, config, prefixes: &prefixes, options };
        let mut expected = x();
        for prefix in prefixes {
            expected = keras(layer, &tensors, prefix, &expected);
        }
        // Files of older versions of Keras have a suffix.
        for suffix in ["", ":0"] {
            let named = tensors.iter().map(|(name, t)| (format!("{name}{suffix}"), t.clone()));
            let (parameters, found) = load(keras_layer, &saved(named)).unwrap();
            assert_close(&run(&found), &expected);

            let back = temporary();
            keras_layer.save(&parameters, &back.1).unwrap();
            let back = candle_core::safetensors::load(&back.1, &Device::Cpu).unwrap();
            assert_eq!(back.len(), tensors.len());
            for (name, tensor) in &tensors {
                assert_eq!(flat(&back[name]), flat(tensor), "{name}");
                assert_eq!(back[name].dims(), tensor.dims(), "{name}");
            }
        }
    }
}

/// The shapes of its weights are those of the other kind, but it computes something else.
#[test]
fn a_gru_that_resets_before_the_weights_is_refused() {
    let config = &RecurrentConfig { bias: false, ..RecurrentConfig::new(AnyCell::GRU, HIDDEN) };
    let [before, after] = [false, true].map(|reset_after| Gru { reset_after });
    let tensors = after.tensors("gru/", INPUT_SIZE, false);
    let shape = |tensors: &HashMap<String, Tensor>, name: &str| tensors[name].dims().to_vec();
    let others = before.tensors("gru/", INPUT_SIZE, false);
    assert!(tensors.keys().all(|name| shape(&tensors, name) == shape(&others, name)));
    let [old, new] = [before, after].map(|layer| keras(layer, &tensors, "gru/", &x()));
    let apart = flat(&(&old - &new).unwrap()).iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    assert!(apart > 1e6 * ROUNDING_TOLERANCE, "{apart}");

    let file = saved(tensors);
    let found = |options: &KerasOptions| {
        let prefixes = &["gru/"];
        load(Keras { name: "", input_size: INPUT_SIZE, config, prefixes, options }, &file)
    };
    assert_close(&run(&found(&after.options(false)).unwrap().1), &new);
    let left_out = KerasOptions { reset_after: None, ..after.options(false) };
    for (options, shown) in [(before.options(false), "false"), (left_out, "left out")] {
        let error = found(&options).map(drop).unwrap_err().to_string();
        let expected = format!("`options.reset_after` is {shown}, expected true");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn options_that_the_cell_does_not_compute_are_refused() {
    let gru = Gru { reset_after: true };
    let refused = |layer: Layer, change: &dyn Fn(&mut KerasOptions)| {
        let config = RecurrentConfig::new(layer.cell(), HIDDEN);
        let mut options = layer.options(true);
        change(&mut options);
        let keras = Keras {
            name: "",
            input_size: INPUT_SIZE,
            config: &config,
            prefixes: &["l/"],
            options: &options,
        };
        let file = saved(layer.tensors("l/", INPUT_SIZE, true));
        load(keras, &file).map(drop).unwrap_err().to_string()
    };
    for (found, expected) in [
        (
            refused(Lstm, &|options| options.activation = "relu".into()),
            "`options.activation` is relu, expected tanh",
        ),
        (
            refused(SimpleRnn { relu: true }, &|options| options.activation = "tanh".into()),
            "`options.activation` is tanh, expected relu",
        ),
        (
            refused(gru, &|options| options.recurrent_activation = Some("hard_sigmoid".into())),
            "`options.recurrent_activation` is hard_sigmoid, expected sigmoid",
        ),
        (
            refused(Lstm, &|options| options.recurrent_activation = None),
            "`options.recurrent_activation` is left out, expected sigmoid",
        ),
        (
            refused(Lstm, &|options| options.reset_after = Some(true)),
            "`options.reset_after` is true, expected left out: only a GRU has it",
        ),
        (
            refused(gru, &|options| options.use_bias = false),
            "`options.use_bias` is false, expected true, as recurrent.bias",
        ),
        (
            refused(gru, &|options| options.go_backwards = true),
            "`options.go_backwards` is true, expected false",
        ),
    ] {
        assert!(found.starts_with(expected), "{found:?} does not say {expected:?}");
    }
    // The JSON of Keras, with keys that do not matter here.
    let text = r#"{ "name": "gru", "trainable": true, "units": 4, "activation": "tanh",
        "recurrent_activation": "sigmoid", "use_bias": true, "unit_forget_bias": true,
        "reset_after": true, "go_backwards": false, "dropout": 0.5 }"#;
    assert_eq!(serde_json::from_str::<KerasOptions>(text).unwrap(), gru.options(true));
}

#[test]
fn keras_files_that_do_not_fit() {
    let gru = RecurrentConfig::new(AnyCell::GRU, HIDDEN);
    let after = Gru { reset_after: true };
    let file = saved(Gru { reset_after: false }.tensors("gru/", INPUT_SIZE, true));
    let load_as = |config: &RecurrentConfig, layer: Layer, prefixes: &[&str]| {
        let options = &layer.options(config.bias);
        let keras = Keras { name: "", input_size: INPUT_SIZE, config, prefixes, options };
        load(keras, &file).map(drop).unwrap_err().to_string()
    };
    let lstm = RecurrentConfig { cell: AnyCell::LSTM, ..gru.clone() };
    let fgn = RecurrentConfig { cell: AnyCell::FGN, ..gru.clone() };
    let both = RecurrentConfig { bidirectional: true, ..gru.clone() };
    let unbiased = RecurrentConfig { bias: false, ..gru.clone() };
    let projected = RecurrentConfig { projection: Some(2), ..lstm.clone() };
    for (found, expected) in [
        (
            load_as(&gru, after, &["gru/"]),
            "`options.reset_after` is true, expected false for this file, in which tensor `gru/bias` \
             has shape [12], expected [2, 12]",
        ),
        (load_as(&unbiased, after, &["gru/"]), "unexpected tensor `gru/bias` of shape [12]"),
        (
            load_as(&lstm, Lstm, &["gru/"]),
            "tensor `gru/kernel` has shape [3, 12], expected [3, 16]",
        ),
        (
            load_as(&gru, after, &["lstm/"]),
            "tensor `lstm/kernel` is missing, expected with shape [3, 12]",
        ),
        (load_as(&both, after, &["gru/"]), "`prefixes` is 1 names, expected 2, one for each layer"),
        (load_as(&both, after, &["gru/", "gru/"]), "`prefixes` is \"gru/\" twice, expected one"),
        (load_as(&fgn, after, &["gru/"]), "`recurrent.cell` is fgn, expected lstm, gru or rnn"),
        (load_as(&projected, Lstm, &["gru/"]), "`recurrent.projection` is 2, expected none"),
    ] {
        assert!(found.contains(expected), "{found:?} does not say {expected:?}");
    }
}

#[test]
fn only_a_layer_of_that_kind_is_saved() {
    let options = &Lstm.options(true);
    let config = &RecurrentConfig::new(AnyCell::LSTM, 1);
    let keras = Keras { name: "l", input_size: INPUT_SIZE, config, prefixes: &["l/"], options };
    let file = temporary();
    // None; and one of a single gate, which cannot be cut into four.
    for other in [None, Some(RecurrentConfig::new(AnyCell::RNN, 1))] {
        let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
        if let Some(other) = &other {
            Recurrent::new(&mut parameters, "l", INPUT_SIZE, other).unwrap();
        }
        let error = keras.save(&parameters, &file.1).unwrap_err();
        assert!(matches!(error, Error::Config { field: "name", .. }), "{error}");
        let expected = "a layer with a parameter \"l.weight_ih_l0\" of shape [4, 3]";
        assert!(error.to_string().contains(expected), "{error}");
    }
}
