//! Models of text: the head for tokens, and generation.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::{IGNORED, Padded, Tokenizer};
use fgn_nn::{
    Embedding, Emit, Encoded, Error, Generator, LossOptions, Mode, Model, ModelConfig, ModelInput,
    NextToken, Precision, RecurrentConfig, Sampler, SamplerOptions, State, Stop,
};

use crate::common::{check_gradients, flat, scramble, var};

const SYMBOLS: &str = "abcdefg .\n";
const VOCABULARY: usize = SYMBOLS.len();

fn config(cell: AnyCell, head: NextToken) -> ModelConfig {
    let tokenizer = Some(Tokenizer::characters(SYMBOLS, &[]).unwrap());
    let input = Embedding { tokenizer, ..Embedding::new(VOCABULARY, 6) };
    let recurrent = RecurrentConfig { layers: 2, ..RecurrentConfig::new(cell, 9) };
    ModelConfig::new(input, recurrent, head)
}

fn model(cell: AnyCell, head: NextToken, dtype: DType) -> Model {
    Model::new(&config(cell, head), 5, dtype, &Device::Cpu).unwrap()
}

fn heads() -> [NextToken; 4] {
    let plain = NextToken::new(VOCABULARY);
    [
        plain.clone(),
        NextToken { tied: Some(6), ..plain.clone() },
        NextToken { cutoffs: vec![3, 7], ..plain.clone() },
        NextToken {
            dropout: 0.3,
            activation_regularization: 0.5,
            temporal_activation_regularization: 0.7,
            ..plain
        },
    ]
}

/// Two texts of 4 and 2 tokens; two targets do not count.
fn batch() -> (Padded, Padded) {
    let padded = |tokens: [[u32; 4]; 2]| {
        Padded::with_lengths(Tensor::new(&tokens, &Device::Cpu).unwrap(), vec![4, 2]).unwrap()
    };
    (padded([[0, 3, 9, 1], [4, 4, 0, 0]]), padded([[3, IGNORED, 1, 8], [IGNORED, 7, 0, 0]]))
}

/// The loss with its penalty, of a whole model in training, with every kind of dropout.
#[test]
fn gradients_of_all_parameters_reach_the_loss_and_the_penalty() {
    let (tokens, target) = batch();
    for head in heads() {
        let mut config = config(AnyCell::FGN, head);
        if let fgn_nn::InputConfig::Embedding(input) = &mut config.input {
            input.dropout = 0.2;
        }
        let model = Model::new(&config, 5, DType::F64, &Device::Cpu).unwrap();
        scramble(model.parameters());
        check_gradients(model.parameters(), || {
            let mut generator = Generator::seed_from_u64(3);
            let input = ModelInput::new(&tokens).with_target(&target);
            let output = model.forward(input, Mode::Train(&mut generator)).unwrap();
            let loss = model.loss(&output.prediction, &target, &LossOptions::default()).unwrap();
            assert_eq!(loss.targets, 4);
            match output.penalty {
                Some(penalty) => (loss.mean + penalty).unwrap(),
                None => loss.mean,
            }
        });
    }
}

/// With label smoothing, and without any target that counts.
#[test]
fn smoothed_losses_have_gradients_and_a_batch_without_targets_has_none() {
    let (tokens, target) = batch();
    let model = model(AnyCell::LSTM, NextToken::new(VOCABULARY), DType::F64);
    let options = LossOptions::default().with_label_smoothing(0.1);
    check_gradients(model.parameters(), || {
        let mut generator = Generator::seed_from_u64(3);
        let output = model.forward(&tokens, Mode::Train(&mut generator)).unwrap();
        model.loss(&output.prediction, &target, &options).unwrap().mean
    });
    let ignored = Tensor::full(IGNORED, (2, 4), &Device::Cpu).unwrap();
    let ignored = target.with_tensor(ignored).unwrap();
    let output = model.forward(&tokens, Mode::Eval).unwrap();
    assert_eq!(model.loss(&output.prediction, &ignored, &options).unwrap().targets, 0);
    let clusters = NextToken { cutoffs: vec![4], ..NextToken::new(VOCABULARY) };
    let clusters =
        Model::new(&config(AnyCell::LSTM, clusters), 1, DType::F64, &Device::Cpu).unwrap();
    let input = ModelInput::new(&tokens).with_target(&target);
    let output = clusters.forward(input, Mode::Eval).unwrap();
    let refused = clusters.loss(&output.prediction, &target, &options);
    assert!(matches!(refused, Err(Error::Config { .. })), "{refused:?}");
}

