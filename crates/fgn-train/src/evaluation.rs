//! How good a model is: its loss; in all and class by class, or number by number.

use candle_core::{DType, Tensor};
use fgn_data::{Batches, Order, Samples};
use fgn_nn::{Given, Mode, Model};

use crate::Result;

/// How a model does on a set of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean loss over all targets: cross entropy of classes; of numbers the mean squared error, scaled by
    /// the model's scale of its targets.
    pub loss: f64,
    /// How many targets were told: one a sample, or one a step.
    pub targets: usize,
    /// One entry a class; none in a model that tells numbers.
    pub classes: Vec<ClassScore>,
    /// One entry a number that is told; none in a model that tells classes.
    pub numbers: Vec<NumberScore>,
}

/// How a model does on the samples of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassScore {
    /// Targets of the class.
    pub targets: usize,
    /// Those that the model has right.
    pub correct: usize,
}

/// How a model does on one of the numbers that it tells, in the number's own unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NumberScore {
    /// The mean of the differences, all taken as positive.
    pub mean_absolute_error: f64,
    /// The root of the mean of their squares.
    pub root_mean_square_error: f64,
    /// The share of the number's variance that is told, at most 1; 0 is that of always telling the mean.
    /// Not a number where the targets are all the same.
    pub r_squared: f64,
}

impl Evaluation {
    /// Targets that the model has right; none of numbers.
    pub fn correct(&self) -> usize {
        self.classes.iter().map(|class| class.correct).sum()
    }

    /// The share of targets that the model has right, 0 to 1; none of numbers, which are never just right.
    pub fn accuracy(&self) -> Option<f64> {
        (!self.classes.is_empty()).then(|| self.correct() as f64 / self.targets as f64)
    }
}

/// Measures `model` on all of `samples`.
///
/// # Errors
/// Samples that the model cannot read.
pub fn evaluate(model: &Model, samples: &dyn Samples) -> Result<Evaluation> {
    let mut sums = Sums::new(model);
    let model = model.frozen()?;
    let batch_size = BATCH_SIZE.min(samples.len());
    for batch in Batches::new(samples, Order::AsGiven, batch_size, model.device())? {
        let batch = batch?;
        let lengths = batch.lengths.as_deref();
        let output = model.run(&batch.input, &Given { lengths, state: None }, Mode::Eval)?.output;
        let loss = model.loss(&output, &batch.target, lengths, 0.0)?;
        let (output, target) = model.rows(&output, &batch.target, lengths)?;
        sums.add(&output, &target, &loss)?;
    }
    Ok(sums.evaluation())
}

/// One size, so that the same model and samples always give the same numbers.
pub(crate) const BATCH_SIZE: usize = 100;

/// Sums over the batches of a pass.
struct Sums {
    loss: f64,
    targets: usize,
    classes: Vec<ClassScore>,
    numbers: Vec<Errors>,
}

/// Sums over the targets of one number.
#[derive(Clone, Copy, Default)]
struct Errors {
    absolute: f64,
    squares: f64,
    /// Of the targets: their mean, and the sum of squared differences from it (Welford 1962).
    mean: f64,
    spread: f64,
}

impl Sums {
    fn new(model: &Model) -> Sums {
        let config = model.config();
        Sums {
            loss: 0.0,
            targets: 0,
            classes: vec![ClassScore::default(); config.classes],
            numbers: vec![Errors::default(); config.numbers],
        }
    }

    /// Adds a batch: `output: [N, classes]` and `target: [N]`, or both `[N, numbers]`; and their mean
    /// `loss`.
    fn add(&mut self, output: &Tensor, target: &Tensor, loss: &Tensor) -> Result<()> {
        let count = target.dim(0)?;
        self.loss += loss.to_dtype(DType::F64)?.to_scalar::<f64>()? * count as f64;
        if self.numbers.is_empty() {
            let (logits, target) = (rows(output)?, target.to_vec1::<u32>()?);
            for (logits, target) in logits.iter().zip(target) {
                if let Some(class) = self.classes.get_mut(target as usize) {
                    class.targets += 1;
                    class.correct += usize::from(best(logits) == target as usize);
                }
            }
            self.targets += count;
            return Ok(());
        }
        for (told, target) in rows(output)?.iter().zip(rows(target)?) {
            self.targets += 1;
            for ((errors, told), target) in self.numbers.iter_mut().zip(told).zip(target) {
                errors.add(f64::from(*told), f64::from(target), self.targets);
            }
        }
        Ok(())
    }

