//! Rankings of all items, and what people read of them.

use candle_core::{Device, Tensor};
use fgn_nn::fgn_schema::Prediction;
use fgn_nn::{ItemLoss, Mode, Model, ModelInput, NextItem};
use serde_json::json;

use super::{ITEMS, TARGETS, evaluated, head, items, logits, model, with_head};
use crate::common::flat;

/// Ranks against the logits of all items.
#[test]
fn ranks_are_those_of_the_logits() {
    for tied in [None, Some(3)] {
        let whole = model(NextItem { tied, ..head(ItemLoss::CrossEntropy) });
        let (prediction, loss) = evaluated(&whole);
        assert_eq!(loss.targets, TARGETS.len());
        let Prediction::Ranking(ranking) = prediction else { panic!("a ranking") };
        let best = ranking.items().tensor().to_vec2::<u32>().unwrap();
        let ranks = ranking.targets().unwrap().ranks.to_vec1::<u32>().unwrap();
        for (at, scores) in logits(&whole).iter().enumerate() {
            let own = scores[TARGETS[at] as usize];
            assert_eq!(ranks[at] as usize, scores.iter().filter(|&&s| s >= own).count());
            assert_eq!(best[at][ranks[at] as usize - 1], TARGETS[at]);
            assert!(best[at].is_sorted_by(|&a, &b| scores[a as usize] >= scores[b as usize]));
            assert_eq!(best[at].len(), ITEMS);
        }
    }
}

/// To recommend, the items after the last step of each sample are ranked.
#[test]
fn without_targets_the_last_step_counts() {
    let model = model(head(ItemLoss::BprMax));
    let (input, _) = items();
    let found = model.forward(&input, Mode::Eval).unwrap().prediction;
    let Prediction::Ranking(ranking) = &found else { panic!("a ranking") };
    assert!(ranking.targets().is_none());
    let together = ranking.items().tensor().to_vec2::<u32>().unwrap();
    let answers = model.decode(&found).unwrap();
    for (row, steps) in [(0, 4), (1, 2), (2, 3)] {
        let alone = input.tensor().narrow(0, row, 1).unwrap().narrow(1, 0, steps).unwrap();
        let alone = model.forward(&alone, Mode::Eval).unwrap().prediction;
        let Prediction::Ranking(alone) = alone else { panic!("a ranking") };
        assert_eq!(alone.items().tensor().to_vec2::<u32>().unwrap()[0], together[row]);
        let answer = &answers[row];
        let first = format!("item {}", together[row][0]);
        assert!(answer.text().starts_with(&format!("{first}\n  {first}: ")), "{answer}");
        assert_eq!(answer.json()["items"].as_array().unwrap().len(), 10);
        assert_eq!(answer.json()["items"][0]["item"], json!(first));
    }
}

/// A row with several sessions predicts what each of them does alone.
#[test]
fn resets_begin_sessions() {
    let model = model(head(ItemLoss::CrossEntropy));
    let tensor = |items: &[u32]| Tensor::from_slice(items, (1, items.len()), &Device::Cpu).unwrap();
    let all = tensor(&[4, 1, 9, 9, 3, 0]);
    let resets = Tensor::new(&[[0u8, 0, 1, 0, 0, 1]], &Device::Cpu).unwrap();
    let target = tensor(&[1; 6]).into();
    let scores = |input: ModelInput<'_>| -> Vec<Vec<f64>> {
        let found = model.forward(input.with_target(&target), Mode::Eval).unwrap().prediction;
        let Prediction::Ranking(ranking) = found else { panic!("a ranking") };
        let items = ranking.items().tensor().to_vec2::<u32>().unwrap();
        items.iter().map(|row| row.iter().map(|&item| f64::from(item)).collect()).collect()
    };
    let padded = all.into();
    let together = scores(ModelInput::new(&padded).with_resets(&resets));
    let mut alone = Vec::new();
    for session in [&[4, 1][..], &[9, 9, 3], &[0]] {
        let target = tensor(&vec![1; session.len()]).into();
        let input = tensor(session).into();
        let input = ModelInput::new(&input).with_target(&target);
        let found = model.forward(input, Mode::Eval).unwrap().prediction;
        let Prediction::Ranking(ranking) = found else { panic!("a ranking") };
        alone.extend(ranking.items().tensor().to_vec2::<u32>().unwrap());
    }
    let alone: Vec<Vec<f64>> =
        alone.iter().map(|row| row.iter().map(|&item| f64::from(item)).collect()).collect();
    assert_eq!(together, alone);
    assert_ne!(scores(ModelInput::new(&padded)), alone);
}

#[test]
fn items_are_saved_with_the_model() {
    let model = model(NextItem { tied: Some(3), ..head(ItemLoss::Top1Max) });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    model.save(&file).unwrap();
    let loaded = Model::load(&file, &Device::Cpu).unwrap();
    assert_eq!(loaded.config(), model.config());
    assert_eq!(flat(&evaluated(&loaded).1.mean), flat(&evaluated(&model).1.mean));
    let frozen = model.frozen().unwrap();
    assert_eq!(flat(&evaluated(&frozen).1.mean), flat(&evaluated(&model).1.mean));
    assert_eq!(
        with_head(&model, NextItem { tied: Some(3), ..head(ItemLoss::BprMax) }).parameters().len(),
        model.parameters().len()
    );
}
