//! Decoders against the definition.

use std::collections::BTreeMap;

use fgn_nn::{
    CtcBeamSearch, CtcDecoder, CtcHypothesis, CtcLabel, Error, Generator, NGram, ctc_greedy,
};

use super::{below, collapsed, for_each_path, softmax};

/// Random logits of a few steps, which are exact in both types.
fn drawn(generator: &mut Generator, classes: usize) -> Vec<Vec<f32>> {
    let steps = below(generator, 6);
    let bound = [1.0, 4.0][below(generator, 2)];
    let mut logit = || (bound * (2.0 * generator.next_f64() - 1.0)) as f32;
    (0..steps).map(|_| (0..classes).map(|_| logit()).collect()).collect()
}

fn probabilities(steps: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let wide: Vec<Vec<f64>> =
        steps.iter().map(|row| row.iter().map(|&logit| f64::from(logit)).collect()).collect();
    softmax(&wide.iter().collect::<Vec<_>>())
}

/// The probability of each sequence of labels.
fn sequences(steps: &[Vec<f32>], blank: usize) -> BTreeMap<Vec<u32>, f64> {
    let mut all = BTreeMap::new();
    for_each_path(&probabilities(steps), |path, probability| {
        *all.entry(collapsed(path, blank)).or_default() += probability;
    });
    all
}

fn labels(found: &[CtcLabel]) -> Vec<u32> {
    found.iter().map(|found| found.label).collect()
}

/// The steps at which the labels of a path begin.
fn begins(path: &[usize], blank: usize) -> Vec<usize> {
    let is_new = |&step: &usize| path[step] != blank && (step == 0 || path[step - 1] != path[step]);
    (0..path.len()).filter(is_new).collect()
}

#[test]
fn greedy_is_the_best_path_step_by_step() {
    let mut generator = Generator::seed_from_u64(31);
    for _ in 0..300 {
        let steps = drawn(&mut generator, 4);
        let blank = below(&mut generator, 4);
        let mut best = (f64::NEG_INFINITY, Vec::new());
        for_each_path(&probabilities(&steps), |path, probability| {
            if probability > best.0 {
                best = (probability, path.to_vec());
            }
        });
        let found = ctc_greedy(&steps, blank);
        assert_eq!(labels(&found), collapsed(&best.1, blank));
        let times: Vec<usize> = found.iter().map(|found| found.step).collect();
        assert_eq!(times, begins(&best.1, blank));
        // A stream gives the same, and begins anew after a reset.
        let mut decoder = CtcDecoder::new(blank);
        for _ in 0..2 {
            let pushed: Vec<CtcLabel> = steps
                .iter()
                .enumerate()
                .filter_map(|(step, row)| decoder.push(row).map(|label| CtcLabel { label, step }))
                .collect();
            assert_eq!(pushed, found);
            decoder.reset();
        }
    }
}

/// A beam that holds everything finds every sequence with its exact probability, and the steps of its best path.
#[test]
fn a_wide_beam_is_exact() {
    let mut generator = Generator::seed_from_u64(32);
    for _ in 0..150 {
        let steps = drawn(&mut generator, 3);
        let blank = below(&mut generator, 3);
        let expected = sequences(&steps, blank);
        let found = CtcBeamSearch::new(1000).decode(&steps, blank).unwrap();
        assert_eq!(found.len(), expected.len());
        assert!(found.is_sorted_by(|one, next| one.score >= next.score));
        for CtcHypothesis { labels: found, log_probability, score, .. } in &found {
            let expected = expected[&labels(found)].ln();
            assert!(
                (log_probability - expected).abs() < 1e-12,
                "{log_probability}, not {expected}"
            );
            assert_eq!(score, log_probability);
            let mut best = (f64::NEG_INFINITY, Vec::new());
            for_each_path(&probabilities(&steps), |path, probability| {
                if collapsed(path, blank) == labels(found) && probability > best.0 {
                    best = (probability, begins(path, blank));
                }
            });
            let times: Vec<usize> = found.iter().map(|found| found.step).collect();
            assert_eq!(times, best.1);
        }
    }
}

