//! As many tokens and classes as a language model has.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::{InputSchema, MAX_SIZE, Padded};
use fgn_nn::{
    Classification, Embedding, Error, Generator, InputConfig, LossOptions, Mode, Model,
    ModelConfig, RecurrentConfig,
};

/// GPT-2's.
const VOCABULARY: usize = 50_257;

#[test]
fn a_step_over_fifty_thousand_tokens_and_classes() {
    let input = Embedding::new(VOCABULARY, 4);
    let head = Classification { per_step: true, ..Classification::new(VOCABULARY) };
    let config = ModelConfig::new(input, RecurrentConfig::new(AnyCell::FGN, 3), head);
    let model = Model::new(&config, 1, DType::F32, &Device::Cpu).unwrap();
    let named = |name: &str| {
        let found = model.parameters().iter().find(|(found, _)| found == name);
        &found.unwrap_or_else(|| panic!("no {name}")).1
    };
    // The logits of every step: 1 of the first class, 0 of all others.
    let weight = named("head.weight");
    weight.set(&weight.zeros_like().unwrap()).unwrap();
    let mut logits = vec![0.0f32; VOCABULARY];
    logits[0] = 1.0;
    named("head.bias").set(&Tensor::new(logits, &Device::Cpu).unwrap()).unwrap();
    let share = 1.0 / (VOCABULARY as f64 - 1.0 + 1f64.exp());

    // Three steps that count, and one of padding.
    let last = VOCABULARY as u32 - 1;
    let padded = |numbers: [[u32; 2]; 2]| {
        Padded::with_lengths(Tensor::new(&numbers, &Device::Cpu).unwrap(), vec![2, 1]).unwrap()
    };
    let (tokens, target) = (padded([[last, 7], [20_000, 0]]), padded([[3, last], [last, 0]]));
    let loss = || {
        let mut dropout = Generator::seed_from_u64(1);
        let output = model.forward(&tokens, Mode::Train(&mut dropout)).unwrap();
        model.loss(&output.prediction, &target, &LossOptions::default()).unwrap()
    };
    let first = loss();
    assert_eq!(first.targets, 3);
    // Each target has that share of the probability.
    let value = |loss: &Tensor| f64::from(loss.to_scalar::<f32>().unwrap());
    assert!((value(&first.mean) + share.ln()).abs() < 1e-4, "{}", first.mean);

    let gradients = first.mean.backward().unwrap();
    // Of each bias, softmax − one-hot, averaged over the three targets.
    let bias = gradients.get(named("head.bias")).unwrap().to_vec1::<f32>().unwrap();
    for (class, expected) in
        [(3, share - 1.0 / 3.0), (VOCABULARY - 1, share - 2.0 / 3.0), (1, share), (20_000, share)]
    {
        assert!((f64::from(bias[class]) - expected).abs() < 1e-6, "{class}: {}", bias[class]);
    }
    for (_, var) in model.parameters() {
        let gradient = gradients.get(var).unwrap();
        var.set(&(var.as_tensor() - (gradient * 5.0).unwrap()).unwrap()).unwrap();
    }
    assert!(value(&loss().mean) < value(&first.mean) - 0.5);

    let output = model.forward(&tokens, Mode::Eval).unwrap();
    let answers = model.decode(&output.prediction).unwrap();
    assert_eq!(answers[0].json()["steps"][1]["class"], last);
}

#[test]
fn the_largest_vocabulary_is_that_of_the_schema() {
    let config = |num_embeddings| InputConfig::from(Embedding::new(num_embeddings, 1)).validate();
    config(MAX_SIZE).unwrap();
    let error = config(MAX_SIZE + 1).unwrap_err();
    assert!(matches!(error, Error::Config { .. }));
    let expected = "`input.num_embeddings` is 16777217, expected 1 to 16777216";
    assert_eq!(error.to_string(), expected);
    let whole = InputConfig::from(Embedding::new(VOCABULARY, 1));
    whole.accepts(&InputSchema::tokens(VOCABULARY)).unwrap();
}
