//! Weights of Keras' recurrent layers.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, Norm};

use crate::check::check;
use crate::error::{Error, Result};
use crate::files;
use crate::layer_direction::LayerDirection;
use crate::parameters::{Parameters, Stored};
use crate::recurrent::RecurrentConfig;

/// The weights of Keras' layers of LSTM, GRU or plain RNN in a safetensors file, for a
/// [`Recurrent`](crate::Recurrent) layer. The names after each prefix are
///
/// | tensor | LSTM: gates i f c o | GRU, `reset_after = True`: z r h | RNN |
/// |---|---|---|---|
/// | `kernel` | `[I, 4H]` | `[I, 3H]` | `[I, H]` |
/// | `recurrent_kernel` | `[H, 4H]` | `[H, 3H]` | `[H, H]` |
/// | `bias`, if the layer has biases | `[4H]` | `[2, 3H]` | `[H]` |
///
/// Keras itself writes HDF5; in Python, `safetensors.numpy.save_file({w.path: w.numpy() for w in
/// model.weights}, "model.safetensors")` gives such a file.
///
/// ```
/// use candle_core::{DType, Device};
/// use fgn_core::AnyCell;
/// use fgn_nn::{Keras, Parameters, Recurrent, RecurrentConfig};
///
/// let config = &RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::GRU, 16) };
/// let prefixes = &["gru/gru_cell/", "gru_1/gru_cell/"];
/// let keras = Keras { name: "encoder", input_size: 5, config, prefixes };
/// # let folder = tempfile::tempdir()?;
/// # let path = &folder.path().join("model.safetensors");
/// # let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu)?;
/// # Recurrent::new(&mut parameters, "encoder", 5, config)?;
/// # keras.save(&parameters, path)?;
/// let mut parameters = keras.load(path, DType::F32, &Device::Cpu)?;
/// let layer = Recurrent::new(&mut parameters, "encoder", 5, config)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Keras<'a> {
    /// The layer's name.
    pub name: &'a str,
    /// `I`: the number of input features of its first layer.
    pub input_size: usize,
    /// The layer's configuration.
    pub config: &'a RecurrentConfig,
    /// The prefix of the names of each layer and direction, in the order `l0`, `l0_reverse`, `l1`, …:
    /// `"lstm/lstm_cell/"`.
    pub prefixes: &'a [&'a str],
}

/// Keras' layout of a cell's parameters; its weights are also transposed.
struct KerasLayout {
    /// Whether input and hidden state have biases of their own, `[2, G·H]`, or one for both, `[G·H]`.
    two_biases: bool,
    /// For each of Keras' blocks of units, its index among ours. The order is its own inverse.
    order: &'static [usize],
}

