//! Heads that read the outputs of all steps of a sample.

use std::slice::from_ref;

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::Padded;
use fgn_nn::{
    Audio, Classification, DetectorOptions, Emit, Encoded, Error, HeadConfig, LossOptions, Mode,
    Model, ModelConfig, Pool, Precision, RecurrentConfig, Regression, Series, State,
};

use crate::common::{check_gradients, flat, parameters, predicted, random, scramble, var};

const POOLS: [Pool; 4] = [Pool::Last, Pool::Mean, Pool::Max, Pool::Attention];

fn model(head: impl Into<HeadConfig>, bidirectional: bool) -> Model {
    let series = Series::new(2);
    let recurrent = RecurrentConfig { bidirectional, ..RecurrentConfig::new(AnyCell::GRU, 3) };
    let config = ModelConfig::new(series, recurrent, head);
    let model = Model::new(&config, 1, DType::F64, &Device::Cpu).unwrap();
    scramble(model.parameters());
    model
}

#[test]
fn gradients_of_pooled_heads() {
    let target = Tensor::new(&[2u32, 0], &Device::Cpu).unwrap().into();
    let values = random(&[2, 3], 3).into();
    for pool in POOLS {
        let class = HeadConfig::from(Classification { pool, ..Classification::new(3) });
        let value = HeadConfig::from(Regression { pool, ..Regression::new(3) });
        for (config, target) in [(class, &target), (value, &values)] {
            let mut parameters = parameters(1);
            let head = config.build(&mut parameters, "head", 4).unwrap();
            scramble(parameters.list());
            let expected = if pool == Pool::Last { Emit::Last } else { Emit::All };
            assert_eq!(head.emit(), expected);
            let shape = if pool == Pool::Last { vec![2, 4] } else { vec![5, 2, 4] };
            let encoded = var("encoded", &shape, 2);
            let state = State::new(Vec::new(), false);
            let vars = [parameters.list(), from_ref(&encoded)].concat();
            check_gradients(&vars, || {
                let encoded = Encoded::new(&encoded.1, Some(&[5, 3]), &state);
                let prediction = head.forward(&encoded, None, &mut Mode::Eval).unwrap();
                head.loss(&prediction, target, &LossOptions::default()).unwrap().mean
            });
        }
    }
}

/// The outputs of a sample's own steps by hand: as a head that reads one step has them from what is pooled.
#[test]
fn steps_that_are_padding_do_not_count() {
    let x = random(&[3, 6, 2], 2);
    let lengths = [6, 2, 4];
    for pool in POOLS {
        for bidirectional in [false, true] {
            let model = model(Classification { pool, ..Classification::new(3) }, bidirectional);
            let samples = Padded::with_lengths(x.clone(), lengths.to_vec()).unwrap();
            let found = predicted(&model, &samples).to_vec2::<f64>().unwrap();
            for (sample, length) in lengths.into_iter().enumerate() {
                let alone = x.narrow(0, sample, 1).unwrap().narrow(1, 0, length).unwrap();
                let alone = flat(&predicted(&model, &alone.contiguous().unwrap()));
                for (found, alone) in found[sample].iter().zip(alone) {
                    assert!((found - alone).abs() < 1e-12, "{pool:?}: {found} {alone}");
                }
            }
        }
    }
}

#[test]
fn attention_begins_as_the_mean() {
    let of = |pool| {
        let model = model(Classification { pool, ..Classification::new(3) }, false);
        let query = model.parameters().iter().find(|(name, _)| name == "head.attention.query");
        if let Some((_, query)) = query {
            assert_eq!(query.dims(), [3]);
            query.set(&query.zeros_like().unwrap()).unwrap();
        }
        flat(&predicted(&model, &random(&[2, 5, 2], 2)))
    };
    for (found, expected) in of(Pool::Attention).iter().zip(of(Pool::Mean)) {
        assert!((found - expected).abs() < 1e-12);
    }
    let series = Series::new(2);
    let head = Classification { pool: Pool::Attention, ..Classification::new(3) };
    let config = ModelConfig::new(series, RecurrentConfig::new(AnyCell::GRU, 3), head);
    let fresh = Model::new(&config, 1, DType::F64, &Device::Cpu).unwrap();
    let (_, query) = fresh.parameters().last().unwrap();
    assert_eq!(flat(query), [0.0; 3]);
}

#[test]
fn the_last_output_is_not_written() {
    let written = |pool| {
        let head = HeadConfig::from(Classification { pool, ..Classification::new(3) });
        let value = serde_json::to_value(&head).unwrap();
        assert_eq!(serde_json::from_value::<HeadConfig>(value.clone()).unwrap(), head);
        value.get("pool").cloned()
    };
    assert_eq!(written(Pool::Last), None);
    assert_eq!(written(Pool::Mean), Some("mean".into()));
    assert_eq!(written(Pool::Max), Some("max".into()));
    assert_eq!(written(Pool::Attention), Some("attention".into()));
}

#[test]
fn targets_per_step_are_not_pooled() {
    let head = Classification { pool: Pool::Mean, per_step: true, ..Classification::new(3) };
    let error = head_error(head);
    let expected = "`head.pool` is mean, expected \"last\" with head.per_step";
    assert!(error.starts_with(expected), "{error}");
    let head = Regression { pool: Pool::Attention, per_step: true, ..Regression::new(3) };
    let error = head_error(head);
    assert!(error.starts_with("`head.pool` is attention, expected \"last\" with"), "{error}");
}

fn head_error(head: impl Into<HeadConfig>) -> String {
    head.into().validate().unwrap_err().to_string()
}

/// A stream reads one step at a time.
#[test]
fn streams_refuse_a_pooled_head() {
    let recurrent = RecurrentConfig::new(AnyCell::GRU, 4);
    for pool in [Pool::Mean, Pool::Max, Pool::Attention] {
        let head = Classification { pool, ..Classification::new(2) };
        let config = ModelConfig::new(Audio::new(8000), recurrent.clone(), head);
        let model = Model::new(&config, 1, DType::F32, &Device::Cpu).unwrap();
        let stream = model.sound_stream(Precision::F32, 1).map(drop);
        let detector = model.detector(&DetectorOptions::default(), Precision::F32, 1).map(drop);
        for refused in [stream, detector] {
            let error = refused.unwrap_err();
            assert!(matches!(error, Error::Config { field: "head.pool", .. }), "{error}");
            assert!(error.to_string().contains("a stream predicts from a single step"), "{error}");
        }
    }
}
