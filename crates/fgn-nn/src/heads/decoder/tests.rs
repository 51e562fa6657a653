//! The configuration and the answers of a decoder.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_schema::{Padded, Prediction, Tokenizer};

use super::*;
use crate::recurrent::SequenceDropout;

fn decoder() -> Decoder {
    Decoder::new(5, 3, RecurrentConfig::new(AnyCell::GRU, 4))
}

#[test]
fn options_that_fit_nothing_are_refused() {
    let plain = decoder();
    let text = Some(Tokenizer::characters("ab", &["<end>"]).unwrap());
    let zoneout = RecurrentConfig { zoneout: vec![0.1], ..(*plain.recurrent).clone() };
    let per_step = SequenceDropout { rate: 0.1, per_step: true };
    let per_step = RecurrentConfig { input_dropout: per_step, ..(*plain.recurrent).clone() };
    for (head, expected) in [
        (Decoder { vocabulary: 1, ..plain.clone() }, "`head.vocabulary` is 1, expected 2 to"),
        (
            Decoder { tokenizer: text, ..plain.clone() },
            "`head.vocabulary` is 5, expected 3, the size",
        ),
        (Decoder { embedding_dim: 0, ..plain.clone() }, "`head.embedding_dim` is 0"),
        (Decoder { dropout: 1.0, ..plain.clone() }, "`head.dropout` is 1"),
        (Decoder { scheduled_sampling: 1.1, ..plain.clone() }, "`head.scheduled_sampling` is 1.1"),
        (Decoder { beam_size: 0, ..plain.clone() }, "`head.beam_size` is 0, expected 1 to 16384"),
        (Decoder { length_penalty: -1.0, ..plain.clone() }, "`head.length_penalty` is -1"),
        (
            Decoder { length_penalty: f64::INFINITY, ..plain.clone() },
            "`head.length_penalty` is inf",
        ),
        (Decoder { max_length: 0, ..plain.clone() }, "`head.max_length` is 0"),
        (
            Decoder { input_feeding: true, recurrent: Box::new(zoneout), ..plain.clone() },
            "`head.input_feeding` is true, expected false beside zoneout",
        ),
        (
            Decoder { input_feeding: true, recurrent: Box::new(per_step), ..plain },
            "`head.input_feeding` is true, expected false beside zoneout",
        ),
    ] {
        let error = head.validate().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let most = Decoder { scheduled_sampling: 1.0, beam_size: 16384, ..decoder() };
    most.validate().unwrap();
}

#[test]
fn a_recipe_names_sizes_and_recurrent_layers_alone() {
    let tokenizer = Tokenizer::characters("abcd", &["<end>"]).unwrap();
    let targets = TargetSchema::text(tokenizer.clone());
    let given = json!({
        "embedding_dim": 3,
        "recurrent": { "hidden_size": 4, "cell": { "name": "gru" } },
    });
    let given = given.as_object().unwrap();
    let mut whole = Decoder::complete(given, &targets, &Statistics::default()).unwrap();
    whole.extend(given.clone());
    let found: Decoder = serde_json::from_value(whole.into()).unwrap();
    assert_eq!(found, Decoder { tokenizer: Some(tokenizer), ..decoder() });
    found.accepts(&targets).unwrap();
    assert!(matches!(decoder().accepts(&targets), Err(Error::Mismatch { .. })));
    let additive: Attention = serde_json::from_value(json!("additive")).unwrap();
    assert_eq!(additive, Attention::Additive);
}

#[test]
fn answers_are_read_as_text_or_tokens() {
    let tokenizer = Some(Tokenizer::characters("abcd", &["<end>"]).unwrap());
    let tokens = Tensor::new(&[[1u32, 0, 4], [4, 0, 0]], &Device::Cpu).unwrap();
    let prediction = Prediction::Tokens(Padded::with_lengths(tokens, vec![3, 1]).unwrap());
    for (head, expected) in [
        (Decoder { tokenizer, ..decoder() }, [["ba", "[1,0,4]"], ["", "[4]"]]),
        (decoder(), [["1 0 4", "[1,0,4]"], ["4", "[4]"]]),
    ] {
        let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu).unwrap();
        let head = head.build(&mut parameters, "head", 4).unwrap();
        for (answer, [text, tokens]) in head.decode(&prediction).unwrap().iter().zip(expected) {
            assert_eq!(answer.text(), text);
            let expected = format!(r#"{{"text":"{text}","tokens":{tokens}}}"#);
            assert_eq!(serde_json::to_string(answer).unwrap(), expected);
        }
        let logits = Tensor::zeros((1, 1, 5), DType::F32, &Device::Cpu).unwrap();
        let error = head.decode(&Prediction::Logits(logits.into())).unwrap_err().to_string();
        assert_eq!(error, "a prediction of logits, expected tokens");
        let target = Tensor::zeros((2, 3), DType::U32, &Device::Cpu).unwrap().into();
        let error = head.loss(&prediction, &target, &LossOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "a prediction of tokens, expected logits");
    }
}
