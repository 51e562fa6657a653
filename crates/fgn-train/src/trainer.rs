//! The training loop.

use std::time::Instant;

use candle_core::{DType, Device};
use fgn_data::{Batches, Dataset, Order};
use fgn_nn::{Mode, Model, cross_entropy};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::evaluation::{Evaluation, Tally, evaluate};
use crate::{Config, Error, Optimizer, Result};

/// Trains the model that `config` describes on `dataset`, and tells `observer` how it goes. The test
/// images are used once, after the last epoch.
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
///     "training.learning_rate=0.1",
/// ];
/// let settings: Vec<Override> = settings.map(str::parse).into_iter().collect::<Result<_, _>>()?;
/// let trained = train(&Config::load("mnist-rows", &settings)?, &dataset, &mut ())?;
/// assert_eq!(trained.history.len(), 10);
/// assert_eq!(trained.test.accuracy(), 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn train(config: &Config, dataset: &Dataset, observer: &mut dyn Observer) -> Result<Trained> {
    config.check_with(dataset)?;
    let (training, device) = (&config.training, Device::Cpu);
    let seed = training.seed;
    let dataset = dataset.clone().hold_out(config.data.validation, seed)?;

    let model = Model::new(&config.model, seed, DType::F32, &device)?;
    let parameters = model.parameters().iter().map(|(_, var)| var);
    let mut optimizer = Optimizer::new(&training.optimizer, training.clip_norm, parameters)?;
    let steps = dataset.train.len().div_ceil(training.batch_size);
    observer.start(&Plan::new(config, &model, &dataset, steps))?;

    let mut history = Vec::new();
    for epoch in 1..=training.epochs {
        let start = Instant::now();
        let mut tally = Tally::new(&model);
        let order = Order::Shuffled { seed, epoch: epoch as u64 };
        let batches = Batches::new(&dataset.train, order, training.batch_size, &device)?;
        for (step, batch) in (1..).zip(batches) {
            let batch = batch?;
            let mut dropout = dropout_generator(seed, epoch, step);
            let logits = model.forward(&batch.input, Mode::Train(&mut dropout))?;
            let loss = cross_entropy(&logits, &batch.target)?;
            let cost = tally.add(&logits, &batch.target, &loss)?;
            finite(cost, epoch, step)?;
            let done = (epoch - 1) * steps + step - 1;
            let factor = training.schedule.factor(done, training.epochs * steps);
            optimizer.step(&loss.backward()?, training.learning_rate * factor)?;
            observer.step(&Step { epoch, step, loss: cost, images: tally.images() })?;
        }
        let seconds = start.elapsed().as_secs_f64();

        let valid = dataset.valid.as_ref().map(|valid| evaluate(&model, valid)).transpose()?;
        let metrics = EpochMetrics::new(epoch, &tally.mean(), valid.as_ref(), seconds);
        finite(metrics.valid_loss.unwrap_or(0.0), epoch, steps)?;
        observer.epoch(&metrics, &model)?;
        history.push(metrics);
    }
    let test = evaluate(&model, &dataset.test)?;
    finite(test.loss, training.epochs, steps)?;
    Ok(Trained { model, history, test })
}

/// Is told how a training goes. `()` ignores it, a pair of observers tells both.
pub trait Observer {
    /// Called once, before the first step.
    ///
    /// # Errors
    /// Any; it stops the training, here and below.
    fn start(&mut self, plan: &Plan) -> Result<()> {
        let _ = plan;
        Ok(())
    }

    /// Called after each step.
    fn step(&mut self, step: &Step) -> Result<()> {
        let _ = step;
        Ok(())
    }

    /// Called after each epoch, with the model as it is then.
    fn epoch(&mut self, metrics: &EpochMetrics, model: &Model) -> Result<()> {
        let _ = (metrics, model);
        Ok(())
    }
}

impl Observer for () {}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn start(&mut self, plan: &Plan) -> Result<()> {
        self.0.start(plan)?;
        self.1.start(plan)
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        self.0.step(step)?;
        self.1.step(step)
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &Model) -> Result<()> {
        self.0.epoch(metrics, model)?;
        self.1.epoch(metrics, model)
    }
}

/// What a training is going to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The recipe's name.
    pub name: String,
    /// The cell, with its options.
    pub cell: String,
    /// Numbers that are learned.
    pub parameters: usize,
    /// Images to train on, held out for validation, and to test on.
    pub images: [usize; 3],
    /// Passes over the training images.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps: usize,
}

/// One step of the optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Counted from 1.
    pub epoch: usize,
    /// Counted from 1, within the epoch.
    pub step: usize,
    /// The mean cross entropy of this step's images.
    pub loss: f64,
    /// Images trained on in this epoch up to here.
    pub images: usize,
}

/// What is known after an epoch: a line of `metrics.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean cross entropy over the epoch's training images, each before the step that used it, with
    /// dropout.
    pub train_loss: f64,
    /// The share of those images that the model had right.
    pub train_accuracy: f64,
    /// Mean cross entropy of the held-out images after the epoch; none where none are held out.
    pub valid_loss: Option<f64>,
    /// The share of the held-out images that the model has right.
    pub valid_accuracy: Option<f64>,
    /// How long the epoch's steps took, without validation.
    pub seconds: f64,
    /// Training images a second.
    pub samples_per_second: f64,
}

