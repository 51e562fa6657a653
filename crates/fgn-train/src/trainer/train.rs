//! From a configuration to a trained and measured model, in one call.

use candle_core::{DType, Device};
use fgn_data::Dataset;
use fgn_nn::Model;

use super::finite;
use crate::{Config, EpochMetrics, Evaluation, Observer, Result, Trainer, evaluate};

/// Trains the model that `config` describes on `dataset`, and tells `observer` how it goes. The test
/// samples are used once, after the last epoch.
///
/// The same configuration and data give the same model, bit for bit, whatever the number of threads.
///
/// # Errors
/// A configuration that does not fit the data, before any work; a loss that is no finite number;
/// whatever `observer` returns.
///
/// ```
/// use fgn_data::{Dataset, Images};
/// use fgn_train::{Config, Override, train};
///
/// // Two classes of 4 x 4 images: the upper half is bright, or the lower.
/// let pixels: Vec<u8> = (0..16u8)
///     .flat_map(|i| (0..16u8).map(move |at| if (at < 8) == (i % 2 == 0) { 200 + i } else { i }))
///     .collect();
/// let labels: Vec<u8> = (0..16).map(|i| i % 2).collect();
/// let images = Images::new("halves", 4, 4, 2, pixels, labels)?;
/// let dataset = Dataset { train: images.clone(), valid: None, test: images }.shared();
///
/// let settings = [
///     "model.classes=2", "model.input.height=4", "model.input.width=4",
///     "model.recurrent.hidden_size=4", "data.validation=4", "training.batch_size=4",
///     "optimizer.learning_rate=0.1",
/// ];
/// let settings: Vec<Override> = settings.map(str::parse).into_iter().collect::<Result<_, _>>()?;
/// let trained = train(&Config::load("mnist-rows", &settings)?, &dataset, &mut ())?;
/// assert_eq!(trained.history.len(), 10);
/// assert_eq!(trained.test.accuracy(), Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn train(config: &Config, dataset: &Dataset, observer: &mut dyn Observer) -> Result<Trained> {
    config.check_with(dataset)?;
    let seed = config.training.seed;
    let model = Model::new(&config.model, seed, DType::F32, &Device::Cpu)?;
    let dataset = config.data.divide(dataset.clone(), seed)?;
    let mut trainer = Trainer::new(config, model)?;
    trainer.run(&dataset, observer)?;
    trainer.measured(&dataset)
}

impl Trainer<Model> {
    /// Measures the trained model on the test samples.
    ///
    /// # Errors
    /// A loss that is not finite.
    pub fn measured(self, dataset: &Dataset) -> Result<Trained> {
        let history = self.progress().history().to_vec();
        let model = self.into_model();
        let test = evaluate(&model, &dataset.test)?;
        finite::measured(test.loss, history.len())?;
        Ok(Trained { model, history, test })
    }
}

/// What a training gives.
pub struct Trained {
    /// The model after the last epoch.
    pub model: Model,
    /// One entry an epoch.
    pub history: Vec<EpochMetrics>,
    /// The model on the test samples.
    pub test: Evaluation,
}
