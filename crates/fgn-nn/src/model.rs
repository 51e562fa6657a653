use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use fgn_kernels::Emit;

use crate::weights::{self, ModelFile};
use crate::{
    Dense, Error, InputLayer, Linear, Mode, ModelConfig, Parameters, Recurrent, Result, Run,
};

/// A classifier of images: an input layer makes a sequence of each image, a recurrent layer runs
/// over it, and the head gives logits from its last output.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    dtype: DType,
    input: InputLayer,
    dense: Option<Dense>,
    recurrent: Recurrent,
    head: Linear,
    parameters: Vec<(String, Var)>,
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

    /// `images: [B, height, width]`, numbers in `[0, 1]` of the model's type, give logits
    /// `[B, classes]`; with [`Mode::Eval`] they are outside the computation graph.
    ///
    /// # Errors
    /// [`Error::Shape`] for images of another size or a batch of none, [`Error::DType`] for another
    /// type of number.
    pub fn forward(&self, images: &Tensor, mut mode: Mode<'_>) -> Result<Tensor> {
        if images.dtype() != self.dtype {
            return Err(Error::DType {
                what: "images",
                found: images.dtype(),
                expected: self.dtype.as_str(),
            });
        }
        let mut x = self.input.forward(images)?;
        if let Some(dense) = &self.dense {
            x = dense.forward(&x, &mut mode)?;
        }
        let seed = self.recurrent.seed(&mut mode);
        let run = Run { emit: Emit::Last, seed, ..Run::default() };
        match mode {
            Mode::Train(_) => self.head.forward(&self.recurrent.forward(&x, &run)?.output),
            // Over long sequences, what is kept for a backward pass is most of the memory.
            Mode::Eval => {
                let run = self.recurrent.detached().forward(&x.detach(), &run)?;
                Ok(self.head.forward(&run.output)?.detach())
            }
        }
    }

    /// The parameters by name, in a fixed order: input layer, dense layer, recurrent layer, head.
    /// Setting one changes the model.
    pub fn parameters(&self) -> &[(String, Var)] {
        &self.parameters
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
        let head = Linear::new(&mut parameters, "head", hidden, config.classes)?;
        Ok(Self {
            config: config.clone(),
            dtype,
            input,
            dense,
            recurrent,
            head,
            parameters: parameters.finish()?,
        })
    }
}
