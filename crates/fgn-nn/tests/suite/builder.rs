//! Layers of the parameters of candle-nn's `VarBuilder`.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Module, Tensor, Var};
use candle_nn::{AdamW, LSTMConfig, Optimizer, ParamsAdamW, RNN, VarBuilder, VarMap, lstm};
use fgn_core::AnyCell;
use fgn_nn::{
    AttentionPool, BlockConfig, BlockNorm, Classification, Dense, DenseConfig, Error, HeadConfig,
    Linear, Parameters, Pool, Recurrent, RecurrentConfig, RecurrentOptions, Result, RowNorm,
    TokenEmbedding,
};
use tempfile::TempDir;

use crate::common::{flat, random};

const DEVICE: &Device = &Device::Cpu;

fn builder(vars: &VarMap) -> VarBuilder<'static> {
    VarBuilder::from_varmap(vars, DType::F64, DEVICE)
}

/// The names and values of a map.
fn values(vars: &VarMap) -> BTreeMap<String, Vec<f64>> {
    let vars = vars.data().lock().unwrap();
    vars.iter().map(|(name, var)| (name.clone(), flat(var))).collect()
}

/// Stacks with parameters of every kind.
fn stacks() -> Vec<RecurrentConfig> {
    vec![
        RecurrentConfig::new(AnyCell::FGN, 4).with_layers(2).with_bidirectional(true),
        RecurrentConfig::new(AnyCell::LSTM, 4).with_projection(2).with_bias(false),
        RecurrentConfig::new(AnyCell::PEEPHOLE_LSTM, 3),
        RecurrentConfig::new(AnyCell::GRU, 4).with_layers(2).with_block(BlockConfig::default()),
    ]
}

/// A builder's variables have the names and initial values that a seed gives.
#[test]
fn a_builder_s_variables_are_those_of_the_seed() {
    for config in stacks() {
        let (vars, of_layers) = (VarMap::new(), VarMap::new());
        let build = |parameters: &mut Parameters| -> Result<()> {
            Recurrent::new(parameters, "a.rnn", 3, &config)?;
            Linear::new(parameters, "a.linear", 4, 3)?;
            Linear::without_bias(parameters, "a.map", 4, 3)?;
            Dense::new(parameters, "a.dense", 4, &DenseConfig { size: 3, dropout: 0.5 })?;
            TokenEmbedding::new(parameters, "a.tokens", 5, 3)?;
            RowNorm::new(parameters, "a.norm", 3, BlockNorm::Layer)?;
            AttentionPool::new(parameters, "a.pool", 3)?;
            let head = Classification { pool: Pool::Attention, ..Classification::new(3) };
            HeadConfig::from(head).build(parameters, "a.head", 4)?;
            Ok(())
        };
        let mut seeded = Parameters::new(0, DType::F64, DEVICE).unwrap();
        build(&mut seeded).unwrap();
        let expected: BTreeMap<_, _> =
            seeded.list().iter().map(|(name, var)| (name.clone(), flat(var))).collect();
        assert!(expected.contains_key("a.head.attention.query"));

        build(&mut Parameters::from_builder(&builder(&vars), 0).unwrap()).unwrap();
        assert_eq!(values(&vars), expected);
        // Another seed, other values.
        let other = VarMap::new();
        build(&mut Parameters::from_builder(&builder(&other), 1).unwrap()).unwrap();
        assert!(values(&other).keys().eq(expected.keys()) && values(&other) != expected);

        // The layers' own constructors name the same parameters.
        let vb = builder(&of_layers).pp("a");
        Recurrent::from_builder(3, &config, vb.pp("rnn")).unwrap();
        Linear::from_builder(4, 3, vb.pp("linear")).unwrap();
        Dense::from_builder(4, &DenseConfig { size: 3, dropout: 0.5 }, vb.pp("dense")).unwrap();
        TokenEmbedding::from_builder(5, 3, vb.pp("tokens")).unwrap();
        RowNorm::from_builder(3, BlockNorm::Layer, vb.pp("norm")).unwrap();
        AttentionPool::from_builder(3, vb.pp("pool")).unwrap();
        let is_of_these = |name: &String| !name.starts_with("a.map") && !name.starts_with("a.head");
        let expected: BTreeMap<_, _> =
            expected.into_iter().filter(|(name, _)| is_of_these(name)).collect();
        assert_eq!(values(&of_layers), expected);
    }
}

/// What an optimizer of candle-nn changes in the map, the layer computes with; a second layer of the same names shares it.
#[test]
fn variables_are_shared_with_the_map() {
    let vars = VarMap::new();
    let config = RecurrentConfig::new(AnyCell::FGN, 4);
    let layer = Recurrent::from_builder(3, &config, builder(&vars)).unwrap();
    let (x, drawn) = (random(&[5, 2, 3], 1), values(&vars));
    let run = |layer: &Recurrent| Module::forward(layer, &x).unwrap();
    let before = flat(&run(&layer));
    let mut optimizer = AdamW::new(vars.all_vars(), ParamsAdamW::default()).unwrap();
    optimizer.backward_step(&run(&layer).sqr().unwrap().sum_all().unwrap()).unwrap();
    assert!(values(&vars).iter().all(|(name, values)| *values != drawn[name]));
    let after = flat(&run(&layer));
    assert_ne!(before, after);
    let trained = values(&vars);
    let again = Recurrent::from_builder(3, &config, builder(&vars)).unwrap();
    assert_eq!(flat(&run(&again)), after);
    assert_eq!(values(&vars), trained);
}

