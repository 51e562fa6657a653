//! A whole model: from samples to predictions.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use fgn_kernels::Precision;
use fgn_schema::{Padded, Prediction};
use serde_json::Value;

use crate::config::ModelConfig;
use crate::dense::Dense;
use crate::dropout::Mode;
use crate::error::{Error, Result};
use crate::heads::{Answer, Encoded, Head};
use crate::inputs::InputLayer;
use crate::loss::{Loss, LossOptions};
use crate::model_file::{self, ModelFile};
use crate::parameters::{Parameters, Stored};
use crate::recurrent::{LayerTrace, Recurrent, RecurrentOptions, State};
use crate::row_table::{Touched, TouchedRows};
use crate::sequences::Sequences;

/// A model of sequences: an input layer turns samples into sequences of features, a recurrent layer runs
/// over them, and a head predicts from its last output, or from each.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    dtype: DType,
    input: Box<dyn InputLayer>,
    dense: Option<Dense>,
    recurrent: Recurrent,
    head: Box<dyn Head>,
    parameters: Vec<(String, Var)>,
    touched: Touched,
    loss_options: LossOptions,
}

/// The input of a [`Model`]: samples, and, if needed, an initial state, resets and the target. Samples alone can
/// be given as a `&Tensor` or `&Padded`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_core::AnyCell;
/// use fgn_nn::fgn_schema::Padded;
/// use fgn_nn::{Classification, Mode, Model, ModelConfig, ModelInput, RecurrentConfig, Series};
///
/// let series = Series::new(2);
/// let config = ModelConfig::new(series, RecurrentConfig::new(AnyCell::FGN, 8), Classification::new(3));
/// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
///
/// // Sequences of 5 and 3 steps; then the same ones, continued.
/// let x = Tensor::zeros((2, 5, 2), DType::F32, &Device::Cpu)?;
/// let x = Padded::with_lengths(x, vec![5, 3])?;
/// let first = model.forward(&x, Mode::Eval)?;
/// let then = model.forward(ModelInput::new(&x).with_state(&first.state), Mode::Eval)?;
/// assert_eq!(then.prediction.output().tensor().dims(), [2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelInput<'a> {
    samples: Cow<'a, Padded>,
    state: Option<&'a State>,
    resets: Option<&'a Tensor>,
    target: Option<&'a Padded>,
}

impl<'a> ModelInput<'a> {
    /// These samples, of the shape that the input layer says.
    pub fn new(samples: &'a Padded) -> Self {
        Self { samples: Cow::Borrowed(samples), state: None, resets: None, target: None }
    }

    /// With an initial state of the recurrent layer, in place of zero.
    pub fn with_state(self, state: &'a State) -> Self {
        Self { state: Some(state), ..self }
    }

    /// With steps before which the states are set to zero, `[B, T]` in `U8`: where it is not 0, a new sequence begins.
    /// See [`Batch::with_resets`](fgn_schema::Batch::with_resets).
    pub fn with_resets(self, resets: &'a Tensor) -> Self {
        Self { resets: Some(resets), ..self }
    }

    /// With the target, for heads that are trained by teacher forcing. Others ignore it.
    pub fn with_target(self, target: &'a Padded) -> Self {
        Self { target: Some(target), ..self }
    }
}

impl<'a> From<&'a Padded> for ModelInput<'a> {
    fn from(samples: &'a Padded) -> Self {
        Self::new(samples)
    }
}

impl From<&Tensor> for ModelInput<'_> {
    fn from(samples: &Tensor) -> Self {
        let samples = Cow::Owned(Padded::new(samples.clone()));
        Self { samples, state: None, resets: None, target: None }
    }
}

/// The output of a [`Model`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelOutput {
    /// What the head predicts: see [`Prediction`] for its shapes.
    pub prediction: Prediction,
    /// The recurrent layer's state after the last step of each sequence.
    pub state: State,
    /// In training, what the head adds to the loss that is differentiated: a scalar, if there is one. It is no part
    /// of the loss that is reported.
    pub penalty: Option<Tensor>,
}

impl Model {
    /// A model whose parameters are drawn from `seed`: the same every time. They are of type `dtype`.
    ///
    /// # Errors
    /// [`Error::Config`] for an invalid value, [`Error::DType`] unless `dtype` is `F32` or `F64`.
    pub fn new(config: &ModelConfig, seed: u64, dtype: DType, device: &Device) -> Result<Self> {
        Self::build(config, Parameters::new(seed, dtype, device)?)
    }

