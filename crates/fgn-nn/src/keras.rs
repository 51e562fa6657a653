//! Weights of Keras' recurrent layers.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use fgn_core::{AnyCell, Norm};

use crate::config::check;
use crate::parameters::Stored;
use crate::recurrent::{Place, RecurrentConfig};
use crate::{Error, Parameters, Result, files};

/// The weights of Keras' layers of LSTM, GRU or plain RNN in a safetensors file, for a
/// [`Recurrent`](crate::Recurrent) layer. Behind each prefix stand
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
    /// What the layer is to be called.
    pub name: &'a str,
    /// `I`: how many features its first layer sees.
    pub input_size: usize,
    /// What it is.
    pub config: &'a RecurrentConfig,
    /// For each layer and direction, in the order `l0`, `l0_reverse`, `l1`, …, what the names of its
    /// tensors begin with: `"lstm/lstm_cell/"`.
    pub prefixes: &'a [&'a str],
}

/// How Keras has a cell's parameters, beside the transposition of its weights.
struct Form {
    /// Whether input and hidden state have biases of their own, `[2, G·H]`, or one for both, `[G·H]`.
    two_biases: bool,
    /// For each of Keras' blocks of units, its place among ours. The order is its own inverse.
    order: &'static [usize],
}

impl Keras<'_> {
    /// Parameters that the layer then takes.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::File`] if a tensor is missing or of another
    /// shape, by name; [`Error::Config`] for another cell, a projection or normalisation, or another
    /// number of `prefixes`.
    pub fn load(&self, path: &Path, dtype: DType, device: &Device) -> Result<Parameters> {
        let form = self.form()?;
        let hidden = self.config.hidden_size;
        let rows = form.order.len() * hidden;
        let mut stored = Stored { path: path.to_owned(), tensors: files::read(path, device)? };
        let mut tensors = BTreeMap::new();
        for (place, prefix) in self.config.places().into_iter().zip(self.prefixes) {
            let mut take = |what: &str, shape: &[usize]| {
                take(&mut stored, &format!("{prefix}{what}"), shape, dtype)
            };
            let mut put = |what: &str, tensor: &Tensor| -> Result<()> {
                tensors.insert(self.full(what, place), form.reordered(tensor)?);
                Ok(())
            };
            let input = self.config.form(place, self.input_size).input;
            put("weight_ih", &take("kernel", &[input, rows])?.t()?.contiguous()?)?;
            put("weight_hh", &take("recurrent_kernel", &[hidden, rows])?.t()?.contiguous()?)?;
            if !self.config.bias {
                continue;
            }
            if form.two_biases {
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

    /// Writes the layer's part of `parameters` as Keras' layers have it: what [`load`](Self::load)
    /// reads. LSTM and RNN have the sum of our two biases there.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written; [`Error::Config`] as for loading, or if there is no
    /// such layer among the parameters.
    pub fn save(&self, parameters: &Parameters, path: &Path) -> Result<()> {
        let form = self.form()?;
        let mut tensors = BTreeMap::new();
        for (place, prefix) in self.config.places().into_iter().zip(self.prefixes) {
            let found = |what: &str| {
                let full = self.full(what, place);
                let found = parameters.list().iter().find(|(name, _)| *name == full);
                let (_, var) = found.ok_or_else(|| Error::Config {
                    field: "name",
                    found: format!("{:?}", self.name),
                    expected: format!("a layer with a parameter {full:?}"),
                })?;
                Ok::<_, Error>(form.reordered(&var.as_tensor().detach())?)
            };
            let mut put = |what: &str, tensor| tensors.insert(format!("{prefix}{what}"), tensor);
            put("kernel", found("weight_ih")?.t()?.contiguous()?);
            put("recurrent_kernel", found("weight_hh")?.t()?.contiguous()?);
            if self.config.bias {
                let (of_input, of_hidden) = (found("bias_ih")?, found("bias_hh")?);
                let bias = match form.two_biases {
                    true => Tensor::stack(&[of_input, of_hidden], 0)?,
                    false => (of_input + of_hidden)?,
                };
                put("bias", bias);
            }
        }
        files::save(path, tensors.into_iter())
    }

    fn form(&self) -> Result<Form> {
        let config = self.config;
        config.validate()?;
        let (found, places) = (self.prefixes.len(), config.places().len());
        let expected = format!("{places}, one for each layer and direction");
        check(found == places, "prefixes", format!("{found} names"), expected)?;
        if let Some(size) = config.projection {
            check(false, "recurrent.projection", size, "none: Keras' layers have none")?;
        }
        let none = "none: Keras' layers have none";
        let norm = format!("{:?}", config.norm);
        check(config.norm == Norm::default(), "recurrent.norm", norm, none)?;
        match config.cell {
            AnyCell::Lstm {} => Ok(Form { two_biases: false, order: &[0, 1, 2, 3] }),
            AnyCell::Gru {} => Ok(Form { two_biases: true, order: &[1, 0, 2] }),
            AnyCell::Rnn { .. } => Ok(Form { two_biases: false, order: &[0] }),
            cell => Err(Error::Config {
                field: "recurrent.cell",
                found: cell.to_string(),
                expected: "lstm, gru or rnn: Keras has no other".to_owned(),
            }),
        }
    }

    fn full(&self, what: &str, place: Place) -> String {
        let separator = if self.name.is_empty() { "" } else { "." };
        format!("{}{separator}{what}{place}", self.name)
    }
}

impl Form {
    /// Blocks of rows from our order to Keras', or back.
    fn reordered(&self, tensor: &Tensor) -> candle_core::Result<Tensor> {
        let blocks = tensor.chunk(self.order.len(), 0)?;
        let blocks: Vec<_> = self.order.iter().map(|&place| &blocks[place]).collect();
        Tensor::cat(&blocks, 0)
    }
}

/// A tensor of that shape; older files have the suffix `:0`.
fn take(stored: &mut Stored, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let old = format!("{name}:0");
    let name = if stored.tensors.contains_key(&old) { &old } else { name };
    stored.take(name, shape, dtype)
}