/// What a training gives.
pub struct Trained {
    /// The model after the last epoch.
    pub model: Model,
    /// One entry an epoch.
    pub history: Vec<EpochMetrics>,
    /// The last model on the test images.
    pub test: Evaluation,
}

impl Plan {
    fn new(config: &Config, model: &Model, dataset: &Dataset, steps: usize) -> Plan {
        let held_out = dataset.valid.as_ref().map_or(0, |valid| valid.len());
        Plan {
            name: config.name.clone(),
            cell: config.model.recurrent.cell.to_string(),
            parameters: model.parameter_count(),
            images: [dataset.train.len(), held_out, dataset.test.len()],
            epochs: config.training.epochs,
            steps,
        }
    }
}

impl EpochMetrics {
    fn new(
        epoch: usize,
        train: &Evaluation,
        valid: Option<&Evaluation>,
        seconds: f64,
    ) -> EpochMetrics {
        EpochMetrics {
            epoch,
            train_loss: train.loss,
            train_accuracy: train.accuracy(),
            valid_loss: valid.map(|valid| valid.loss),
            valid_accuracy: valid.map(Evaluation::accuracy),
            seconds,
            samples_per_second: train.images() as f64 / seconds,
        }
    }
}

fn finite(loss: f64, epoch: usize, step: usize) -> Result<()> {
    if loss.is_finite() { Ok(()) } else { Err(Error::Diverged { loss, epoch, step }) }
}

/// Depends on these three numbers alone, so that any step can be repeated without those before it.
fn dropout_generator(seed: u64, epoch: usize, step: usize) -> ChaCha8Rng {
    let mut key = *b"dropout.........................";
    key[8..16].copy_from_slice(&seed.to_le_bytes());
    key[16..24].copy_from_slice(&(epoch as u64).to_le_bytes());
    key[24..32].copy_from_slice(&(step as u64).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// Notes what it is told.
    #[derive(Default)]
    struct Notes {
        plans: Vec<Plan>,
        steps: Vec<Step>,
        epochs: Vec<EpochMetrics>,
    }

    impl Observer for Notes {
        fn start(&mut self, plan: &Plan) -> Result<()> {
            self.plans.push(plan.clone());
            Ok(())
        }
        fn step(&mut self, step: &Step) -> Result<()> {
            self.steps.push(*step);
            Ok(())
        }
        fn epoch(&mut self, metrics: &EpochMetrics, _: &Model) -> Result<()> {
            self.epochs.push(*metrics);
            Ok(())
        }
    }

    #[test]
    fn it_learns_and_tells_the_observer_everything() {
        let (config, dataset) = (testing::config(), testing::dataset());
        let mut notes = Notes::default();
        let trained = train(&config, &dataset, &mut notes).unwrap();
        let plan = &notes.plans[0];
        assert_eq!(notes.plans.len(), 1);
        assert_eq!(plan.parameters, trained.model.parameter_count());
        assert_eq!(plan.images.iter().sum::<usize>(), dataset.train.len() + dataset.test.len());
        assert_eq!(notes.steps.len(), plan.steps * plan.epochs);
        let last = notes.steps.last().unwrap();
        assert_eq!((last.epoch, last.step, last.images), (plan.epochs, plan.steps, plan.images[0]));
        assert_eq!(notes.epochs, trained.history);
        assert_eq!(trained.test, evaluate(&trained.model, &dataset.test).unwrap());
        let losses: Vec<_> = trained.history.iter().map(|epoch| epoch.train_loss).collect();
        assert!(losses.last().unwrap() < &(0.5 * losses[0]), "{losses:?}");
        assert!(trained.test.accuracy() > 0.9, "{:?}", trained.test);
    }

    #[test]
    fn without_held_out_images_an_epoch_has_no_validation() {
        let mut config = testing::config();
        config.data.validation = 0;
        config.training.epochs = 1;
        let trained = train(&config, &testing::dataset(), &mut ()).unwrap();
        assert_eq!(trained.history[0].valid_loss, None);
    }

    #[test]
    fn a_loss_that_is_no_number_stops_it() {
        let mut config = testing::config();
        config.training.learning_rate = 1e38;
        config.training.optimizer = crate::OptimizerConfig::Sgd { momentum: 0.0 };
        let error = train(&config, &testing::dataset(), &mut ()).err().unwrap();
        assert!(matches!(error, Error::Diverged { .. }), "{error}");
    }

    #[test]
    fn every_step_has_its_own_dropout() {
        use rand_chacha::rand_core::RngCore;
        let first = |seed, epoch, step| dropout_generator(seed, epoch, step).next_u64();
        let all = [first(1, 1, 1), first(1, 1, 2), first(1, 2, 1), first(2, 1, 1)];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[..i].contains(one));
        }
    }
}
