use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use fgn_kernels::Emit;

use crate::input::Scaling;
use crate::parameters::Stored;
use crate::weights::{self, ModelFile};
use crate::{
    Dense, Error, InputConfig, InputLayer, LayerTrace, Linear, Mode, ModelConfig, Parameters,
    Recurrent, Result, Run, State, smoothed_cross_entropy, squared_error, unpadded,
};

/// A model of sequences: an input layer makes a sequence of each sample, a recurrent layer runs over it,
/// and the head tells classes or numbers from its last output, or from each.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    dtype: DType,
    input: InputLayer,
    dense: Option<Dense>,
    recurrent: Recurrent,
    head: Linear,
    target_scale: Option<Scaling>,
    parameters: Vec<(String, Var)>,
}

/// What a [`Model`] is given beside its input: nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// The steps of each sample, each from 1 to `T`; `T` if not given. What is behind them is not read.
    pub lengths: Option<&'a [usize]>,
    /// The state to begin with; zero if not given.
    pub state: Option<&'a State>,
}

/// What a [`Model`] gives.
#[derive(Clone, Debug)]
pub struct Told {
    /// Logits `[B, classes]`, or numbers `[B, numbers]`; `[B, T, ..]` if each step is told.
    pub output: Tensor,
    /// The recurrent layer's state behind the last step of each sample.
    pub state: State,
}

impl Model {
    /// A model whose parameters are drawn from `seed`: the same on every run.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that no model can be built with, [`Error::DType`] unless
    /// `dtype` is `F32` or `F64`.
    pub fn new(config: &ModelConfig, seed: u64, dtype: DType, device: &Device) -> Result<Self> {
        Self::build(config, Parameters::new(seed, dtype, device)?)
    }

    /// What the model was built from.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// As [`run`](Self::run), of samples of one length, begun at zero: the output alone.
    ///
    /// # Errors
    /// As there.
    pub fn forward(&self, input: &Tensor, mode: Mode<'_>) -> Result<Tensor> {
        Ok(self.run(input, &Given::default(), mode)?.output)
    }

    /// Runs over samples of the shape that [`InputConfig`] says, of the model's type of number (symbols
    /// in `U32`); with [`Mode::Eval`] outside the computation graph.
    ///
    /// # Errors
    /// [`Error::Shape`] for samples of another shape or a batch of none, [`Error::DType`] for another
    /// type of number; lengths or a state that do not fit.
    pub fn run(&self, input: &Tensor, given: &Given<'_>, mut mode: Mode<'_>) -> Result<Told> {
        let x = self.sequence(input, &mut mode)?;
        let emit = self.emit();
        let seed = self.recurrent.seed(&mut mode);
        let (lengths, state) = (given.lengths, given.state);
        let run = Run { emit, seed, lengths, state, ..Run::default() };
        match mode {
            Mode::Train(_) => {
                let ran = self.recurrent.forward(&x, &run)?;
                Ok(Told { output: self.tell(&ran.output)?, state: ran.state })
            }
            // Over long sequences, what is kept for a backward pass is most of the memory.
            Mode::Eval => {
                let ran = self.recurrent.detached().forward(&x.detach(), &run)?;
                let output = self.tell(&ran.output)?.detach();
                Ok(Told { output, state: ran.state.detach() })
            }
        }
    }

    /// Runs as [`run`](Self::run) does in use, and gives the output with what the gates of each recurrent
    /// layer and direction did, as [`Recurrent::trace`] does. With `steps` only so many of each sample's
    /// first steps are run over, as if there were no more: a bound on the time and memory that long samples
    /// take.
    ///
    /// # Errors
    /// As there; `steps` of 0.
    pub fn trace(
        &self,
        input: &Tensor,
        given: &Given<'_>,
        steps: Option<usize>,
    ) -> Result<(Tensor, Vec<LayerTrace>)> {
        let mut x = self.features(input)?;
        let all = x.dim(0)?;
        let kept = steps.map_or(all, |steps| steps.min(all));
        x = x.narrow(0, 0, kept)?;
        let cut = |lengths: &[usize]| lengths.iter().map(|&length| length.min(kept)).collect();
        let lengths: Option<Vec<usize>> = given.lengths.map(cut);
        let run = Run {
            emit: self.emit(),
            lengths: lengths.as_deref(),
            state: given.state,
            ..Run::default()
        };
        let (output, traces) = self.recurrent.detached().trace(&x, &run)?;
        Ok((self.tell(&output)?.detach(), traces))
    }

    /// Samples as the recurrent layer sees them in use: `[T, B, I]`, outside the computation graph.
    ///
    /// # Errors
    /// As [`run`](Self::run), of samples that do not fit.
    pub fn features(&self, input: &Tensor) -> Result<Tensor> {
        Ok(self.sequence(input, &mut Mode::Eval)?.detach())
    }

    fn sequence(&self, input: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let expected = match self.config.input {
            InputConfig::Symbols { .. } => DType::U32,
            _ => self.dtype,
        };
        if input.dtype() != expected {
            let (what, found) = ("the model's inputs", input.dtype());
            return Err(Error::DType { what, found, expected: expected.as_str() });
        }
        let x = self.input.forward(input)?;
        match &self.dense {
            Some(dense) => dense.forward(&x, mode),
            None => Ok(x),
        }
    }

    fn emit(&self) -> Emit {
        if self.config.each_step { Emit::All } else { Emit::Last }
    }

