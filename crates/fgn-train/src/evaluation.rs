//! How good a model is on some samples: its loss and its metrics.

use candle_core::Device;
use fgn_data::{Batches, Order, Samples, Windows};

use crate::error::{Error, Result};
use crate::learner::{Learner, Pass};
use crate::loss_sum::LossSum;
use crate::metrics::{Breakdown, Direction, Measures, MetricInfo, Metrics, Unit};

/// How good a model is on some samples.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// How many targets there were: one for each sample, or one for each step.
    pub targets: usize,
    /// The mean loss and the metrics over all targets.
    pub measures: Measures,
    /// What the metrics are called, in the order of [`measures`](Self::measures).
    pub metrics: Vec<MetricInfo>,
    /// The metrics part by part, class by class say.
    pub breakdowns: Vec<Breakdown>,
}

impl Evaluation {
    /// Measures over so many targets, without parts.
    pub fn new(targets: usize, measures: Measures, metrics: Vec<MetricInfo>) -> Evaluation {
        Evaluation { targets, measures, metrics, breakdowns: Vec::new() }
    }

    /// The mean loss over all targets.
    pub fn loss(&self) -> f64 {
        self.measures.loss()
    }

    /// The metrics without those of a state that goes on from window to window.
    pub fn own_metrics(&self) -> impl Iterator<Item = &MetricInfo> {
        self.metrics.iter().filter(|info| !info.name.starts_with(STREAMING))
    }

    /// Adds what was measured with a state that goes on from window to window, each under its name after
    /// `streaming_`.
    fn add_streaming(&mut self, streaming: Measures) {
        let loss = MetricInfo::new("loss", "loss", Direction::Lower, Unit::Number);
        let infos: Vec<MetricInfo> = [loss].into_iter().chain(self.metrics.clone()).collect();
        for info in infos {
            let value = streaming.get(&info.name).unwrap_or(f64::NAN);
            let (name, label) =
                (format!("{STREAMING}{}", info.name), format!("streaming {}", info.label));
            self.measures = self.measures.clone().with(&name, value);
            self.metrics.push(MetricInfo { name, label, ..info });
        }
    }

    /// The value of a metric, by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.measures.get(name)
    }
}

/// What the names of metrics begin with that were measured with a state that goes on from window to window.
const STREAMING: &str = "streaming_";

/// The batch size of an evaluation. There is one size only, so that the same model and samples always give the
/// same numbers.
pub const EVALUATION_BATCH: usize = 100;

/// Evaluates `model` on all of `samples`, with the metrics that suit the model.
///
/// # Errors
/// Samples that the model cannot read, or of which none has a target.
pub fn evaluate<M: Learner>(model: &M, samples: &dyn Samples) -> Result<Evaluation> {
    evaluate_with(model, samples, model.metrics(&[])?)
}

/// As [`evaluate`], with these metrics.
///
/// # Errors
/// As there; metrics that the model's predictions do not suit.
pub fn evaluate_with<M: Learner>(
    model: &M,
    samples: &dyn Samples,
    metrics: Metrics,
) -> Result<Evaluation> {
    let frozen = model.frozen()?;
    let model = frozen.as_ref().unwrap_or(model);
    let mut metrics = metrics;
    let (order, size) = evaluation_order(model, samples);
    let loss = pass(model, samples, order, size, &mut metrics)?;
    if loss.targets() == 0 {
        return Err(Error::NoTargets { samples: samples.name().to_owned() });
    }
    let mut found = Evaluation {
        targets: loss.targets(),
        measures: metrics.measures(loss.mean()),
        metrics: metrics.infos(),
        breakdowns: metrics.breakdowns(),
    };
    let is_windows = order != Order::Streams && model.carries_state();
    if let Some(windows) = samples.windows().filter(|_| is_windows) {
        let names: Vec<String> = found.metrics.iter().map(|info| info.name.clone()).collect();
        found.add_streaming(streaming(model, windows, model.metrics(&names)?)?);
    }
    Ok(found)
}

/// The order and the batch size in which an evaluation of `model` goes through `samples`: 100 samples at once, each from
/// a state of zeros; or [streams](Order::Streams), of which there is one, where samples are windows of one
/// [continual](fgn_data::Windows::is_continual) sequence and the model carries its state. Then each batch goes on from
/// the states that the one before left.
pub fn evaluation_order<M: Learner>(model: &M, samples: &dyn Samples) -> (Order, usize) {
    let is_continual = samples.windows().is_some_and(|windows| windows.is_continual());
    match is_continual && model.carries_state() {
        true => (Order::Streams, 1),
        false => (Order::AsGiven, EVALUATION_BATCH.min(samples.len())),
    }
}

