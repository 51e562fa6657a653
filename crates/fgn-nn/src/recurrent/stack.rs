//! A stack of recurrent layers.

use candle_core::{D, DType, Device, Tensor};
use fgn_kernels::{Emit, GateStatistics, SequenceOptions, SequenceOutput};

use super::checked::Checked;
use super::config::{RecurrentConfig, SequenceDropout};
use super::layer::Layer;
use super::masks::Masks;
use super::options::{RecurrentInput, RecurrentOptions, RecurrentOutput};
use super::state::State;
use crate::check::{float, width};
use crate::dropout::Mode;
use crate::error::Result;
use crate::init;
use crate::layer_direction::LayerDirection;
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
        parameters.refuse_more_layers(name)?;
        Ok(Self { config: config.clone(), input_size, dtype, layers })
    }

    /// A single layer of existing tensors.
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
        Ok(Self { config, input_size, dtype, layers })
    }

    /// What the layer was built from.
    pub fn config(&self) -> &RecurrentConfig {
        &self.config
    }

    /// The data type that it computes in.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The same layer with the same parameters, outside the computation graph: its results cannot be
    /// differentiated by them, and nothing is kept for a backward pass.
    pub fn detached(&self) -> Self {
        let layers = self.layers.iter().map(Layer::detached).collect();
        Self { layers, ..self.clone() }
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
        Ok(Self { layers: layers.collect::<Result<_>>()?, ..self.clone() })
    }

    /// The state of `batch` sequences before their first step.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) if there is not enough memory.
    pub fn zero_state(&self, batch: usize) -> Result<State> {
        let zero = |layer: &Layer| layer.zero_state(batch);
        let tensors = self.layers.iter().map(zero).collect::<Result<_>>()?;
        Ok(State { bidirectional: self.config.bidirectional, tensors })
    }

    /// A seed for the masks of a forward pass: in training, if the layer needs one.
    pub fn seed(&self, mode: &mut Mode<'_>) -> Option<u64> {
        match mode {
            Mode::Train(generator) if self.config.is_random() => Some(generator.next_u64()),
            _ => None,
        }
    }

    /// Computes the outputs and states for a tensor `[T, B, I]`, or `[B, T, I]` if the batch comes first; or for
    /// the [`Sequences`](crate::Sequences) of an input layer, whose steps come first also in the outputs.
    ///
    /// An input layer's sequences are best given whole, as `&Sequences`. Their bare tensor has steps first, and
    /// a layer with [`batch_first`](RecurrentConfig::batch_first) would take steps for sequences: no check
    /// can notice it where `T = B`.
    ///
    /// # Errors
    /// [`Shape`](crate::Error::Shape) or [`DType`](crate::Error::DType) for an input, state or resets that
    /// do not fit, [`Config`](crate::Error::Config) for lengths beside those of sequences,
    /// [`Candle`](crate::Error::Candle) for lengths that do not fit or a size of zero,
    /// [`NanState`](crate::Error::NanState) with [`RecurrentOptions::find_nan`].
    pub fn forward<'a>(
        &self,
        input: impl Into<RecurrentInput<'a>>,
        options: &RecurrentOptions<'a>,
    ) -> Result<RecurrentOutput> {
        let (x, checked) = self.checked(input.into(), options)?;
        let masks = options.seed.map(Masks::new);
        let mut results = Results::default();
        let mut x = self.forward_layers(x, masks, |layer, input| {
            let mut kernel = self.kernel_options(&checked, layer.at);
            kernel.emit = self.kernel_emit(options, layer.at);
            kernel.telemetry = options.telemetry;
            kernel.seed = masks.map(|masks| masks.kernel_seed(layer.at));
            let initial = &checked.initial.tensors[results.states.len()];
            let output =
                layer.forward(input, initial, &kernel, (self.config.weight_drop, masks))?;
            results.add(output, &kernel, self.config.hidden_output_size())
        })?;
        if options.find_nan {
            self.find_nan(&checked.initial, &results.all, checked.lengths)?;
        }
        if options.emit == Emit::Last && x.rank() == 3 {
            x = self.last_outputs(&x, checked.lengths)?;
        }
        Ok(RecurrentOutput {
            output: if options.emit == Emit::Last { x } else { checked.in_callers_order(&x)? },
            state: State { bidirectional: self.config.bidirectional, tensors: results.states },
            states: match options.emit {
                Emit::States => {
                    let all = results.all.iter().map(|all| checked.in_callers_order(all));
                    all.collect::<Result<_>>()?
                }
                _ => Vec::new(),
            },
            gates: results.gates,
        })
    }

    /// Passes `x: [T, B, I]` through all layers, each direction by `forward`, which takes a layer and its
    /// input; returns the outputs of the last layer.
    pub(super) fn forward_layers(
        &self,
        mut x: Tensor,
        masks: Option<Masks>,
        mut forward: impl FnMut(&Layer, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        for directions in self.layers.chunks(self.config.directions()) {
            let index = directions[0].at.layer;
            let input = match masks {
                Some(masks) => masks.inputs(self.dropout_before(index), &x, index)?,
                None => x.clone(),
            };
            let outputs = directions.iter().map(|layer| forward(layer, &input));
            let output = Tensor::cat(&outputs.collect::<Result<Vec<_>>>()?, D::Minus1)?;
            let residual = self.config.residual && index > 0;
            x = if residual { (x + output)? } else { output };
        }
        Ok(x)
    }

    /// The kernels' options for that layer and direction, in any pass.
    pub(super) fn kernel_options(
        &self,
        checked: &Checked<'_>,
        at: LayerDirection,
    ) -> SequenceOptions {
        self.config
            .kernel_options()
            .with_reverse(at.reverse)
            .with_lengths(checked.lengths.map(<[_]>::to_vec))
            .with_resets(checked.resets.clone())
    }

    /// What the kernels return: where only the last output is asked for, they keep no other, unless it is
    /// needed.
    fn kernel_emit(&self, options: &RecurrentOptions<'_>, at: LayerDirection) -> Emit {
        let last = at.layer + 1 == self.config.layers && !self.config.residual;
        match options.emit {
            _ if options.find_nan => Emit::States,
            Emit::Last if !last => Emit::All,
            emit => emit,
        }
    }

    fn dropout_before(&self, layer: usize) -> SequenceDropout {
        if layer == 0 { self.config.input_dropout } else { self.config.dropout }
    }

    /// Of outputs `[T, B, D·P]`, those of each direction at its last step of each sequence: `[B, D·P]`.
    pub(super) fn last_outputs(
        &self,
        output: &Tensor,
        lengths: Option<&[usize]>,
    ) -> Result<Tensor> {
        let (steps, batch, _) = output.dims3()?;
        let end = |b: usize| lengths.map_or(steps, |lengths| lengths[b]) - 1;
        let ends: Vec<_> = (0..batch).map(|b| (end(b) * batch + b) as u32).collect();
        let ends = Tensor::from_vec(ends, batch, output.device())?;
        let size = self.config.hidden_output_size();
        let forward = output.narrow(2, 0, size)?.flatten(0, 1)?.index_select(&ends, 0)?;
        if !self.config.bidirectional {
            return Ok(forward);
        }
        let reverse = output.narrow(0, 0, 1)?.squeeze(0)?.narrow(1, size, size)?;
        Ok(Tensor::cat(&[forward, reverse], 1)?)
    }
}

/// Results of the layers so far.
#[derive(Default)]
struct Results {
    /// The final states.
    states: Vec<Tensor>,
    /// The states after every step, `[T, B, S, H]`, if asked for.
    all: Vec<Tensor>,
    gates: Vec<Vec<GateStatistics>>,
}

impl Results {
    /// Keeps the states and statistics of a layer, and returns its outputs.
    fn add(
        &mut self,
        found: SequenceOutput,
        options: &SequenceOptions,
        output_size: usize,
    ) -> Result<Tensor> {
        self.states.push(found.states);
        if options.telemetry {
            self.gates.push(found.gates);
        }
        if options.emit != Emit::States {
            return Ok(found.output);
        }
        let (_, _, rows, _) = found.output.dims4()?;
        self.all.push(found.output.narrow(2, 1, rows - 1)?);
        Ok(found.output.narrow(2, 0, 1)?.squeeze(2)?.narrow(2, 0, output_size)?)
    }
}
