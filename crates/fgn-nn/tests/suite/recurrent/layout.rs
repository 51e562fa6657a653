//! Which of the first two dimensions are steps, where their number is that of the sequences.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::Padded;
use fgn_nn::{
    Embedding, Emit, Error, InputConfig, Mode, Recurrent, RecurrentConfig, RecurrentOptions,
    Sequences,
};

use super::{INPUT_SIZE, assert_close, layer};
use crate::common::{flat, parameters, random};

/// Of steps and of sequences.
const COUNT: usize = 4;

fn layers() -> [Recurrent; 2] {
    [false, true].map(|batch_first| {
        let config = RecurrentConfig::new(AnyCell::FGN, 5);
        layer(&RecurrentConfig { batch_first, bidirectional: true, layers: 2, ..config }).0
    })
}

fn options(emit: Emit) -> RecurrentOptions<'static> {
    RecurrentOptions { emit, ..RecurrentOptions::default() }
}

/// An input layer's sequences have steps first, whatever the layer's configuration.
#[test]
fn sequences_know_their_layout() {
    let config = InputConfig::from(Embedding::new(9, INPUT_SIZE));
    let input = config.build(&mut parameters(2), "input").unwrap();
    let tokens: Vec<u32> = (0..COUNT * COUNT).map(|at| (at * 5 % 9) as u32).collect();
    let tokens = Tensor::from_vec(tokens, (COUNT, COUNT), &Device::Cpu).unwrap();
    let [steps_first, batch_first] = layers();
    for lengths in [None, Some(vec![4, 1, 3, 2])] {
        let padded = match lengths.clone() {
            Some(lengths) => Padded::with_lengths(tokens.clone(), lengths).unwrap(),
            None => Padded::new(tokens.clone()),
        };
        let x = input.forward(&padded, &mut Mode::Eval).unwrap();
        let resets =
            Tensor::from_vec((0..16).map(|at| u8::from(at == 9)).collect(), (4, 4), &Device::Cpu);
        let resets = resets.unwrap();
        for emit in [Emit::Last, Emit::All, Emit::States] {
            let bare = RecurrentOptions {
                lengths: lengths.as_deref(),
                resets: Some(&resets),
                ..options(emit)
            };
            let whole = RecurrentOptions { lengths: None, ..bare };
            let expected = steps_first.forward(x.tensor(), &bare).unwrap();
            for layer in [&steps_first, &batch_first] {
                let found = layer.forward(&x, &whole).unwrap();
                assert_close(&found.output, &expected.output);
                let states = |run: &fgn_nn::RecurrentOutput| {
                    run.state.tensors().iter().chain(&run.states).map(flat).collect::<Vec<_>>()
                };
                assert_eq!(states(&found), states(&expected));
                let traced = layer.trace(&x, &whole).unwrap();
                let (output, traces) = steps_first.trace(x.tensor(), &bare).unwrap();
                assert_eq!((flat(&traced.0), traced.1), (flat(&output), traces));
            }
        }
        // The other way round, each sequence would be read across all of them.
        let wrong = batch_first.forward(x.tensor(), &options(Emit::Last)).unwrap();
        let right = steps_first.forward(x.tensor(), &options(Emit::Last)).unwrap();
        assert_ne!(flat(&wrong.output), flat(&right.output));
    }
}

#[test]
fn sequences_have_lengths_of_their_own() {
    let [layer, _] = layers();
    let x = random(&[COUNT, COUNT, INPUT_SIZE], 1);
    let x = Sequences::new(x, Some(vec![4, 1, 3, 2])).unwrap();
    let options = RecurrentOptions { lengths: Some(&[1; 4]), ..RecurrentOptions::default() };
    let error = layer.forward(&x, &options).map(drop).unwrap_err();
    assert!(matches!(error, Error::Config { field: "lengths", .. }), "{error}");
    let narrow = Sequences::new(random(&[2, 2, INPUT_SIZE + 1], 1), None).unwrap();
    let error = layer.forward(&narrow, &RecurrentOptions::default()).map(drop).unwrap_err();
    let expected = "inputs of the recurrent layer have shape [2, 2, 4], expected [T, B, 3]";
    assert_eq!(error.to_string(), expected);
    let single = random(&[2, 2, INPUT_SIZE], 1).to_dtype(DType::F32).unwrap();
    let single = Sequences::new(single, None).unwrap();
    let error = layer.forward(&single, &RecurrentOptions::default()).map(drop).unwrap_err();
    assert!(matches!(error, Error::DType { .. }), "{error}");
}
