//! Models that answer with sequences of tokens.

mod golden;
mod gradients;
mod sampling;
mod search;
mod training;

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::{Padded, Prediction};
use fgn_nn::{Decoder, Embedding, Error, Mode, Model, ModelConfig, ModelInput, RecurrentConfig};

use crate::common::{flat, output, scramble};

/// The sizes of both vocabularies.
const SOURCE: usize = 7;
const TARGET: usize = 5;
const HIDDEN: usize = 3;

fn decoder(layers: usize) -> Decoder {
    let recurrent = RecurrentConfig { layers, ..RecurrentConfig::new(AnyCell::LSTM, HIDDEN) };
    Decoder::new(TARGET, 3, recurrent)
}

/// A model whose encoder reads in both directions.
fn config(head: Decoder) -> ModelConfig {
    let recurrent = RecurrentConfig { bidirectional: true, ..(*head.recurrent).clone() };
    ModelConfig::new(Embedding::new(SOURCE, 3), recurrent, head)
}

fn model(head: Decoder) -> Model {
    let model = Model::new(&config(head), 1, DType::F64, &Device::Cpu).unwrap();
    scramble(model.parameters());
    model
}

/// Sequences of tokens as a batch.
fn batch(rows: &[&[u32]]) -> Padded {
    let steps = rows.iter().map(|row| row.len()).max().unwrap();
    let with_zeros =
        |row: &&[u32]| (0..steps).map(|step| row.get(step).copied().unwrap_or(0)).collect();
    let all: Vec<Vec<u32>> = rows.iter().map(with_zeros).collect();
    let all = Tensor::new(all, &Device::Cpu).unwrap();
    Padded::with_lengths(all, rows.iter().map(|row| row.len()).collect()).unwrap()
}

fn sources() -> Padded {
    batch(&[&[1, 6, 0, 3], &[2, 5], &[4, 4, 1]])
}

fn targets() -> Padded {
    batch(&[&[0, 3, 4], &[4], &[2, 2, 1, 4]])
}

/// The tokens of each answer.
fn answers(model: &Model, sources: &Padded) -> Vec<Vec<u32>> {
    let prediction = model.forward(sources, Mode::Eval).unwrap().prediction;
    let Prediction::Tokens(tokens) = prediction else { panic!("{prediction:?}") };
    let mut all = tokens.tensor().to_vec2::<u32>().unwrap();
    for (tokens, &length) in all.iter_mut().zip(tokens.lengths().unwrap()) {
        assert!(length >= 1);
        tokens.truncate(length);
    }
    all
}

#[test]
fn padding_changes_nothing() {
    for head in [decoder(2), Decoder { input_feeding: true, ..decoder(2) }] {
        let model = model(head);
        let (sources, targets) = (sources(), targets());
        let input = ModelInput::new(&sources).with_target(&targets);
        let together = model.forward(input, Mode::Eval).unwrap().prediction;
        assert_eq!(together.output().tensor().dims(), [3, 4, TARGET]);
        assert_eq!(together.output().lengths(), targets.lengths());
        for at in 0..3 {
            let alone = |padded: &Padded| {
                let length = padded.lengths().unwrap()[at];
                Padded::new(padded.tensor().narrow(0, at, 1).unwrap().narrow(1, 0, length).unwrap())
            };
            let (source, target) = (alone(&sources), alone(&targets));
            let input = ModelInput::new(&source).with_target(&target);
            let found = output(&model.forward(input, Mode::Eval).unwrap().prediction);
            assert_eq!(found.dims(), [1, target.tensor().dim(1).unwrap(), TARGET]);
            let expected = output(&together).get(at).unwrap();
            for (found, expected) in flat(&found).iter().zip(flat(&expected)) {
                assert!((found - expected).abs() < 1e-12, "{at}: {found}, not {expected}");
            }
        }
        let changed = sources.tensor().to_vec2::<u32>().unwrap();
        let changed: Vec<Vec<u32>> = changed
            .iter()
            .zip(sources.lengths().unwrap())
            .map(|(row, &length)| [&row[..length], &vec![6; row.len() - length]].concat())
            .collect();
        let changed = sources.with_tensor(Tensor::new(changed, &Device::Cpu).unwrap()).unwrap();
        let far = u32::MAX;
        let past = [[0, 3, 4, far], [4, far, far, far], [2, 2, 1, 4]];
        let past = targets.with_tensor(Tensor::new(&past, &Device::Cpu).unwrap()).unwrap();
        let input = ModelInput::new(&changed).with_target(&past);
        let found = model.forward(input, Mode::Eval).unwrap().prediction;
        let (found, _) = found.rows(&past).unwrap();
        assert_eq!(flat(&found), flat(&together.rows(&targets).unwrap().0));
    }
}

