//! Dropout, and the mode that switches it.

use candle_core::{DType, Device, Tensor, WithDType};

use crate::check::probability;
use crate::error::{Error, Result};
use crate::random::Generator;

/// Training or inference, for layers that differ in the two.
#[derive(Debug)]
pub enum Mode<'a> {
    /// Inference: dropout does nothing, and a model's predictions cannot be differentiated.
    Eval,
    /// Training: masks for dropout are drawn from the generator.
    Train(&'a mut Generator),
}

/// Inverted dropout: in training, sets each value to zero with probability `p` and divides the others by
/// `1 − p`, so that inference needs no change (Srivastava et al. 2014).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_nn::{Dropout, Generator, Mode};
///
/// let mut generator = Generator::seed_from_u64(1);
/// let x = Tensor::ones((2, 4), DType::F32, &Device::Cpu)?;
/// let y = Dropout::new(0.5)?.forward(&x, &mut Mode::Train(&mut generator))?;
/// assert!(y.flatten_all()?.to_vec1::<f32>()?.iter().all(|&y| y == 0.0 || y == 2.0));
/// # Ok::<(), fgn_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Of 65,536 values, how many are zeroed on average.
    zeroed: u16,
}

impl Dropout {
    /// Dropout with probability `p`, rounded to a multiple of 1/65,536: sixteen random bits a value decide.
    ///
    /// # Errors
    /// [`Error::Config`] unless `p` is at least 0 and below 1.
    pub fn new(p: f64) -> Result<Self> {
        probability("dropout", p)?;
        // A float cast saturates, so that a `p` just below 1 keeps one value of 65,536.
        let zeroed = (p * 65536.0).round() as u16;
        Ok(Self { zeroed })
    }

    /// `x`, of any shape in `F32` or `F64`, gives a tensor of the same shape.
    ///
    /// # Errors
    /// [`Error::DType`] in training for another type.
    pub fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match mode {
            Mode::Train(generator) if self.zeroed > 0 => {
                let mask = match x.dtype() {
                    DType::F32 => self.mask::<f32>(x, generator),
                    DType::F64 => self.mask::<f64>(x, generator),
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

    /// As [`forward`](Self::forward), with one mask for all steps of `x: [T, B, H]`: each sequence drops the same
    /// features at every step (locked or variational dropout: Gal & Ghahramani 2016).
    ///
    /// # Errors
    /// As there; [`Error::Candle`] for another number of dimensions.
    pub fn locked(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match mode {
            Mode::Train(_) if self.zeroed > 0 => {
                let ones = x.narrow(0, 0, 1)?.detach().ones_like()?;
                Ok(x.broadcast_mul(&self.forward(&ones, mode)?)?)
            }
            _ => Ok(x.clone()),
        }
    }

    /// Zero or `1 / (1 − p)` for each value of `x`.
    fn mask<T: WithDType>(&self, x: &Tensor, generator: &mut Generator) -> Result<Tensor> {
        let mut bytes = vec![0; 2 * x.elem_count()];
        generator.fill_bytes(&mut bytes);
        let kept = T::from_f64(65536.0 / (65536.0 - f64::from(self.zeroed)));
        let mask = bytes.chunks_exact(2).map(|pair| {
            let drawn = u16::from_le_bytes([pair[0], pair[1]]);
            if drawn < self.zeroed { T::zero() } else { kept }
        });
        let mask = Tensor::from_iter(mask, &Device::Cpu)?;
        Ok(mask.reshape(x.shape())?.to_device(x.device())?)
    }
}
