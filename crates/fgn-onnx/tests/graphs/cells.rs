//! Every cell, in every shape of a stack, and every option of a layer.

use fgn_core::{AnyCell, Norm};
use fgn_nn::fgn_schema::Padded;
use fgn_nn::{Classification, Model, ModelConfig, RecurrentConfig, Series};

use crate::case::{Case, TOLERANCE, lengths, model, samples};

const FEATURES: usize = 3;

pub(crate) fn built(recurrent: RecurrentConfig, per_step: bool) -> Model {
    let series = Series::new(FEATURES);
    let head = Classification { per_step, ..Classification::new(2) };
    model(&ModelConfig::new(series, recurrent, head))
}

pub(crate) fn padded(batch: usize, steps: usize, has_lengths: bool) -> Padded {
    let x = samples(&[batch, steps, FEATURES]);
    match has_lengths {
        true => Padded::with_lengths(x, lengths(batch, steps)).unwrap(),
        false => Padded::new(x),
    }
}

/// The stacks that every cell is tried in.
fn stacks(cell: AnyCell) -> [(&'static str, RecurrentConfig); 3] {
    let one = RecurrentConfig::new(cell, 4);
    let two = RecurrentConfig { layers: 2, ..one.clone() };
    let both = RecurrentConfig { bidirectional: true, ..one.clone() };
    [("one layer", one), ("two layers", two), ("both directions", both)]
}

/// All cases of one size.
pub(crate) fn cases(batch: usize, steps: usize) -> impl Iterator<Item = Case> {
    let of_cell = move |cell: AnyCell| {
        stacks(cell).into_iter().flat_map(move |(stack, config)| {
            [(false, false), (true, false), (true, true)].map(|(has_lengths, per_step)| {
                let name = format!("{cell}, {stack}, lengths {has_lengths}, per step {per_step}");
                let model = built(config.clone(), per_step);
                Case::new(&name, &model, &padded(batch, steps, has_lengths), None)
            })
        })
    };
    AnyCell::all().into_iter().flat_map(of_cell)
}

#[test]
fn every_cell_computes_what_the_model_does() {
    for (batch, steps) in [(1, 1), (3, 1), (1, 7), (3, 7)] {
        cases(batch, steps).for_each(|case| case.check());
    }
}

#[test]
fn a_sequence_can_be_cut_into_pieces() {
    for cell in AnyCell::all() {
        let config = RecurrentConfig { layers: 2, ..RecurrentConfig::new(cell, 4) };
        check_pieces(&cell.to_string(), &built(config, true));
    }
}

/// Whether a model of two logits per step computes the same in one run as in several, each from the states of the last.
pub(crate) fn check_pieces(name: &str, model: &Model) {
    let x = samples(&[2, 7, FEATURES]);
    let whole = Case::new(name, model, &x.clone().into(), None).run();
    let mut states = Vec::new();
    for (start, end) in [(0, 3), (3, 4), (4, 7)] {
        let piece = Padded::new(x.narrow(1, start, end - start).unwrap());
        let mut found = Case::new(name, model, &piece, None).run_from(&states);
        let piece = found["logits"].as_floats().chunks(2 * (end - start));
        for (piece, whole) in piece.zip(whole["logits"].as_floats().chunks(2 * 7)) {
            for (found, expected) in piece.iter().zip(&whole[2 * start..2 * end]) {
                assert!((found - expected).abs() < TOLERANCE, "{name}: {found} {expected}");
            }
        }
        found.remove("logits");
        let state = |(name, state): (String, _)| (name.replace("next_", ""), state);
        states = found.into_iter().map(state).collect();
    }
    for (name_of, state) in states {
        for (found, expected) in
            state.as_floats().iter().zip(whole[&format!("next_{name_of}")].as_floats())
        {
            assert!((found - expected).abs() < TOLERANCE, "{name}: {name_of}: {found} {expected}");
        }
    }
}

/// Cases of every option of a layer.
pub(crate) fn options() -> Vec<Case> {
    let with = |cell, f: fn(RecurrentConfig) -> RecurrentConfig| f(RecurrentConfig::new(cell, 4));
    let mut configs = Vec::new();
    for cell in [AnyCell::LSTM, AnyCell::FGN, AnyCell::PEEPHOLE_LSTM, AnyCell::CIFG] {
        configs.push(with(cell, |it| RecurrentConfig {
            norm: Norm { pre: true, memory: true },
            ..it
        }));
        configs.push(with(cell, |it| RecurrentConfig {
            norm: Norm { pre: false, memory: true },
            ..it
        }));
    }
    for cell in [AnyCell::LSTM, AnyCell::PEEPHOLE_LSTM, AnyCell::CIFG] {
        configs.push(with(cell, |it| RecurrentConfig {
            projection: Some(2),
            layers: 2,
            bidirectional: true,
            clip: Some(0.3),
            ..it
        }));
    }
    for cell in [AnyCell::LSTM, AnyCell::GRU, AnyCell::FGN, AnyCell::LRU, AnyCell::RNN] {
        configs.push(with(cell, |it| RecurrentConfig { zoneout: vec![0.25], ..it }));
        configs.push(with(cell, |it| RecurrentConfig { clip: Some(0.2), bias: false, ..it }));
        configs.push(with(cell, |it| RecurrentConfig { residual: true, layers: 3, ..it }));
        configs.push(with(cell, |it| RecurrentConfig { bias: false, ..it }));
    }
    for cell in [AnyCell::GRU, AnyCell::RNN] {
        configs.push(with(cell, |it| RecurrentConfig {
            norm: Norm { pre: true, memory: false },
            ..it
        }));
    }
    let case = |config: &RecurrentConfig| {
        let x = padded(3, 5, true);
        Case::new(&format!("{config:?}"), &built(config.clone(), true), &x, None)
    };
    configs.iter().map(case).collect()
}

#[test]
fn every_option_of_a_layer_is_in_the_graph() {
    options().iter().for_each(Case::check);
}

#[test]
fn lstm_gru_and_rnn_are_operators_of_their_own() {
    let operators = |cell| -> Vec<String> {
        let model = built(RecurrentConfig::new(cell, 4), false);
        let case = Case::new("operators", &model, &padded(1, 2, false), None);
        let graph = case.exported.proto().graph.clone().unwrap();
        graph.node.into_iter().map(|node| node.op_type).collect()
    };
    for (cell, expected) in [
        (AnyCell::LSTM, "LSTM"),
        (AnyCell::PEEPHOLE_LSTM, "LSTM"),
        (AnyCell::GRU, "GRU"),
        (AnyCell::RNN, "RNN"),
        (AnyCell::FGN, "Scan"),
    ] {
        let found = operators(cell);
        assert_eq!(found.iter().filter(|name| *name == expected).count(), 1, "{cell}");
        assert_eq!(found.iter().any(|name| name == "Scan"), expected == "Scan", "{cell}");
    }
}
