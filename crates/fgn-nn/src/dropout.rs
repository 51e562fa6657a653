use candle_core::{DType, Device, Tensor, WithDType};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use crate::{Error, Result, config};

/// Whether a layer is trained or used, where that differs.
pub enum Mode<'a> {
    /// In use: dropout does nothing, and a model's logits cannot be differentiated.
    Eval,
    /// In training: masks for dropout are drawn from the generator.
    Train(&'a mut ChaCha8Rng),
}

/// Inverted dropout: in training, zeroes each number with a probability `p` and divides the others
/// by `1 − p`, so that in use nothing is to be done (Srivastava et al. 2014).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_nn::{Dropout, Mode};
/// use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(1);
/// let x = Tensor::ones((2, 4), DType::F32, &Device::Cpu)?;
/// let y = Dropout::new(0.5)?.forward(&x, &mut Mode::Train(&mut rng))?;
/// assert!(y.flatten_all()?.to_vec1::<f32>()?.iter().all(|&y| y == 0.0 || y == 2.0));
/// # Ok::<(), fgn_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Of 65,536 numbers, how many are zeroed on average.
    zeroed: u16,
}

impl Dropout {
    /// Dropout with probability `p`, kept to a 65,536th: sixteen random bits a number decide.
    ///
    /// # Errors
    /// [`Error::Config`] unless `p` is at least 0 and below 1.
    pub fn new(p: f64) -> Result<Self> {
        config::dropout("dropout", p)?;
        // A float cast saturates, so that a `p` just below 1 keeps one number of 65,536.
        let zeroed = (p * 65536.0).round() as u16;
        Ok(Self { zeroed })
    }

    /// `x` and the result have the same shape, any, and numbers of type `F32` or `F64`.
    ///
    /// # Errors
    /// [`Error::DType`] in training for another type.
    pub fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match mode {
            Mode::Train(rng) if self.zeroed > 0 => {
                let mask = match x.dtype() {
                    DType::F32 => self.mask::<f32>(x, rng),
                    DType::F64 => self.mask::<f64>(x, rng),
                    found => Err(Error::DType {
                        what: "inputs of dropout",
                        found,
                        expected: "F32 or F64",
                    }),
                }?;
                Ok((x * mask)?)
            }
            _ => Ok(x.clone()),
        }
    }

    /// Zero or `1 / (1 − p)` for each number of `x`.
    fn mask<T: WithDType>(&self, x: &Tensor, rng: &mut ChaCha8Rng) -> Result<Tensor> {
        let mut bytes = vec![0; 2 * x.elem_count()];
        rng.fill_bytes(&mut bytes);
        let kept = T::from_f64(65536.0 / (65536.0 - f64::from(self.zeroed)));
        let mask = bytes.chunks_exact(2).map(|pair| {
            let drawn = u16::from_le_bytes([pair[0], pair[1]]);
            if drawn < self.zeroed { T::zero() } else { kept }
        });
        let mask = Tensor::from_iter(mask, &Device::Cpu)?;
        Ok(mask.reshape(x.shape())?.to_device(x.device())?)
    }
}
