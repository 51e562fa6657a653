//! How good a model is: loss and accuracy, in all and class by class.

use candle_core::Tensor;
use fgn_data::{Batches, Order, Samples};
use fgn_nn::{Mode, Model, cross_entropy};

use crate::Result;

/// How a model does on a set of images.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean cross entropy.
    pub loss: f64,
    /// One entry a class.
    pub classes: Vec<ClassScore>,
}

/// How a model does on the images of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassScore {
    /// Images of the class.
    pub images: usize,
    /// Those that the model has right.
    pub correct: usize,
}

impl Evaluation {
    /// Images of all classes.
    pub fn images(&self) -> usize {
        self.classes.iter().map(|class| class.images).sum()
    }

    /// Those that the model has right.
    pub fn correct(&self) -> usize {
        self.classes.iter().map(|class| class.correct).sum()
    }

    /// The share of images that the model has right, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.images() as f64
    }
}

/// Measures `model` on all of `samples`.
///
/// # Errors
/// Samples that the model cannot read.
pub fn evaluate(model: &Model, samples: &dyn Samples) -> Result<Evaluation> {
    let mut tally = Tally::new(model);
    let batch_size = BATCH_SIZE.min(samples.len());
    for batch in Batches::new(samples, Order::AsGiven, batch_size, model.device())? {
        let batch = batch?;
        let logits = model.forward(&batch.input, Mode::Eval)?;
        tally.add(&logits, &batch.target, &cross_entropy(&logits, &batch.target)?)?;
    }
    Ok(tally.mean())
}

/// One size, so that the same model and images always give the same numbers.
const BATCH_SIZE: usize = 100;

/// Sums over the batches of a pass.
pub(crate) struct Tally {
    /// The loss is a sum over images here.
    sums: Evaluation,
}

impl Tally {
    pub(crate) fn new(model: &Model) -> Tally {
        let classes = vec![ClassScore::default(); model.config().classes];
        Tally { sums: Evaluation { loss: 0.0, classes } }
    }

    /// Adds a batch: `logits: [B, classes]`, `target: [B]`, and their mean `loss`, which it returns.
    pub(crate) fn add(&mut self, logits: &Tensor, target: &Tensor, loss: &Tensor) -> Result<f64> {
        let loss = f64::from(loss.to_scalar::<f32>()?);
        let (logits, target) = (logits.to_vec2::<f32>()?, target.to_vec1::<u32>()?);
        self.sums.loss += loss * target.len() as f64;
        for (logits, target) in logits.iter().zip(target) {
            if let Some(class) = self.sums.classes.get_mut(target as usize) {
                class.images += 1;
                class.correct += usize::from(best(logits) == target as usize);
            }
        }
        Ok(loss)
    }

    pub(crate) fn mean(self) -> Evaluation {
        Evaluation { loss: self.sums.loss / self.sums.images() as f64, ..self.sums }
    }
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
    use candle_core::{DType, Device};
    use fgn_data::Subset;

    use super::*;
    use crate::testing;

    #[test]
    fn losses_and_hits_are_summed_by_image() {
        let model = Model::new(&testing::config().model, 1, DType::F32, &Device::Cpu).unwrap();
        let mut tally = Tally::new(&model);
        let mut add = |logits: &[[f32; 3]], target: &[u32], loss: f32| {
            let tensor = |values: &[u32]| Tensor::new(values, &Device::Cpu).unwrap();
            let logits =
                Tensor::from_slice(logits.as_flattened(), (logits.len(), 3), &Device::Cpu).unwrap();
            tally.add(&logits, &tensor(target), &Tensor::new(loss, &Device::Cpu).unwrap()).unwrap();
        };
        add(&[[1.0, 2.0, 0.0], [3.0, 3.0, 0.0], [0.0, 1.0, 2.0]], &[1, 1, 2], 0.5);
        add(&[[0.0, 0.0, -1.0]], &[0], 2.5);
        let found = tally.mean();
        assert_eq!((found.loss, found.images(), found.correct()), (1.0, 4, 3));
        assert_eq!(found.accuracy(), 0.75);
        assert_eq!(found.classes[1], ClassScore { images: 2, correct: 1 });
    }

    #[test]
    fn a_set_is_measured_whole() {
        let images = testing::dataset().train;
        let model = Model::new(&testing::config().model, 1, DType::F32, &Device::Cpu).unwrap();
        let whole = evaluate(&model, &images).unwrap();
        assert_eq!(whole.images(), images.len());
        let parts = [0..7, 7..images.len() as u32].map(|part| {
            evaluate(&model, &Subset::new(images.clone(), part.collect()).unwrap()).unwrap()
        });
        assert_eq!(whole.correct(), parts[0].correct() + parts[1].correct());
    }
}
