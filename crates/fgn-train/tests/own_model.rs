//! A model of one's own, in a loop of one's own: steps and evaluations through the public API, with values by hand.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use fgn_train::candle_core::{DType, Device, Tensor, Var};
use fgn_train::fgn_data::{self, Samples};
use fgn_train::fgn_nn::Parameters;
use fgn_train::fgn_schema::{Batch, InputSchema, Schema, TargetSchema};
use fgn_train::{
    Config, Learner, OptimizerConfig, Pass, Result, Scored, Trainer, TrainingConfig, evaluate,
};

/// Predicts every value by one bias, which it has declared itself.
struct Bias {
    parameters: Vec<(String, Var)>,
}

impl Bias {
    fn new(parameters: &mut Parameters<'_>) -> Bias {
        parameters.take("bias".into(), &[1], |_| vec![0.0]).unwrap();
        Bias { parameters: parameters.list().to_vec() }
    }

    fn value(&self) -> f64 {
        self.parameters[0].1.to_vec1::<f64>().unwrap()[0]
    }
}

impl Learner for Bias {
    fn parameters(&self) -> &[(String, Var)] {
        &self.parameters
    }

    fn forward(&self, batch: &Batch, _: Pass<'_>) -> Result<Scored> {
        let errors = batch.target().tensor().broadcast_sub(self.parameters[0].1.as_tensor())?;
        Ok(Scored::new(errors.sqr()?.mean_all()?, batch.size(), None))
    }
}

/// The numbers 1, 3 and 5.
#[derive(Debug)]
struct Odd(Schema);

impl Samples for Odd {
    fn name(&self) -> &str {
        "odd"
    }

    fn len(&self) -> usize {
        3
    }

    fn schema(&self) -> &Schema {
        &self.0
    }

    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let numbers: Vec<f64> = indices.iter().map(|&index| f64::from(2 * index + 1)).collect();
        let target = Tensor::from_vec(numbers, (indices.len(), 1), device)?;
        Ok(Batch::new(target.unsqueeze(2)?, target))
    }
}

#[test]
fn steps_and_evaluations_of_a_model_of_one_s_own() {
    let target = TargetSchema::Value { names: vec!["number".into()], per_step: false };
    let samples = Odd(Schema::new(InputSchema::Series { features: 1 }, target));
    let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
    let table = fgn_train::toml::Table::new;
    let mut config = Config::new("own", table(), TrainingConfig::new(1, 2), table());
    config.optimizer = OptimizerConfig::sgd(0.25);
    let mut trainer = Trainer::new(&config, Bias::new(&mut parameters)).unwrap();

    // Errors 1 and 3: the loss is 5, its gradient -4.
    let batch = |indices: &[u32]| samples.batch(indices, &Device::Cpu).unwrap();
    let step = trainer.step(&[batch(&[0, 1])]).unwrap();
    assert_eq!((step.total, step.samples, step.loss, step.gradient_norm), (1, 2, 5.0, 4.0));
    assert_eq!(trainer.model().value(), 1.0);
    // Two batches are one step: errors 0 and 2, then 4. The mean is 20 / 3, its gradient -4.
    let step = trainer.step(&[batch(&[0, 1]), batch(&[2])]).unwrap();
    assert!((step.loss - 20.0 / 3.0).abs() < 1e-12 && (step.gradient_norm - 4.0).abs() < 1e-12);
    assert!((trainer.model().value() - 2.0).abs() < 1e-12);
    assert_eq!((trainer.state().step(), step.samples), (2, 5));

    // Errors -1, 1 and 3.
    let found = evaluate(trainer.model(), &samples).unwrap();
    assert_eq!(found.targets, 3);
    assert!((found.loss() - 11.0 / 3.0).abs() < 1e-12, "{}", found.loss());

    // What it has declared is saved and read back.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.safetensors");
    parameters.save(&path).unwrap();
    let mut loaded = Parameters::load(&path, DType::F64, &Device::Cpu).unwrap();
    assert_eq!(Bias::new(&mut loaded).value(), trainer.model().value());
}
