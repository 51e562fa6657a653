//! Items, options and targets that do not fit.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::{Catalogue, TargetSchema};
use fgn_nn::{
    Embedding, Error, HeadConfig, ItemLoss, LossOptions, Mode, Model, ModelConfig, ModelInput,
    NextItem, RecurrentConfig,
};

use super::{ITEMS, catalogue, evaluated, head, items, model};

#[test]
fn options_that_fit_nothing_are_refused() {
    let one = Catalogue::new(vec!["a".into()], vec![1]).unwrap();
    for (head, expected) in [
        (NextItem::new(one), "`head.catalogue` is 1 item, expected 2 items or more"),
        (NextItem { samples: 0, ..head(ItemLoss::BprMax) }, "`head.samples` is 0"),
        (NextItem { alpha: -1.0, ..head(ItemLoss::BprMax) }, "`head.alpha` is -1"),
        (NextItem { alpha: f64::NAN, ..head(ItemLoss::BprMax) }, "`head.alpha` is NaN"),
        (
            NextItem { regularization: -0.5, ..head(ItemLoss::BprMax) },
            "`head.regularization` is -0.5",
        ),
        (NextItem { dropout: 1.0, ..head(ItemLoss::BprMax) }, "`head.dropout` is 1"),
        (NextItem { tied: Some(0), ..head(ItemLoss::BprMax) }, "`head.tied` is 0"),
    ] {
        let error = HeadConfig::from(head).validate().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    // The vectors are shared with an embedding of another size.
    let head = NextItem { tied: Some(5), ..head(ItemLoss::BprMax) };
    let recurrent = RecurrentConfig::new(AnyCell::GRU, 4);
    let config = ModelConfig::new(Embedding::new(ITEMS, 3), recurrent, head);
    let error = Model::new(&config, 1, DType::F64, &Device::Cpu).unwrap_err();
    assert!(matches!(error, Error::Parameter { .. }), "{error}");
}

#[test]
fn targets_that_are_no_items_are_refused() {
    let model = model(head(ItemLoss::Top1Max));
    let input = Tensor::new(&[[0u32, 1]], &Device::Cpu).unwrap().into();
    for (target, expected) in [
        (Tensor::new(&[[0u32, ITEMS as u32]], &Device::Cpu), "12"),
        (Tensor::new(&[[0u32, 1, 2]], &Device::Cpu), "[1, 2]"),
        (Tensor::new(&[[0f32, 1.0]], &Device::Cpu), "U32"),
    ] {
        let target = target.unwrap().into();
        let input = ModelInput::new(&input).with_target(&target);
        let error = model.forward(input, Mode::Eval).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for steps in [1, 3] {
        let resets = Tensor::zeros((1, steps), DType::U8, &Device::Cpu).unwrap();
        let input = ModelInput::new(&input).with_resets(&resets);
        assert!(model.forward(input, Mode::Eval).is_err());
    }
}

#[test]
fn there_is_no_label_smoothing() {
    let smoothed = LossOptions::default().with_label_smoothing(0.1);
    for loss in [ItemLoss::CrossEntropy, ItemLoss::SampledSoftmax] {
        let config = HeadConfig::from(head(loss));
        assert!(config.as_kind().check_loss_options(&smoothed).is_err());
    }
    // A prediction without targets has no loss.
    let model = model(head(ItemLoss::CrossEntropy));
    let (input, target) = items();
    let found = model.forward(&input, Mode::Eval).unwrap().prediction;
    assert!(model.loss(&found, &target, &LossOptions::default()).is_err());
    assert!(model.decode(&evaluated(&model).0).is_ok());
}

#[test]
fn other_items_are_refused() {
    let head = HeadConfig::from(head(ItemLoss::CrossEntropy));
    let next = |catalogue| TargetSchema::NextItem { catalogue };
    assert!(head.accepts(&next(catalogue())).is_ok());
    let names = |prefix: &str, count: usize| {
        let names = (0..count).map(|item| format!("{prefix} {item}")).collect();
        Catalogue::new(names, vec![1; count]).unwrap()
    };
    // How often items were taken does not matter.
    assert!(head.accepts(&next(names("item", ITEMS))).is_ok());
    for (target, expected) in [
        (next(names("thing", ITEMS)), "items of other names"),
        (next(names("item", 3)), "the next of 3 items"),
        (TargetSchema::NextToken { vocabulary: ITEMS }, "the next of 12 tokens"),
    ] {
        let error = head.accepts(&target).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
