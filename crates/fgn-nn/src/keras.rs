//! Weights of Keras' recurrent layers.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use fgn_core::cells::Nonlinearity;
use fgn_core::{AnyCell, Norm};
use serde::Deserialize;

use crate::check::{check, float};
use crate::error::{Error, Result};
use crate::files;
use crate::layer_direction::LayerDirection;
use crate::parameters::{Parameters, Stored};
use crate::recurrent::RecurrentConfig;

/// The names of a layer's tensors after its prefix.
const TENSORS: [&str; 3] = ["kernel", "recurrent_kernel", "bias"];

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
/// The weights do not show everything that a Keras layer computes, so its [options](KerasOptions) must be given
/// too. One thing is in neither: of a `Bidirectional` wrapper, `merge_mode` must be `"concat"`, its default.
///
/// ```
/// use candle_core::{DType, Device};
/// use fgn_core::AnyCell;
/// use fgn_nn::{Keras, KerasOptions, Parameters, Recurrent, RecurrentConfig};
///
/// // In Python: json.dumps(model.get_layer("gru").get_config())
/// let options: KerasOptions = serde_json::from_str(r#"{
///     "units": 16, "activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": true,
///     "reset_after": true, "go_backwards": false, "return_sequences": true
/// }"#)?;
/// let config = &RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::GRU, 16) };
/// let prefixes = &["gru/gru_cell/", "gru_1/gru_cell/"];
/// let keras = Keras { name: "encoder", input_size: 5, config, prefixes, options: &options };
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
    /// The Keras layers' options, which all of them share.
    pub options: &'a KerasOptions,
}

