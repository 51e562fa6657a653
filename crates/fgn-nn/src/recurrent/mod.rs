//! Recurrent layers: stacks over any cell, their states, and streams.

mod check;
mod config;
mod layer;
mod masks;
mod state;
mod stream;
mod trace;

use std::fmt;

use candle_core::{D, DType, Device, Tensor};
pub use config::{RecurrentConfig, SequenceDropout};
use fgn_kernels::{Emit, Gate, Options, Sequence};
use layer::Layer;
use masks::Masks;
use rand::RngCore;
pub use state::State;
pub use stream::{Stream, StreamWeights};
pub use trace::LayerTrace;

use crate::config::width;
use crate::{Mode, Parameters, Result, init};

/// Recurrent layers on top of each other over any cell, each in one direction or in both: each layer and
/// direction is one operation over the whole sequence.
///
/// Its parameters are PyTorch's where PyTorch has the cell, so that its state dicts load as they are:
/// `weight_ih_l0 [G·H, I]`, `weight_hh_l0 [G·H, H]`, `bias_ih_l0 [G·H]`, `bias_hh_l0 [G·H]`, each with
/// those of the cell's gates that it has rows for (see [`Layout`](fgn_core::Layout)); `weight_hr_l0 [P,
/// H]` of a projection; `{vector}_l0 [H]` for the cell's per-unit vectors; `norm_pre_l0 [G·H]` and
/// `norm_memory_l0 [H]`, `norm_memory_bias_l0 [H]` of the normalisation. Higher layers have `_l1` and so
/// on, the reverse direction `_l0_reverse`. [`InitConfig`](crate::InitConfig) says how they are drawn.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_core::AnyCell;
/// use fgn_nn::{Emit, Parameters, Recurrent, RecurrentConfig, Run};
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
/// let run = Run { emit: Emit::Last, lengths: Some(&[20, 7, 13]), ..Run::default() };
/// assert_eq!(layer.forward(&x, &run)?.output.dims(), [3, 2 * 16]);
/// # Ok::<(), fgn_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recurrent {
    config: RecurrentConfig,
    input_size: usize,
    dtype: DType,
    /// In the order of [`RecurrentConfig::places`].
    layers: Vec<Layer>,
}

/// What a run of a [`Recurrent`] layer is given beside its input: nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run<'a> {
    /// What to begin with; zero if not given.
    pub state: Option<&'a State>,
    /// What is put out.
    pub emit: Emit,
    /// The length of each sequence, in `1 ..= T`; `T` if not given. Outputs beyond it are zero, inputs
    /// there are not read; the last output and the final state are those at the sequence's own end, which
    /// is where the reverse direction begins.
    pub lengths: Option<&'a [usize]>,
    /// `[T, B]` in `U8`, or `[B, T]` if the batch comes first: where it is not 0, the states before the
    /// step read as zero, and no gradient passes. A sequence begins anew there: an episode, a packed
    /// document.
    pub resets: Option<&'a Tensor>,
    /// In training, what all dropout and zoneout draw their masks from: the same for the same seed,
    /// whatever the number of threads. Without one nothing is dropped. See [`Recurrent::seed`].
    pub seed: Option<u64>,
    /// Whether to count what the gates do.
    pub telemetry: bool,
    /// Whether to look for states that are not a number: [`Error::NotANumber`](crate::Error::NotANumber) says where the first one
    /// appeared. Keeps the states of all steps.
    pub find_nan: bool,
}

/// What a run of a [`Recurrent`] layer gives.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// The outputs of the last layer, both directions side by side: `[T, B, D·P]` with `P = H` without a
    /// projection; `[B, T, D·P]` if the batch comes first. With [`Emit::Last`] `[B, D·P]`: what the
    /// forward direction put out at each sequence's last step, and the reverse one, which ends there, at
    /// its first.
    pub output: Tensor,
    /// The states behind each sequence's last step.
    pub state: State,
    /// With [`Emit::States`], the states of each layer and direction after every step, `[T, B, S, H]`, or
    /// `[B, T, S, H]`, in the order of [`State::tensors`].
    pub states: Vec<Tensor>,
    /// With [`Run::telemetry`], what the gates of each layer and direction did, in the same order.
    pub gates: Vec<Vec<Gate>>,
}

/// One layer of a stack, and one direction of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) layer: usize,
    pub(crate) reverse: bool,
}

impl fmt::Display for Place {
    /// As in the names of parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "_l{}{}", self.layer, if self.reverse { "_reverse" } else { "" })
    }
}

