//! Which epoch's model is kept, and which trainings are refused or have diverged.

use super::*;
use crate::config::KeptModel;

/// A rate so high that some epochs are worse than those before.
const NOISY: [&str; 3] =
    ["optimizer.learning_rate=0.7", "training.epochs=12", "schedule.name=constant"];

#[test]
fn the_best_epochs_model_is_kept_where_there_is_a_validation_part() {
    let loss_of = |settings: &[&str]| {
        let config = testing::load(&[&NOISY[..], settings].concat()).unwrap();
        let dataset = held_out(&config);
        let mut trainer = trainer(&config);
        assert_eq!(trainer.run(&dataset, &mut ()).unwrap(), End::Finished);
        let valid = dataset.valid.as_ref().unwrap_or(&dataset.train);
        let loss = evaluate(trainer.model(), valid).unwrap().loss();
        let losses: Vec<_> =
            trainer.state().history().iter().map(|epoch| epoch.measured().loss()).collect();
        (trainer.epoch(), loss, losses)
    };
    let (epoch, loss, losses) = loss_of(&[]);
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(best < losses[11], "the last is the best: {losses:?}");
    assert_eq!((loss, losses[epoch - 1]), (best, best));

    let (epoch, loss, losses) = loss_of(&["checkpoint.model=last"]);
    assert_eq!((epoch, loss), (12, losses[11]));
    let (epoch, loss, losses) = loss_of(&["checkpoint.model=last", "training.average=0.5"]);
    assert_eq!((epoch, loss), (12, losses[11]), "the averages are what was measured");
    let (epoch, loss, losses) = loss_of(&["training.average=0.5"]);
    assert_eq!(loss, losses[epoch - 1]);

    // Nothing but the training part says how good an epoch is.
    let (epoch, ..) = loss_of(&["data.validation=0"]);
    assert_eq!(epoch, 12);
}

/// What `Trained`, `Finished` and the last line of `metrics.jsonl` say is that epoch.
#[test]
fn the_epoch_that_is_kept_is_reported() {
    let config = testing::load(&NOISY).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("run");
    let mut recorder = crate::recorder::Recorder::create(Some(&folder), &config).unwrap();
    let trained = train(&config, &testing::dataset(), &mut recorder).unwrap();
    let best = trained.history.iter().min_by(|a, b| a.loss().total_cmp(&b.loss())).unwrap();
    assert_eq!(trained.epoch, best.epoch);
    let found = crate::final_metrics::FinalMetrics::read(&folder).unwrap().unwrap();
    assert_eq!(found.epoch, best.epoch);
    assert_eq!(found.test, trained.test.measures);
}

/// A regression: its model's loss is `(w - x)²`, its targets are far away.
fn diverging(rate: f64, epochs: usize) -> Result<End> {
    let mut trainer = own(|config| {
        config.training.epochs = epochs;
        config.optimizer = OptimizerConfig::sgd(rate);
    });
    trainer.run(&numbers(None), &mut ())
}

#[test]
fn a_training_that_ends_far_above_the_untrained_model_has_diverged() {
    // With the rate r, each step multiplies the distance from its batch's mean by 1 - 2 r.
    assert_eq!(diverging(0.9, 2).unwrap(), End::Finished);
    let message = diverging(2.0, 2).err().unwrap().to_string();
    // The numbers 1 to 12: their mean square is 650 / 12.
    for part in ["training has diverged", "epoch 2", "54.1667", "lower optimizer.learning_rate"] {
        assert!(message.contains(part), "{message}");
    }
    let settings = ["optimizer.learning_rate=1e10", "training.epochs=2"];
    let error = train(&testing::load(&settings).unwrap(), &testing::dataset(), &mut ());
    assert!(matches!(error, Err(Error::Diverged { .. })), "{:?}", error.err());
}

/// A rate of 0.2 is noisy; 60 epochs are far more than the data has to teach.
#[test]
fn noise_and_overfitting_are_no_divergence() {
    for settings in [
        &["optimizer.learning_rate=0.2", "training.epochs=6"][..],
        &["optimizer.learning_rate=1.0", "training.epochs=3", "training.batch_size=1"],
        &["training.epochs=60", "checkpoint.model=last", "optimizer.learning_rate=0.1"],
    ] {
        let config = testing::load(settings).unwrap();
        if let Err(error) = train(&config, &testing::dataset(), &mut ()) {
            panic!("{settings:?}: {error}");
        }
    }
}

