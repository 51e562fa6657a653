//! Stacks of residual blocks.

mod bad_input;
mod definition;
mod passes;
mod states;
mod stream;
mod training;

use candle_core::{Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::{BlockConfig, BlockNorm, RecurrentConfig, SequenceDropout};

const HIDDEN: usize = 4;
const STEPS: usize = 7;
const BATCH: usize = 3;
const LENGTHS: [usize; BATCH] = [4, 7, 1];

/// Two layers, each in a block.
fn stack(cell: AnyCell, block: BlockConfig) -> RecurrentConfig {
    RecurrentConfig { layers: 2, block: Some(block), ..RecurrentConfig::new(cell, HIDDEN) }
}

/// Blocks with each part, and without.
fn blocks() -> Vec<BlockConfig> {
    let plain = BlockConfig { mlp: 0.0, ..BlockConfig::default() };
    vec![
        plain,
        BlockConfig { conv: 3, ..plain },
        BlockConfig { norm: BlockNorm::Layer, mlp: 1.5, ..plain },
        everything(),
    ]
}

/// A block with all its parts.
fn everything() -> BlockConfig {
    BlockConfig { norm: BlockNorm::Layer, mlp: 2.0, conv: 4, ..BlockConfig::default() }
}

fn dropped(per_step: bool) -> BlockConfig {
    BlockConfig { dropout: SequenceDropout { rate: 0.4, per_step }, ..everything() }
}

/// New sequences begin at these steps.
fn resets() -> Tensor {
    let all = (0..STEPS * BATCH).map(|at| u8::from(at % 4 == 3));
    Tensor::from_vec(all.collect(), (STEPS, BATCH), &Device::Cpu).unwrap()
}
