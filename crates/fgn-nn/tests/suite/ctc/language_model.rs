//! The n-gram model.

use fgn_nn::{Error, Generator, NGram};

use super::below;

const VOCABULARY: usize = 5;

fn drawn(generator: &mut Generator) -> Vec<Vec<u32>> {
    let sequence = |generator: &mut Generator| {
        let length = below(generator, 6);
        (0..length).map(|_| below(generator, VOCABULARY - 1) as u32).collect()
    };
    (0..12).map(|_| sequence(generator)).collect()
}

#[test]
fn probabilities_sum_to_one_after_any_history() {
    let mut generator = Generator::seed_from_u64(41);
    for order in 1..=4 {
        let model = NGram::train(order, VOCABULARY, &drawn(&mut generator)).unwrap();
        let untrained = NGram::train(order, VOCABULARY, &[[0u32; 0]; 0]).unwrap();
        for history in drawn(&mut generator) {
            for model in [&model, &untrained] {
                let all: Vec<f64> = (0..VOCABULARY as u32)
                    .map(|token| model.probability(&history, token))
                    .collect();
                assert!(all.iter().all(|&probability| probability > 0.0), "{all:?}");
                assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-14, "{all:?}");
            }
            assert!((untrained.probability(&history, 0) - 0.2).abs() < 1e-15);
        }
        assert_eq!(model.probability(&[], VOCABULARY as u32), 0.0);
    }
}

/// The recursion by hand, over counts taken again for each history.
#[test]
fn probabilities_are_those_of_the_definition() {
    let mut generator = Generator::seed_from_u64(42);
    let sequences = drawn(&mut generator);
    let end = VOCABULARY as u32 - 1;
    let with_ends: Vec<Vec<u32>> =
        sequences.iter().map(|sequence| [&[end], &sequence[..], &[end]].concat()).collect();
    fn defined(with_ends: &[Vec<u32>], history: &[u32], token: u32) -> f64 {
        let mut following = Vec::new();
        for sequence in with_ends {
            for at in 1..sequence.len() {
                if sequence[..at].ends_with(history) {
                    following.push(sequence[at]);
                }
            }
        }
        let lower = match history {
            [] => 1.0 / VOCABULARY as f64,
            [_, rest @ ..] => defined(with_ends, rest, token),
        };
        if following.is_empty() {
            return lower;
        }
        let count = following.iter().filter(|&&other| other == token).count() as f64;
        let total = following.len() as f64;
        following.sort_unstable();
        following.dedup();
        let distinct = following.len() as f64;
        (count + distinct * lower) / (total + distinct)
    }
    for order in 1..=4 {
        let model = NGram::train(order, VOCABULARY, &sequences).unwrap();
        for history in drawn(&mut generator) {
            let whole = [&[end], &history[..]].concat();
            let context = &whole[whole.len().saturating_sub(order - 1)..];
            for token in 0..=end {
                let expected = defined(&with_ends, context, token);
                let found = model.probability(&history, token);
                assert!((found - expected).abs() < 1e-15, "{order} {history:?} {token}");
                assert_eq!(model.probabilities(&history)[token as usize], found);
            }
            let whole = [&history[..], &[end]].concat();
            let product: f64 =
                (0..whole.len()).map(|at| model.probability(&whole[..at], whole[at])).product();
            assert!((model.log_probability(&history) - product.ln()).abs() < 1e-12);
        }
    }
}

#[test]
fn tokens_that_are_not_counted_are_context_alone() {
    let mut model = NGram::new(2, 4).unwrap();
    model.count(&[0, 1], 2).unwrap();
    model.count(&[1], 2).unwrap();
    // After a 1: twice a 2. Without a context: the same.
    let below = (2.0 + 0.25) / 3.0;
    assert_eq!(model.probability(&[0, 1], 2), (2.0 + below) / 3.0);
    assert_eq!(model.probability(&[2], 2), below);
    assert_eq!(model.probabilities(&[0]), [0.25 / 3.0, 0.25 / 3.0, below, 0.25 / 3.0]);
    assert!(matches!(model.count(&[], 3), Err(Error::Token { found: 3, last: 2 })));
}

#[test]
fn what_it_is_trained_on_is_checked() {
    let refused = |order, vocabulary, sequence: &[u32]| {
        NGram::train(order, vocabulary, &[sequence]).unwrap_err()
    };
    let error = refused(0, 3, &[0]).to_string();
    assert_eq!(error, "`order` is 0, expected 1 to 32");
    assert!(refused(33, 3, &[0]).to_string().starts_with("`order` is 33"));
    assert!(refused(2, 1, &[]).to_string().starts_with("`vocabulary` is 1, expected 2 to"));
    assert!(matches!(refused(2, 3, &[0, 2]), Error::Token { found: 2, last: 1 }));
    assert_eq!(NGram::train(2, 3, &[[0u32, 1]]).unwrap().vocabulary(), 3);
}