impl Keras<'_> {
    /// Reads the parameters, for [`Recurrent::new`](crate::Recurrent::new) to take.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::File`] if a tensor is missing or of another
    /// shape, by name; [`Error::Config`] for another cell, a projection or normalisation, or another
    /// number of `prefixes`.
    pub fn load(&self, path: &Path, dtype: DType, device: &Device) -> Result<Parameters> {
        let layout = self.layout()?;
        let hidden = self.config.hidden_size;
        let rows = layout.order.len() * hidden;
        let mut stored = Stored { path: path.to_owned(), tensors: files::read(path, device)? };
        let mut tensors = BTreeMap::new();
        for (at, prefix) in self.config.layer_directions().into_iter().zip(self.prefixes) {
            let mut take = |what: &str, shape: &[usize]| {
                take(&mut stored, &format!("{prefix}{what}"), shape, dtype)
            };
            let mut put = |what: &str, tensor: &Tensor| -> Result<()> {
                tensors.insert(self.full(what, at), layout.reordered(tensor)?);
                Ok(())
            };
            let input = self.config.layer_shape(at, self.input_size).input;
            put("weight_ih", &take("kernel", &[input, rows])?.t()?.contiguous()?)?;
            put("weight_hh", &take("recurrent_kernel", &[hidden, rows])?.t()?.contiguous()?)?;
            if !self.config.bias {
                continue;
            }
            if layout.two_biases {
                let both = take("bias", &[2, rows])?;
                put("bias_ih", &both.get(0)?)?;
                put("bias_hh", &both.get(1)?)?;
            } else {
                let bias = take("bias", &[rows])?;
                put("bias_ih", &bias)?;
                put("bias_hh", &bias.zeros_like()?)?;
            }
        }
        Parameters::stored(Stored { path: path.to_owned(), tensors }, dtype, device)
    }

    /// Writes the layer's parameters in Keras' layout, for [`load`](Self::load) or Keras. LSTM and RNN have
    /// the sum of our two biases there.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written; [`Error::Config`] as for loading, or if there is no
    /// such layer among the parameters.
    pub fn save(&self, parameters: &Parameters, path: &Path) -> Result<()> {
        let layout = self.layout()?;
        let mut tensors = BTreeMap::new();
        for (at, prefix) in self.config.layer_directions().into_iter().zip(self.prefixes) {
            let found = |what: &str| {
                let full = self.full(what, at);
                let found = parameters.list().iter().find(|(name, _)| *name == full);
                let (_, var) = found.ok_or_else(|| Error::Config {
                    field: "name",
                    found: format!("{:?}", self.name),
                    expected: format!("a layer with a parameter {full:?}"),
                })?;
                Ok::<_, Error>(layout.reordered(&var.as_tensor().detach())?)
            };
            let mut put = |what: &str, tensor| tensors.insert(format!("{prefix}{what}"), tensor);
            put("kernel", found("weight_ih")?.t()?.contiguous()?);
            put("recurrent_kernel", found("weight_hh")?.t()?.contiguous()?);
            if self.config.bias {
                let (of_input, of_hidden) = (found("bias_ih")?, found("bias_hh")?);
                let bias = match layout.two_biases {
                    true => Tensor::stack(&[of_input, of_hidden], 0)?,
                    false => (of_input + of_hidden)?,
                };
                put("bias", bias);
            }
        }
        files::save(path, tensors.into_iter())
    }

    fn layout(&self) -> Result<KerasLayout> {
        let config = self.config;
        config.validate()?;
        let (found, count) = (self.prefixes.len(), config.layer_directions().len());
        let expected = format!("{count}, one for each layer and direction");
        check(found == count, "prefixes", format!("{found} names"), expected)?;
        if let Some(size) = config.projection {
            check(false, "recurrent.projection", size, "none: Keras' layers have no projection")?;
        }
        let none = "none: Keras' layers have no normalisation";
        let norm = format!("{:?}", config.norm);
        check(config.norm == Norm::default(), "recurrent.norm", norm, none)?;
        match config.cell {
            AnyCell::Lstm {} => Ok(KerasLayout { two_biases: false, order: &[0, 1, 2, 3] }),
            AnyCell::Gru {} => Ok(KerasLayout { two_biases: true, order: &[1, 0, 2] }),
            AnyCell::Rnn { .. } => Ok(KerasLayout { two_biases: false, order: &[0] }),
            cell => Err(Error::Config {
                field: "recurrent.cell",
                found: cell.to_string(),
                expected: "lstm, gru or rnn: Keras has no others".to_owned(),
            }),
        }
    }

    fn full(&self, what: &str, at: LayerDirection) -> String {
        let separator = if self.name.is_empty() { "" } else { "." };
        format!("{}{separator}{what}{at}", self.name)
    }
}

impl KerasLayout {
    /// Blocks of rows from our order to Keras', or back.
    fn reordered(&self, tensor: &Tensor) -> candle_core::Result<Tensor> {
        let blocks = tensor.chunk(self.order.len(), 0)?;
        let blocks: Vec<_> = self.order.iter().map(|&index| &blocks[index]).collect();
        Tensor::cat(&blocks, 0)
    }
}

/// A tensor of that shape; older files have the suffix `:0`.
fn take(stored: &mut Stored, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let old = format!("{name}:0");
    let name = if stored.tensors.contains_key(&old) { &old } else { name };
    stored.take(name, shape, dtype)
}
