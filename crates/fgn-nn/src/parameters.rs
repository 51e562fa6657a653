//! Where layers take their parameters from: a seed, or a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};

use crate::check::float;
use crate::error::{Error, FileError, Result};
use crate::files;
use crate::random::Generator;
use crate::row_table::Touched;

/// The parameters of a model that is being built: each layer takes its own from here, by name. They are
/// listed in the order in which they were taken.
///
/// Each parameter is drawn from a generator of its own, seeded by the seed and the parameter's name, so
/// that a model with one more layer has the same initial values everywhere else. Values are drawn as
/// `f64`: models in `f32` and `f64` agree to rounding.
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
    touched: Touched,
}

/// The most values of one parameter: 16 GiB of `f32`. A larger one is a typo in a configuration, and reported
/// as such before memory is asked for.
const MAX_VALUES: usize = u32::MAX as usize;

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

    /// Parameters taken, by name, from any safetensors file: PyTorch's or candle-nn's state dict of a
    /// network with recurrent layers, for example. A layer takes those that begin with its name, whatever
    /// else the file has. Values in `f16`, `bf16`, `f32` or `f64` are converted to `dtype`.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{Parameters, Recurrent, RecurrentConfig};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = &folder.path().join("model.safetensors");
    /// # let config = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::LSTM, 16) };
    /// # let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu)?;
    /// # Recurrent::new(&mut parameters, "encoder.rnn", 80, &config)?;
    /// # parameters.save(path)?;
    /// // In Python: safetensors.torch.save_file(model.state_dict(), "model.safetensors"), where the
    /// // model's encoder.rnn is torch.nn.LSTM(80, 16, num_layers=2).
    /// let config = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::LSTM, 16) };
    /// let mut parameters = Parameters::load(path, DType::F32, &Device::Cpu)?;
    /// let layer = Recurrent::new(&mut parameters, "encoder.rnn", 80, &config)?;
    ///
    /// // And back: safetensors.torch.load_model(model, "trained.safetensors", strict=False).
    /// parameters.save(&folder.path().join("trained.safetensors"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::DType`] unless `dtype` is `F32` or `F64`, [`Error::Io`] if the file cannot be read,
    /// [`Error::File`] if it is not a safetensors file. A layer that misses a tensor, or finds it in another shape, returns [`Error::File`] with its name and the
    /// expected shape.
    pub fn load(path: &Path, dtype: DType, device: &Device) -> Result<Self> {
        float("parameters", dtype)?;
        let tensors = files::read(path, device)?;
        Self::stored(Stored { path: path.to_owned(), tensors }, dtype, device)
    }

    /// Writes those taken so far to a safetensors file, under their names. An existing file is replaced in
    /// one step once the new one is complete.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors = self.list.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone()));
        files::save(path, tensors)
    }

    /// Parameters taken from a model file.
    pub(crate) fn stored(stored: Stored, dtype: DType, device: &Device) -> Result<Self> {
        Self::from_source(Source::Stored(stored), dtype, device)
    }

    fn from_source(source: Source, dtype: DType, device: &Device) -> Result<Self> {
        float("parameters", dtype)?;
        let (device, list, touched) = (device.clone(), Vec::new(), Touched::default());
        Ok(Self { source, dtype, device, list, touched })
    }

    /// Their data type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The device that they are on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Those taken so far, by name.
    pub fn list(&self) -> &[(String, Var)] {
        &self.list
    }

    /// Takes the parameter of that name and shape; `draw` returns its initial values, row-major. This is
    /// what layers are built with, also those outside this crate. Each name can be taken once.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use fgn_nn::{Parameters, init};
    ///
    /// let mut parameters = Parameters::new(7, DType::F32, &Device::Cpu)?;
    /// let scale = parameters.take("scale".into(), &[4], |generator| init::uniform(generator, 4, 0.1))?;
    /// assert_eq!(scale.dims(), [4]);
    /// # Ok::<(), fgn_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] for a name that was taken before and for 2³² values or more; [`Error::File`] if the
    /// parameters come from a file that does not have it in that shape; [`Error::Candle`] if `draw` returns
    /// another number of values.
    pub fn take(
        &mut self,
        name: String,
        shape: &[usize],
        draw: impl FnOnce(&mut Generator) -> Vec<f64>,
    ) -> Result<Var> {
        self.check_declared(&name, shape)?;
        let tensor = match &mut self.source {
            Source::Seed(seed) => {
                let values = draw(&mut generator(*seed, &name));
                Tensor::from_vec(values, shape, &self.device)?.to_dtype(self.dtype)?
            }
            Source::Stored(stored) => stored.take(&name, shape, self.dtype)?,
        };
        let var = Var::from_tensor(&tensor)?;
        self.list.push((name, var.clone()));
        Ok(var)
    }

    /// A parameter that another layer has taken before, for two layers that share it.
    ///
    /// # Errors
    /// [`Error::Parameter`] if no layer has taken it, or in another shape.
    pub fn shared(&self, name: &str, shape: &[usize]) -> Result<Var> {
        let wrong = |reason| Error::Parameter { name: name.to_owned(), reason };
        match self.list.iter().find(|(taken, _)| taken == name) {
            Some((_, var)) if var.dims() == shape => Ok(var.clone()),
            Some((_, var)) => {
                Err(wrong(format!("has shape {:?}, expected {shape:?} to share it", var.dims())))
            }
            None => Err(wrong("is to be shared, but no layer below has it".into())),
        }
    }

    /// Where layers list the rows that they read in training; nowhere unless `is_sparse`.
    pub(crate) fn touched(&self, is_sparse: bool) -> Option<Touched> {
        is_sparse.then(|| self.touched.clone())
    }

    fn check_declared(&self, name: &str, shape: &[usize]) -> Result<()> {
        let wrong = |reason| Error::Parameter { name: name.to_owned(), reason };
        if self.list.iter().any(|(taken, _)| taken == name) {
            return Err(wrong("is declared twice: give each layer a name of its own".into()));
        }
        let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
        if count.is_none_or(|count| count > MAX_VALUES) {
            return Err(wrong(format!(
                "has shape {shape:?}, expected at most {MAX_VALUES} values"
            )));
        }
        Ok(())
    }

    /// Refuses a file that has further parameters of the recurrent layer of that name: more layers, a second
    /// direction, a projection, blocks.
    pub(crate) fn refuse_more_layers(&self, layer: &str) -> Result<()> {
        let Source::Stored(stored) = &self.source else { return Ok(()) };
        let prefix = if layer.is_empty() { String::new() } else { format!("{layer}.") };
        stored.refuse(|name| {
            let own = name.strip_prefix(&prefix);
            own.is_some_and(|own| match own.contains('.') {
                true => is_of_block(own),
                false => is_of_recurrent_layer(own),
            })
        })
    }

    /// All parameters, and where rows of them are listed; a file may have no others.
    pub(crate) fn finish(self) -> Result<(Vec<(String, Var)>, Touched)> {
        if let Source::Stored(stored) = &self.source {
            stored.refuse(|_| true)?;
        }
        Ok((self.list, self.touched))
    }
}