impl Recurrent {
    /// A layer over `input_size` features; parameters are named `{name}.weight_ih_l0` and so on, or
    /// `weight_ih_l0` with an empty name.
    ///
    /// # Errors
    /// [`Config`](crate::Error::Config) or [`Candle`](crate::Error::Candle) for a value that no layer can
    /// be built with; [`File`](crate::Error::File) if the parameters come from a file that does not fit.
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
        let layers = config.places().into_iter().map(|place| {
            Layer::new(config, input_size, place, (dtype, &device), |slot, form| {
                let name = format!("{name}{separator}{}{place}", slot.name);
                let var = parameters.take(name, &slot.shape, |rng| {
                    init::draw(&config.init, config.cell.spec(), slot, form, place, rng)
                })?;
                Ok(var.as_tensor().clone())
            })
        });
        let layers = layers.collect::<Result<_>>()?;
        parameters.refuse_more_layers(name)?;
        Ok(Self { config: config.clone(), input_size, dtype, layers })
    }

    /// A single layer of tensors that are there already.
    pub(crate) fn of_tensors(
        config: RecurrentConfig,
        input_size: usize,
        (dtype, device): (DType, &Device),
        mut take: impl FnMut(&str) -> Result<Tensor>,
    ) -> Result<Self> {
        config.validate()?;
        let layers = config.places().into_iter().map(|place| {
            Layer::new(&config, input_size, place, (dtype, device), |slot, _| take(slot.name))
        });
        let layers = layers.collect::<Result<_>>()?;
        Ok(Self { config, input_size, dtype, layers })
    }

    /// What the layer was built from.
    pub fn config(&self) -> &RecurrentConfig {
        &self.config
    }

    /// The same layer with the same parameters, outside the computation graph: its results cannot be
    /// differentiated by them, and nothing is kept for a backward pass.
    pub fn detached(&self) -> Self {
        let layers = self.layers.iter().map(Layer::detached).collect();
        Self { layers, ..self.clone() }
    }

    /// The same layer with its present parameters, laid out for the kernels at its first run for all that
    /// follow: for use on many short inputs, where that takes longer than to run. Outside the computation
    /// graph as [`detached`](Self::detached); what is learned later does not change it.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) if there is no memory for them.
    pub fn frozen(&self) -> Result<Self> {
        let options = self.config.options();
        let layers = self.layers.iter().map(|layer| layer.frozen(&options));
        Ok(Self { layers: layers.collect::<Result<_>>()?, ..self.clone() })
    }

    /// The state of `batch` sequences before their first step.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn zero_state(&self, batch: usize) -> Result<State> {
        let zero = |layer: &Layer| layer.zero_state(batch);
        let tensors = self.layers.iter().map(zero).collect::<Result<_>>()?;
        Ok(State { bidirectional: self.config.bidirectional, tensors })
    }

    /// A seed for a run's masks, in training, and if the layer needs one.
    pub fn seed(&self, mode: &mut Mode<'_>) -> Option<u64> {
        match mode {
            Mode::Train(rng) if self.config.draws() => Some(rng.next_u64()),
            _ => None,
        }
    }

    /// Runs over `x: [T, B, I]`, or `[B, T, I]` if the batch comes first.
    ///
    /// # Errors
    /// [`Shape`](crate::Error::Shape) or [`DType`](crate::Error::DType) for an input, state or resets that
    /// do not fit, [`Candle`](crate::Error::Candle) for lengths that do not or a size of zero,
    /// [`NotANumber`](crate::Error::NotANumber) if looked for.
    pub fn forward(&self, x: &Tensor, run: &Run<'_>) -> Result<Outputs> {
        let (x, given) = self.checked(x, run)?;
        let masks = run.seed.map(Masks::new);
        let mut ended = Ended::default();
        let mut x = self.stacked(x, masks, |way, seen| {
            let mut options = self.options(run, &given, way.place);
            options.emit = self.emit(run, way.place);
            options.telemetry = run.telemetry;
            options.seed = masks.map(|masks| masks.inside(way.place));
            let initial = &given.initial.tensors[ended.states.len()];
            let ran = way.run(seen, initial, &options, (self.config.weight_drop, masks))?;
            ended.note(ran, &options, self.config.visible())
        })?;
        if run.find_nan {
            self.find_nan(&given.initial, &ended.all, run.lengths)?;
        }
        if run.emit == Emit::Last && x.rank() == 3 {
            x = self.ends(&x, run.lengths)?;
        }
        Ok(Outputs {
            output: if run.emit == Emit::Last { x } else { self.turned(&x)? },
            state: State { bidirectional: self.config.bidirectional, tensors: ended.states },
            states: match run.emit {
                Emit::States => {
                    ended.all.iter().map(|all| self.turned(all)).collect::<Result<_>>()?
                }
                _ => Vec::new(),
            },
            gates: ended.gates,
        })
    }

    /// The input with steps first, and what a run is given beside it.
    fn checked(&self, x: &Tensor, run: &Run<'_>) -> Result<(Tensor, Checked)> {
        let x = self.checked_input(x)?;
        let initial = match run.state {
            Some(state) => self.checked_state(state, &x)?,
            None => self.zero_state(x.dim(1)?)?,
        };
        let resets = run.resets.map(|resets| self.checked_resets(resets, &x)).transpose()?;
        Ok((x, Checked { initial, resets }))
    }

    /// Runs layer upon layer over `x: [T, B, I]`, each direction by `run_way`, which takes what the layer
    /// sees; gives the outputs of the last.
    fn stacked(
        &self,
        mut x: Tensor,
        masks: Option<Masks>,
        mut run_way: impl FnMut(&Layer, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        for layer in self.layers.chunks(self.config.directions()) {
            let seen = match masks {
                Some(masks) => {
                    masks.inputs(self.dropout_before(layer), &x, layer[0].place.layer)?
                }
                None => x.clone(),
            };
            let ways = layer.iter().map(|way| run_way(way, &seen));
            let output = Tensor::cat(&ways.collect::<Result<Vec<_>>>()?, D::Minus1)?;
            let residual = self.config.residual && layer[0].place.layer > 0;
            x = if residual { (x + output)? } else { output };
        }
        Ok(x)
    }

    /// What the kernels do in any run of that layer and direction.
    fn options(&self, run: &Run<'_>, given: &Checked, place: Place) -> Options {
        Options {
            reverse: place.reverse,
            lengths: run.lengths.map(<[_]>::to_vec),
            resets: given.resets.clone(),
            ..self.config.options()
        }
    }

    /// What the kernels are asked for: of a last output alone, no other is kept, unless it is needed.
    fn emit(&self, run: &Run<'_>, place: Place) -> Emit {
        let last = place.layer + 1 == self.config.layers && !self.config.residual;
        match run.emit {
            _ if run.find_nan => Emit::States,
            Emit::Last if !last => Emit::All,
            emit => emit,
        }
    }

    fn dropout_before(&self, layer: &[Layer]) -> SequenceDropout {
        let first = layer.iter().any(|way| way.place.layer == 0);
        if first { self.config.input_dropout } else { self.config.dropout }
    }

    /// Of outputs `[T, B, D·P]`, what each direction put out at each sequence's last step: `[B, D·P]`.
    fn ends(&self, output: &Tensor, lengths: Option<&[usize]>) -> Result<Tensor> {
        let (steps, batch, _) = output.dims3()?;
        let end = |b: usize| lengths.map_or(steps, |lengths| lengths[b]) - 1;
        let ends: Vec<_> = (0..batch).map(|b| (end(b) * batch + b) as u32).collect();
        let ends = Tensor::from_vec(ends, batch, output.device())?;
        let visible = self.config.visible();
        let forward = output.narrow(2, 0, visible)?.flatten(0, 1)?.index_select(&ends, 0)?;
        if !self.config.bidirectional {
            return Ok(forward);
        }
        let reverse = output.narrow(0, 0, 1)?.squeeze(0)?.narrow(1, visible, visible)?;
        Ok(Tensor::cat(&[forward, reverse], 1)?)
    }

    /// Steps and sequences in the caller's order.
    fn turned(&self, tensor: &Tensor) -> Result<Tensor> {
        match self.config.batch_first {
            true => Ok(tensor.transpose(0, 1)?.contiguous()?),
            false => Ok(tensor.clone()),
        }
    }
}

/// What a run is given beside its input, looked through.
struct Checked {
    initial: State,
    /// `[T, B]`.
    resets: Option<Tensor>,
}

/// What is left of the layers that have run.
#[derive(Default)]
struct Ended {
    /// The final states.
    states: Vec<Tensor>,
    /// The states after every step, `[T, B, S, H]`, if asked for.
    all: Vec<Tensor>,
    gates: Vec<Vec<Gate>>,
}

impl Ended {
    /// Keeps what a run leaves, and gives its output.
    fn note(&mut self, ran: Sequence, options: &Options, visible: usize) -> Result<Tensor> {
        self.states.push(ran.states);
        if options.telemetry {
            self.gates.push(ran.gates);
        }
        if options.emit != Emit::States {
            return Ok(ran.output);
        }
        let (_, _, rows, _) = ran.output.dims4()?;
        self.all.push(ran.output.narrow(2, 1, rows - 1)?);
        Ok(ran.output.narrow(2, 0, 1)?.squeeze(2)?.narrow(2, 0, visible)?)
    }
}
