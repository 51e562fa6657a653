//! Layers that turn samples into sequences.

use candle_core::{Tensor, Var};
use fgn_kernels::conv_relu_pool;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::config::{InputConfig, Scale};
use crate::init::{kaiming_bound, uniform};
use crate::{Error, Parameters, Result};

/// The input layer: samples, images `[B, height, width]` for one, become the time steps `[T, B, I]` of a
/// sequence, in one of the ways of [`InputConfig`].
///
/// Its parameters, for `image-conv` with channels `[C1, C2]`, are `{name}.conv1.weight [C1, 1, 3, 3]`,
/// `{name}.conv1.bias [C1]`, `{name}.conv2.weight [C2, C1, 3, 3]` and `{name}.conv2.bias [C2]`:
/// PyTorch's, weights drawn for a ReLU (Kaiming uniform), biases zero. For `symbols` it is
/// `{name}.embedding.weight [symbols, size]`, drawn from `U[-0.1, 0.1]`. The others have none.
#[derive(Clone, Debug)]
pub struct InputLayer {
    /// Of images.
    image_size: [usize; 2],
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Conv([Conv; 2]),
    Rows,
    Pixels { order: Option<Tensor> },
    Series { features: usize, scale: Option<Scaling> },
    Symbols { vectors: Var },
}

/// `(x − mean) / deviation`, number by number.
#[derive(Clone, Debug)]
pub(crate) struct Scaling {
    mean: Tensor,
    deviation: Tensor,
}

impl Scaling {
    pub(crate) fn new(scale: &Scale, parameters: &Parameters) -> Result<Self> {
        let tensor = |numbers: &[f64]| {
            let all = Tensor::from_slice(numbers, numbers.len(), parameters.device())?;
            all.to_dtype(parameters.dtype())
        };
        Ok(Self { mean: tensor(&scale.mean)?, deviation: tensor(&scale.deviation)? })
    }

    /// Of `x: [.., N]`, what is left when scale is taken out.
    pub(crate) fn remove(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.broadcast_sub(&self.mean)?.broadcast_div(&self.deviation)?)
    }

    /// The reverse of it.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.broadcast_mul(&self.deviation)?.broadcast_add(&self.mean)?)
    }
}

#[derive(Clone, Debug)]
struct Conv {
    weight: Var,
    bias: Var,
}

impl InputLayer {
    /// The layer that `config` describes.
    ///
    /// # Errors
    /// [`Error::Config`] for a size that is zero, too large, or not a multiple of 4 ahead of two
    /// poolings.
    pub fn new(parameters: &mut Parameters, name: &str, config: &InputConfig) -> Result<Self> {
        config.validate()?;
        let kind = match *config {
            InputConfig::ImageConv { channels, .. } => {
                let [first, second] = channels;
                Kind::Conv([
                    Conv::new(parameters, &format!("{name}.conv1"), 1, first)?,
                    Conv::new(parameters, &format!("{name}.conv2"), first, second)?,
                ])
            }
            InputConfig::ImageRows { .. } => Kind::Rows,
            InputConfig::ImagePixels { height, width, permutation_seed } => {
                let order = permutation_seed
                    .map(|seed| {
                        let order = permutation((height * width) as u32, seed);
                        Tensor::from_slice(&order, order.len(), parameters.device())
                    })
                    .transpose()?;
                Kind::Pixels { order }
            }
            InputConfig::Series { features, ref scale } => {
                let scale = scale.as_ref().map(|scale| Scaling::new(scale, parameters));
                Kind::Series { features, scale: scale.transpose()? }
            }
            InputConfig::Symbols { symbols, size } => {
                let draw = |rng: &mut _| uniform(rng, symbols * size, 0.1);
                let name = format!("{name}.embedding.weight");
                Kind::Symbols { vectors: parameters.take(name, &[symbols, size], draw)? }
            }
        };
        let image_size = config.image_size().unwrap_or_default();
        Ok(Self { image_size, kind })
    }

    /// `samples`, of the shape that [`InputConfig`] says, give `[T, B, I]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another shape, [`Error::Symbol`] for a symbol that there is not.
    pub fn forward(&self, samples: &Tensor) -> Result<Tensor> {
        let steps = match &self.kind {
            Kind::Conv([first, second]) => {
                self.batch_of(samples)?;
                let maps = second.forward(&first.forward(&samples.unsqueeze(3)?)?)?;
                // [B, T, width, channels]: a row of all feature maps is one step.
                maps.flatten_from(2)?.transpose(0, 1)?
            }
            Kind::Rows => {
                self.batch_of(samples)?;
                samples.transpose(0, 1)?
            }
            Kind::Pixels { order } => {
                let batch = self.batch_of(samples)?;
                let pixels = samples.flatten_from(1)?.t()?.contiguous()?;
                let pixels = match order {
                    Some(order) => pixels.index_select(order, 0)?,
                    None => pixels,
                };
                pixels.reshape(((), batch, 1))?
            }
            Kind::Series { features, scale } => {
                if !matches!(*samples.dims(), [batch, steps, found] if batch * steps > 0 && found == *features)
                {
                    let expected = format!("[B, T, {features}], neither zero");
                    return Err(shape("sequences", samples, expected));
                }
                match scale {
                    Some(scale) => scale.remove(samples)?.transpose(0, 1)?,
                    None => samples.transpose(0, 1)?,
                }
            }
            Kind::Symbols { vectors } => embedded(vectors, samples)?,
        };
        Ok(steps.contiguous()?)
    }

    fn batch_of(&self, images: &Tensor) -> Result<usize> {
        let [height, width] = self.image_size;
        match *images.dims() {
            [batch, h, w] if batch > 0 && [h, w] == self.image_size => Ok(batch),
            _ => Err(shape("images", images, format!("[B, {height}, {width}], B at least 1"))),
        }
    }
}

impl Conv {
    fn new(parameters: &mut Parameters, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        let shape = [outputs, inputs, 3, 3];
        let bound = kaiming_bound(9 * inputs);
        let draw = |rng: &mut _| uniform(rng, 9 * inputs * outputs, bound);
        Ok(Self {
            weight: parameters.take(format!("{name}.weight"), &shape, draw)?,
            bias: parameters.take(format!("{name}.bias"), &[outputs], |_| vec![0.0; outputs])?,
        })
    }

    /// `[B, H, W, C]` gives `[B, H/2, W/2, O]`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(conv_relu_pool(x, &self.weight, &self.bias)?)
    }
}

/// `symbols: [B, T]` give `[T, B, size]`.
fn embedded(vectors: &Tensor, symbols: &Tensor) -> Result<Tensor> {
    let (batch, steps) = match *symbols.dims() {
        [batch, steps] if batch * steps > 0 => (batch, steps),
        _ => return Err(shape("symbols", symbols, "[B, T], neither zero".into())),
    };
    let flat = symbols.t()?.flatten_all()?;
    let known = vectors.dim(0)?;
    // Candle takes u32::MAX for "no index": look before.
    let found = flat.to_vec1::<u32>()?;
    if let Some(&found) = found.iter().find(|&&symbol| symbol as usize >= known) {
        return Err(Error::Symbol { found, last: known - 1 });
    }
    Ok(vectors.index_select(&flat, 0)?.reshape((steps, batch, ()))?)
}

fn shape(what: &'static str, found: &Tensor, expected: String) -> Error {
    Error::Shape { what, found: found.dims().to_vec(), expected }
}

fn permutation(count: u32, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order
}