/// One pass, with what each batch leaves where the samples are streams.
fn pass<M: Learner>(
    model: &M,
    samples: &dyn Samples,
    order: Order,
    size: usize,
    metrics: &mut Metrics,
) -> Result<LossSum> {
    let (mut loss, mut carried) = (LossSum::default(), Vec::new());
    for batch in Batches::new(samples, order, size, &device_of(model))? {
        let batch = batch?;
        if order != Order::Streams {
            carried.clear();
        }
        let pass = Pass::evaluation(&mut carried);
        let scored = model.forward(&batch, pass)?;
        loss.add(&scored)?;
        if let Some(prediction) = scored.prediction.as_ref().filter(|_| scored.targets > 0) {
            metrics.update(prediction, batch.target())?;
        }
    }
    Ok(loss)
}

/// Measures one long sequence as a few streams, each so long that how it begins hardly counts.
fn streaming<M: Learner>(
    model: &M,
    windows: &dyn Windows,
    mut metrics: Metrics,
) -> Result<Measures> {
    const STEPS: u64 = 8192;
    const MOST: u64 = 16;
    let steps = windows.steps();
    let streams = (steps / STEPS).clamp(1, MOST);
    // Windows divide the streams, as far as they do, so that no step is left out.
    let window = steps.div_ceil(streams).div_ceil(steps.div_ceil(streams).div_ceil(512));
    let window = usize::try_from(window).unwrap_or(usize::MAX);
    let samples = windows.cut(0..steps, window)?;
    let size = (streams as usize).min(samples.len());
    let loss = pass(model, &*samples, Order::Streams, size, &mut metrics)?;
    Ok(metrics.measures(loss.mean()))
}

/// Where a model's parameters are.
pub(crate) fn device_of(model: &impl Learner) -> Device {
    model.parameters().first().map_or(Device::Cpu, |(_, var)| var.device().clone())
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use fgn_data::{DataConfig, Subset};
    use fgn_nn::Model;

    use super::*;
    use crate::testing;

    #[test]
    fn a_continual_sequence_is_measured_as_one_stream() {
        let config = ["data.task.train_samples=300", "data.task.test_samples=300"];
        let config = config.map(|setting| setting.parse().unwrap());
        let config = crate::config::Config::load("reber", &config).unwrap();
        let test = DataConfig::open(&config.data, &mut |_| ()).unwrap().test;
        let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
        let windows = test.windows().unwrap();
        let steps = windows.steps();
        assert!(test.len() > 2 && windows.is_continual());
        let found = evaluate(&model, &test).unwrap();
        assert_eq!(found.targets as u64, steps);
        assert!(found.metrics.iter().all(|info| !info.name.starts_with(STREAMING)));
        // As if it were read at once.
        let whole = windows.cut(0..steps, steps as usize).unwrap();
        let at_once = evaluate(&model, &whole).unwrap();
        assert_eq!(found.get("accuracy"), at_once.get("accuracy"));
        assert!((found.loss() - at_once.loss()).abs() < 1e-5);
        // From a state of zeros in each window it is another one.
        let parts = Subset::new(test.clone(), (0..test.len() as u32).collect()).unwrap();
        let reset = evaluate(&model, &parts).unwrap();
        assert_eq!(reset.targets, found.targets);
        assert!((found.loss() - reset.loss()).abs() > 1e-6);
    }

    #[test]
    fn a_set_is_measured_whole() {
        let images = testing::dataset().train;
        let model = Model::new(&testing::config().model, 1, DType::F32, &Device::Cpu).unwrap();
        let whole = evaluate(&model, &images).unwrap();
        assert_eq!(whole.targets, images.len());
        assert_eq!(whole.metrics[0].name, "accuracy");
        let parts = [0..7, 7..images.len() as u32].map(|part| {
            let part = Subset::new(images.clone(), part.collect()).unwrap();
            let found = evaluate(&model, &part).unwrap();
            (found.targets as f64, found.loss(), found.get("accuracy").unwrap())
        });
        let mean = |value: fn(&(f64, f64, f64)) -> f64| {
            parts.iter().map(|part| part.0 * value(part)).sum::<f64>() / whole.targets as f64
        };
        assert!((whole.get("accuracy").unwrap() - mean(|part| part.2)).abs() < 1e-12);
        assert!((whole.loss() - mean(|part| part.1)).abs() < 1e-6);
    }
}
