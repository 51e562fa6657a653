//! Configurations that do not fit are refused.

use fgn_core::AnyCell;
use fgn_nn::{BlockConfig, Recurrent, RecurrentConfig, SequenceDropout};

use super::super::INPUT_SIZE;
use super::{everything, stack};
use crate::common::parameters;

#[test]
fn configurations() {
    let of = |block: BlockConfig| stack(AnyCell::LSTM, block);
    let plain = || of(BlockConfig::default());
    let drop = SequenceDropout { rate: 0.5, per_step: false };
    let none = BlockConfig { mlp: 0.0, ..BlockConfig::default() };
    for (config, expected) in [
        (
            RecurrentConfig { projection: Some(2), ..plain() },
            "`recurrent.projection` is 2, expected none beside recurrent.block",
        ),
        (
            RecurrentConfig { residual: true, ..plain() },
            "`recurrent.residual` is true, expected false beside recurrent.block",
        ),
        (
            RecurrentConfig { dropout: drop, ..plain() },
            "`recurrent.dropout.rate` is 0.5, expected 0 beside recurrent.block",
        ),
        (
            RecurrentConfig { bidirectional: true, ..of(everything()) },
            "`recurrent.block.conv` is 4, expected 0 in a bidirectional layer",
        ),
        (of(BlockConfig { conv: 1, ..none }), "`recurrent.block.conv` is 1, expected 0 for none"),
        (of(BlockConfig { conv: 65, ..none }), "`recurrent.block.conv` is 65, expected 0 for none"),
        (of(BlockConfig { mlp: -1.0, ..none }), "`recurrent.block.mlp` is -1, expected 0 for none"),
        (of(BlockConfig { mlp: f64::NAN, ..none }), "`recurrent.block.mlp` is NaN"),
        (of(BlockConfig { mlp: 65.0, ..none }), "`recurrent.block.mlp` is 65"),
        (
            of(BlockConfig { mlp: 0.01, ..none }),
            "`recurrent.block.mlp` is 0.01, expected a number that gives 1 hidden unit or more",
        ),
        (
            of(BlockConfig { dropout: SequenceDropout { rate: 1.0, ..drop }, ..none }),
            "`recurrent.block.dropout.rate` is 1",
        ),
    ] {
        let refused = Recurrent::new(&mut parameters(1), "layer", INPUT_SIZE, &config);
        let error = refused.map(std::mem::drop).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error:?} does not begin with {expected:?}");
    }
    // A single layer in a block is a stack, too.
    let one = RecurrentConfig { layers: 1, ..of(everything()) };
    assert!(Recurrent::new(&mut parameters(1), "layer", INPUT_SIZE, &one).is_ok());
}