#[test]
fn candle_nn_s_lstm_of_the_same_variables_computes_the_same() {
    let vars = VarMap::new();
    let theirs = lstm(3, 4, LSTMConfig::default(), builder(&vars).pp("rnn")).unwrap();
    let count = vars.all_vars().len();
    let config = RecurrentConfig::new(AnyCell::LSTM, 4).with_batch_first(true);
    let ours = Recurrent::from_builder(3, &config, builder(&vars).pp("rnn")).unwrap();
    assert_eq!(vars.all_vars().len(), count);
    let x = random(&[2, 6, 3], 1);
    let states = theirs.seq(&x).unwrap();
    let run = ours.forward(&x, &RecurrentOptions::default()).unwrap();
    let close = |found: &Tensor, expected: &Tensor| {
        assert_eq!(found.dims(), expected.dims());
        let pairs = flat(found).into_iter().zip(flat(expected));
        assert!(pairs.into_iter().all(|(found, expected)| (found - expected).abs() < 1e-12));
    };
    close(&run.output, &theirs.states_to_tensor(&states).unwrap());
    let last = states.last().unwrap();
    close(&run.state.h().unwrap(), &last.h.unsqueeze(0).unwrap());
    close(&run.state.c().unwrap(), &last.c.unsqueeze(0).unwrap());
}

#[test]
fn a_file_s_builder_gives_its_values_or_an_error() {
    let (vars, folder) = (VarMap::new(), TempDir::new().unwrap());
    let config = RecurrentConfig::new(AnyCell::GRU, 4).with_layers(2);
    let layer = Recurrent::from_builder(3, &config, builder(&vars)).unwrap();
    let path = folder.path().join("model.safetensors");
    vars.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let vb = VarBuilder::from_slice_safetensors(&bytes, DType::F64, DEVICE).unwrap();
    let loaded = Recurrent::from_builder(3, &config, vb.clone()).unwrap();
    let x = random(&[5, 2, 3], 1);
    let [expected, found] =
        [&layer, &loaded].map(|layer| flat(&Module::forward(layer, &x).unwrap()));
    assert_eq!(found, expected);

    let refused = |config: &RecurrentConfig, vb: VarBuilder<'_>| {
        Recurrent::from_builder(3, config, vb).map(drop).unwrap_err().to_string()
    };
    // A layer that the file lacks, and one that the configuration lacks.
    let error = refused(&config.clone().with_layers(3), vb.clone());
    assert!(error.contains("weight_ih_l2"), "{error}");
    let error = refused(&config.clone().with_layers(1), vb.clone());
    assert!(error.contains("weight_ih_l1` is there"), "{error}");
    let error = refused(&config.clone().with_bias(false), vb.clone());
    assert!(error.starts_with("parameter `bias_ih_l0` is there"), "{error}");
    let error = refused(&RecurrentConfig::new(AnyCell::GRU, 5).with_layers(2), vb);
    assert!(error.contains("shape mismatch"), "{error}");
    // A builder of zeros has every name there is.
    let zeros = VarBuilder::zeros(DType::F64, DEVICE);
    let zero = Recurrent::from_builder(3, &config, zeros).unwrap();
    assert!(flat(&Module::forward(&zero, &x).unwrap()).iter().all(|&y| y == 0.0));
}

#[test]
fn types_that_nothing_computes_in_are_refused() {
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::BF16, DEVICE);
    let error = Linear::from_builder(3, 2, vb).unwrap_err();
    assert!(error.to_string().starts_with("parameters are BF16, expected F32 or F64"), "{error}");
    assert!(vars.all_vars().is_empty());
    // A variable of the map that has another type than the builder.
    let weight = Var::zeros((2, 3), DType::F32, DEVICE).unwrap();
    vars.data().lock().unwrap().insert("weight".into(), weight);
    let error = Linear::from_builder(3, 2, builder(&vars)).unwrap_err();
    assert!(matches!(error, Error::DType { found: DType::F32, expected: "F64", .. }), "{error}");
}

/// Errors pass through Candle's result, and back as what they were where they are Candle's.
#[test]
fn errors_become_candle_s() {
    let layer = Linear::from_builder(3, 2, builder(&VarMap::new())).unwrap();
    let wrong = Tensor::zeros((4, 5), DType::F64, DEVICE).unwrap();
    let error = Module::forward(&layer, &wrong).unwrap_err();
    let expected = "inputs of a fully connected layer have shape [4, 5], expected [.., 3]";
    assert!(error.to_string().contains(expected), "{error}");
}
