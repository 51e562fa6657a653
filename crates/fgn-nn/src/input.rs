//! Layers that turn images into sequences.

use candle_core::{Tensor, Var};
use fgn_kernels::conv_relu_pool;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::config::InputConfig;
use crate::init::{kaiming_bound, uniform};
use crate::{Error, Parameters, Result};

/// The input layer: images `[B, height, width]` become the time steps `[T, B, I]` of a sequence, in
/// one of the ways of [`InputConfig`].
///
/// Its parameters, for `image-conv` with channels `[C1, C2]`, are `{name}.conv1.weight [C1, 1, 3, 3]`,
/// `{name}.conv1.bias [C1]`, `{name}.conv2.weight [C2, C1, 3, 3]` and `{name}.conv2.bias [C2]`:
/// PyTorch's, weights drawn for a ReLU (Kaiming uniform), biases zero. The others have none.
#[derive(Clone, Debug)]
pub struct InputLayer {
    image_size: [usize; 2],
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Conv([Conv; 2]),
    Rows,
    Pixels { order: Option<Tensor> },
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
            InputConfig::ImagePixels { permutation_seed, .. } => {
                let order = permutation_seed
                    .map(|seed| {
                        let order = permutation(config.steps() as u32, seed);
                        Tensor::from_slice(&order, order.len(), parameters.device())
                    })
                    .transpose()?;
                Kind::Pixels { order }
            }
        };
        let image_size = config.image_size();
        Ok(Self { image_size, kind })
    }

    /// `images: [B, height, width]` gives `[T, B, I]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another shape.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let batch = self.batch_of(images)?;
        let steps = match &self.kind {
            Kind::Conv([first, second]) => {
                let maps = second.forward(&first.forward(&images.unsqueeze(3)?)?)?;
                // [B, T, width, channels]: a row of all feature maps is one step.
                maps.flatten_from(2)?.transpose(0, 1)?
            }
            Kind::Rows => images.transpose(0, 1)?,
            Kind::Pixels { order } => {
                let pixels = images.flatten_from(1)?.t()?.contiguous()?;
                let pixels = match order {
                    Some(order) => pixels.index_select(order, 0)?,
                    None => pixels,
                };
                pixels.reshape(((), batch, 1))?
            }
        };
        Ok(steps.contiguous()?)
    }

    fn batch_of(&self, images: &Tensor) -> Result<usize> {
        let [height, width] = self.image_size;
        match *images.dims() {
            [batch, h, w] if batch > 0 && [h, w] == self.image_size => Ok(batch),
            _ => Err(Error::Shape {
                what: "images",
                found: images.dims().to_vec(),
                expected: format!("[B, {height}, {width}], B at least 1"),
            }),
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

fn permutation(count: u32, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order
}
