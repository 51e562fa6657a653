//! The gradient with respect to every parameter of an encoder and its decoder, against central differences.

use fgn_nn::{
    Attention, Decoder, Generator, LossOptions, Mode, ModelInput, RecurrentConfig, SequenceDropout,
};

use super::{decoder, model, sources, targets};
use crate::common::check_gradients;

fn check(head: Decoder) {
    let model = model(head);
    let (sources, targets) = (sources(), targets());
    let options = LossOptions::default().with_label_smoothing(0.1);
    check_gradients(model.parameters(), || {
        let mut generator = Generator::seed_from_u64(5);
        let input = ModelInput::new(&sources).with_target(&targets);
        let found = model.forward(input, Mode::Train(&mut generator)).unwrap();
        let loss = model.loss(&found.prediction, &targets, &options).unwrap();
        assert_eq!(loss.targets, 8);
        loss.mean
    });
}

#[test]
fn every_attention() {
    for attention in [Attention::General, Attention::Additive, Attention::None] {
        check(Decoder { attention, ..decoder(2) });
    }
}

#[test]
fn input_feeding() {
    for attention in [Attention::General, Attention::None] {
        check(Decoder { attention, input_feeding: true, ..decoder(2) });
    }
}

/// Both ways to run over a target, with masks that are the same at all steps.
#[test]
fn dropout() {
    let drop = SequenceDropout { rate: 0.3, per_step: false };
    for input_feeding in [false, true] {
        let head = decoder(2);
        let recurrent = RecurrentConfig {
            input_dropout: drop,
            dropout: drop,
            hidden_dropout: drop,
            weight_drop: 0.3,
            ..*head.recurrent
        };
        let recurrent = Box::new(recurrent);
        check(Decoder { recurrent, dropout: 0.3, input_feeding, ..decoder(2) });
    }
}
