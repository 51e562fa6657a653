//! States of stacks of blocks: the windows of convolutions belong to them.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::{RecurrentOptions, State};
use tempfile::TempDir;

use super::super::{INPUT_SIZE, assert_close, layer};
use super::{BATCH, STEPS, blocks, everything, resets, stack};
use crate::common::{flat, random};

#[test]
fn a_sequence_in_pieces_is_the_whole() {
    for cell in AnyCell::all() {
        for block in blocks() {
            let (layer, _) = layer(&stack(cell, block));
            let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
            for resets in [None, Some(resets())] {
                let options =
                    RecurrentOptions { resets: resets.as_ref(), ..RecurrentOptions::default() };
                let whole = layer.forward(&x, &options).unwrap();
                let (mut state, mut outputs, mut first) = (None, Vec::new(), 0);
                for piece in [1, 2, STEPS - 3] {
                    let of_piece = resets.as_ref().map(|all| all.narrow(0, first, piece).unwrap());
                    let options = RecurrentOptions {
                        state: state.as_ref(),
                        resets: of_piece.as_ref(),
                        ..RecurrentOptions::default()
                    };
                    let found =
                        layer.forward(&x.narrow(0, first, piece).unwrap(), &options).unwrap();
                    outputs.push(found.output);
                    state = Some(found.state.detach());
                    first += piece;
                }
                assert_close(&Tensor::cat(&outputs, 0).unwrap(), &whole.output);
                for (found, whole) in state.unwrap().tensors().iter().zip(whole.state.tensors()) {
                    assert_close(found, whole);
                }
            }
        }
    }
}

#[test]
fn chosen_sequences_are_reset() {
    let (layer, _) = layer(&stack(AnyCell::LSTM, everything()));
    let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
    let state = layer.forward(&x, &RecurrentOptions::default()).unwrap().state;
    let run = |state: Option<&State>| {
        let options = RecurrentOptions { state, ..RecurrentOptions::default() };
        layer.forward(&x, &options).unwrap().output.to_vec3::<f64>().unwrap()
    };
    let (continued, fresh) = (run(Some(&state)), run(None));
    let reset = run(Some(&state.reset(&[0, 2]).unwrap()));
    for step in 0..STEPS {
        assert_eq!(reset[step][0], fresh[step][0]);
        assert_eq!(reset[step][1], continued[step][1]);
        assert_eq!(reset[step][2], fresh[step][2]);
        assert_ne!(continued[step][0], fresh[step][0]);
    }
}

#[test]
fn a_saved_state_is_restored_to_the_bit() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.safetensors");
    let (layer, _) = layer(&stack(AnyCell::GRU, everything()));
    let x = random(&[STEPS, BATCH, INPUT_SIZE], 2);
    let state = layer.forward(&x, &RecurrentOptions::default()).unwrap().state;
    state.save(&path).unwrap();
    let restored = State::load(&path, DType::F64, &Device::Cpu).unwrap();
    let run = |state| {
        let options = RecurrentOptions { state: Some(state), ..RecurrentOptions::default() };
        flat(&layer.forward(&x, &options).unwrap().output)
    };
    assert_eq!(run(&state), run(&restored));
}
