//! Sequences of tokens without an alignment.

use fgn_core::AnyCell;
use fgn_nn::{Ctc, Generator, ModelConfig, RecurrentConfig, Series};
use fgn_schema::{Padded, Tokenizer};

use super::going_on::goes_on_bit_for_bit_on;
use super::*;
use crate::evaluation::evaluate_with;
use crate::predict::predict;

/// Up to three letters, "a" or "b". Each is shown for one to three steps, as one of two features, with one or two steps
/// of nothing behind it.
#[derive(Debug)]
struct Letters {
    schema: Schema,
    count: usize,
    seed: u64,
}

impl Letters {
    fn new(count: usize, seed: u64) -> Letters {
        let target = TargetSchema::text(tokenizer());
        Letters { schema: Schema::new(InputSchema::Series { features: 2 }, target), count, seed }
    }

    /// The features of each step, and the tokens with the end token.
    fn sample(&self, index: u32) -> (Vec<[f64; 2]>, Vec<u32>) {
        let mut generator = Generator::seed_from_u64(1000 * self.seed + u64::from(index));
        let mut below = |count: u64| generator.next_u64() % count;
        let tokens: Vec<u32> = (0..1 + below(3)).map(|_| below(2) as u32).collect();
        let mut steps = Vec::new();
        for &token in &tokens {
            let shown = if token == 0 { [1.0, 0.0] } else { [0.0, 1.0] };
            steps.extend((0..1 + below(3)).map(|_| shown));
            steps.extend((0..1 + below(2)).map(|_| [0.0; 2]));
        }
        (steps, [&tokens[..], &[2]].concat())
    }
}

fn tokenizer() -> Tokenizer {
    Tokenizer::characters("ab", &["<end>"]).unwrap()
}

/// Rows of different lengths as a batch.
fn padded<T: candle_core::WithDType>(
    rows: Vec<Vec<T>>,
    width: usize,
    device: &Device,
) -> fgn_schema::Result<Padded> {
    let lengths: Vec<usize> = rows.iter().map(|row| row.len() / width).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let fill = |mut row: Vec<T>| {
        row.resize(longest * width, T::zero());
        row
    };
    let all: Vec<T> = rows.into_iter().flat_map(fill).collect();
    let shape = [lengths.len(), longest, width];
    let shape = if width == 1 { &shape[..2] } else { &shape[..] };
    Padded::with_lengths(Tensor::from_vec(all, shape, device)?, lengths)
}

impl Samples for Letters {
    fn name(&self) -> &str {
        "letters"
    }
    fn len(&self) -> usize {
        self.count
    }
    fn schema(&self) -> &Schema {
        &self.schema
    }
    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let (steps, tokens): (Vec<_>, Vec<_>) =
            indices.iter().map(|&index| self.sample(index)).unzip();
        let steps = steps.iter().map(|steps| steps.concat()).collect();
        Ok(Batch::new(padded(steps, 2, device)?, padded(tokens, 1, device)?))
    }
}

/// A training on letters, and its data.
fn training(settings: &[&str]) -> (Config, Dataset) {
    let mut config = testing::load(settings).unwrap();
    let head = Ctc { tokenizer: Some(tokenizer()), dropout: 0.1, ..Ctc::new(3) };
    let series = Series::new(2);
    config.model = ModelConfig::new(series, RecurrentConfig::new(AnyCell::LSTM, 8), head);
    let valid = Some(Letters::new(20, 2));
    (config, Dataset { train: Letters::new(90, 1), valid, test: Letters::new(40, 3) }.shared())
}

#[test]
fn letters_are_learned_without_an_alignment() {
    let (config, dataset) = training(&["training.epochs=12", "optimizer.learning_rate=0.03"]);
    let mut trainer = trainer(&config);
    assert_eq!(trainer.run(&dataset, &mut ()).unwrap(), End::Finished);
    let history = trainer.state().history();
    let losses: Vec<_> = history.iter().map(|epoch| epoch.train.loss()).collect();
    assert!(losses.last().unwrap() < &(0.2 * losses[0]), "{losses:?}");
    let rates: Vec<_> = history.iter().map(|epoch| epoch.train.get("cer").unwrap()).collect();
    assert!(rates.last().unwrap() < &(0.1 * rates[0]), "{rates:?}");

    // The loss is a mean over tokens, end tokens included.
    let found = evaluate(trainer.model(), &dataset.test).unwrap();
    let tokens: usize = (0..40).map(|index| Letters::new(40, 3).sample(index).1.len()).sum();
    assert_eq!(found.targets, tokens);
    assert_eq!(found.metrics[0].name, "cer");
    assert!(found.get("cer").unwrap() < 0.02, "{found:?}");
    assert!(found.get("wer").unwrap() < 0.05, "{found:?}");
    let metrics = trainer.model().metrics(&["exact_match".to_owned()]).unwrap();
    let found = evaluate_with(trainer.model(), &dataset.test, metrics).unwrap();
    assert!(found.get("exact_match").unwrap() > 0.95, "{found:?}");

    let (mut index, mut right) = (0, 0);
    predict(trainer.model(), &dataset.test, &mut |_, answer| {
        let (steps, tokens) = Letters::new(40, 3).sample(index);
        let found: Vec<u32> = answered(&answer);
        right += usize::from(found == tokens[..tokens.len() - 1]);
        let times = answer.json()["steps"].as_array().unwrap();
        assert_eq!(times.len(), found.len());
        assert!(times.iter().all(|step| step.as_u64().unwrap() < steps.len() as u64));
        assert_eq!(answer.text().chars().count(), found.len());
        index += 1;
        Ok(())
    })
    .unwrap();
    assert!(index == 40 && right > 37, "{right} of {index}");
}

/// The tokens of an answer.
fn answered(answer: &fgn_nn::Answer) -> Vec<u32> {
    serde_json::from_value(answer.json()["tokens"].clone()).unwrap()
}

#[test]
fn it_goes_on_bit_for_bit_in_the_middle_of_an_epoch() {
    let settings = ["training.epochs=2", "checkpoint.every_steps=5", "training.accumulate=2"];
    let (config, dataset) = training(&settings);
    goes_on_bit_for_bit_on(&config, &dataset, &settings);
}

/// A target that its sample is too short for stops the training, and says so.
#[test]
fn a_target_without_an_alignment_is_an_error() {
    let model = trainer(&training(&[]).0);
    let input = Tensor::zeros((1, 2, 2), DType::F64, &Device::Cpu).unwrap();
    let target = Tensor::new(&[[0u32, 0, 2]], &Device::Cpu).unwrap();
    let mut carried = Vec::new();
    let pass = Pass::evaluation(&mut carried);
    let found = Learner::forward(model.model(), &Batch::new(input, target), pass);
    let error = found.err().unwrap().to_string();
    assert!(error.contains("2 labels and 1 repetition, which need 3 steps"), "{error}");
}