    fn evaluation(self) -> Evaluation {
        let count = self.targets as f64;
        let score = |errors: Errors| NumberScore {
            mean_absolute_error: errors.absolute / count,
            root_mean_square_error: (errors.squares / count).sqrt(),
            r_squared: 1.0 - errors.squares / errors.spread,
        };
        Evaluation {
            loss: self.loss / count,
            targets: self.targets,
            classes: self.classes,
            numbers: self.numbers.into_iter().map(score).collect(),
        }
    }
}

impl Errors {
    /// Adds the `count`-th target.
    fn add(&mut self, told: f64, target: f64, count: usize) {
        self.absolute += (told - target).abs();
        self.squares += (told - target).powi(2);
        let before = target - self.mean;
        self.mean += before / count as f64;
        self.spread += before * (target - self.mean);
    }
}

fn rows(tensor: &Tensor) -> Result<Vec<Vec<f32>>> {
    Ok(tensor.to_dtype(DType::F32)?.to_vec2()?)
}

/// How many of `logits: [B, classes]` are largest at their `target: [B]`.
pub(crate) fn hits(logits: &Tensor, target: &Tensor) -> Result<usize> {
    let (logits, target) = (logits.to_vec2::<f32>()?, target.to_vec1::<u32>()?);
    let right = |(logits, target): (&Vec<f32>, &u32)| best(logits) == *target as usize;
    Ok(logits.iter().zip(&target).filter(|&pair| right(pair)).count())
}

/// The place of the largest number, the first of several; 0 where there is none.
pub(crate) fn best(values: &[f32]) -> usize {
    let larger = |best, at| if values[at] > values[best] { at } else { best };
    (1..values.len()).fold(0, larger)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use fgn_data::Subset;
    use fgn_nn::ModelConfig;

    use super::*;
    use crate::testing;

    fn model(config: &ModelConfig) -> Model {
        Model::new(config, 1, DType::F32, &Device::Cpu).unwrap()
    }

    fn tensor<const N: usize>(rows: &[[f32; N]]) -> Tensor {
        Tensor::from_slice(rows.as_flattened(), (rows.len(), N), &Device::Cpu).unwrap()
    }

    #[test]
    fn losses_and_hits_are_summed_by_sample() {
        let mut sums = Sums::new(&model(&testing::config().model));
        let mut add = |logits: &[[f32; 3]], target: &[u32], loss: f32| {
            let target = Tensor::new(target, &Device::Cpu).unwrap();
            sums.add(&tensor(logits), &target, &Tensor::new(loss, &Device::Cpu).unwrap()).unwrap();
        };
        add(&[[1.0, 2.0, 0.0], [3.0, 3.0, 0.0], [0.0, 1.0, 2.0]], &[1, 1, 2], 0.5);
        add(&[[0.0, 0.0, -1.0]], &[0], 2.5);
        let found = sums.evaluation();
        assert_eq!((found.loss, found.targets, found.correct()), (1.0, 4, 3));
        assert_eq!(found.accuracy(), Some(0.75));
        assert_eq!(found.classes[1], ClassScore { targets: 2, correct: 1 });
    }

    #[test]
    fn errors_of_numbers_are_in_their_own_unit() {
        let config = ModelConfig { classes: 0, numbers: 2, ..testing::config().model };
        let mut sums = Sums::new(&model(&config));
        let loss = Tensor::new(1.5f32, &Device::Cpu).unwrap();
        let told = [[1.0, 7.0], [2.0, 7.0], [6.0, 7.0]];
        let targets = [[1.0, 7.0], [4.0, 7.0], [7.0, 7.0]];
        sums.add(&tensor(&told[..1]), &tensor(&targets[..1]), &loss).unwrap();
        sums.add(&tensor(&told[1..]), &tensor(&targets[1..]), &loss).unwrap();
        let found = sums.evaluation();
        assert_eq!((found.loss, found.targets, found.accuracy()), (1.5, 3, None));
        let [first, second] = found.numbers[..] else { panic!("{found:?}") };
        assert!((first.mean_absolute_error - 1.0).abs() < 1e-12);
        assert!((first.root_mean_square_error - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
        // The targets' squared differences from their mean, 4, sum up to 18.
        assert!((first.r_squared - (1.0 - 5.0 / 18.0)).abs() < 1e-12);
        assert_eq!((second.mean_absolute_error, second.r_squared.is_nan()), (0.0, true));
    }

    #[test]
    fn a_set_is_measured_whole() {
        let images = testing::dataset().train;
        let model = model(&testing::config().model);
        let whole = evaluate(&model, &images).unwrap();
        assert_eq!(whole.targets, images.len());
        let parts = [0..7, 7..images.len() as u32].map(|part| {
            evaluate(&model, &Subset::new(images.clone(), part.collect()).unwrap()).unwrap()
        });
        assert_eq!(whole.correct(), parts[0].correct() + parts[1].correct());
    }
}
