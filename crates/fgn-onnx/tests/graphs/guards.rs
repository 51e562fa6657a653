//! Inputs that a run refuses: what would be silently wrong, such as an index that counts from the end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fgn_core::AnyCell;
use fgn_nn::candle_core::{Device, Tensor};
use fgn_nn::{
    BlockConfig, Classification, Embedding, InputConfig, ModelConfig, Pool, RecurrentConfig, Series,
};

use crate::case::{Case, model, samples, tokens};

/// A case whose run fails, and what the error says.
pub(crate) struct Refused {
    pub(crate) case: Case,
    pub(crate) error: &'static str,
}

fn case(name: &str, input: impl Into<InputConfig>, recurrent: RecurrentConfig, x: Tensor) -> Case {
    let pool = if recurrent.block.is_some() { Pool::Mean } else { Pool::Last };
    let head = Classification { pool, ..Classification::new(3) };
    let model = model(&ModelConfig::new(input, recurrent, head));
    Case::new(name, &model, &x.into(), None)
}

fn with(mut case: Case, name: &str, value: Tensor) -> Case {
    case.name = format!("{}, {name} {value}", case.name);
    case.inputs.retain(|(other, _)| other != name);
    case.inputs.push((name.to_owned(), value));
    case
}

/// Lengths below 1 for every way in which a layer reads them.
fn lengths() -> Vec<Refused> {
    let plain = RecurrentConfig::new(AnyCell::LSTM, 3);
    let scan = RecurrentConfig::new(AnyCell::FGN, 3);
    let both = |config: &RecurrentConfig| config.clone().with_bidirectional(true);
    let block = BlockConfig { conv: 3, ..BlockConfig::default() };
    let mut refused = Vec::new();
    for recurrent in [both(&plain), both(&scan), scan.with_block(block), plain] {
        for lengths in [[0, 2], [2, -1], [-3, i64::MIN]] {
            let x = samples(&[2, 4, 2]);
            let case = case(&format!("{recurrent:?}"), Series::new(2), recurrent.clone(), x);
            let lengths = Tensor::new(&lengths, &Device::Cpu).unwrap();
            let case = with(case, "lengths", lengths);
            refused.push(Refused { case, error: "lengths_must_be_at_least_1" });
        }
    }
    refused
}

/// Tokens outside a vocabulary of 7.
fn ids() -> Vec<Refused> {
    let refused = |id: i64| {
        let recurrent = RecurrentConfig::new(AnyCell::GRU, 3);
        let case = case("tokens", Embedding::new(7, 2), recurrent, tokens(1, 3, 7));
        let ids = Tensor::new(&[[6, id, 0]], &Device::Cpu).unwrap();
        Refused { case: with(case, "tokens", ids), error: "tokens_must_be_0_to_6" }
    };
    [-1, -7, -8, 7, i64::MIN, i64::MAX].into_iter().map(refused).collect()
}

pub(crate) fn cases() -> Vec<Refused> {
    lengths().into_iter().chain(ids()).collect()
}

#[test]
fn what_would_be_silently_wrong_ends_a_run() {
    for Refused { case, error } in cases() {
        let failed = catch_unwind(AssertUnwindSafe(|| case.run())).unwrap_err();
        let message = failed.downcast_ref::<String>().unwrap();
        assert!(message.starts_with(error), "{}: {message}", case.name);
    }
}

#[test]
fn lengths_past_the_end_count_as_the_whole_sequence() {
    let recurrent = RecurrentConfig::new(AnyCell::FGN, 3).with_bidirectional(true);
    let case = case("long", Series::new(2), recurrent, samples(&[2, 4, 2]));
    let long = Tensor::new(&[5, i64::MAX], &Device::Cpu).unwrap();
    with(case, "lengths", long).check();
}
