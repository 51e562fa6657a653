//! One pass over the test samples: the predictions of the model against the targets.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use fgn_data::{Batches, Order, Samples, statistics};
use fgn_nn::{argmax, softmax};
use fgn_schema::{Padded, Prediction, TargetSchema};
use fgn_train::{Learner, Measures, MetricInfo, Metrics, Pass, evaluation_order};

use super::text::short_among;
use super::transcribed::{Transcribed, WorstTranscribed};
use crate::error::Result;

/// How a model did on the test samples.
pub(super) struct Outcomes {
    /// The loss and the metrics.
    pub(super) measures: Measures,
    pub(super) metrics: Vec<MetricInfo>,
    /// Samples, or their steps where each step has a prediction.
    pub(super) targets: usize,
    pub(super) per_step: bool,
    pub(super) predicted: Predicted,
    /// Worst first; of each sample the worst step at most.
    pub(super) mistakes: Vec<Mistake>,
    /// Sequences that were predicted wrongly, worst first; `None` where nothing is predicted by alignment.
    pub(super) transcribed: Option<Vec<Transcribed>>,
    /// Samples to look into: one of each of the first classes, or the first samples.
    pub(super) examples: Vec<u32>,
}

pub(super) enum Predicted {
    Classes(Confusion),
    /// One entry for each value.
    Values(Vec<Residuals>),
    /// Something that the report has no pictures for.
    Other,
}

/// How often a class was taken for another.
#[derive(Default)]
pub(super) struct Confusion {
    pub(super) classes: usize,
    /// By `(target, predicted)`; what is missing is 0.
    pub(super) counts: BTreeMap<(u32, u32), usize>,
}

/// How far the predictions of a value are off.
#[derive(Default)]
pub(super) struct Residuals {
    pub(super) count: usize,
    /// Mean of the targets, and sum of their squared differences from it (Welford 1962).
    mean: f64,
    spread: f64,
    squares: f64,
    absolute: f64,
    /// `(target, predicted)` of some, evenly taken.
    pub(super) pairs: Vec<(f64, f64)>,
    every: usize,
}

pub(super) struct Mistake {
    /// Of the sample in the test part.
    pub(super) index: u32,
    /// Counted from 0, where each step has a prediction.
    pub(super) step: Option<usize>,
    /// The larger, the worse: the probability of the class predicted, or the error in standard deviations.
    pub(super) size: f64,
    /// A class, or the values.
    pub(super) target: Vec<f64>,
    pub(super) predicted: Vec<f64>,
}

impl Predicted {
    /// The values of a sample as text, of many a few.
    pub(super) fn values(&self, values: &[f64]) -> String {
        const MOST: usize = 4;
        let spread = |at: usize| match self {
            Predicted::Values(residuals) => residuals.get(at).map_or(0.0, Residuals::std),
            _ => 0.0,
        };
        let shown = values.iter().enumerate().take(MOST);
        let mut text: Vec<_> = shown.map(|(at, &value)| short_among(value, spread(at))).collect();
        if values.len() > MOST {
            text.push("…".into());
        }
        text.join(", ")
    }
}

/// Mistakes that are shown.
const MISTAKES: usize = 24;
/// Samples that are looked into.
const EXAMPLES: usize = 6;
/// Points of a picture of residuals.
const PAIRS: usize = 800;

/// Goes through all of `samples`.
///
/// # Errors
/// Samples that cannot be read, or that the model cannot read.
pub(super) fn measure<M: Learner>(
    model: &M,
    samples: &dyn Samples,
    metrics: Metrics,
) -> Result<Outcomes> {
    let frozen = model.frozen()?;
    let model = frozen.as_ref().unwrap_or(model);
    let device = model.parameters().first().map_or(Device::Cpu, |(_, var)| var.device().clone());
    let mut pass = Sums::new(samples, metrics)?;
    let (order, size) = evaluation_order(model, samples);
    let mut batches = Batches::new(samples, order, size, &device)?;
    let mut carried = Vec::new();
    loop {
        let indices = batches.indices().to_vec();
        let Some(batch) = batches.next().transpose()? else { break };
        if order != Order::Streams {
            carried.clear();
        }
        let how = Pass::evaluation(&mut carried);
        let scored = model.forward(&batch, how)?;
        // Its mean loss is one of nothing.
        if scored.targets == 0 {
            continue;
        }
        let loss = scored.loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        pass.loss += loss * scored.weight;
        pass.weight += scored.weight;
        pass.targets += scored.targets;
        if let Some(prediction) = &scored.prediction {
            pass.add(&indices, prediction, batch.target())?;
        }
    }
    Ok(pass.outcomes(samples.len()))
}

