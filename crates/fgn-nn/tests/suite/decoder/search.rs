//! Greedy search and beam search against plain implementations, which ask the model for one step at a time.

use candle_core::{DType, Device, Tensor};
use fgn_nn::fgn_schema::Padded;
use fgn_nn::{Attention, Decoder, Mode, Model, ModelInput};

use super::{answers, batch, config, decoder, sources};
use crate::common::{flat, output, random};

/// A model with numbers of that seed, large enough that answers differ.
fn random_model(head: Decoder, seed: u64) -> Model {
    let model = Model::new(&config(head), 1, DType::F64, &Device::Cpu).unwrap();
    for (index, (_, var)) in model.parameters().iter().enumerate() {
        let values = random(var.dims(), 1000 * seed + index as u64);
        var.set(&(values * 1.5).unwrap()).unwrap();
    }
    model
}

/// The logarithm of the probability of each token after the first ones of an answer.
fn next(model: &Model, source: &[u32], answer: &[u32]) -> Vec<f64> {
    let target = [answer, &[0]].concat();
    let (source, target) = (batch(&[source]), batch(&[&target]));
    let input = ModelInput::new(&source).with_target(&target);
    let logits = output(&model.forward(input, Mode::Eval).unwrap().prediction);
    let logits = flat(&logits.get(0).unwrap().get(answer.len()).unwrap());
    let sum = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
    logits.iter().map(|logit| logit - sum).collect()
}

fn score(length: usize, logarithm: f64, penalty: f64) -> f64 {
    logarithm / (length as f64).powf(penalty)
}

/// The first of the largest.
fn best(answers: &[(Vec<u32>, f64)]) -> Vec<u32> {
    let mut best = &answers[0];
    for answer in answers {
        if answer.1 > best.1 {
            best = answer;
        }
    }
    best.0.clone()
}

fn beam_search(model: &Model, source: &[u32], head: &Decoder) -> Vec<u32> {
    let end = head.vocabulary as u32 - 1;
    let (mut live, mut finished) = (vec![(Vec::new(), 0.0)], Vec::new());
    for _ in 0..head.max_length {
        let mut longer = Vec::new();
        for (answer, logarithm) in &live {
            for (token, more) in (0..).zip(next(model, source, answer)) {
                longer.push(([&answer[..], &[token]].concat(), logarithm + more));
            }
        }
        longer.sort_by(|one, other| other.1.total_cmp(&one.1));
        longer.truncate(head.beam_size);
        live.clear();
        for (answer, logarithm) in longer {
            match answer.last() == Some(&end) {
                true => {
                    let score = score(answer.len(), logarithm, head.length_penalty);
                    finished.push((answer, score));
                }
                false => live.push((answer, logarithm)),
            }
        }
        if live.is_empty() || finished.len() >= head.beam_size {
            break;
        }
    }
    best(if finished.is_empty() { &live } else { &finished })
}

fn rows(sources: &Padded) -> Vec<Vec<u32>> {
    let rows = sources.tensor().to_vec2::<u32>().unwrap();
    let lengths = sources.lengths().unwrap();
    rows.iter().zip(lengths).map(|(row, &length)| row[..length].to_vec()).collect()
}

#[test]
fn beams_are_those_of_a_plain_search() {
    let mut found_lengths = Vec::new();
    let kinds = [
        Decoder { max_length: 6, ..decoder(1) },
        Decoder { max_length: 6, attention: Attention::Additive, ..decoder(1) },
        Decoder { max_length: 6, attention: Attention::None, input_feeding: true, ..decoder(1) },
        Decoder { max_length: 6, input_feeding: true, ..decoder(2) },
    ];
    for (seed, kind) in (1..).zip(kinds) {
        for beam_size in 1..=5 {
            for length_penalty in [0.0, 0.7, 1.0] {
                let head = Decoder { beam_size, length_penalty, ..kind.clone() };
                let model = random_model(head.clone(), seed);
                let found = answers(&model, &sources());
                for (found, source) in found.iter().zip(rows(&sources())) {
                    assert_eq!(*found, beam_search(&model, &source, &head), "{head:?}");
                    found_lengths.push(found.len());
                }
            }
        }
    }
    found_lengths.sort_unstable();
    found_lengths.dedup();
    assert!(found_lengths.len() > 2, "answers of {found_lengths:?} tokens do not test much");
}

/// All answers that end within `left` tokens, each with its score.
fn all_answers(
    model: &Model,
    source: &[u32],
    (answer, logarithm): (Vec<u32>, f64),
    left: usize,
    penalty: f64,
) -> Vec<(Vec<u32>, f64)> {
    if left == 0 {
        return Vec::new();
    }
    let logarithms = next(model, source, &answer);
    let end = logarithms.len() as u32 - 1;
    let mut all = Vec::new();
    for (token, more) in (0..).zip(logarithms) {
        let longer = ([&answer[..], &[token]].concat(), logarithm + more);
        match token == end {
            true => all.push((longer.0.clone(), score(longer.0.len(), longer.1, penalty))),
            false => all.extend(all_answers(model, source, longer, left - 1, penalty)),
        }
    }
    all
}

#[test]
fn a_beam_of_all_answers_finds_the_best() {
    let mut found_lengths = Vec::new();
    for seed in 1..=4 {
        for length_penalty in [0.0, 0.5, 1.0, 2.0] {
            let head = Decoder { vocabulary: 3, max_length: 4, beam_size: 81, ..decoder(1) };
            let model = random_model(Decoder { length_penalty, ..head }, seed);
            let found = answers(&model, &sources());
            for (found, source) in found.iter().zip(rows(&sources())) {
                let all = all_answers(&model, &source, (Vec::new(), 0.0), 4, length_penalty);
                assert_eq!(all.len(), 1 + 2 + 4 + 8);
                assert_eq!(*found, best(&all));
                found_lengths.push(found.len());
            }
        }
    }
    found_lengths.sort_unstable();
    found_lengths.dedup();
    assert!(found_lengths.len() > 2, "answers of {found_lengths:?} tokens do not test much");
}

#[test]
fn an_answer_without_an_end_is_the_longest() {
    // All tokens are equally likely: the first ones are taken.
    for (beam_size, expected) in [(1, vec![0, 0, 0]), (2, vec![0, 0, 0])] {
        let head = Decoder { max_length: 3, beam_size, ..decoder(1) };
        let model = random_model(head, 1);
        for (name, var) in model.parameters() {
            if name.starts_with("head.output") {
                var.set(&var.zeros_like().unwrap()).unwrap();
            }
        }
        assert_eq!(answers(&model, &sources()), [expected.clone(), expected.clone(), expected]);
    }
}

#[test]
fn logits_that_are_no_numbers_have_an_answer() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let model = random_model(Decoder { max_length: 3, beam_size: 2, ..decoder(1) }, 1);
        let (_, bias) = model.parameters().last().unwrap();
        bias.set(&Tensor::full(value, bias.shape(), &Device::Cpu).unwrap()).unwrap();
        for answer in answers(&model, &sources()) {
            assert!((1..=3).contains(&answer.len()), "{answer:?}");
        }
    }
}