#[test]
fn wrong_targets_are_refused() {
    let model = model(decoder(1));
    let sources = sources();
    let refused = |target: Padded| {
        let input = ModelInput::new(&sources).with_target(&target);
        model.forward(input, Mode::Eval).unwrap_err()
    };
    let error = refused(batch(&[&[0, 4], &[1, 5, 4], &[4]]));
    assert!(matches!(error, Error::Target { index: 1, found: 5, last: 4 }), "{error}");
    assert!(matches!(refused(batch(&[&[0, 4]])), Error::Shape { .. }));
    let flat = Tensor::new(&[0u32, 1, 2], &Device::Cpu).unwrap();
    assert!(matches!(refused(flat.into()), Error::Shape { .. }));
    let floats = Tensor::zeros((3, 2), DType::F32, &Device::Cpu).unwrap();
    assert!(matches!(refused(floats.into()), Error::DType { .. }));
}

#[test]
fn a_decoder_begins_with_the_state_of_its_encoder() {
    let invalid = |change: &dyn Fn(&mut RecurrentConfig)| {
        let mut config = config(decoder(2));
        let fgn_nn::HeadConfig::Decoder(head) = &mut config.head else { panic!() };
        change(&mut head.recurrent);
        let error = Model::new(&config, 1, DType::F32, &Device::Cpu).unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{error}");
        error.to_string()
    };
    let error = invalid(&|own| own.layers = 1);
    let expected =
        "`head.recurrent.layers` is 1, expected 2, as in recurrent: it begins with its state";
    assert_eq!(error, expected);
    let error = invalid(&|own| own.hidden_size = 5);
    assert!(error.starts_with("`head.recurrent.hidden_size` is 5, expected 3, as"), "{error}");
    let error = invalid(&|own| own.projection = Some(2));
    assert!(
        error.starts_with("`head.recurrent.projection` is 2, expected left out, as"),
        "{error}"
    );
    let error = invalid(&|own| own.cell = AnyCell::GRU);
    assert!(
        error.starts_with("`head.recurrent.cell` is gru with the states h, expected a cell"),
        "{error}"
    );
    assert!(error.contains("with h, c like lstm"), "{error}");
    let error = invalid(&|own| own.bidirectional = true);
    assert!(error.starts_with("`head.recurrent.bidirectional` is true, expected false"), "{error}");
    let error = invalid(&|own| own.batch_first = true);
    assert!(error.starts_with("`head.recurrent.batch_first` is true, expected false"), "{error}");
    let error = invalid(&|own| own.hidden_size = 0);
    let expected = "`head.recurrent` is a layer whose `hidden_size` is 0, expected 1 to 16777216";
    assert_eq!(error, expected);
}

#[test]
fn a_model_file_holds_the_decoder() {
    let tokenizer = fgn_nn::fgn_schema::Tokenizer::characters("abcd", &["<end>"]).unwrap();
    let head = Decoder { tokenizer: Some(tokenizer), beam_size: 3, max_length: 6, ..decoder(2) };
    let config = config(head);
    let model = Model::new(&config, 1, DType::F64, &Device::Cpu).unwrap();
    scramble(model.parameters());
    let names: Vec<_> = model.parameters().iter().map(|(name, _)| &name[..]).collect();
    let head: Vec<_> = names.iter().filter_map(|name| name.strip_prefix("head.")).collect();
    assert_eq!((head[0], head[1]), ("embedding.weight", "recurrent.weight_ih_l0"));
    assert_eq!(head[9..], ["attention.weight", "combine.weight", "output.weight", "output.bias"]);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model.save(&path).unwrap();
    let loaded = Model::load(&path, &Device::Cpu).unwrap();
    assert_eq!(*loaded.config(), config);
    let found = answers(&model, &sources());
    assert_eq!(answers(&loaded, &sources()), found);
    assert_eq!(answers(&model.frozen().unwrap(), &sources()), found);

    let prediction = loaded.forward(&sources(), Mode::Eval).unwrap().prediction;
    let read = loaded.decode(&prediction).unwrap();
    for (answer, tokens) in read.iter().zip(&found) {
        let text: String =
            tokens.iter().filter_map(|&at| "abcd".chars().nth(at as usize)).collect();
        assert_eq!(answer.text(), text);
        assert_eq!(answer.json()["text"], text[..]);
        assert_eq!(answer.json()["tokens"], fgn_nn::serde_json::json!(tokens));
    }
}