/// Sums over the batches of a pass.
struct Sums {
    loss: f64,
    /// The sum of the targets' weights.
    weight: f64,
    targets: usize,
    metrics: Metrics,
    per_step: bool,
    /// Whether the targets are classes or values, which are compared with the predictions one by one.
    compares: bool,
    predicted: Predicted,
    mistakes: Worst,
    transcribed: WorstTranscribed,
    /// The first sample of each class.
    first: BTreeMap<u32, u32>,
    /// The standard deviations of the targets, where they are values.
    std: Vec<f64>,
}

impl Sums {
    fn new(samples: &dyn Samples, metrics: Metrics) -> Result<Sums> {
        let std = statistics(samples)?.target.map_or_else(Vec::new, |moments| moments.std);
        Ok(Sums {
            loss: 0.0,
            weight: 0.0,
            targets: 0,
            metrics,
            per_step: false,
            compares: matches!(
                samples.schema().target,
                TargetSchema::Class { .. } | TargetSchema::Value { .. }
            ),
            predicted: Predicted::Other,
            mistakes: Worst::default(),
            transcribed: WorstTranscribed::new(&samples.schema().target),
            first: BTreeMap::new(),
            std,
        })
    }

    fn add(&mut self, indices: &[u32], prediction: &Prediction, target: &Padded) -> Result<()> {
        self.metrics.update(prediction, target)?;
        self.per_step = prediction.is_per_step();
        self.transcribed.add(indices, prediction, target)?;
        if !self.compares {
            return Ok(());
        }
        let (output, targets) = prediction.rows(target)?;
        let rows = rows(indices, prediction, target)?;
        match prediction {
            Prediction::Logits(_) => self.add_classes(&rows, &output, &targets),
            Prediction::Values(_) => self.add_values(&rows, &output, &targets),
            _ => Ok(()),
        }
    }

    fn add_classes(&mut self, rows: &[Row], logits: &Tensor, targets: &Tensor) -> Result<()> {
        let logits: Vec<Vec<f32>> = logits.to_dtype(DType::F32)?.to_vec2()?;
        let targets: Vec<u32> = targets.to_dtype(DType::U32)?.to_vec1()?;
        if let Predicted::Other = self.predicted {
            self.predicted = Predicted::Classes(Confusion::default());
        }
        let Predicted::Classes(confusion) = &mut self.predicted else { return Ok(()) };
        for ((&(index, step), logits), &target) in rows.iter().zip(&logits).zip(&targets) {
            confusion.classes = confusion.classes.max(logits.len());
            let class = argmax(logits) as u32;
            *confusion.counts.entry((target, class)).or_default() += 1;
            self.first.entry(target).or_insert(index);
            if class != target {
                let size = f64::from(softmax(logits)[class as usize]);
                let (target, predicted) = (vec![target.into()], vec![class.into()]);
                self.mistakes.offer(Mistake { index, step, size, target, predicted });
            }
        }
        Ok(())
    }

    fn add_values(&mut self, rows: &[Row], values: &Tensor, targets: &Tensor) -> Result<()> {
        let wide = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.to_vec2::<f64>();
        let (values, targets) = (wide(values)?, wide(targets)?);
        if let Predicted::Other = self.predicted {
            let count = targets.first().map_or(0, Vec::len);
            self.predicted = Predicted::Values((0..count).map(|_| Residuals::default()).collect());
        }
        let Predicted::Values(residuals) = &mut self.predicted else { return Ok(()) };
        for ((&(index, step), predicted), target) in rows.iter().zip(values).zip(targets) {
            let pairs = residuals.iter_mut().zip(target.iter().zip(&predicted));
            pairs.for_each(|(residuals, (&target, &predicted))| residuals.add(target, predicted));
            let size = distance(&self.std, &target, &predicted);
            self.mistakes.offer(Mistake { index, step, size, target, predicted });
        }
        Ok(())
    }

    fn outcomes(self, samples: usize) -> Outcomes {
        let is_class = matches!(self.predicted, Predicted::Classes(_)) && !self.per_step;
        let examples: Vec<u32> = match is_class {
            true => self.first.into_values().take(EXAMPLES).collect(),
            false => (0..EXAMPLES.min(samples) as u32).collect(),
        };
        Outcomes {
            measures: self.metrics.measures(self.loss / self.weight),
            metrics: self.metrics.infos(),
            targets: self.targets,
            per_step: self.per_step,
            predicted: self.predicted,
            mistakes: self.mistakes.sorted(),
            transcribed: self.transcribed.sorted(),
            examples,
        }
    }
}

/// A sample, and the step where each step has a prediction.
type Row = (u32, Option<usize>);