/// The options of a Keras layer that its weights do not show, as in its `get_config()`. There is no default: the defaults
/// of Keras have changed from version to version. Of a `Bidirectional` wrapper, these are the options of its
/// `forward_layer`.
///
/// It can be read from the JSON of `get_config()`, whose other keys are ignored: they decide how a layer is
/// initialised (`unit_forget_bias`), trained (`dropout`) or called (`return_sequences`), not what it computes.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct KerasOptions {
    /// Must be `"tanh"`; for an RNN, the cell's nonlinearity, `"tanh"` or `"relu"`.
    pub activation: String,
    /// Must be `"sigmoid"` (`"hard_sigmoid"` was the default up to Keras 2.2). An RNN has none.
    #[serde(default)]
    pub recurrent_activation: Option<String>,
    /// Must be as [`RecurrentConfig::bias`].
    pub use_bias: bool,
    /// Whether a GRU multiplies by the reset gate after the recurrent weights: must be true. With `False`, the
    /// default up to Keras 2.2, it computes another function of weights that have the same shapes unless there
    /// are biases. Other layers have no such option.
    #[serde(default)]
    pub reset_after: Option<bool>,
    /// Must be false: give reversed sequences instead.
    pub go_backwards: bool,
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
    /// [`Error::DType`] unless `dtype` is `F32` or `F64`; [`Error::Io`] if the file cannot be read;
    /// [`Error::File`] if a tensor is missing, of another shape or not expected, by name; [`Error::Config`] for
    /// another cell, a projection or normalisation, another number of `prefixes`, and options that the cell does
    /// not compute.
    pub fn load(&self, path: &Path, dtype: DType, device: &Device) -> Result<Parameters<'static>> {
        let layout = self.layout()?;
        float("parameters", dtype)?;
        let mut stored = Stored { path: path.to_owned(), tensors: files::read(path, device)? };
        let mut tensors = BTreeMap::new();
        for (at, prefix) in self.config.layer_directions().into_iter().zip(self.prefixes) {
            let (kernel, recurrent, bias) = self.shapes(&layout, at);
            let take = |stored: &mut Stored, what: &str, shape: &[usize]| {
                take(stored, &format!("{prefix}{what}"), shape, dtype)
            };
            let mut put = |what: &str, tensor: &Tensor| -> Result<()> {
                tensors.insert(self.full(what, at), layout.reordered(tensor)?);
                Ok(())
            };
            put("weight_ih", &take(&mut stored, "kernel", &kernel)?.t()?.contiguous()?)?;
            put(
                "weight_hh",
                &take(&mut stored, "recurrent_kernel", &recurrent)?.t()?.contiguous()?,
            )?;
            if self.config.bias {
                self.refuse_reset_before(&stored, prefix, &bias)?;
                let bias = take(&mut stored, "bias", &bias)?;
                let [of_input, of_hidden] = match layout.two_biases {
                    true => [bias.get(0)?, bias.get(1)?],
                    false => [bias.clone(), bias.zeros_like()?],
                };
                put("bias_ih", &of_input)?;
                put("bias_hh", &of_hidden)?;
            }
        }
        stored.refuse(|name| {
            let own = self.prefixes.iter().filter_map(|prefix| name.strip_prefix(prefix));
            own.map(|own| own.trim_end_matches(":0")).any(|own| TENSORS.contains(&own))
        })?;
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
            let (kernel, recurrent, _) = self.shapes(&layout, at);
            let found = |what: &str, shape: &[usize]| {
                let full = self.full(what, at);
                let fits = |(name, var): &&(String, Var)| *name == full && var.dims() == shape;
                let found = parameters.list().iter().find(fits);
                let (_, var) = found.ok_or_else(|| Error::Config {
                    field: "name",
                    found: format!("{:?}", self.name),
                    expected: format!("a layer with a parameter {full:?} of shape {shape:?}"),
                })?;
                Ok::<_, Error>(layout.reordered(&var.as_tensor().detach())?)
            };
            let transposed = |what: &str, [rows, columns]: [usize; 2]| {
                Ok::<_, Error>(found(what, &[columns, rows])?.t()?.contiguous()?)
            };
            let mut put = |what: &str, tensor| tensors.insert(format!("{prefix}{what}"), tensor);
            put("kernel", transposed("weight_ih", kernel)?);
            put("recurrent_kernel", transposed("weight_hh", recurrent)?);
            if self.config.bias {
                let rows = &kernel[1..];
                let (of_input, of_hidden) = (found("bias_ih", rows)?, found("bias_hh", rows)?);
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
        let twice = (1..count).find(|&at| self.prefixes[..at].contains(&self.prefixes[at]));
        if let Some(at) = twice {
            let found = format!("{:?} twice", self.prefixes[at]);
            check(false, "prefixes", found, "one for each layer and direction")?;
        }
        if let Some(size) = config.projection {
            check(false, "recurrent.projection", size, "none: Keras' layers have no projection")?;
        }
        let expected = "none: the layers of Keras have no blocks";
        check(config.block.is_none(), "recurrent.block", format!("{:?}", config.block), expected)?;
        let none = "none: Keras' layers have no normalisation";
        let norm = format!("{:?}", config.norm);
        check(config.norm == Norm::default(), "recurrent.norm", norm, none)?;
        let (activation, gates, reset_after, layout) = match config.cell {
            AnyCell::Lstm {} => {
                let layout = KerasLayout { two_biases: false, order: &[0, 1, 2, 3] };
                ("tanh", Some("sigmoid"), None, layout)
            }
            AnyCell::Gru {} => {
                let layout = KerasLayout { two_biases: true, order: &[1, 0, 2] };
                ("tanh", Some("sigmoid"), Some(true), layout)
            }
            AnyCell::Rnn { nonlinearity } => {
                let activation = match nonlinearity {
                    Nonlinearity::Tanh => "tanh",
                    Nonlinearity::Relu => "relu",
                };
                (activation, None, None, KerasLayout { two_biases: false, order: &[0] })
            }
            cell => {
                return Err(Error::Config {
                    field: "recurrent.cell",
                    found: cell.to_string(),
                    expected: "lstm, gru or rnn: Keras has no others".to_owned(),
                });
            }
        };
        self.options.check(activation, gates, reset_after, config.bias)?;
        Ok(layout)
    }

    /// The shapes of a layer's kernel, recurrent kernel and bias.
    fn shapes(
        &self,
        layout: &KerasLayout,
        at: LayerDirection,
    ) -> ([usize; 2], [usize; 2], Vec<usize>) {
        let hidden = self.config.hidden_size;
        let rows = layout.order.len() * hidden;
        let input = self.config.layer_shape(at, self.input_size).input;
        let bias = if layout.two_biases { vec![2, rows] } else { vec![rows] };
        ([input, rows], [hidden, rows], bias)
    }

    /// Names `reset_after` where the bias shows that it was false.
    fn refuse_reset_before(&self, stored: &Stored, prefix: &str, expected: &[usize]) -> Result<()> {
        let name = stored_name(stored, &format!("{prefix}bias"));
        match (expected, stored.tensors.get(&name).map(Tensor::dims)) {
            (&[2, rows], Some(found)) if found == [rows] => Err(Error::Config {
                field: "options.reset_after",
                found: "true".to_owned(),
                expected: format!(
                    "false for this file, in which tensor `{name}` has shape {found:?}, expected \
                     {expected:?}; fgn has no GRU with reset_after = False"
                ),
            }),
            _ => Ok(()),
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

impl KerasOptions {
    /// Refuses options of a layer that computes something else than these.
    fn check(
        &self,
        activation: &str,
        recurrent_activation: Option<&str>,
        reset_after: Option<bool>,
        use_bias: bool,
    ) -> Result<()> {
        let shown = |found: Option<&str>| found.unwrap_or("left out").to_owned();
        let found = self.recurrent_activation.as_deref();
        let fits = self.activation == activation;
        check(fits, "options.activation", &self.activation, activation)?;
        let (fits, expected) = (found == recurrent_activation, shown(recurrent_activation));
        check(fits, "options.recurrent_activation", shown(found), expected)?;
        let found = self.reset_after.map(|found| found.to_string());
        let expected = match reset_after {
            Some(_) => "true: fgn has no GRU with reset_after = False",
            None => "left out: only a GRU has it",
        };
        let fits = self.reset_after == reset_after;
        check(fits, "options.reset_after", shown(found.as_deref()), expected)?;
        let expected = format!("{use_bias}, as recurrent.bias");
        check(self.use_bias == use_bias, "options.use_bias", self.use_bias, expected)?;
        let expected = "false: give reversed sequences instead";
        check(!self.go_backwards, "options.go_backwards", self.go_backwards, expected)
    }
}

/// A tensor of that shape.
fn take(stored: &mut Stored, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
    stored.take(&stored_name(stored, name), shape, dtype)
}

/// The name in the file: older files have the suffix `:0`.
fn stored_name(stored: &Stored, name: &str) -> String {
    let old = format!("{name}:0");
    if stored.tensors.contains_key(&old) { old } else { name.to_owned() }
}
