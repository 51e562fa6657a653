//! One pass over the test samples: what the model told of each, against what is so.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use fgn_data::{Batches, Order, Samples};
use fgn_nn::{Given, Mode, Model};

use crate::Result;
use crate::evaluation::{BATCH_SIZE, best};
use crate::predict::softmax;

/// How a model did on the test samples.
pub(super) struct Outcomes {
    /// Mean loss.
    pub(super) loss: f64,
    /// Samples, or their steps where each is told of.
    pub(super) targets: usize,
    pub(super) told: Told,
    /// Worst first; of each sample the worst step at most.
    pub(super) mistakes: Vec<Mistake>,
    /// Samples to look into: one of each of the first classes, or the first samples.
    pub(super) examples: Vec<u32>,
}

pub(super) enum Told {
    Classes(Confusion),
    /// One for each number.
    Numbers(Vec<Residuals>),
}

/// How often a class was taken for another.
pub(super) struct Confusion {
    pub(super) classes: usize,
    /// By `(target, told)`; what is missing is 0.
    pub(super) counts: BTreeMap<(u32, u32), usize>,
}

/// How far what was told of a number is off.
#[derive(Default)]
pub(super) struct Residuals {
    pub(super) count: usize,
    /// Mean of the targets, and sum of their squared differences from it (Welford 1962).
    mean: f64,
    spread: f64,
    squares: f64,
    absolute: f64,
    /// `(target, told)` of some, evenly taken.
    pub(super) pairs: Vec<(f64, f64)>,
    every: usize,
}

pub(super) struct Mistake {
    /// Of the sample.
    pub(super) place: u32,
    /// Counted from 0, where each step is told of.
    pub(super) step: Option<usize>,
    /// The larger, the worse: the probability of the class told, or the error in deviations.
    pub(super) size: f64,
    /// A class, or the numbers.
    pub(super) target: Vec<f64>,
    pub(super) told: Vec<f64>,
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
pub(super) fn measure(model: &Model, samples: &dyn Samples) -> Result<Outcomes> {
    let (config, model) = (model.config(), &model.frozen()?);
    let mut told = match config.numbers {
        0 => Told::Classes(Confusion { classes: config.classes, counts: BTreeMap::new() }),
        numbers => Told::Numbers((0..numbers).map(|_| Residuals::default()).collect()),
    };
    let (mut loss, mut targets) = (0.0, 0);
    let (mut mistakes, mut first) = (Worst::default(), BTreeMap::new());
    let size = BATCH_SIZE.min(samples.len());
    let mut batches = Batches::new(samples, Order::AsGiven, size, model.device())?;
    loop {
        let places = batches.places().to_vec();
        let Some(batch) = batches.next().transpose()? else { break };
        let lengths = batch.lengths.as_deref();
        let given = Given { lengths, state: None };
        let output = model.run(&batch.input, &given, Mode::Eval)?.output;
        let mean = model.loss(&output, &batch.target, lengths, 0.0)?;
        let (output, target) = model.rows(&output, &batch.target, lengths)?;
        let rows = rows(&places, lengths, &output, config.each_step)?;
        loss += mean.to_dtype(DType::F64)?.to_scalar::<f64>()? * rows.len() as f64;
        targets += rows.len();
        let output: Vec<Vec<f32>> = output.to_dtype(DType::F32)?.to_vec2()?;
        match &mut told {
            Told::Classes(confusion) => {
                let target: Vec<u32> = target.to_dtype(DType::U32)?.to_vec1()?;
                for ((&(place, step), logits), &target) in rows.iter().zip(&output).zip(&target) {
                    let class = best(logits) as u32;
                    *confusion.counts.entry((target, class)).or_default() += 1;
                    first.entry(target).or_insert(place);
                    if class != target {
                        let size = f64::from(softmax(logits)[class as usize]);
                        let (target, told) = (vec![target.into()], vec![class.into()]);
                        mistakes.offer(Mistake { place, step, size, target, told });
                    }
                }
            }
            Told::Numbers(residuals) => {
                let target: Vec<Vec<f32>> = target.to_dtype(DType::F32)?.to_vec2()?;
                for ((&(place, step), told), target) in rows.iter().zip(&output).zip(&target) {
                    let wide =
                        |row: &[f32]| -> Vec<f64> { row.iter().map(|&x| x.into()).collect() };
                    let (target, told) = (wide(target), wide(told));
                    let pairs = residuals.iter_mut().zip(target.iter().zip(&told));
                    pairs.for_each(|(residuals, (&target, &told))| residuals.add(target, told));
                    let size = distance(model, &target, &told);
                    mistakes.offer(Mistake { place, step, size, target, told });
                }
            }
        }
    }
    let each_class = matches!(told, Told::Classes(_)) && !config.each_step;
    let examples: Vec<u32> = match each_class {
        true => first.into_values().take(EXAMPLES).collect(),
        false => (0..EXAMPLES.min(samples.len()) as u32).collect(),
    };
    let mistakes = mistakes.sorted();
    Ok(Outcomes { loss: loss / targets as f64, targets, told, mistakes, examples })
}

/// The sample, and the step where each is told of, of each row of a batch.
fn rows(
    places: &[u32],
    lengths: Option<&[usize]>,
    output: &Tensor,
    each_step: bool,
) -> Result<Vec<(u32, Option<usize>)>> {
    if !each_step {
        return Ok(places.iter().map(|&place| (place, None)).collect());
    }
    // Without lengths, all samples have as many steps.
    let steps = output.dim(0)? / places.len().max(1);
    let of = |(at, &place): (usize, &u32)| {
        let length = lengths.map_or(steps, |lengths| lengths[at]);
        (0..length).map(move |step| (place, Some(step)))
    };
    Ok(places.iter().enumerate().flat_map(of).collect())
}

/// The root of the mean squared error, each number's in its deviations where the model knows them.
fn distance(model: &Model, target: &[f64], told: &[f64]) -> f64 {
    let scale = model.config().target_scale.as_ref();
    let deviation = |at: usize| scale.map_or(1.0, |scale| scale.deviation[at]);
    let errors = target.iter().zip(told).enumerate();
    let squares = errors.map(|(at, (target, told))| ((told - target) / deviation(at)).powi(2));
    (squares.sum::<f64>() / target.len() as f64).sqrt()
}

/// The worst mistakes of many.
#[derive(Default)]
struct Worst(Vec<Mistake>);

impl Worst {
    fn offer(&mut self, mistake: Mistake) {
        // Of one sample, whose steps come one after the other, the worst.
        match self.0.last_mut() {
            Some(last) if last.place == mistake.place => {
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
            other.size.total_cmp(&one.size).then(one.place.cmp(&other.place))
        });
        self.0.truncate(MISTAKES);
    }

