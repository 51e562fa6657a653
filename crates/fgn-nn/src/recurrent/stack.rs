//! A stack of recurrent layers.

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::VarBuilder;
use fgn_kernels::Precision;

use super::block::blocks::Blocks;
use super::config::RecurrentConfig;
use super::layer::Layer;
use super::options::RecurrentOptions;
use super::state::State;
use crate::check::{check, float, width, wrong_shape};
use crate::dropout::Mode;
use crate::error::Result;
use crate::init;
use crate::parameters::Parameters;

/// A stack of recurrent layers over any cell, each in one direction or in both. Each layer and direction is
/// one operation over the whole sequence.
///
/// Its parameters are PyTorch's where PyTorch has the cell, so that its state dicts load as they are:
/// `weight_ih_l0 [G·H, I]`, `weight_hh_l0 [G·H, H]`, `bias_ih_l0 [G·H]`, `bias_hh_l0 [G·H]`, each with
/// rows for those of the cell's gates that use it (see [`Layout`](fgn_core::Layout)); `weight_hr_l0 [P,
/// H]` of a projection; `{vector}_l0 [H]` for the cell's per-unit vectors; `norm_pre_l0 [G·H]` and
/// `norm_memory_l0 [H]`, `norm_memory_bias_l0 [H]` of the normalisation. Higher layers have `_l1` and so
/// on, the reverse direction `_l0_reverse`. [`InitConfig`](crate::InitConfig) says how they are drawn.
///
/// With [blocks](crate::BlockConfig) there are linear maps `embed`, `blocks.0.out`, `blocks.0.mlp.up` and
/// `blocks.0.mlp.down`, each with a `.weight [O, I]` (Xavier uniform; the last two of a block divided by the square root of
/// twice the number of layers) and a `.bias [O]` (zero); the norms `blocks.0.norm`, `blocks.0.mlp.norm` and, after all blocks,
/// `norm`, each with a `.weight [D]` (one), and of a layer normalisation a `.bias [D]` (zero); and the convolution
/// `blocks.0.conv` with a `.weight [D, K]`, drawn from `U[-1/√K, 1/√K]`, and a `.bias [D]` (zero).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_core::AnyCell;
/// use fgn_nn::{Emit, Parameters, Recurrent, RecurrentConfig, RecurrentOptions};
///
/// let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu)?; // 1 is the seed
/// let config = RecurrentConfig {
///     layers: 2,
///     bidirectional: true,
///     ..RecurrentConfig::new(AnyCell::GRU, 16)
/// };
/// let layer = Recurrent::new(&mut parameters, "encoder", 5, &config)?;
/// assert_eq!(parameters.list()[0].0, "encoder.weight_ih_l0");
///
/// // Three sequences, of 20, 7 and 13 steps.
/// let x = Tensor::ones((20, 3, 5), DType::F32, &Device::Cpu)?;
/// let lengths = Some(&[20, 7, 13][..]);
/// let options = RecurrentOptions { emit: Emit::Last, lengths, ..RecurrentOptions::default() };
/// assert_eq!(layer.forward(&x, &options)?.output.dims(), [3, 2 * 16]);
/// # Ok::<(), fgn_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recurrent {
    pub(super) config: RecurrentConfig,
    pub(super) input_size: usize,
    pub(super) dtype: DType,
    /// In the order of [`RecurrentConfig::layer_directions`].
    pub(super) layers: Vec<Layer>,
    /// What is around the layers, if each is in a block.
    pub(super) blocks: Option<Blocks>,
    /// What operands of the cells' products are rounded to.
    pub(super) precision: Precision,
}

