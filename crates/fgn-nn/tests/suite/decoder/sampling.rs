//! Scheduled sampling.

use candle_core::{Device, Tensor};
use fgn_nn::fgn_schema::{Padded, Prediction};
use fgn_nn::{Decoder, Generator, Mode, Model, ModelInput};

use super::{decoder, model, sources, targets};
use crate::common::{flat, output};

/// The logits of all steps but padding; in training with a seed, in inference without.
fn logits(model: &Model, target: &Padded, seed: Option<u64>) -> Tensor {
    predicted(model, target, seed).rows(target).unwrap().0
}

fn predicted(model: &Model, target: &Padded, seed: Option<u64>) -> Prediction {
    let sources = sources();
    let input = ModelInput::new(&sources).with_target(target);
    let mut generator = Generator::seed_from_u64(seed.unwrap_or_default());
    let mode = if seed.is_some() { Mode::Train(&mut generator) } else { Mode::Eval };
    model.forward(input, mode).unwrap().prediction
}

/// The target that a model would have got right.
fn most_likely(model: &Model) -> Padded {
    let logits = output(&predicted(model, &targets(), None));
    targets().with_tensor(logits.argmax(2).unwrap()).unwrap()
}

fn heads() -> [Decoder; 2] {
    [decoder(2), Decoder { input_feeding: true, ..decoder(2) }]
}

#[test]
fn without_it_all_inputs_are_the_targets() {
    for head in heads() {
        let plain = model(head.clone());
        let expected = flat(&logits(&plain, &targets(), None));
        assert_eq!(flat(&logits(&plain, &targets(), Some(1))), expected);
        // Inference never samples.
        let always = model(Decoder { scheduled_sampling: 1.0, ..head });
        assert_eq!(flat(&logits(&always, &targets(), None)), expected);
    }
}

#[test]
fn a_probability_of_one_reads_the_models_own_predictions() {
    for head in heads() {
        let plain = model(head.clone());
        let predicted = most_likely(&plain);
        let expected = flat(&logits(&plain, &predicted, None));
        let always = model(Decoder { scheduled_sampling: 1.0, ..head });
        let found = flat(&logits(&always, &targets(), Some(1)));
        assert_eq!(found, expected);
        assert_ne!(found, flat(&logits(&plain, &targets(), None)));
    }
}

#[test]
fn what_is_replaced_follows_the_seed() {
    let half = model(Decoder { scheduled_sampling: 0.5, ..decoder(1) });
    let all: Vec<_> = (0..20).map(|seed| flat(&logits(&half, &targets(), Some(seed)))).collect();
    assert_eq!(flat(&logits(&half, &targets(), Some(7))), all[7]);
    assert!(all.iter().any(|logits| *logits != all[0]));
}

/// The first pass has no gradient: that of the second is as of a target with the same tokens.
#[test]
fn gradients_are_those_of_the_tokens_read() {
    let plain = model(decoder(2));
    let predicted = most_likely(&plain);
    let always = model(Decoder { scheduled_sampling: 1.0, ..decoder(2) });
    let weights = Tensor::arange(0f64, 40.0, &Device::Cpu).unwrap().reshape((8, 5)).unwrap();
    let gradients = |model: &Model, target: &Padded| {
        let sum = (logits(model, target, Some(1)) * &weights).unwrap().sum_all().unwrap();
        let gradients = sum.backward().unwrap();
        let parameters = model.parameters().iter();
        parameters.map(|(_, var)| flat(gradients.get(var).unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(gradients(&always, &targets()), gradients(&plain, &predicted));
}
