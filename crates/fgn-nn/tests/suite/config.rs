//! Configurations: defaults, strictness, limits.

use fgn_core::{AnyCell, Norm};
use fgn_nn::{
    Classification, DenseConfig, Error, ForgetBias, ImageConv, ImagePixels, ImageRows, InitConfig,
    InitRule, InputConfig, ModelConfig, RecurrentConfig, SequenceDropout, WeightInit,
};

use crate::common::model_config;

fn invalid(change: impl Fn(&mut ModelConfig)) -> String {
    let mut config = model_config();
    change(&mut config);
    let error = config.validate().unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error}");
    error.to_string()
}

fn with_init(change: impl Fn(&mut InitConfig)) -> String {
    invalid(|config| change(&mut config.recurrent.init))
}

#[test]
fn defaults_are_those_of_the_article() {
    let text = r#"{ "input": { "kind": "image-pixels", "height": 28, "width": 28 },
                    "recurrent": { "hidden_size": 128, "cell": { "name": "fgn" } },
                    "head": { "kind": "classification", "classes": 10 } }"#;
    let config: ModelConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.recurrent.cell, AnyCell::FGN);
    assert_eq!(config.recurrent.init.forget_bias, ForgetBias::Constant(1.0));
    assert_eq!(config.recurrent.init.weights, WeightInit::XavierUniform);
    assert_eq!((config.input.steps(), config.input.features()), (Some(784), 1));
    config.validate().unwrap();
}

#[test]
fn written_and_read_again() {
    let mut config = model_config();
    let variants = [
        (WeightInit::XavierUniform, ForgetBias::Constant(-0.5)),
        (WeightInit::PytorchUniform, ForgetBias::Chrono { t_max: 784 }),
        (WeightInit::TruncatedNormal { std: 0.01 }, ForgetBias::UniformGate),
    ];
    for (weights, forget_bias) in variants {
        config.recurrent.init = InitConfig { weights, forget_bias, ..InitConfig::default() };
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ModelConfig>(&text).unwrap(), config, "{text}");
    }
    let truncated: WeightInit = serde_json::from_str(r#"{ "truncated-normal": {} }"#).unwrap();
    assert_eq!(truncated, WeightInit::TruncatedNormal { std: 0.01 });
}

#[test]
fn every_field_of_a_recurrent_layer_is_read_back_and_may_be_left_out() {
    let plain = RecurrentConfig::new(AnyCell::LSTM, 8);
    let short = r#"{ "hidden_size": 8, "cell": { "name": "lstm" } }"#;
    assert_eq!(serde_json::from_str::<RecurrentConfig>(short).unwrap(), plain);
    let drop = SequenceDropout { rate: 0.25, per_step: true };
    let rule = InitRule { gate: Some("o".into()), layer: Some(1), ..InitRule::default() };
    let full = RecurrentConfig {
        layers: 2,
        bidirectional: true,
        batch_first: true,
        bias: false,
        projection: Some(4),
        residual: true,
        norm: Norm { pre: true, memory: true },
        input_dropout: drop,
        dropout: drop,
        hidden_dropout: drop,
        weight_drop: 0.5,
        zoneout: vec![0.1, 0.2],
        clip: Some(3.0),
        init: InitConfig { rules: vec![rule], ..InitConfig::default() },
        ..RecurrentConfig::new(AnyCell::LSTM, 8)
    };
    for config in [plain, full] {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<RecurrentConfig>(&text).unwrap(), config, "{text}");
    }
    let message = invalid(|config| config.recurrent.batch_first = true);
    assert!(message.starts_with("`recurrent.batch_first` is true, expected false"), "{message}");
}

#[test]
fn unknown_fields_and_values_are_named() {
    let text = serde_json::to_string(&model_config()).unwrap();
    for (there, instead) in [
        ("\"classes\"", "\"clases\""),
        ("\"channels\"", "\"chanels\""),
        ("\"dropout\"", "\"drop_out\""),
        ("\"hidden_size\"", "\"hidden\""),
        ("\"forget_bias\"", "\"forget-bias\""),
        ("\"orthogonal\"", "\"orthogonaal\""),
        ("\"image-conv\"", "\"image-convs\""),
        ("\"classification\"", "\"classifikation\""),
        ("\"head\"", "\"heads\""),
    ] {
        let changed = text.replace(there, instead);
        assert_ne!(changed, text, "{there}");
        let error = serde_json::from_str::<ModelConfig>(&changed).unwrap_err().to_string();
        assert!(error.contains(&instead.replace('"', "`")), "{error}");
    }
}

