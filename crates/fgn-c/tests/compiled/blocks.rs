//! Stacks of residual blocks, against the model in `f64` and against a stream.

use fgn_core::{AnyCell, Norm};
use fgn_nn::{BlockConfig, BlockNorm, Model, Precision, RecurrentConfig};

use crate::cells::{BOUND, INPUTS, case, given, is_valid, steady_models};
use crate::oracle::{exact, has_threshold, parameter, predicted, round_all, series};
use crate::program::{assert_close, check, outputs};

/// Every cell in blocks with all parts; and blocks with other parts, norms, depths and sizes.
fn configs() -> Vec<RecurrentConfig> {
    let whole = BlockConfig { conv: 4, ..BlockConfig::default() };
    let cells = AnyCell::all().into_iter();
    let mut configs: Vec<_> = cells
        .map(|cell| RecurrentConfig::new(cell, 6).with_layers(2).with_block(whole))
        .filter(is_valid)
        .collect();
    assert!(configs.len() > 10, "{}", configs.len());
    let layer = BlockConfig { norm: BlockNorm::Layer, ..whole };
    for (layers, block) in [
        (1, layer),
        (3, layer),
        (6, whole),
        (2, BlockConfig { conv: 2, mlp: 0.0, ..whole }),
        (2, BlockConfig { conv: 0, mlp: 1.3, ..whole }),
        (1, BlockConfig { conv: 0, mlp: 0.0, ..layer }),
        (2, BlockConfig { conv: 64, mlp: 0.2, ..layer }),
    ] {
        let plain = RecurrentConfig::new(AnyCell::MIN_GRU, 7).with_layers(layers);
        configs.push(plain.with_block(block));
    }
    let options =
        RecurrentConfig { zoneout: vec![0.3, 0.1], clip: Some(0.5), ..configs[0].clone() };
    let norm = Norm { memory: true, pre: true };
    let lstm = RecurrentConfig { cell: AnyCell::LSTM, ..options };
    configs.push(RecurrentConfig { bias: false, ..lstm.clone() });
    configs.push(RecurrentConfig { norm, ..lstm });
    configs
}

/// The head's outputs for those of a stream.
fn streamed(model: &Model, x: &[f32]) -> Vec<f64> {
    let weights = model.recurrent().stream_weights(Precision::F32).unwrap();
    let mut stream = weights.stream(1, 1).unwrap();
    let size = model.config().recurrent.output_size();
    let (weight, bias) = (parameter(model, "head.weight"), parameter(model, "head.bias"));
    let mut output = vec![0.0; size];
    let step = |x: &[f32]| -> Vec<f64> {
        stream.step(x, &mut output).unwrap();
        let product =
            |row: &[f64]| -> f64 { row.iter().zip(&output).map(|(w, &y)| w * f64::from(y)).sum() };
        weight.chunks(size).zip(&bias).map(|(row, bias)| bias + product(row)).collect()
    };
    x.chunks(INPUTS).flat_map(step).collect()
}

#[test]
fn blocks_compute_what_model_and_stream_compute() {
    let models = steady_models(configs());
    let cases: Vec<_> =
        models.iter().enumerate().map(|(at, model)| case(at, model, false)).collect();
    let all = outputs(&cases);
    for (at, (case, model)) in cases.iter().zip(&models).enumerate().filter(|_| !all.is_empty()) {
        let given = given(at);
        let exact = predicted(&exact(model), &series(&given, INPUTS));
        for (what, expected) in [("model", exact), ("stream", streamed(model, &given))] {
            for (target, found) in &all {
                let what = format!("{target}, {what}: {}", case.what);
                assert_close(&what, &found[at], &expected, 1.0, BOUND);
            }
        }
    }
}

#[test]
fn blocks_of_8_bits_compute_what_their_rounded_weights_say() {
    let models = steady_models(configs());
    let cases: Vec<_> =
        models.iter().enumerate().map(|(at, model)| case(at, model, true)).collect();
    check(&cases, |at| {
        let model = exact(&models[at]);
        // A lower layer's rounding may switch a binary gate.
        if has_threshold(&model) {
            return None;
        }
        round_all(&model);
        Some((predicted(&model, &series(&given(at), INPUTS)), BOUND))
    });
}
