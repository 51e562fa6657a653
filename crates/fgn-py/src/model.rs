//! Trained models on arrays.

use std::path::PathBuf;

use candle_core::Device;
use fgn_nn::{ImageRequest, Mode, ModelInput, Stop};
use fgn_schema::{Padded, TargetSchema};
use fgn_train::{DataConfig, TrainedModel, predict_file};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use serde_json::Value;

use crate::arrays::{of_tensor, owned, slice, tensor};
use crate::errors::{Error, error, work};
use crate::sampling::{Sampling, precision};
use crate::sound::SoundStream;

/// A trained model.
#[pyclass(frozen, module = "fgn._fgn")]
pub(crate) struct Model {
    /// With weights that are packed once.
    model: fgn_nn::Model,
    data: DataConfig,
}

/// The state of a model's recurrent layer after some steps.
#[pyclass(frozen, module = "fgn._fgn")]
pub(crate) struct State {
    state: fgn_nn::State,
}

/// What a pass gives: the kind of prediction, its numbers, their lengths, the answers as JSON, and the final state.
type Forward<'py> = (&'static str, Bound<'py, PyAny>, Option<Vec<usize>>, Vec<String>, State);

#[pymethods]
impl State {
    /// The states of each layer and direction, `[S, B, H]`.
    fn arrays<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.state.tensors().iter().map(|tensor| of_tensor(py, tensor)).collect()
    }
}