/// A checkpoint between the epochs still knows the loss of the untrained model.
#[test]
fn divergence_is_seen_after_an_interruption_too() {
    let trainer = || own(|config| config.optimizer = OptimizerConfig::sgd(2.0));
    let mut saved = Saved::default();
    let whole = trainer().run(&numbers(None), &mut saved).err().unwrap().to_string();
    let mut again = trainer();
    again.restore(&saved.0[0]).unwrap();
    assert_eq!(again.run(&numbers(None), &mut ()).err().unwrap().to_string(), whole);
}

/// A model whose loss is what `of` makes of its first parameter and the batch.
struct Odd {
    parameters: Vec<(String, Var)>,
    of: fn(&Var, &Batch) -> Result<Scored>,
}

impl Odd {
    fn new(count: usize, of: fn(&Var, &Batch) -> Result<Scored>) -> Odd {
        let var = |at: usize| (format!("w{at}"), Var::new(3.0f64, &Device::Cpu).unwrap());
        Odd { parameters: (0..count).map(var).collect(), of }
    }

    fn trainer(self, kept: KeptModel) -> Result<Trainer<Odd>> {
        let mut config = Config::new("odd", (), TrainingConfig::new(2, 3), ());
        config.checkpoint.model = kept;
        Trainer::new(&config, self)
    }
}

impl Learner for Odd {
    fn parameters(&self) -> &[(String, Var)] {
        &self.parameters
    }

    fn forward(&self, batch: &Batch, _: Pass<'_>) -> Result<Scored> {
        (self.of)(&self.parameters[0].1, batch)
    }
}

fn scored(loss: Tensor, targets: usize) -> Result<Scored> {
    Ok(Scored::new(loss, targets, None))
}

#[test]
fn a_model_that_cannot_learn_is_refused() {
    let trainer = Odd::new(0, |w, _| scored(w.sqr()?, 1)).trainer(KeptModel::Best);
    let message = trainer.err().unwrap().to_string();
    assert!(message.contains("it has no parameters"), "{message}");

    let detached = Odd::new(1, |w, _| scored(w.detach().sqr()?, 1));
    let mut trainer = detached.trainer(KeptModel::Best).unwrap();
    let message = trainer.run(&numbers(None), &mut ()).err().unwrap().to_string();
    assert!(message.contains("depends on none of its parameters"), "{message}");

    // A second parameter that no loss depends on is a warning, and no error.
    let partly = Odd::new(2, |w, _| scored(w.sqr()?, 1));
    let mut trainer = partly.trainer(KeptModel::Best).unwrap();
    assert_eq!(trainer.run(&numbers(None), &mut ()).unwrap(), End::Finished);
}

/// As a loss that is a mean over the targets left by a mask.
fn mean_of(w: &Var, count: usize) -> Result<Scored> {
    scored(((w.sqr()? * count as f64)? / count as f64)?, count)
}

#[test]
fn a_batch_without_targets_is_passed_over() {
    // The batch with the number 1 has none: one of four in each epoch.
    let some = Odd::new(1, |w, batch| {
        let is_masked = batch.input().tensor().min_all()?.to_scalar::<f32>()? == 1.0;
        mean_of(w, if is_masked { 0 } else { batch.size() })
    });
    let mut notes = Notes::default();
    let mut trainer = some.trainer(KeptModel::Best).unwrap();
    trainer.run(&numbers(None), &mut notes).unwrap();
    let skipped = notes.steps.iter().filter(|step| step.loss.is_nan()).count();
    assert_eq!((skipped, notes.steps.len()), (2, 8));
    assert!(notes.epochs.iter().all(|epoch| epoch.train.loss().is_finite()));
    let test = evaluate(trainer.model(), &numbers(None).train.clone());
    let message = test.err().unwrap().to_string();
    assert!(message.contains("none of the samples has a target"), "one batch holds them all");

    let none = Odd::new(1, |w, _| mean_of(w, 0));
    let mut trainer = none.trainer(KeptModel::Best).unwrap();
    let message = trainer.run(&numbers(None), &mut ()).err().unwrap().to_string();
    assert!(message.contains("numbers: none of the samples has a target"), "{message}");
}