/// The penalties against their definitions, step by step.
#[test]
fn penalties_are_mean_squares() {
    let head = heads()[3].clone();
    let mut parameters = fgn_nn::Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
    let head = fgn_nn::HeadConfig::from(head).build(&mut parameters, "head", 3).unwrap();
    assert_eq!(head.emit(), Emit::All);
    let output = var("output", &[4, 2, 3], 7);
    let state = State::new(Vec::new(), false);
    let penalty = head.penalty(&Encoded::new(&output.1, None, &state)).unwrap().unwrap();
    let values = output.1.to_vec3::<f64>().unwrap();
    let (mut squares, mut changes) = (0.0, 0.0);
    for (step, rows) in values.iter().enumerate() {
        for (row, units) in rows.iter().enumerate() {
            for (unit, value) in units.iter().enumerate() {
                squares += value * value;
                changes +=
                    if step > 0 { (value - values[step - 1][row][unit]).powi(2) } else { 0.0 };
            }
        }
    }
    let expected = 0.5 * squares / 24.0 + 0.7 * changes / 18.0;
    assert!((penalty.to_scalar::<f64>().unwrap() - expected).abs() < 1e-12);
}

/// Logits of a stream are those of the whole sequence, in every precision as near as it allows.
#[test]
fn a_stream_predicts_what_the_sequence_does() {
    let text = "a cab.\nfeed a bee. gagged decade\nface a fad";
    for cell in [AnyCell::LSTM, AnyCell::GRU, AnyCell::FGN, AnyCell::FGN_SCAN] {
        for head in heads() {
            let model = model(cell, head, DType::F32);
            let tokens = model.tokenizer().unwrap().encode(text).unwrap();
            let samples = Tensor::from_slice(&tokens, (1, tokens.len()), &Device::Cpu).unwrap();
            let whole = model.forward(&samples, Mode::Eval).unwrap();
            let whole = whole.prediction.output().tensor().squeeze(0).unwrap();
            let whole = whole.to_vec2::<f32>().unwrap();
            for (precision, tolerance) in
                [(Precision::F32, 1e-4), (Precision::Bf16, 0.1), (Precision::Int8, 0.25)]
            {
                let mut generator = model.generator(precision, 2).unwrap();
                for (token, expected) in tokens.iter().zip(&whole) {
                    generator.read(&[*token]).unwrap();
                    for (found, expected) in generator.logits().iter().zip(expected) {
                        let difference = (found - expected).abs();
                        assert!(difference < tolerance, "{cell} {precision:?}: {difference}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_state_continues_where_another_generator_stopped() {
    let model = model(AnyCell::FGN, NextToken::new(VOCABULARY), DType::F32);
    let mut first = model.generator(Precision::F32, 1).unwrap();
    first.read(&[1, 2, 3]).unwrap();
    let state = first.state().unwrap();
    let mut second = model.generator(Precision::F32, 1).unwrap();
    second.set_state(&state).unwrap();
    for generator in [&mut first, &mut second] {
        generator.read(&[4]).unwrap();
    }
    assert_eq!(first.logits(), second.logits());
    second.reset().unwrap();
    second.read(&[4]).unwrap();
    assert_ne!(first.logits(), second.logits());
    let error = second.read(&[0, 99]).unwrap_err();
    assert!(matches!(error, Error::Token { found: 99, last: 9 }), "{error}");
}

/// Chi-square of sampled first tokens against the model's own softmax. The bound is exceeded once in 10,000 draws.
#[test]
fn tokens_are_drawn_from_the_softmax_of_the_model() {
    const DRAWN: usize = 20_000;
    const BOUND: f64 = 33.7; // of 9 degrees of freedom
    let model = model(AnyCell::LSTM, NextToken::new(VOCABULARY), DType::F32);
    let mut generator = model.generator(Precision::F32, 1).unwrap();
    generator.read(&[5]).unwrap();
    let logits = Tensor::new(generator.logits(), &Device::Cpu).unwrap();
    let logits = logits.to_dtype(DType::F64).unwrap();
    let softmax = candle_nn::ops::softmax(&logits, 0).unwrap().to_vec1::<f64>().unwrap();
    let mut sampler = Sampler::new(SamplerOptions::default(), 11).unwrap();
    let mut counts = [0.0; VOCABULARY];
    (0..DRAWN).for_each(|_| counts[sampler.sample(generator.logits()) as usize] += 1.0);
    let terms = counts.iter().zip(&softmax).map(|(count, p)| {
        let mean = p * DRAWN as f64;
        (count - mean) * (count - mean) / mean
    });
    let statistic: f64 = terms.sum();
    assert!(statistic < BOUND, "{statistic}");
}

#[test]
fn the_same_seed_gives_the_same_text_and_it_stops_where_asked() {
    let model = model(AnyCell::FGN, NextToken::new(VOCABULARY), DType::F32);
    let text = |seed, stop: &Stop| {
        let sampler = Sampler::new(SamplerOptions::default(), seed).unwrap();
        let mut generator = model.text_generator(Precision::F32, 1, sampler).unwrap();
        generator.read("a fad").unwrap();
        let mut pieces = generator.pieces(stop);
        let mut text: String = pieces.by_ref().take(300).map(Result::unwrap).collect();
        text += &pieces.rest();
        (text, pieces.has_stopped())
    };
    let endless = Stop::default();
    let (whole, stopped) = text(1, &endless);
    assert_eq!((whole.chars().count(), stopped), (300, false));
    assert_eq!(whole, text(1, &endless).0);
    assert_ne!(whole, text(2, &endless).0);
    // Two symbols that the text has somewhere: everything before them is the same, and nothing after is there.
    let two: String = whole.chars().skip(150).take(2).collect();
    let stop = Stop { texts: vec![two.clone(), "never there".into()], tokens: Vec::new() };
    let (cut, stopped) = text(1, &stop);
    assert!(stopped && whole.starts_with(&format!("{cut}{two}")), "{cut:?} {two:?}");
    assert_eq!(whole.find(&two), Some(cut.len()));
    let token = model.tokenizer().unwrap().encode(&whole[10..11]).unwrap();
    let (cut, stopped) = text(1, &Stop { texts: Vec::new(), tokens: token });
    assert!(stopped && Some(cut.len()) == whole.find(&whole[10..11]));
}

#[test]
fn models_that_generate_nothing_say_so() {
    let recurrent = RecurrentConfig::new(AnyCell::LSTM, 4);
    let series = fgn_nn::Series::new(2);
    let classes = ModelConfig::new(series, recurrent.clone(), fgn_nn::Classification::new(3));
    let model = Model::new(&classes, 1, DType::F32, &Device::Cpu).unwrap();
    let error = model.generator(Precision::F32, 1).err().unwrap().to_string();
    assert!(error.contains("series of 2 features, 3 classes, expected tokens"), "{error}");
    assert!(matches!(model.tokenizer(), Err(Error::Config { .. })));

    let both = RecurrentConfig { bidirectional: true, ..recurrent };
    let both = ModelConfig::new(Embedding::new(5, 3), both, NextToken::new(5));
    let model = Model::new(&both, 1, DType::F32, &Device::Cpu).unwrap();
    let error = model.generator(Precision::F32, 1).err().unwrap().to_string();
    assert!(error.contains("recurrent.bidirectional"), "{error}");

    let tied = NextToken { tied: Some(4), ..NextToken::new(5) };
    let tied = ModelConfig::new(Embedding::new(5, 3), RecurrentConfig::new(AnyCell::LSTM, 4), tied);
    let error = Model::new(&tied, 1, DType::F32, &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("input.embedding.weight") && error.contains("[5, 4]"), "{error}");
}

/// A tied weight is stored once, and read back into both layers.
#[test]
fn tied_weights_are_one_parameter() {
    let model = model(AnyCell::LSTM, heads()[1].clone(), DType::F32);
    let names: Vec<_> = model.parameters().iter().map(|(name, _)| &name[..]).collect();
    assert!(names.contains(&"head.projection.weight") && !names.contains(&"head.weight"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    model.save(&file).unwrap();
    let again = Model::load(&file, &Device::Cpu).unwrap();
    assert_eq!(again.config(), model.config());
    let tokens = Tensor::new(&[[1u32, 5, 2]], &Device::Cpu).unwrap();
    let logits = |model: &Model| {
        let output = model.forward(&tokens, Mode::Eval).unwrap();
        flat(output.prediction.output().tensor())
    };
    assert_eq!(logits(&again), logits(&model));
}
