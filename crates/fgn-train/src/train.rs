//! From a configuration to a trained and measured model, in one call.

use candle_core::{DType, Device};
use fgn_data::Dataset;
use fgn_nn::Model;

use crate::config::Config;
use crate::epoch_metrics::EpochMetrics;
use crate::error::Result;
use crate::evaluation::{Evaluation, evaluate_with};
use crate::learner::Learner;
use crate::observer::Observer;
use crate::trainer::{Trainer, finite};

/// Trains the model that `config` describes on `dataset`, and reports to `observer`. The test set is
/// used once, at the end.
///
/// The same configuration and data give the same model, bit for bit, whatever the number of threads.
///
/// # Errors
/// A configuration that does not fit the data, before any work; a loss that is not finite; a training that has
/// diverged; whatever `observer` returns.
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
///     "model.head.classes=2", "model.input.height=4", "model.input.width=4",
///     "model.recurrent.hidden_size=4", "data.validation=4", "training.batch_size=4",
///     "optimizer.learning_rate=0.1",
/// ];
/// let settings: Vec<Override> = settings.map(str::parse).into_iter().collect::<Result<_, _>>()?;
/// let trained = train(&Config::load("mnist-rows", &settings)?, &dataset, &mut ())?;
/// assert_eq!(trained.history.len(), 10);
/// assert_eq!(trained.test.get("accuracy"), Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn train(config: &Config, dataset: &Dataset, observer: &mut dyn Observer) -> Result<Trained> {
    config.check_with(dataset)?;
    let seed = config.training.seed;
    let model = Model::new(&config.model, seed, DType::F32, &Device::Cpu)?;
    let dataset = config.data.divide(dataset.clone(), seed)?;
    let mut trainer = Trainer::new(config, model)?;
    trainer.run(&dataset, observer)?;
    trainer.evaluate_and_finish(&dataset, observer)
}

impl<M: Learner> Trainer<M> {
    /// Evaluates the trained model on the test part, with the metrics of the training, and reports the end of the
    /// training to `observer`.
    ///
    /// # Errors
    /// A loss that is not finite; whatever `observer` returns.
    pub fn evaluate_and_finish(
        self,
        dataset: &Dataset,
        observer: &mut dyn Observer<M>,
    ) -> Result<Trained<M>> {
        let test = evaluate_with(self.model(), &dataset.test, self.new_metrics()?)?;
        finite::measured(test.loss(), self.epoch())?;
        self.finish(dataset, &test, observer)?;
        let (history, epoch) = (self.state().history().to_vec(), self.epoch());
        Ok(Trained { model: self.into_model(), history, epoch, test })
    }
}

/// What a training gives.
#[non_exhaustive]
pub struct Trained<M = Model> {
    /// The model, with the weights of `epoch`.
    pub model: M,
    /// One entry an epoch.
    pub history: Vec<EpochMetrics>,
    /// The epoch whose weights the model has, counted from 1: the best one or the last one.
    pub epoch: usize,
    /// The evaluation of the model on the test part.
    pub test: Evaluation,
}