    /// Outputs `[B, H]` or `[T, B, H]` of the recurrent layer, as classes or numbers.
    fn tell(&self, outputs: &Tensor) -> Result<Tensor> {
        let mut told = self.head.forward(outputs)?;
        if let Some(scale) = &self.target_scale {
            told = scale.apply(&told)?;
        }
        match self.config.each_step {
            true => Ok(told.transpose(0, 1)?.contiguous()?),
            false => Ok(told),
        }
    }

    /// The mean loss of what [`run`](Self::run) told against `target`: cross entropy, with `smoothing` as
    /// in [`smoothed_cross_entropy`], of classes, `[B]` in `U32`; the mean squared difference of numbers,
    /// `[B, numbers]`, after both are scaled back by [`ModelConfig::target_scale`]. If each step is told,
    /// the target is `[B, T]` or `[B, T, numbers]`, and steps behind `lengths` do not count.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::DType`] or [`Error::Target`] for a target that does not fit.
    pub fn loss(
        &self,
        output: &Tensor,
        target: &Tensor,
        lengths: Option<&[usize]>,
        smoothing: f64,
    ) -> Result<Tensor> {
        let (output, target) = self.rows(output, target, lengths)?;
        if self.config.numbers == 0 {
            return smoothed_cross_entropy(&output, &target, smoothing);
        }
        match &self.target_scale {
            Some(scale) => {
                let target = target.to_dtype(output.dtype())?;
                squared_error(&scale.remove(&output)?, &scale.remove(&target)?)
            }
            None => squared_error(&output, &target),
        }
    }

    /// What was told and its target, a row each: `[N, ..]` both, where `N` counts the samples, or, if each
    /// step is told, their steps without the filling behind `lengths`.
    ///
    /// # Errors
    /// [`Error::Shape`] for lengths that do not fit.
    pub fn rows(
        &self,
        output: &Tensor,
        target: &Tensor,
        lengths: Option<&[usize]>,
    ) -> Result<(Tensor, Tensor)> {
        match self.config.each_step {
            true => Ok((unpadded(output, lengths)?, unpadded(target, lengths)?)),
            false => Ok((output.clone(), target.clone())),
        }
    }

    /// The parameters by name, in a fixed order: input layer, dense layer, recurrent layer, head.
    /// Setting one changes the model.
    pub fn parameters(&self) -> &[(String, Var)] {
        &self.parameters
    }

    /// Where its parameters are.
    pub fn device(&self) -> &Device {
        self.parameters.first().map_or(&Device::Cpu, |(_, var)| var.device())
    }

    /// How many numbers the parameters are.
    pub fn parameter_count(&self) -> usize {
        let counts = self.parameters.iter().map(|(_, var)| var.elem_count());
        counts.sum()
    }

    /// Writes the model to a safetensors file with its configuration in the metadata: the same model
    /// gives the same bytes. A file that is there is replaced in one step once the new one is whole.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        weights::save(path, &self.config, self.dtype, &self.parameters)
    }

    /// Reads a model that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::File`] if it is no model file: each with
    /// what was found and what was expected, tensors by name.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let ModelFile { config, dtype, stored } = weights::load(path, device)?;
        Self::build(&config, Parameters::stored(stored, dtype, device)?)
    }

    /// A model of its own with the present parameters, whose recurrent layers lay theirs out for the kernels
    /// at the first run for all that follow, as [`Recurrent::frozen`] does: for use on many short samples.
    /// The results are the same, bit by bit. What is learned later does not change it, and its recurrent
    /// layers stay as they are, whatever its own parameters are set to.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{InputConfig, Mode, Model, ModelConfig, RecurrentConfig};
    ///
    /// let rows = InputConfig::ImageRows { height: 28, width: 28 };
    /// let config = ModelConfig::classifier(10, rows, RecurrentConfig::new(AnyCell::FGN, 16));
    /// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?.frozen()?;
    /// for brightness in [0.0_f32, 0.5, 1.0] {
    ///     let image = Tensor::full(brightness, (1, 28, 28), &Device::Cpu)?;
    ///     assert_eq!(model.forward(&image, Mode::Eval)?.dims(), [1, 10]);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Candle`] if there is no memory for it.
    pub fn frozen(&self) -> Result<Self> {
        let parameters = self.parameters.iter();
        let tensors = parameters.map(|(name, var)| (name.clone(), var.detach())).collect();
        let stored = Stored { path: PathBuf::new(), tensors };
        let parameters = Parameters::stored(stored, self.dtype, self.device())?;
        let mut frozen = Self::build(&self.config, parameters)?;
        frozen.recurrent = frozen.recurrent.frozen()?;
        Ok(frozen)
    }

    fn build(config: &ModelConfig, mut parameters: Parameters) -> Result<Self> {
        config.validate()?;
        let dtype = parameters.dtype();
        let input = InputLayer::new(&mut parameters, "input", &config.input)?;
        let mut features = config.input.features();
        let mut dense = None;
        if let Some(config) = &config.dense {
            dense = Some(Dense::new(&mut parameters, "dense", features, config)?);
            features = config.size;
        }
        let hidden = config.recurrent.output_size();
        let recurrent = Recurrent::new(&mut parameters, "recurrent", features, &config.recurrent)?;
        let head = Linear::new(&mut parameters, "head", hidden, config.outputs())?;
        let scale = config.target_scale.as_ref().map(|scale| Scaling::new(scale, &parameters));
        let target_scale = scale.transpose()?;
        Ok(Self {
            config: config.clone(),
            dtype,
            input,
            dense,
            recurrent,
            head,
            target_scale,
            parameters: parameters.finish()?,
        })
    }
}