#[test]
fn a_language_model_and_a_bonus_are_part_of_the_score() {
    let mut generator = Generator::seed_from_u64(33);
    let model = NGram::train(3, 4, &[vec![0, 1, 2], vec![0, 1], vec![2, 2, 0, 1]]).unwrap();
    let mut changed = 0;
    for _ in 0..100 {
        let steps = drawn(&mut generator, 4);
        let (weight, bonus) = (generator.next_f64(), 2.0 * generator.next_f64() - 1.0);
        let score = |(labels, probability): (&Vec<u32>, &f64)| {
            let model = weight * model.log_probability(labels);
            probability.ln() + model + bonus * labels.len() as f64
        };
        let all = sequences(&steps, 3);
        let best = all.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
        let search = CtcBeamSearch::new(10_000).with_language_model(&model, weight, bonus);
        let found = search.decode(&steps, 3).unwrap();
        assert!((found[0].score - best).abs() < 1e-12, "{}, not {best}", found[0].score);
        let of_labels = (&labels(&found[0].labels), &all[&labels(&found[0].labels)]);
        assert!((score(of_labels) - best).abs() < 1e-12);
        let plain = CtcBeamSearch::new(10_000).decode(&steps, 3).unwrap();
        changed += usize::from(labels(&plain[0].labels) != labels(&found[0].labels));
    }
    assert!(changed > 10, "the model changed {changed} answers");
}

/// A narrow beam never finds anything better than what there is, and mostly the best.
#[test]
fn a_narrow_beam_is_near() {
    let mut generator = Generator::seed_from_u64(34);
    let mut right = 0;
    for _ in 0..200 {
        let steps = drawn(&mut generator, 4);
        let all = sequences(&steps, 3);
        let best = all.values().copied().fold(0.0, f64::max);
        let found = CtcBeamSearch::new(3).decode(&steps, 3).unwrap();
        assert!((1..=3).contains(&found.len()));
        for found in &found {
            let exact = all[&labels(&found.labels)];
            assert!(found.log_probability <= exact.ln() + 1e-12);
        }
        right += usize::from(all[&labels(&found[0].labels)] == best);
    }
    assert!(right >= 180, "{right} of 200");
}

#[test]
fn searches_that_cannot_be_are_refused() {
    let steps = [[0.0f32; 3]; 2];
    let model = NGram::train(2, 4, &[[0u32]]).unwrap();
    let other = NGram::train(2, 3, &[[0u32]]).unwrap();
    for (search, blank, expected) in [
        (CtcBeamSearch::new(0), 2, "`width` is 0, expected at least 1"),
        (CtcBeamSearch::new(2), 3, "`blank` is 3, expected one of 3 classes"),
        (
            CtcBeamSearch::new(2).with_language_model(&model, 1.0, 0.0),
            2,
            "`language_model` is 4, expected 3, the number of classes",
        ),
        (
            CtcBeamSearch::new(2).with_language_model(&other, 1.0, 0.0),
            0,
            "`blank` is 0, expected 2, the end token of the language model",
        ),
        (
            CtcBeamSearch::new(2).with_language_model(&other, f64::NAN, 0.0),
            2,
            "`weight` is NaN, expected a finite number",
        ),
    ] {
        let error = search.decode(&steps, blank).unwrap_err().to_string();
        assert_eq!(error, expected);
    }
    let uneven = [vec![0.0f32; 3], vec![0.0; 2]];
    assert!(matches!(CtcBeamSearch::new(2).decode(&uneven, 2), Err(Error::Shape { .. })));
    // Logits that are no numbers are unlikely, not a panic.
    let broken = [[f32::NAN, 0.0, 0.0], [f32::NAN; 3]];
    assert!(!CtcBeamSearch::new(2).decode(&broken, 2).unwrap().is_empty());
    let nothing: [[f32; 3]; 0] = [];
    assert!(CtcBeamSearch::new(2).decode(&nothing, 2).unwrap()[0].labels.is_empty());
}
