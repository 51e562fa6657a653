//! Where layers take their parameters from: a seed, a file, or a `VarBuilder`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{Init, VarBuilder};

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
///
/// With a [`VarBuilder`] of candle-nn, [`from_builder`](Self::from_builder) gives the same parameters to the same layers,
/// and to those of candle-nn beside them.
pub struct Parameters<'a> {
    source: Source<'a>,
    dtype: DType,
    device: Device,
    list: Vec<(String, Var)>,
    touched: Touched,
}

/// The most values of one parameter: 16 GiB of `f32`. A larger one is a typo in a configuration, and reported
/// as such before memory is asked for.
const MAX_VALUES: usize = u32::MAX as usize;

enum Source<'a> {
    Seed(u64),
    Stored(Stored),
    Builder { builder: VarBuilder<'a>, seed: u64 },
}

/// The tensors of a model file.
pub(crate) struct Stored {
    pub(crate) path: PathBuf,
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

impl<'a> Parameters<'a> {
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

    /// Parameters of candle-nn's `builder`, under the names that it gives: a layer named `rnn` takes
    /// `encoder.rnn.weight_ih_l0` from `vb.pp("encoder")`, as it takes `weight_ih_l0` with an empty name from
    /// `vb.pp("encoder.rnn")`.
    ///
    /// Those that a [`VarMap`](candle_nn::VarMap) already has are shared, so that its optimizers and
    /// [`VarMap::save`](candle_nn::VarMap::save) see them. Those that it lacks are drawn from `seed` and the whole name, as
    /// [`new`](Self::new) draws them, and become variables of the map. A builder without variables, as of a file, gives
    /// copies, which are variables.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::candle_nn::{VarBuilder, VarMap};
    /// use fgn_nn::{Linear, Parameters, Recurrent, RecurrentConfig};
    ///
    /// let vars = VarMap::new();
    /// let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    /// let mut parameters = Parameters::from_builder(&vb, 7)?;
    /// Recurrent::new(&mut parameters, "encoder", 5, &RecurrentConfig::new(AnyCell::FGN, 16))?;
    /// Linear::new(&mut parameters, "head", 16, 2)?;
    /// assert_eq!(vars.all_vars().len(), parameters.list().len());
    /// # Ok::<(), fgn_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::DType`] unless the builder is of type `F32` or `F64`. A layer whose parameter is missing or has another
    /// shape returns [`Error::Candle`].
    pub fn from_builder(builder: &VarBuilder<'a>, seed: u64) -> Result<Self> {
        let (dtype, device) = (builder.dtype(), builder.device().clone());
        Self::from_source(Source::Builder { builder: builder.clone(), seed }, dtype, &device)
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

    fn from_source(source: Source<'a>, dtype: DType, device: &Device) -> Result<Self> {
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
            Source::Builder { builder, seed } => built(builder, *seed, &name, shape, draw)?,
        };
        // Of a tensor that is a variable already, this is the same one.
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
    /// The names in a [`VarBuilder`] are not listed: of these, `more` are looked for.
    pub(crate) fn refuse_more_layers(&self, layer: &str, more: &[String]) -> Result<()> {
        let stored = match &self.source {
            Source::Seed(_) => return Ok(()),
            Source::Stored(stored) => stored,
            Source::Builder { builder, .. } => return refuse(builder, layer, more),
        };
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

/// The tensor of that name from a builder. One that the builder lacks and creates, a variable, gets the values that `draw`
/// returns.
fn built(
    builder: &VarBuilder<'_>,
    seed: u64,
    name: &str,
    shape: &[usize],
    draw: impl FnOnce(&mut Generator) -> Vec<f64>,
) -> Result<Tensor> {
    let is_there = builder.contains_tensor(name);
    let tensor = builder.get_with_hints(shape, name, Init::Const(0.0))?;
    if tensor.dtype() != builder.dtype() {
        let expected = if builder.dtype() == DType::F64 { "F64" } else { "F32" };
        return Err(Error::DType { what: "parameters", found: tensor.dtype(), expected });
    }
    if !is_there && tensor.is_variable() {
        let values = draw(&mut generator(seed, &whole_name(builder, name)));
        let values = Tensor::from_vec(values, shape, builder.device())?;
        Var::from_tensor(&tensor)?.set(&values.to_dtype(tensor.dtype())?)?;
    }
    Ok(tensor)
}

fn whole_name(builder: &VarBuilder<'_>, name: &str) -> String {
    joined(&builder.prefix(), name)
}

/// Refuses a builder that has one of the parameters `more` of a layer.
fn refuse(builder: &VarBuilder<'_>, layer: &str, more: &[String]) -> Result<()> {
    // Builders of constants have every name there is.
    if builder.contains_tensor("no layer has a parameter of this name") {
        return Ok(());
    }
    let mut names = more.iter().map(|name| joined(layer, name));
    match names.find(|name| builder.contains_tensor(name)) {
        Some(name) => Err(Error::Parameter {
            name: whole_name(builder, &name),
            reason: "is there, but the layer's configuration has no such parameter".into(),
        }),
        None => Ok(()),
    }
}

/// The name of a layer's parameter: the parameter's own if the layer's is empty.
pub(crate) fn joined(layer: &str, parameter: &str) -> String {
    match layer {
        "" => parameter.to_owned(),
        _ => format!("{layer}.{parameter}"),
    }
}

fn generator(seed: u64, name: &str) -> Generator {
    // FNV-1a: every name has a stream of its own.
    let stream = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    Generator::seed_from_u64(seed).with_stream(stream)
}
