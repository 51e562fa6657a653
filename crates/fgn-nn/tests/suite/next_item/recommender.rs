//! Sessions event by event against whole sequences.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::Prediction;
use fgn_nn::{
    Classification, Embedding, Error, ItemLoss, Mode, Model, ModelConfig, NextItem, NextToken,
    Precision, RecurrentConfig,
};

use super::{ITEMS, catalogue, head};
use crate::common::scramble;

fn model(tied: Option<usize>, bias: bool) -> Model {
    let recurrent = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::FGN, 5) };
    let head = NextItem { tied, bias, ..head(ItemLoss::BprMax) };
    let config = ModelConfig::new(Embedding::new(ITEMS, 3), recurrent, head);
    let model = Model::new(&config, 1, DType::F32, &Device::Cpu).unwrap();
    for (_, var) in model.parameters() {
        let wide = candle_core::Var::zeros(var.shape(), DType::F64, &Device::Cpu).unwrap();
        scramble(&[("p".to_owned(), wide.clone())]);
        var.set(&wide.to_dtype(DType::F32).unwrap()).unwrap();
    }
    model
}

/// The best items after `items`, with their scores, by a forward pass.
fn whole(model: &Model, items: &[u32]) -> Vec<(u32, f32)> {
    let input = Tensor::from_slice(items, (1, items.len()), &Device::Cpu).unwrap();
    let found = model.forward(&input, Mode::Eval).unwrap().prediction;
    let Prediction::Ranking(ranking) = found else { panic!("a ranking") };
    let best = ranking.items().tensor().to_vec2::<u32>().unwrap().remove(0);
    best.into_iter().zip(ranking.scores().to_vec2::<f32>().unwrap().remove(0)).collect()
}

#[test]
fn sessions_are_what_whole_sequences_are() {
    for (tied, bias) in [(None, true), (Some(3), false), (None, false)] {
        let model = model(tied, bias);
        let mut recommender = model.recommender(Precision::F32).unwrap();
        // Two sessions, in turns.
        let sessions: [&[u32]; 2] = [&[3, 3, 0, 11], &[7, 1, 5, 2]];
        let mut states = [recommender.session(), recommender.session()];
        for step in 0..4 {
            for (items, state) in sessions.iter().zip(&mut states) {
                recommender.read(state, items[step]).unwrap();
                let found = recommender.best(state, ITEMS, |_| false).unwrap();
                let expected = whole(&model, &items[..=step]);
                let indices = |all: &[(u32, f32)]| all.iter().map(|it| it.0).collect::<Vec<_>>();
                assert_eq!(indices(&found), indices(&expected));
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found.1 - expected.1).abs() < 1e-5, "{found:?} {expected:?}");
                }
            }
        }
        let best = recommender.best(&states[0], 3, |item| item % 2 == 0).unwrap();
        assert!(best.len() == 3 && best.iter().all(|it| it.0 % 2 == 1), "{best:?}");
        assert!(states[0].bytes() > 0 && recommender.bytes()[1] > 0);
    }
}

#[test]
fn without_events_popular_items_come_first() {
    let mut recommender = model(None, true).recommender(Precision::Bf16).unwrap();
    let mut session = recommender.session();
    let best = recommender.best(&session, 3, |item| item == 1).unwrap();
    assert_eq!(best.iter().map(|it| it.0).collect::<Vec<_>>(), [0, 2, 3]);
    let total: u64 = catalogue().counts().iter().sum();
    assert_eq!(best[0].1, 500.0 / total as f32);
    let error = recommender.read(&mut session, ITEMS as u32).unwrap_err();
    assert!(matches!(error, Error::Token { found: 12, last: 11 }), "{error}");
    assert!(session.is_empty());
}

#[test]
fn other_models_recommend_nothing() {
    let of = |head: fgn_nn::HeadConfig| {
        let recurrent = RecurrentConfig::new(AnyCell::GRU, 4);
        let config = ModelConfig::new(Embedding::new(ITEMS, 3), recurrent, head);
        Model::new(&config, 1, DType::F32, &Device::Cpu).unwrap()
    };
    for head in [Classification::new(3).into(), NextToken::new(ITEMS).into()] {
        let error = of(head).recommender(Precision::F32).err().unwrap().to_string();
        assert!(error.contains("expected items, and the next of as many"), "{error}");
    }
    // A session of a model of another size.
    let mut small = of(NextItem::new(catalogue()).into()).recommender(Precision::F32).unwrap();
    let mut large = model(None, true).recommender(Precision::F32).unwrap();
    let mut session = small.session();
    small.read(&mut session, 1).unwrap();
    assert!(large.read(&mut session, 1).is_err());
    assert!(large.best(&session, 3, |_| false).is_err());
}
