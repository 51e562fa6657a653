//! Classes with weights, and a focus of the loss.

use fgn_nn::LossOptions;

use super::going_on::goes_on_bit_for_bit_on;
use super::*;
use crate::class_weights::ClassWeights;
use crate::learner::Pass;

const WEIGHTED: &str = "training.class_weights=[0.5, 1, 4]";

/// The weighted mean over all samples, from the loss of each alone.
fn naive(model: &Model, samples: &dyn Samples, weights: [f64; 3]) -> f64 {
    let plain = LossOptions::default();
    let (mut sum, mut all) = (0.0, 0.0);
    for index in 0..samples.len() as u32 {
        let batch = samples.batch(&[index], &Device::Cpu).unwrap();
        let output = model.forward(batch.input(), Mode::Eval).unwrap();
        let loss = model.loss(&output.prediction, batch.target(), &plain).unwrap().mean;
        let class = batch.target().tensor().to_vec1::<u32>().unwrap()[0];
        sum += weights[class as usize] * f64::from(loss.to_scalar::<f32>().unwrap());
        all += weights[class as usize];
    }
    sum / all
}

#[test]
fn losses_are_weighted_means_in_training_and_in_evaluation() {
    let config = testing::load(&[WEIGHTED, "training.epochs=2"]).unwrap();
    let dataset = held_out(&config);
    let mut notes = Notes::default();
    let mut trainer = trainer(&config);
    let first: Vec<u32> = (0..8).collect();
    let batch = dataset.train.batch(&first, &Device::Cpu).unwrap();
    let mut carried = Vec::new();
    let pass = Pass::evaluation(&mut carried);
    let scored = Learner::forward(trainer.model(), &batch, pass).unwrap();
    // The classes of the testing samples are drawn in turn.
    let classes = batch.target().tensor().to_vec1::<u32>().unwrap();
    let expected: f64 = classes.iter().map(|&class| [0.5, 1.0, 4.0][class as usize]).sum();
    assert_eq!((scored.targets, scored.weight), (8, expected));

    trainer.run(&dataset, &mut notes).unwrap();
    let trained = trainer.evaluate_and_finish(&dataset, &mut ()).unwrap();
    let of = |samples: &dyn Samples| naive(&trained.model, samples, [0.5, 1.0, 4.0]);
    let test = of(&dataset.test);
    assert!((trained.test.loss() - test).abs() < 1e-6, "{} for {test}", trained.test.loss());
    let plain = naive(&trained.model, &dataset.test, [1.0; 3]);
    assert!((test - plain).abs() > 1e-4, "weights make no difference: {test} and {plain}");
    let kept = &trained.history[trained.epoch - 1];
    let (found, valid) = (kept.measured().loss(), of(dataset.valid.as_ref().unwrap()));
    assert!((found - valid).abs() < 1e-6, "{found} for {valid}");
    assert_eq!(trained.test, evaluate(&trained.model, &dataset.test).unwrap());
}

#[test]
fn batches_are_accumulated_by_their_weights() {
    let run = |batch: usize, accumulate: usize| {
        let sizes = [
            format!("training.batch_size={batch}"),
            format!("training.accumulate={accumulate}"),
            "optimizer={ name = \"sgd\", learning_rate = 0.1 }".into(),
        ];
        let settings =
            [&sizes.each_ref().map(|size| &size[..])[..], &[WEIGHTED, "training.epochs=1"]];
        let config = testing::load(&settings.concat()).unwrap();
        let mut trainer = trainer(&config);
        trainer.run(&held_out(&config), &mut ()).unwrap();
        weights(trainer.model())
    };
    for (small, large) in run(4, 5).iter().zip(run(20, 1)) {
        assert!((small - large).abs() < 1e-5, "{small} {large}");
    }
}

#[test]
fn it_goes_on_bit_for_bit_with_weights_and_focus() {
    let settings = [
        WEIGHTED,
        "training.focal_gamma=1.5",
        "training.accumulate=2",
        "checkpoint.every_steps=3",
        "training.epochs=2",
    ];
    let config = testing::load(&settings).unwrap();
    goes_on_bit_for_bit_on(&config, &held_out(&config), &settings);
}

#[test]
fn balanced_weights_are_settled_before_a_training() {
    let mut config = testing::load(&["training.class_weights=balanced"]).unwrap();
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    let error = Trainer::new(&config, model).err().unwrap().to_string();
    assert!(error.contains("Config::settle"), "{error}");
    config.settle(&testing::dataset()).unwrap();
    let Some(ClassWeights::Given(weights)) = &config.training.class_weights else {
        panic!("{:?}", config.training.class_weights);
    };
    // Of the part that is trained on, not of the validation part.
    let train = held_out(&config).train;
    let mut counts = [0.0; 3];
    for index in 0..train.len() as u32 {
        let batch = train.batch(&[index], &Device::Cpu).unwrap();
        counts[batch.target().tensor().to_vec1::<u32>().unwrap()[0] as usize] += 1.0;
    }
    assert_eq!(weights[..], counts.map(|count| 70.0 / (3.0 * count)));
    let again = config.clone();
    config.settle(&testing::dataset()).unwrap();
    assert_eq!(config, again);
}

#[test]
fn a_model_of_ones_own_has_no_weights() {
    let mut config = Config::new("own", (), TrainingConfig::new(1, 2), ());
    config.training.class_weights = Some(ClassWeights::Given(vec![1.0, 2.0]));
    let error = Trainer::new(&config, Mean::new()).err().unwrap().to_string();
    assert!(error.starts_with("`class_weights` is a list of 2, expected none"), "{error}");
}
