//! Stacks of residual blocks.

use fgn_core::{AnyCell, Norm};
use fgn_nn::{BlockConfig, BlockNorm, Mode, RecurrentConfig};

use crate::case::Case;
use crate::cells::{built, check_pieces, padded};

type Stack = ([usize; 2], f64, bool);

/// `[layers, taps]`, `mlp`, and whether it runs in both directions. 1.5 times 3 units are rounded to 5.
const STACKS: [Stack; 6] = [
    ([1, 0], 0.0, false),
    ([2, 0], 1.5, true),
    ([1, 2], 1.5, false),
    ([2, 4], 0.0, false),
    ([3, 4], 2.0, false),
    ([1, 9], 1.5, false),
];

fn stacks(cell: AnyCell) -> impl Iterator<Item = RecurrentConfig> {
    let stack = move |([layers, conv], mlp, bidirectional): Stack, norm| RecurrentConfig {
        layers,
        bidirectional,
        block: Some(BlockConfig { norm, mlp, conv, ..BlockConfig::default() }),
        ..RecurrentConfig::new(cell, 3)
    };
    let norms = [BlockNorm::Rms, BlockNorm::Layer];
    STACKS.into_iter().flat_map(move |of| norms.map(|norm| stack(of, norm)))
}

fn configs() -> Vec<RecurrentConfig> {
    let mut configs: Vec<_> = [AnyCell::LSTM, AnyCell::FGN].into_iter().flat_map(stacks).collect();
    // Three convolutional layers of every cell, one of which has all options.
    configs.extend(AnyCell::all().into_iter().filter_map(|cell| stacks(cell).nth(8)));
    let options = RecurrentConfig {
        norm: Norm { pre: true, memory: true },
        zoneout: vec![0.25],
        clip: Some(0.3),
        bias: false,
        ..configs[8].clone()
    };
    configs.push(options);
    configs
}

/// Every stack with and without lengths, some of them shorter than the window of a convolution; from zero, and from the
/// states after a first pass.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, config) in configs().into_iter().enumerate() {
        let model = built(config.clone(), index % 2 == 0);
        for has_lengths in [false, true] {
            let x = padded(3, 7, has_lengths);
            let name = format!("{config:?}, lengths {has_lengths}");
            cases.push(Case::new(&name, &model, &x, None));
            let state = model.forward(&x, Mode::Eval).unwrap().state;
            cases.push(Case::new(&format!("{name}, a state"), &model, &x, Some(&state)));
        }
    }
    cases
}

#[test]
fn every_block_computes_what_the_model_does() {
    cases().iter().for_each(Case::check);
}

#[test]
fn a_sequence_through_blocks_can_be_cut_into_pieces() {
    for config in configs().into_iter().filter(|config| !config.bidirectional) {
        check_pieces(&format!("{config:?}"), &built(config, true));
    }
}

#[test]
fn the_window_of_a_convolution_follows_the_states_of_the_cell() {
    let config = stacks(AnyCell::LSTM).nth(6).unwrap();
    let case = Case::new("ports", &built(config, false), &padded(1, 2, false), None);
    let inputs: Vec<_> = case.exported.inputs().iter().map(ToString::to_string).collect();
    let expected = ["state_l0", "state_l1"]
        .map(|name| format!("{name} float32[5, state_batch, 3] (optional)"));
    assert_eq!(inputs[2..], expected);
    let outputs: Vec<_> = case.exported.outputs().iter().map(ToString::to_string).collect();
    let expected =
        ["next_state_l0", "next_state_l1"].map(|name| format!("{name} float32[5, batch, 3]"));
    assert_eq!(outputs[1..], expected);
}