    fn sorted(mut self) -> Vec<Mistake> {
        self.cut();
        self.0
    }
}

impl Confusion {
    pub(super) fn count(&self, target: u32, told: u32) -> usize {
        self.counts.get(&(target, told)).copied().unwrap_or(0)
    }

    pub(super) fn accuracy(&self) -> f64 {
        let right = self.counts.iter().filter(|((target, told), _)| target == told);
        let right: usize = right.map(|(_, count)| count).sum();
        right as f64 / self.counts.values().sum::<usize>() as f64
    }
}

impl Residuals {
    fn add(&mut self, target: f64, told: f64) {
        self.every = self.every.max(1);
        if self.count.is_multiple_of(self.every) {
            self.pairs.push((target, told));
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
        self.squares += (told - target).powi(2);
        self.absolute += (told - target).abs();
    }

    pub(super) fn root_mean_square(&self) -> f64 {
        (self.squares / self.count as f64).sqrt()
    }

    pub(super) fn mean_absolute(&self) -> f64 {
        self.absolute / self.count as f64
    }

    /// The share of the targets' variance that is told, R²; below 0 where their mean would tell more.
    pub(super) fn told_share(&self) -> f64 {
        1.0 - self.squares / self.spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_mistakes_are_kept_one_a_sample() {
        let mut worst = Worst::default();
        let mistake = |place, step, size| Mistake {
            place,
            step: Some(step),
            size,
            target: vec![0.0],
            told: vec![1.0],
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
        assert!((residuals.told_share() - (1.0 - 9.0 / variance)).abs() < 1e-12);
        let pairs = &residuals.pairs;
        assert!((PAIRS / 2..=PAIRS).contains(&pairs.len()), "{}", pairs.len());
        let step = pairs[1].0 - pairs[0].0;
        assert!(pairs.windows(2).all(|pair| pair[1].0 - pair[0].0 == step));
    }
}
