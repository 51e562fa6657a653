//! Sampled losses: what they estimate, and what they leave out.

use fgn_nn::fgn_schema::Prediction;
use fgn_nn::{ItemLoss, NextItem};

use super::{SAMPLED, TARGETS, evaluated, head, logits, model, trained, with_head};
use crate::common::flat;

/// With the logQ correction, the sampled softmax tends to the one over all items, whatever draws the negatives.
#[test]
fn the_sampled_softmax_estimates_the_whole_one() {
    let whole = model(head(ItemLoss::CrossEntropy));
    let (prediction, loss) = trained(&whole, 1);
    assert!(matches!(prediction, Prediction::StepLosses(_)));
    let expected = flat(&loss.mean)[0];
    let of_step = |(scores, &target): (Vec<f64>, &u32)| {
        scores.iter().map(|score| score.exp()).sum::<f64>().ln() - scores[target as usize]
    };
    let defined: f64 = logits(&whole).into_iter().zip(&TARGETS).map(of_step).sum();
    assert!((expected - defined / TARGETS.len() as f64).abs() < 1e-12);
    for alpha in [0.0, 0.5, 1.0] {
        for in_batch in [false, true] {
            let loss = ItemLoss::SampledSoftmax;
            let sampled = NextItem { alpha, in_batch, samples: 50_000, ..head(loss) };
            let found = flat(&trained(&with_head(&whole, sampled), 2).1.mean)[0];
            assert!((found - expected).abs() < 0.01, "{alpha} {in_batch}: {found} {expected}");
        }
    }
}

/// Evaluations rank all items, whatever the training minimises.
#[test]
fn evaluations_do_not_depend_on_the_loss() {
    let whole = model(head(ItemLoss::CrossEntropy));
    let expected = flat(&trained(&whole, 1).1.mean)[0];
    for loss in SAMPLED.into_iter().chain([ItemLoss::CrossEntropy]) {
        let (prediction, loss) = evaluated(&with_head(&whole, head(loss)));
        assert!(matches!(prediction, Prediction::Ranking(_)));
        assert!((flat(&loss.mean)[0] - expected).abs() < 1e-6);
    }
}

#[test]
fn samples_follow_from_the_seed() {
    for loss in SAMPLED {
        let model = model(NextItem { in_batch: false, ..head(loss) });
        let loss = |seed| flat(&trained(&model, seed).1.mean)[0];
        assert_eq!(loss(3), loss(3));
        assert_ne!(loss(3), loss(4));
    }
}

/// Each loss by its definition, where all items are drawn many times: the negatives are all other items, with weights
/// by how often each is drawn.
#[test]
fn losses_are_those_of_their_definitions() {
    let whole = model(head(ItemLoss::CrossEntropy));
    let logits = logits(&whole);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for loss in [ItemLoss::BprMax, ItemLoss::Top1Max] {
        let of_step = |(scores, target): (&Vec<f64>, u32)| {
            let target = target as usize;
            let others = || (0..scores.len()).filter(|&item| item != target).map(|it| scores[it]);
            let sum: f64 = others().map(f64::exp).sum();
            let r = scores[target];
            let mean = |of: &dyn Fn(f64) -> f64| -> f64 {
                others().map(|score| score.exp() / sum * of(score)).sum()
            };
            match loss {
                ItemLoss::BprMax => -mean(&|s| sigmoid(r - s)).ln() + 0.7 * mean(&|s| s * s),
                _ => mean(&|s| sigmoid(s - r) + sigmoid(s * s)),
            }
        };
        let steps = logits.iter().zip(TARGETS);
        let expected = steps.map(of_step).sum::<f64>() / TARGETS.len() as f64;
        let uniform = NextItem { alpha: 0.0, in_batch: false, samples: 50_000, ..head(loss) };
        let found = flat(&trained(&with_head(&whole, uniform), 2).1.mean)[0];
        assert!((found - expected).abs() < 0.01, "{loss:?}: {found} {expected}");
    }
}
