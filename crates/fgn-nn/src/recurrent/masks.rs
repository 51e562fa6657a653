//! The random masks of a run in training.

use candle_core::Tensor;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Place, SequenceDropout};
use crate::{Dropout, Mode, Result};

/// What is masked. Each, of each layer and direction, has a stream of random numbers of its own.
#[derive(Clone, Copy)]
enum Masked {
    Inputs,
    RecurrentWeights,
    /// What the kernels mask themselves.
    Inside,
}

/// All masks of a run: a function of its seed alone, whatever the number of threads and whatever was
/// drawn before.
#[derive(Clone, Copy)]
pub(super) struct Masks {
    seed: u64,
}

impl Masks {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// `x: [T, B, F]` as a layer sees it.
    pub(super) fn inputs(
        self,
        config: SequenceDropout,
        x: &Tensor,
        layer: usize,
    ) -> Result<Tensor> {
        let mut rng = self.generator(Masked::Inputs, Place { layer, reverse: false });
        let dropout = Dropout::new(config.rate)?;
        if config.each_step || config.rate == 0.0 {
            return dropout.forward(x, &mut Mode::Train(&mut rng));
        }
        let ones = Tensor::ones((1, x.dim(1)?, x.dim(2)?), x.dtype(), x.device())?;
        Ok(x.broadcast_mul(&dropout.forward(&ones, &mut Mode::Train(&mut rng))?)?)
    }

    /// Recurrent weights as a run of that place has them.
    pub(super) fn weights(self, rate: f64, weights: &Tensor, place: Place) -> Result<Tensor> {
        let mut rng = self.generator(Masked::RecurrentWeights, place);
        Dropout::new(rate)?.forward(weights, &mut Mode::Train(&mut rng))
    }

    /// The seed for the masks inside the kernels' run of that place.
    pub(super) fn inside(self, place: Place) -> u64 {
        self.generator(Masked::Inside, place).next_u64()
    }

    fn generator(self, masked: Masked, place: Place) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let of_place = 2 * place.layer as u64 + u64::from(place.reverse);
        rng.set_stream(of_place << 2 | masked as u64);
        rng
    }
}
