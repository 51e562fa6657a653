//! Losses against the definition: the sum over all paths.

use candle_core::DType;
use fgn_nn::{Generator, ctc_loss};

use super::{collapsed, drawn, for_each_path};
use crate::common::flat;

#[test]
fn the_loss_is_the_sum_over_all_paths() {
    let mut generator = Generator::seed_from_u64(11);
    for case in 0..300 {
        let batch = drawn(&mut generator);
        for (sample, found) in batch.losses().into_iter().enumerate() {
            let mut sum = 0.0;
            for_each_path(&batch.probabilities(sample), |path, probability| {
                if collapsed(path, batch.blank) == batch.targets[sample] {
                    sum += probability;
                }
            });
            let expected = -sum.ln();
            let error = (found - expected).abs();
            assert!(error < 1e-12 * expected.abs().max(1.0), "{case}: {found}, not {expected}");
        }
    }
}

#[test]
fn log_probabilities_may_take_the_place_of_logits() {
    let mut generator = Generator::seed_from_u64(12);
    let batch = drawn(&mut generator);
    let logits = batch.tensor(DType::F64);
    let logarithms = candle_nn::ops::log_softmax(&logits, 2).unwrap();
    let found = ctc_loss(&logarithms, Some(&batch.lengths), &batch.targets, &batch.options());
    for (found, expected) in flat(&found.unwrap()).into_iter().zip(batch.losses()) {
        assert!((found - expected).abs() < 1e-13 * expected.max(1.0));
    }
}

/// Each path stands for one target, so the probabilities of all targets sum to 1.
#[test]
fn the_probabilities_of_all_targets_sum_to_one() {
    let mut generator = Generator::seed_from_u64(13);
    let logits = super::drawn_logits(&mut generator, [4, 1, 3], 2.0);
    let mut targets = std::collections::BTreeSet::new();
    for_each_path(&[(); 4].map(|()| vec![1.0; 3]), |path, _| {
        targets.insert(collapsed(path, 1));
    });
    let probability = |target: &Vec<u32>| {
        let batch = super::Batch {
            logits: logits.clone(),
            lengths: vec![4],
            targets: vec![target.clone()],
            blank: 1,
        };
        (-batch.losses()[0]).exp()
    };
    let sum: f64 = targets.iter().map(probability).sum();
    assert_eq!(targets.len(), 15);
    assert!((sum - 1.0).abs() < 1e-14, "{sum}");
}