#[test]
fn values_that_no_model_can_have() {
    let message = invalid(|config| config.head = Classification::new(1).into());
    assert_eq!(message, "`head.classes` is 1, expected 2 to 16777216");
    let message = invalid(|config| config.recurrent.hidden_size = 0);
    assert!(message.starts_with("`recurrent.hidden_size` is 0"), "{message}");
    let message = invalid(|config| config.recurrent.hidden_size = usize::MAX);
    assert!(message.starts_with("`recurrent.hidden_size` is 1844"), "{message}");
    for dropout in [1.0, -0.1, f64::NAN] {
        let message = invalid(|config| config.dense = Some(DenseConfig { size: 5, dropout }));
        assert!(message.starts_with(&format!("`dense.dropout` is {dropout}")), "{message}");
    }
    let message = invalid(|config| {
        config.dense = Some(DenseConfig { size: 0, dropout: 0.0 });
    });
    assert!(message.starts_with("`dense.size` is 0"), "{message}");

    let conv = |height, width, channels| InputConfig::from(ImageConv::new(height, width, channels));
    for (input, field) in [
        (conv(0, 8, [1, 1]), "height"),
        (conv(8, 10, [1, 1]), "width"),
        (conv(6, 8, [1, 1]), "height"),
        (conv(8, 8, [1, 0]), "channels"),
        (ImageRows::new(0, 3).into(), "height"),
        (ImagePixels::new(1, 0).into(), "width"),
    ] {
        let message = invalid(|config| config.input = input.clone());
        assert!(message.starts_with(&format!("`input.{field}`")), "{message}");
    }

    let message = with_init(|init| init.weights = WeightInit::TruncatedNormal { std: 0.0 });
    assert!(message.contains("truncated-normal.std` is 0"), "{message}");
    let message = with_init(|init| init.forget_bias = ForgetBias::Chrono { t_max: 1 });
    assert!(message.contains("chrono.t_max` is 1"), "{message}");
    let message = with_init(|init| init.forget_bias = ForgetBias::Constant(f64::INFINITY));
    assert!(message.contains("constant` is inf"), "{message}");
    let message = invalid(|config| {
        config.recurrent.hidden_size = 1;
        config.recurrent.init.forget_bias = ForgetBias::UniformGate;
    });
    assert!(message.starts_with("`recurrent.hidden_size` is 1"), "{message}");
}

/// Each method sets the field of its name, and no other.
#[test]
fn configurations_are_built_field_by_field() {
    use fgn_core::{AnyCell, Norm};
    use fgn_nn::{
        BlockConfig, Emit, InitConfig, RecurrentConfig, RecurrentOptions, SequenceDropout,
    };

    let new = || RecurrentConfig::new(AnyCell::LSTM, 8);
    let layer_norm = || Norm { memory: true, ..Norm::default() };
    let rate = |rate| SequenceDropout { rate, per_step: true };
    let init = InitConfig { rules: vec![fgn_nn::InitRule::default()], ..InitConfig::default() };
    let block = BlockConfig { conv: 4, ..BlockConfig::default() };
    let pairs = [
        (new().with_layers(3), RecurrentConfig { layers: 3, ..new() }),
        (new().with_bidirectional(true), RecurrentConfig { bidirectional: true, ..new() }),
        (new().with_batch_first(true), RecurrentConfig { batch_first: true, ..new() }),
        (new().with_bias(false), RecurrentConfig { bias: false, ..new() }),
        (new().with_projection(4), RecurrentConfig { projection: Some(4), ..new() }),
        (new().with_residual(true), RecurrentConfig { residual: true, ..new() }),
        (new().with_block(block), RecurrentConfig { block: Some(block), ..new() }),
        (new().with_norm(layer_norm()), RecurrentConfig { norm: layer_norm(), ..new() }),
        (
            new().with_input_dropout(rate(0.1)),
            RecurrentConfig { input_dropout: rate(0.1), ..new() },
        ),
        (new().with_dropout(rate(0.2)), RecurrentConfig { dropout: rate(0.2), ..new() }),
        (
            new().with_hidden_dropout(rate(0.3)),
            RecurrentConfig { hidden_dropout: rate(0.3), ..new() },
        ),
        (new().with_weight_drop(0.4), RecurrentConfig { weight_drop: 0.4, ..new() }),
        (new().with_zoneout(vec![0.5]), RecurrentConfig { zoneout: vec![0.5], ..new() }),
        (new().with_clip(1.0), RecurrentConfig { clip: Some(1.0), ..new() }),
        (new().with_init(init.clone()), RecurrentConfig { init, ..new() }),
    ];
    for (found, expected) in &pairs {
        assert_eq!(found, expected);
        assert_ne!(*found, new());
    }
    let dense = fgn_nn::DenseConfig { size: 3, dropout: 0.1 };
    let model =
        fgn_nn::ModelConfig::new(fgn_nn::Series::new(2), new(), fgn_nn::Classification::new(2));
    assert_eq!(model.clone().with_dense(dense.clone()).dense, Some(dense));
    assert_eq!(model.clone().with_dense(None), model);
    assert_eq!(new().with_projection(4).with_projection(None), new());

    let resets =
        candle_core::Tensor::zeros((1, 2), candle_core::DType::U8, &candle_core::Device::Cpu);
    let (resets, state) = (resets.unwrap(), fgn_nn::State::new(Vec::new(), true));
    let RecurrentOptions { state: found, emit, lengths, resets: at, seed, telemetry, find_nan } =
        RecurrentOptions::default()
            .with_state(&state)
            .with_emit(Emit::States)
            .with_lengths(&[1][..])
            .with_resets(&resets)
            .with_seed(7)
            .with_telemetry(true)
            .with_find_nan(true);
    assert!(found.is_some_and(|found| std::ptr::eq(found, &raw const state)));
    assert!(at.is_some_and(|at| at.dims() == [1, 2]));
    assert_eq!((emit, lengths, seed), (Emit::States, Some(&[1][..]), Some(7)));
    assert!(telemetry && find_nan);
}