impl Recurrent {
    /// A layer over `input_size` features; parameters are named `{name}.weight_ih_l0` and so on, or
    /// `weight_ih_l0` with an empty name.
    ///
    /// # Errors
    /// [`Config`](crate::Error::Config) or [`Candle`](crate::Error::Candle) for an invalid value; [`File`](crate::Error::File) if the parameters come from a file that does not fit.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        input_size: usize,
        config: &RecurrentConfig,
    ) -> Result<Self> {
        config.validate()?;
        width("input_size", input_size)?;
        let (dtype, device) = (parameters.dtype(), parameters.device().clone());
        let separator = if name.is_empty() { "" } else { "." };
        let layers = config.layer_directions().into_iter().map(|at| {
            Layer::new(config, input_size, at, (dtype, &device), |slot, shape| {
                let name = format!("{name}{separator}{}{at}", slot.name);
                let var = parameters.take(name, &slot.shape, |generator| {
                    init::tensor(&config.init, config.cell.spec(), slot, shape, at, generator)
                })?;
                Ok(var.as_tensor().clone())
            })
        });
        let layers = layers.collect::<Result<_>>()?;
        let sizes = [input_size, config.output_size(), config.layers];
        let prefix = format!("{name}{separator}");
        let blocks = config.block.map(|block| Blocks::new(parameters, &prefix, block, sizes));
        let blocks = blocks.transpose()?;
        parameters.refuse_more_layers(name, &config.further_parameters())?;
        let precision = Precision::F32;
        Ok(Self { config: config.clone(), input_size, dtype, layers, blocks, precision })
    }

    /// As [`new`](Self::new), with the parameters of candle-nn's `vb`: `weight_ih_l0` and so on, below its prefix. Those that
    /// its variables lack are drawn from the seed 0 and their whole names; for another seed see
    /// [`Parameters::from_builder`].
    ///
    /// ```
    /// use candle_core::{DType, Device, Module, Tensor};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::candle_nn::{VarBuilder, VarMap, linear};
    /// use fgn_nn::{Recurrent, RecurrentConfig};
    ///
    /// let vars = VarMap::new();
    /// let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    /// let config = RecurrentConfig::new(AnyCell::GRU, 16);
    /// let layer = Recurrent::from_builder(5, &config, vb.pp("encoder"))?;
    /// let head = linear(16, 2, vb.pp("head"))?;
    ///
    /// let x = Tensor::ones((20, 3, 5), DType::F32, &Device::Cpu)?;
    /// let y = head.forward(&Module::forward(&layer, &x)?)?;
    /// assert_eq!(y.dims(), [20, 3, 2]);
    /// # Ok::<(), fgn_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`Parameters::from_builder`].
    pub fn from_builder(
        input_size: usize,
        config: &RecurrentConfig,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        Self::new(&mut Parameters::from_builder(&vb, 0)?, "", input_size, config)
    }

    /// A single layer of existing tensors, without a block.
    pub(crate) fn of_tensors(
        config: RecurrentConfig,
        input_size: usize,
        (dtype, device): (DType, &Device),
        mut take: impl FnMut(&str) -> Result<Tensor>,
    ) -> Result<Self> {
        config.validate()?;
        width("input_size", input_size)?;
        float("parameters", dtype)?;
        let layers = config.layer_directions().into_iter().map(|at| {
            Layer::new(&config, input_size, at, (dtype, device), |slot, _| take(slot.name))
        });
        let layers = layers.collect::<Result<_>>()?;
        let precision = Precision::F32;
        Ok(Self { config, input_size, dtype, layers, blocks: None, precision })
    }

    /// What the layer was built from.
    pub fn config(&self) -> &RecurrentConfig {
        &self.config
    }

    /// Sets what operands of the cells' products are rounded to: by default nothing is. With [`Precision::Bf16`] sums,
    /// states and gradients stay as they are, see [`fgn_kernels::sequence`]. Linear maps of blocks are not rounded.
    /// Streams have a precision of their own, and traces none.
    ///
    /// # Errors
    /// [`Config`](crate::Error::Config) for [`Precision::Int8`], which is for streams alone, and for a layer in `f64`.
    pub fn set_precision(&mut self, precision: Precision) -> Result<()> {
        let fits = precision != Precision::Int8;
        check(fits, "precision", "Int8", "F32 or Bf16: Int8 is for streams alone")?;
        let fits = precision == Precision::F32 || self.dtype != DType::F64;
        check(fits, "precision", "Bf16", "F32, as the layer is of F64")?;
        self.precision = precision;
        Ok(())
    }

    /// The data type that it computes in.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The same layer with the same parameters, outside the computation graph: its results cannot be
    /// differentiated by them, and nothing is kept for a backward pass.
    pub fn detached(&self) -> Self {
        let layers = self.layers.iter().map(Layer::detached).collect();
        let blocks = self.blocks.as_ref().map(Blocks::detached);
        Self { layers, blocks, ..self.clone() }
    }

    /// The same layer with a copy of its present parameters, which its first forward pass packs for the
    /// kernels once for all later ones: for inference on many short inputs, where packing takes longer than
    /// the pass itself. Outside the computation graph as [`detached`](Self::detached); later training does
    /// not change it.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) if there is not enough memory.
    pub fn frozen(&self) -> Result<Self> {
        let options = self.config.kernel_options();
        let layers = self.layers.iter().map(|layer| layer.packed(&options));
        let layers = layers.collect::<Result<_>>()?;
        let blocks = self.blocks.as_ref().map(Blocks::frozen).transpose()?;
        Ok(Self { layers, blocks, ..self.clone() })
    }

    /// The state with `h` and, for a cell that has one, `c` in PyTorch's shapes: [`State::h`] and [`State::c`] of it return
    /// them.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for other shapes, or a `c` too many or too few;
    /// [`Error::Config`](crate::Error::Config) for a layer with further states: those of [`State::new`].
    pub fn state(&self, h: &Tensor, c: Option<&Tensor>) -> Result<State> {
        let names = self.config.cell.spec().states;
        let fits = match c {
            None => *names == ["h"] && self.config.state_rows() == 1,
            Some(_) => *names == ["h", "c"] && self.config.state_rows() == 2,
        };
        let expected = "a layer whose states are h, or h and c, as they are given";
        check(fits, "cell", names.join(", "), expected)?;
        let hidden = self.config.hidden_size;
        let width = if c.is_some() { self.config.hidden_output_size() } else { hidden };
        let batch = h.dims().get(1).copied().unwrap_or(0);
        let fit = |what, tensor: &Tensor, width| {
            let shape = [self.layers.len(), batch, width];
            match tensor.dims() == shape {
                true => Ok(()),
                false => Err(wrong_shape(what, tensor, format!("[L·D, B, size] = {shape:?}"))),
            }
        };
        fit("initial states h", h, width)?;
        c.map(|c| fit("initial states c", c, hidden)).transpose()?;
        let h = h.pad_with_zeros(2, 0, hidden - width)?;
        let layer = |index| match c {
            Some(c) => Tensor::stack(&[h.get(index)?, c.get(index)?], 0),
            None => h.get(index)?.unsqueeze(0),
        };
        let tensors = (0..self.layers.len()).map(layer).collect::<candle_core::Result<_>>()?;
        let bidirectional = self.config.bidirectional;
        Ok(State { bidirectional, tensors, names: Some(self.config.state_names()) })
    }

    /// The state of `batch` sequences before their first step.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) if there is not enough memory.
    pub fn zero_state(&self, batch: usize) -> Result<State> {
        let rows = self.config.state_rows();
        let zero = |layer: &Layer| layer.zero_state(rows, batch);
        let tensors = self.layers.iter().map(zero).collect::<Result<_>>()?;
        Ok(State {
            bidirectional: self.config.bidirectional,
            tensors,
            names: Some(self.config.state_names()),
        })
    }

    /// A seed for the masks of a forward pass: in training, if the layer needs one.
    pub fn seed(&self, mode: &mut Mode<'_>) -> Option<u64> {
        match mode {
            Mode::Train(generator) if self.config.is_random() => Some(generator.next_u64()),
            _ => None,
        }
    }
}

/// The outputs of all steps, from a state of zeros, without dropout: `[T, B, I]` gives `[T, B, D·P]`, and the batch comes
/// first if it does in the layer's configuration.
impl Module for Recurrent {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        Ok(Recurrent::forward(self, x, &RecurrentOptions::default())?.output)
    }
}
