//! Weights of 8 bits, against the model in `f64` with the same weights.

use fgn_core::AnyCell;
use fgn_core::cells::{Forgetting, Readout, Unit, Z};
use fgn_nn::candle_core::{DType, Device};
use fgn_nn::{BlockConfig, DenseConfig, Embedding, Model, ModelConfig, NextToken, RecurrentConfig};

use crate::cells::{BOUND, INPUTS, case, given, models};
use crate::oracle::{exact, has_threshold, predicted, round_all, series, tokens};
use crate::program::{Case, Given, check, disturb, random};

#[test]
fn every_cell_computes_what_its_rounded_weights_say() {
    let models = models();
    let cases: Vec<_> =
        models.iter().enumerate().map(|(at, model)| case(at, model, true)).collect();
    check(&cases, |at| {
        let model = exact(&models[at]);
        // Above a lower layer's rounding, a binary gate may switch.
        if has_threshold(&model) && model.config().recurrent.layers > 1 {
            return None;
        }
        round_all(&model);
        Some((predicted(&model, &series(&given(at), INPUTS)), BOUND))
    });
}

fn binary() -> AnyCell {
    AnyCell::Fgn {
        unit: Unit::Lstm,
        z: Z::Linear,
        readout: Readout::Gated,
        forgetting: Forgetting::Binary,
    }
}

/// The largest difference that rounding makes in the outputs for random tokens, which the C source must have too.
fn difference_of_rounding(config: &ModelConfig) -> f64 {
    let model = Model::new(config, 5, DType::F32, &Device::Cpu).unwrap();
    disturb(&model, 5);
    let given: Vec<u32> = random(3, 1000, 11.0).iter().map(|x| x.abs() as u32).collect();
    let case = Case::new(("tokens", "tokens"), &model, true, 11, Given::Tokens(given.clone()));
    let model = exact(&model);
    let without = predicted(&model, &tokens(&given));
    round_all(&model);
    let with = predicted(&model, &tokens(&given));
    check(&[case], |_| Some((with.clone(), BOUND)));
    with.iter().zip(&without).fold(0.0, |largest: f64, (a, b)| largest.max((a - b).abs()))
}

#[test]
fn embedding_dense_layer_blocks_and_head_are_rounded_too() {
    let recurrent = RecurrentConfig::new(AnyCell::FGN, 9).with_layers(2);
    let plain = ModelConfig {
        dense: Some(DenseConfig { size: 8, dropout: 0.1 }),
        ..ModelConfig::new(Embedding::new(11, 5), recurrent, NextToken::new(11))
    };
    let block = BlockConfig { conv: 3, ..BlockConfig::default() };
    let recurrent = plain.recurrent.clone().with_block(block);
    for config in [plain.clone(), ModelConfig { recurrent, ..plain }] {
        let difference = difference_of_rounding(&config);
        assert!(difference > 10.0 * BOUND, "{difference}");
    }
}

#[test]
fn what_a_threshold_depends_on_keeps_its_weights() {
    let plain = RecurrentConfig::new(binary(), 8);
    let block = BlockConfig { conv: 2, ..BlockConfig::default() };
    for recurrent in [plain.clone(), plain.with_block(block)] {
        let config = ModelConfig::new(Embedding::new(11, 5), recurrent, NextToken::new(11));
        let difference = difference_of_rounding(&config);
        // The rounding itself shows: the model in full precision is not meant.
        assert!(difference > 10.0 * BOUND, "{difference}");
    }
}