    /// What the model was built from.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Predicts for samples of the data type that the input layer [says](crate::InputConfig::dtype): images
    /// in the model's, series in `F64`, tokens in `U32`. `F32` is widened where `F64` is expected. With
    /// [`Mode::Eval`] the results are outside the computation graph.
    ///
    /// # Errors
    /// [`Error::Shape`] for samples of another shape or an empty batch, [`Error::DType`] for another data
    /// type, [`Error::Token`] for a token out of the vocabulary, [`Error::Shape`] or [`Error::DType`] for a
    /// state that does not fit.
    pub fn forward<'a>(
        &self,
        input: impl Into<ModelInput<'a>>,
        mut mode: Mode<'_>,
    ) -> Result<ModelOutput> {
        let input = input.into();
        if let Mode::Train(_) = mode {
            self.touched.take();
        }
        let x = self.sequences(&input, &mut mode)?;
        match mode {
            Mode::Train(_) => self.predict(&self.recurrent, &x, &input, &mut mode),
            // Over long sequences, what is kept for a backward pass is most of the memory.
            Mode::Eval => self.predict_detached(&x.detach(), &input),
        }
    }

    /// Predicts as [`forward`](Self::forward) does in inference, and returns the prediction with the gates of
    /// each recurrent layer and direction, as [`Recurrent::trace`] does. With `steps`, only the first so many
    /// steps of each sequence are read: a bound on the time and memory that long samples take.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and [`Error::Shape`] for 0 steps.
    pub fn trace<'a>(
        &self,
        input: impl Into<ModelInput<'a>>,
        steps: Option<usize>,
    ) -> Result<(Prediction, Vec<LayerTrace>)> {
        let input = input.into();
        let mut x = self.sequences(&input, &mut Mode::Eval)?.detach();
        let mut kept = input.resets.cloned();
        if let Some(steps) = steps {
            let all = x.tensor().dim(0)?;
            x = x.truncated(steps)?;
            if let Some(resets) = kept.as_mut().filter(|resets| resets.dims().get(1) == Some(&all))
            {
                *resets = resets.narrow(1, 0, x.tensor().dim(0)?)?;
            }
        }
        let input = ModelInput { resets: kept.as_ref(), ..input };
        let prediction = self.predict_detached(&x, &input)?.prediction;
        let resets = resets(&input)?;
        let options = self.recurrent_options(&input, resets.as_ref());
        let (_, traces) = self.recurrent.detached().trace(&x, &options)?;
        Ok((prediction, traces))
    }

    /// The features that the recurrent layer reads in inference, `[T, B, I]`, outside the computation graph.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), for samples that do not fit.
    pub fn features<'a>(&self, input: impl Into<ModelInput<'a>>) -> Result<Sequences> {
        Ok(self.sequences(&input.into(), &mut Mode::Eval)?.detach())
    }

    fn sequences(&self, input: &ModelInput<'_>, mode: &mut Mode<'_>) -> Result<Sequences> {
        let samples = &input.samples;
        let (expected, found) = (self.config.input.dtype(self.dtype), samples.tensor().dtype());
        let x = match (found, expected) {
            _ if found == expected => self.input.forward(samples, mode)?,
            (DType::F32, DType::F64) => {
                let wide = samples.tensor().to_dtype(DType::F64)?;
                self.input.forward(&samples.with_tensor(wide)?, mode)?
            }
            _ => {
                let what = "the model's inputs";
                return Err(Error::DType { what, found, expected: expected.as_str() });
            }
        };
        match &self.dense {
            Some(dense) => {
                let features = dense.forward(x.tensor(), mode)?;
                x.with_tensor(features)
            }
            None => Ok(x),
        }
    }

    fn recurrent_options<'a>(
        &self,
        input: &ModelInput<'a>,
        resets: Option<&'a Tensor>,
    ) -> RecurrentOptions<'a> {
        RecurrentOptions {
            emit: self.head.emit(),
            state: input.state,
            resets,
            ..RecurrentOptions::default()
        }
    }

    fn predict(
        &self,
        recurrent: &Recurrent,
        x: &Sequences,
        input: &ModelInput<'_>,
        mode: &mut Mode<'_>,
    ) -> Result<ModelOutput> {
        let seed = recurrent.seed(mode);
        let resets = resets(input)?;
        let options = RecurrentOptions { seed, ..self.recurrent_options(input, resets.as_ref()) };
        let found = recurrent.forward(x, &options)?;
        let encoded = Encoded::new(&found.output, x.lengths(), &found.state);
        let prediction = self.head.forward(&encoded, input.target, mode)?;
        let penalty = match mode {
            Mode::Train(_) => self.head.penalty(&encoded)?,
            Mode::Eval => None,
        };
        Ok(ModelOutput { prediction, state: found.state, penalty })
    }

    fn predict_detached(&self, x: &Sequences, input: &ModelInput<'_>) -> Result<ModelOutput> {
        let found = self.predict(&self.recurrent.detached(), x, input, &mut Mode::Eval)?;
        Ok(ModelOutput {
            prediction: found.prediction.detach(),
            state: found.state.detach(),
            penalty: None,
        })
    }

    /// The mean loss of a prediction against the target, as the head defines it: cross entropy of classes,
    /// the mean squared error of standardised values. Steps that are padding do not count.
    ///
    /// # Errors
    /// [`Error::Batch`], [`Error::Shape`], [`Error::DType`] or [`Error::Target`] for a target that does not
    /// fit, [`Error::Config`] for options that the head does not have.
    pub fn loss(
        &self,
        prediction: &Prediction,
        target: &Padded,
        options: &LossOptions,
    ) -> Result<Loss> {
        self.head.loss(prediction, target, options)
    }

    /// The options of the loss in training and evaluation, see [`set_loss_options`](Self::set_loss_options). By default none.
    pub fn loss_options(&self) -> &LossOptions {
        &self.loss_options
    }

    /// Sets the options of its loss, for those who train and evaluate it: [`loss`](Self::loss) itself takes them as an
    /// argument. They are not part of a saved model.
    ///
    /// # Errors
    /// [`Error::Config`] for options that the head does not have.
    pub fn set_loss_options(&mut self, options: LossOptions) -> Result<()> {
        self.config.head.check_loss_options(&options)?;
        self.loss_options = options;
        Ok(())
    }

    /// As [`Recurrent::set_precision`], of its recurrent layer. It is not part of a saved model.
    ///
    /// # Errors
    /// As there.
    pub fn set_precision(&mut self, precision: Precision) -> Result<()> {
        self.recurrent.set_precision(precision)
    }

    /// The answers to read of a prediction, one for each sample.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{Classification, ImageRows, Mode, Model, ModelConfig, RecurrentConfig};
    ///
    /// let names = vec!["cat".to_owned(), "dog".to_owned()];
    /// let head = Classification { names, ..Classification::new(2) };
    /// let rows = ImageRows::new(8, 8);
    /// let config = ModelConfig::new(rows, RecurrentConfig::new(AnyCell::FGN, 4), head);
    /// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
    /// let images = Tensor::zeros((1, 8, 8), DType::F32, &Device::Cpu)?;
    /// let output = model.forward(&images, Mode::Eval)?;
    /// // The logits of a black image are the head's biases, zero: neither class is more probable.
    /// let answers = model.decode(&output.prediction)?;
    /// assert!(answers[0].text().starts_with("cat\n  cat: 0."));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Prediction`] for a prediction of a model with another kind of head.
    pub fn decode(&self, prediction: &Prediction) -> Result<Vec<Answer>> {
        self.head.decode(prediction)
    }

    /// The parameters by name, in a fixed order: input layer, dense layer, recurrent layer, head.
    /// Setting one changes the model.
    pub fn parameters(&self) -> &[(String, Var)] {
        &self.parameters
    }

    /// The rows of parameters that the last forward pass in training has read, where layers have sparse gradients: an
    /// embedding or a head with `sparse`. Their gradients are those of [`TouchedRows::values`]; without such layers
    /// there are none. Each is returned once.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{Classification, Embedding, Generator, Mode, Model, ModelConfig, RecurrentConfig};
    ///
    /// let input = Embedding { sparse: true, ..Embedding::new(1_000_000, 4) };
    /// let recurrent = RecurrentConfig::new(AnyCell::GRU, 8);
    /// let config = ModelConfig::new(input, recurrent, Classification::new(2));
    /// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
    /// let tokens = Tensor::new(&[[7u32, 999_999, 7]], &Device::Cpu)?;
    /// let mut generator = Generator::seed_from_u64(1);
    /// let output = model.forward(&tokens, Mode::Train(&mut generator))?;
    /// let gradients = output.prediction.output().tensor().sum_all()?.backward()?;
    /// let touched = model.take_touched_rows();
    /// assert_eq!(touched[0].parameter, "input.embedding.weight");
    /// assert_eq!(touched[0].rows, [7, 999_999]);
    /// assert_eq!(gradients.get(&touched[0].values).unwrap().dims(), [2, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_touched_rows(&self) -> Vec<TouchedRows> {
        self.touched.take()
    }

    /// The recurrent layer.
    pub fn recurrent(&self) -> &Recurrent {
        &self.recurrent
    }

    /// The dense layer, if there is one.
    pub(crate) fn dense(&self) -> Option<&Dense> {
        self.dense.as_ref()
    }

    /// The head.
    pub(crate) fn head(&self) -> &dyn Head {
        &*self.head
    }

    /// The device that its parameters are on.
    pub fn device(&self) -> &Device {
        self.parameters.first().map_or(&Device::Cpu, |(_, var)| var.device())
    }

    /// The number of values of all parameters.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(|(_, var)| var.elem_count()).sum()
    }

    /// Writes the model to a safetensors file with its configuration in the metadata: the same model gives
    /// the same bytes. An existing file is replaced in one step once the new one is complete.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        model_file::save(path, &self.config, self.dtype, None, &self.parameters)
    }

    /// As [`save`](Self::save), with what a program needs to use the model, such as how its samples are read.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{Classification, Model, ModelConfig, RecurrentConfig, Series};
    /// use serde_json::json;
    ///
    /// let series = Series::new(2);
    /// let config = ModelConfig::new(series, RecurrentConfig::new(AnyCell::FGN, 8), Classification::new(3));
    /// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
    /// let folder = tempfile::tempdir()?;
    /// let file = folder.path().join("model.safetensors");
    /// model.save_with(&file, &json!({ "columns": ["x", "y"] }))?;
    /// let (_, usage) = Model::load_with(&file, &Device::Cpu)?;
    /// assert_eq!(usage, Some(json!({ "columns": ["x", "y"] })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn save_with(&self, path: &Path, usage: &Value) -> Result<()> {
        model_file::save(path, &self.config, self.dtype, Some(usage), &self.parameters)
    }

    /// Reads a model that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::File`] if it is not a model file of this version:
    /// with what was found and what was expected, tensors by name.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        Ok(Self::load_with(path, device)?.0)
    }

    /// Reads a model with what [`save_with`](Self::save_with) wrote beside it; `None` for a file of [`save`](Self::save).
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(path: &Path, device: &Device) -> Result<(Self, Option<Value>)> {
        let ModelFile { config, dtype, usage, stored } = model_file::load(path, device)?;
        Ok((Self::build(&config, Parameters::stored(stored, dtype, device)?)?, usage))
    }

    /// A model of its own with a copy of the present parameters, whose recurrent layers pack theirs once at
    /// the first forward pass, as [`Recurrent::frozen`] does: for inference on many short samples. The
    /// results are the same, bit by bit. Later training does not change it, and its recurrent layers do not
    /// follow changes of its own parameters.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use fgn_core::AnyCell;
    /// use fgn_nn::{Classification, ImageRows, Mode, Model, ModelConfig, RecurrentConfig};
    ///
    /// let rows = ImageRows::new(28, 28);
    /// let recurrent = RecurrentConfig::new(AnyCell::FGN, 16);
    /// let config = ModelConfig::new(rows, recurrent, Classification::new(10));
    /// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?.frozen()?;
    /// for brightness in [0.0_f32, 0.5, 1.0] {
    ///     let image = Tensor::full(brightness, (1, 28, 28), &Device::Cpu)?;
    ///     let output = model.forward(&image, Mode::Eval)?;
    ///     assert_eq!(output.prediction.output().tensor().dims(), [1, 10]);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Candle`] if there is not enough memory.
    pub fn frozen(&self) -> Result<Self> {
        let parameters = self.parameters.iter();
        let tensors = parameters.map(|(name, var)| (name.clone(), var.detach())).collect();
        let stored = Stored { path: PathBuf::new(), tensors };
        let parameters = Parameters::stored(stored, self.dtype, self.device())?;
        let mut frozen = Self::build(&self.config, parameters)?;
        frozen.recurrent = frozen.recurrent.frozen()?;
        frozen.loss_options = self.loss_options.clone();
        Ok(frozen)
    }

    fn build(config: &ModelConfig, mut parameters: Parameters) -> Result<Self> {
        config.validate()?;
        let dtype = parameters.dtype();
        let input = config.input.build(&mut parameters, "input")?;
        let mut features = config.input.features();
        let mut dense = None;
        if let Some(config) = &config.dense {
            dense = Some(Dense::new(&mut parameters, "dense", features, config)?);
            features = config.size;
        }
        let hidden = config.recurrent.output_size();
        let recurrent = Recurrent::new(&mut parameters, "recurrent", features, &config.recurrent)?;
        let head = config.head.build(&mut parameters, "head", hidden)?;
        let (parameters, touched) = parameters.finish()?;
        Ok(Self {
            config: config.clone(),
            dtype,
            input,
            dense,
            recurrent,
            head,
            parameters,
            touched,
            loss_options: LossOptions::default(),
        })
    }
}

/// The resets of an input as the recurrent layer takes them, `[T, B]`.
fn resets(input: &ModelInput<'_>) -> Result<Option<Tensor>> {
    Ok(input.resets.map(|resets| resets.t()?.contiguous()).transpose()?)
}