#[pymethods]
impl Model {
    /// Opens a run folder, or a file that `fgn export` wrote.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Model> {
        work(py, || {
            let TrainedModel { model, data, .. } =
                TrainedModel::open(&path, &Device::Cpu).map_err(error)?;
            Ok(Model { model: model.frozen().map_err(error)?, data })
        })
    }

    /// The model's configuration, as JSON.
    #[getter]
    fn config(&self) -> PyResult<String> {
        serde_json::to_string(self.model.config()).map_err(error)
    }

    /// What a sample is, in words.
    #[getter]
    fn samples(&self) -> String {
        self.model.config().input.samples().to_string()
    }

    /// What is predicted, in words.
    #[getter]
    fn target(&self) -> String {
        self.model.config().head.target().to_string()
    }

    /// The NumPy type of the samples.
    #[getter]
    fn dtype(&self) -> &'static str {
        match self.model.config().input.dtype(self.model.recurrent().dtype()) {
            candle_core::DType::F64 => "float64",
            candle_core::DType::U32 => "uint32",
            _ => "float32",
        }
    }

    /// The parameters by name.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        let all = self.model.parameters().iter();
        all.map(|(name, var)| Ok((name.clone(), of_tensor(py, var.as_tensor())?))).collect()
    }

    /// Predicts a batch of samples.
    #[pyo3(signature = (samples, lengths, state, decode))]
    fn forward<'py>(
        &self,
        py: Python<'py>,
        samples: &Bound<'py, PyAny>,
        lengths: Option<Vec<usize>>,
        state: Option<&State>,
        decode: bool,
    ) -> PyResult<Forward<'py>> {
        let samples = tensor(samples, "samples")?;
        let state = state.map(|state| &state.state);
        let (output, answers) = work(py, || {
            let samples = match lengths {
                Some(lengths) => Padded::with_lengths(samples, lengths).map_err(error)?,
                None => Padded::new(samples),
            };
            let input = ModelInput::new(&samples);
            let input = match state {
                Some(state) => input.with_state(state),
                None => input,
            };
            let output = self.model.forward(input, Mode::Eval).map_err(error)?;
            let answers = match decode {
                true => self.model.decode(&output.prediction).map_err(error)?,
                false => Vec::new(),
            };
            Ok((output, answers))
        })?;
        let answers = answers.iter().map(|answer| Value::Object(answer.json().clone()).to_string());
        let padded = output.prediction.output();
        let lengths = padded.lengths().map(<[_]>::to_vec);
        let numbers = of_tensor(py, padded.tensor())?;
        let state = State { state: output.state.detach() };
        Ok((output.prediction.kind(), numbers, lengths, answers.collect(), state))
    }

    /// Predicts what is in a file or folder: the title of each sample, and its answer as JSON.
    fn predict_file(&self, py: Python<'_>, path: PathBuf) -> PyResult<Vec<(String, String)>> {
        work(py, || {
            let mut all = Vec::new();
            predict_file(&self.model, &self.data, &path, &mut |title, answer| {
                all.push((title, Value::Object(answer.json().clone()).to_string()));
                Ok(())
            })
            .map_err(error)?;
            Ok(all)
        })
    }

    /// The answer to a text, as JSON.
    fn answer(&self, py: Python<'_>, text: &str) -> PyResult<String> {
        let answer = work(py, || self.model.answer(text).map_err(error))?;
        Ok(Value::Object(answer.json().clone()).to_string())
    }

    /// The tokens of a text.
    fn encode(&self, text: &str) -> PyResult<Vec<u32>> {
        self.model.tokenizer().map_err(error)?.encode(text).map_err(error)
    }

    /// The text of tokens.
    fn decode(&self, tokens: Vec<u32>) -> PyResult<String> {
        let tokenizer = self.model.tokenizer().map_err(error)?;
        let vocabulary = tokenizer.vocabulary();
        if let Some(token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
            let message = format!("tokens: expected each below {vocabulary}, got {token}");
            return Err(Error::new_err(message));
        }
        Ok(tokenizer.decode(&tokens))
    }

    /// Whether the model continues texts, rather than answer them.
    #[getter]
    fn is_language_model(&self) -> bool {
        matches!(self.model.config().head.target(), TargetSchema::NextToken { .. })
    }

    /// The text after a prompt. `on_text` is called with each piece.
    fn generate(
        &self,
        py: Python<'_>,
        prompt: &str,
        length: usize,
        stop: Vec<String>,
        sampling: &str,
        on_text: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let sampling = Sampling::parse(sampling)?;
        let (precision, sampler) = (sampling.precision()?, sampling.sampler(0)?);
        work(py, || {
            let generator = self.model.text_generator(precision, sampling.threads, sampler);
            let mut generator = generator.map_err(error)?;
            match prompt {
                "" => drop(generator.begin().map_err(error)?),
                prompt => generator.read(prompt).map_err(error)?,
            }
            let stop = Stop { texts: stop, tokens: Vec::new() };
            let mut pieces = generator.pieces(&stop);
            let mut text = String::new();
            let mut add = |piece: &str| {
                text += piece;
                shown(piece, on_text.as_ref())
            };
            for _ in 0..length {
                let Some(piece) = pieces.next().transpose().map_err(error)? else { break };
                add(&piece)?;
            }
            add(&pieces.rest())?;
            Ok(text)
        })
    }

    /// Images: the level of grey of each pixel, `[N, height, width]`, and the log-likelihood of each image. `known` has the
    /// first pixels of all of them.
    fn generate_images<'py>(
        &self,
        py: Python<'py>,
        count: usize,
        known: PyReadonlyArray1<'py, u32>,
        sampling: &str,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let sampling = Sampling::parse(sampling)?;
        let (precision, threads) = (sampling.precision()?, sampling.threads);
        let known = slice(&known, "known")?;
        let ([height, width], images) = work(py, || {
            let generator = self.model.image_generator(precision, threads);
            let mut generator = generator.map_err(error)?;
            let request = |index| {
                let sampler = sampling.sampler(index)?;
                Ok(ImageRequest { known: known.to_vec(), sampler })
            };
            let requests = (0..count as u64).map(request).collect::<PyResult<Vec<_>>>()?;
            let images = generator.generate(requests, &mut |_| ()).map_err(error)?;
            Ok((generator.size(), images))
        })?;
        let pixels = images.iter().flat_map(|image| image.pixels.iter().copied()).collect();
        let likelihoods = images.iter().map(|image| image.log_likelihood).collect();
        let pixels = owned::<u32>(py, pixels, &[count, height, width])?;
        Ok((pixels, owned::<f64>(py, likelihoods, &[count])?))
    }

    /// A stream of one sound.
    fn sound_stream(&self, precision: &str, threads: usize) -> PyResult<SoundStream> {
        let precision = self::precision(precision)?;
        let stream = self.model.sound_stream(precision, threads).map_err(error)?;
        Ok(SoundStream::new(stream))
    }
}

/// Calls `on_text` with a piece of text, and lets Python handle its signals.
fn shown(piece: &str, on_text: Option<&Py<PyAny>>) -> PyResult<()> {
    Python::attach(|py| {
        py.check_signals()?;
        match on_text.filter(|_| !piece.is_empty()) {
            Some(on_text) => on_text.call1(py, (piece,)).map(drop),
            None => Ok(()),
        }
    })
}
