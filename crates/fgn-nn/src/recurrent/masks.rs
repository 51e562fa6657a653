//! The random masks of a pass in training.

use candle_core::Tensor;

use super::sequence_dropout::SequenceDropout;
use crate::dropout::{Dropout, Mode};
use crate::error::Result;
use crate::layer_direction::LayerDirection;
use crate::random::Generator;

/// What is masked. Each of these, for each layer and direction, has its own stream of random numbers.
#[derive(Clone, Copy)]
enum Masked {
    Inputs,
    RecurrentWeights,
    /// States, by the kernels themselves.
    States,
    /// What the halves of a block add to the residual stream; each half has the stream of a direction.
    Residual,
}

/// A half of a block.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Half {
    Cell,
    Mlp,
}

/// All masks of a pass: a function of its seed alone, whatever the number of threads and whatever was
/// drawn before.
#[derive(Clone, Copy)]
pub(super) struct Masks {
    seed: u64,
}

impl Masks {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The inputs `x: [T, B, F]` of a layer, masked.
    pub(super) fn inputs(
        self,
        config: SequenceDropout,
        x: &Tensor,
        layer: usize,
    ) -> Result<Tensor> {
        let mut generator =
            self.generator(Masked::Inputs, LayerDirection { layer, reverse: false });
        let dropout = Dropout::new(config.rate)?;
        if config.per_step || config.rate == 0.0 {
            return dropout.forward(x, &mut Mode::Train(&mut generator));
        }
        let ones = Tensor::ones((1, x.dim(1)?, x.dim(2)?), x.dtype(), x.device())?;
        Ok(x.broadcast_mul(&dropout.forward(&ones, &mut Mode::Train(&mut generator))?)?)
    }

    /// The mask of what a half of a block adds to the rows `x: [T · B, D]`: `[B, D]`, or `[T · B, D]` per step; `None` if
    /// nothing is dropped.
    pub(super) fn residual(
        self,
        config: SequenceDropout,
        (x, batch): (&Tensor, usize),
        layer: usize,
        half: Half,
    ) -> Result<Option<Tensor>> {
        if config.rate == 0.0 {
            return Ok(None);
        }
        let at = LayerDirection { layer, reverse: half == Half::Mlp };
        let mut generator = self.generator(Masked::Residual, at);
        let (rows, width) = x.dims2()?;
        let rows = if config.per_step { rows } else { batch };
        let ones = Tensor::ones((rows, width), x.dtype(), x.device())?;
        Dropout::new(config.rate)?.forward(&ones, &mut Mode::Train(&mut generator)).map(Some)
    }

    /// The recurrent weights of that layer and direction, masked.
    pub(super) fn weights(self, rate: f64, weights: &Tensor, at: LayerDirection) -> Result<Tensor> {
        let mut generator = self.generator(Masked::RecurrentWeights, at);
        Dropout::new(rate)?.forward(weights, &mut Mode::Train(&mut generator))
    }

    /// The seed of the kernels' own masks of that layer and direction.
    pub(super) fn kernel_seed(self, at: LayerDirection) -> u64 {
        self.generator(Masked::States, at).next_u64()
    }

    fn generator(self, masked: Masked, at: LayerDirection) -> Generator {
        let index = 2 * at.layer as u64 + u64::from(at.reverse);
        Generator::seed_from_u64(self.seed).with_stream(index << 2 | masked as u64)
    }
}