impl Stored {
    pub(crate) fn take(&mut self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
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
        files::converted(tensor, name, dtype).map_err(|reason| self.error(reason))
    }

    /// Refuses a file that still has a tensor of a name for which `is_extra` holds.
    pub(crate) fn refuse(&self, is_extra: impl Fn(&str) -> bool) -> Result<()> {
        match self.tensors.iter().find(|(name, _)| is_extra(name)) {
            Some((name, tensor)) => {
                let (name, found) = (name.clone(), tensor.dims().to_vec());
                Err(self.error(FileError::ExtraTensor { name, found }))
            }
            None => Ok(()),
        }
    }

    fn error(&self, reason: FileError) -> Error {
        Error::File { path: self.path.clone(), reason }
    }
}

/// Whether a name ends as those of a recurrent layer do: in `_l0`, `_l12_reverse`.
fn is_of_recurrent_layer(name: &str) -> bool {
    let name = name.strip_suffix("_reverse").unwrap_or(name);
    let layer = name.rsplit_once("_l").map(|(_, layer)| layer);
    layer.is_some_and(|layer| !layer.is_empty() && layer.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a name is that of a linear map which every block has: `blocks.0.out.weight`.
fn is_of_block(name: &str) -> bool {
    let index = name.strip_prefix("blocks.").and_then(|name| name.strip_suffix(".out.weight"));
    index.is_some_and(|index| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()))
}

fn generator(seed: u64, name: &str) -> Generator {
    // FNV-1a: every name has a stream of its own.
    let stream = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    Generator::seed_from_u64(seed).with_stream(stream)
}
