use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor, Var};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::error::FileError;
use crate::{Error, Result};

/// The parameters of a model in the making: each layer takes its own from here, by name, and they
/// are listed in the order in which they were taken.
///
/// Each is drawn from a generator of its own, seeded by the seed and the parameter's name, so that a
/// model with one more layer begins with the same values everywhere else. Values are drawn as `f64`:
/// models in `f32` and `f64` agree to rounding.
///
/// ```
/// use candle_core::{DType, Device};
/// use fgn_nn::{Linear, Parameters};
///
/// let mut parameters = Parameters::new(7, DType::F32, &Device::Cpu)?;
/// let head = Linear::new(&mut parameters, "head", 128, 10)?;
/// assert_eq!(parameters.list()[0].0, "head.weight");
/// assert_eq!(parameters.list()[0].1.dims(), [10, 128]);
/// # Ok::<(), fgn_nn::Error>(())
/// ```
pub struct Parameters {
    source: Source,
    dtype: DType,
    device: Device,
    list: Vec<(String, Var)>,
}

enum Source {
    Seed(u64),
    Stored(Stored),
}

/// The tensors of a model file.
pub(crate) struct Stored {
    pub(crate) path: PathBuf,
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

impl Parameters {
    /// Parameters drawn from `seed`, of type `F32` or `F64`.
    ///
    /// # Errors
    /// [`Error::DType`] for another type.
    pub fn new(seed: u64, dtype: DType, device: &Device) -> Result<Self> {
        Self::from_source(Source::Seed(seed), dtype, device)
    }

    /// Parameters taken from a model file.
    pub(crate) fn stored(stored: Stored, dtype: DType, device: &Device) -> Result<Self> {
        Self::from_source(Source::Stored(stored), dtype, device)
    }

    fn from_source(source: Source, dtype: DType, device: &Device) -> Result<Self> {
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(Error::DType { what: "parameters", found: dtype, expected: "F32 or F64" });
        }
        Ok(Self { source, dtype, device: device.clone(), list: Vec::new() })
    }

    /// The type of their numbers.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where they are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Those taken so far, by name.
    pub fn list(&self) -> &[(String, Var)] {
        &self.list
    }

    /// The parameter of that name and shape; `draw` gives its first values, row-major.
    pub(crate) fn take(
        &mut self,
        name: String,
        shape: &[usize],
        draw: impl FnOnce(&mut ChaCha8Rng) -> Vec<f64>,
    ) -> Result<Var> {
        let tensor = match &mut self.source {
            Source::Seed(seed) => {
                let values = draw(&mut generator(*seed, &name));
                Tensor::from_vec(values, shape, &self.device)?.to_dtype(self.dtype)?
            }
            Source::Stored(stored) => stored.take(&name, shape)?,
        };
        let var = Var::from_tensor(&tensor)?;
        self.list.push((name, var.clone()));
        Ok(var)
    }

    /// All that were taken; none may be left over.
    pub(crate) fn finish(self) -> Result<Vec<(String, Var)>> {
        if let Source::Stored(stored) = &self.source
            && let Some((name, tensor)) = stored.tensors.first_key_value()
        {
            return Err(stored.error(FileError::ExtraTensor {
                name: name.clone(),
                found: tensor.dims().to_vec(),
            }));
        }
        Ok(self.list)
    }
}

impl Stored {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let Some(tensor) = self.tensors.remove(name) else {
            return Err(self.error(FileError::MissingTensor {
                name: name.to_owned(),
                expected: shape.to_vec(),
            }));
        };
        if tensor.dims() != shape {
            return Err(self.error(FileError::TensorShape {
                name: name.to_owned(),
                found: tensor.dims().to_vec(),
                expected: shape.to_vec(),
            }));
        }
        Ok(tensor)
    }

    fn error(&self, reason: FileError) -> Error {
        Error::File { path: self.path.clone(), reason }
    }
}

fn generator(seed: u64, name: &str) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // FNV-1a: every name has a stream of its own.
    let stream = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    rng.set_stream(stream);
    rng
}