/// The sample, and the step where each step has a prediction, of each row of a batch.
fn rows(indices: &[u32], prediction: &Prediction, target: &Padded) -> Result<Vec<Row>> {
    let per_step = prediction.is_per_step();
    let row = |(at, step): (usize, usize)| (indices[at], per_step.then_some(step));
    Ok(prediction.positions(target)?.into_iter().map(row).collect())
}

/// The root of the mean squared error, each value's in standard deviations of its targets.
fn distance(std: &[f64], target: &[f64], predicted: &[f64]) -> f64 {
    let std = |at: usize| std.get(at).copied().unwrap_or(1.0);
    let errors = target.iter().zip(predicted).enumerate();
    let squares = errors.map(|(at, (target, predicted))| ((predicted - target) / std(at)).powi(2));
    (squares.sum::<f64>() / target.len() as f64).sqrt()
}

/// The worst mistakes of many.
#[derive(Default)]
struct Worst(Vec<Mistake>);

impl Worst {
    fn offer(&mut self, mistake: Mistake) {
        // Of one sample, whose steps come one after the other, the worst.
        match self.0.last_mut() {
            Some(last) if last.index == mistake.index => {
                if mistake.size > last.size {
                    *last = mistake;
                }
                return;
            }
            _ => self.0.push(mistake),
        }
        if self.0.len() > 64 * MISTAKES {
            let last = self.0.pop();
            self.cut();
            self.0.extend(last);
        }
    }

    fn cut(&mut self) {
        self.0.sort_by(|one, other| {
            other.size.total_cmp(&one.size).then(one.index.cmp(&other.index))
        });
        self.0.truncate(MISTAKES);
    }

    fn sorted(mut self) -> Vec<Mistake> {
        self.cut();
        self.0
    }
}

impl Confusion {
    pub(super) fn count(&self, target: u32, predicted: u32) -> usize {
        self.counts.get(&(target, predicted)).copied().unwrap_or(0)
    }
}

impl Residuals {
    fn add(&mut self, target: f64, predicted: f64) {
        self.every = self.every.max(1);
        if self.count.is_multiple_of(self.every) {
            self.pairs.push((target, predicted));
        }
        if self.pairs.len() > PAIRS {
            let mut at = 0;
            self.pairs.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.every *= 2;
        }
        self.count += 1;
        let before = target - self.mean;
        self.mean += before / self.count as f64;
        self.spread += before * (target - self.mean);
        self.squares += (predicted - target).powi(2);
        self.absolute += (predicted - target).abs();
    }

    /// The targets' standard deviation.
    pub(super) fn std(&self) -> f64 {
        (self.spread / self.count as f64).sqrt()
    }

    pub(super) fn root_mean_square(&self) -> f64 {
        (self.squares / self.count as f64).sqrt()
    }

    pub(super) fn mean_absolute(&self) -> f64 {
        self.absolute / self.count as f64
    }

    /// The share of the targets' variance that is predicted, R²; below 0 where their mean would tell more.
    pub(super) fn explained_variance(&self) -> f64 {
        1.0 - self.squares / self.spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_mistakes_are_kept_one_a_sample() {
        let mut worst = Worst::default();
        let mistake = |index, step, size| Mistake {
            index,
            step: Some(step),
            size,
            target: vec![0.0],
            predicted: vec![1.0],
        };
        let size = |place: u32, step: usize| f64::from((place * 7919 + 13 * step as u32) % 10_007);
        for place in 0..5000 {
            (0..3).for_each(|step| worst.offer(mistake(place, step, size(place, step))));
        }
        let found = worst.sorted();
        let of = |place| (0..3).map(|step| size(place, step)).fold(0.0, f64::max);
        let mut expected: Vec<f64> = (0..5000).map(of).collect();
        expected.sort_by(|one, other| other.total_cmp(one));
        let found: Vec<f64> = found.iter().map(|mistake| mistake.size).collect();
        assert_eq!(found, expected[..MISTAKES]);
    }

    #[test]
    fn residuals_are_summed_and_their_pairs_evenly_taken() {
        let mut residuals = Residuals::default();
        for at in 0..10_000 {
            residuals.add(f64::from(at), f64::from(at) + if at % 2 == 0 { 3.0 } else { -3.0 });
        }
        assert_eq!((residuals.root_mean_square(), residuals.mean_absolute()), (3.0, 3.0));
        let variance = (10_000.0f64.powi(2) - 1.0) / 12.0;
        assert!((residuals.explained_variance() - (1.0 - 9.0 / variance)).abs() < 1e-12);
        let pairs = &residuals.pairs;
        assert!((PAIRS / 2..=PAIRS).contains(&pairs.len()), "{}", pairs.len());
        let step = pairs[1].0 - pairs[0].0;
        assert!(pairs.windows(2).all(|pair| pair[1].0 - pair[0].0 == step));
    }
}
