//! It goes on bit for bit, or says why it does not.

use super::*;

fn goes_on_bit_for_bit(settings: &[&str]) {
    let config = testing::load(settings).unwrap();
    goes_on_bit_for_bit_on(&config, &held_out(&config), settings);
}

/// From every checkpoint, through the disk, to the same bits.
pub(super) fn goes_on_bit_for_bit_on(config: &Config, dataset: &Dataset, settings: &[&str]) {
    let mut saved = Saved::default();
    let mut whole = trainer(config);
    whole.run(dataset, &mut saved).unwrap();
    assert!(saved.0.len() > config.training.epochs.min(3), "{settings:?}");
    let same = |one: &EpochMetrics, other: &EpochMetrics| {
        let timeless = |metrics| EpochMetrics { seconds: 0.0, samples_per_second: 0.0, ..metrics };
        // As texts, in which NaN is the same as NaN.
        format!("{:?}", timeless(one.clone())) == format!("{:?}", timeless(other.clone()))
    };
    for checkpoint in &saved.0 {
        let folder = tempfile::tempdir().unwrap();
        checkpoint.write(folder.path()).unwrap();
        let mut again = trainer(config);
        again.restore(&Checkpoint::read(folder.path()).unwrap()).unwrap();
        let mut notes = Notes::default();
        again.run(dataset, &mut notes).unwrap();
        let step = checkpoint.state.step();
        assert!(weights(again.model()) == weights(whole.model()), "{settings:?} from step {step}");
        let (found, expected) = (again.state().history(), whole.state().history());
        assert!(found.len() == expected.len());
        assert!(found.iter().zip(expected).all(|(one, other)| same(one, other)), "{settings:?}");
        assert_eq!(notes.plans[0].done, step);
        assert_eq!(notes.steps.first().map_or(step + 1, |first| first.total), step + 1);
    }
}

#[test]
fn it_goes_on_bit_for_bit_with_every_optimizer() {
    for name in ["sgd", "rmsprop", "adam", "adamw", "lion"] {
        let momentum = if ["sgd", "rmsprop"].contains(&name) { "momentum = 0.9, " } else { "" };
        let optimizer =
            format!("optimizer={{ name = \"{name}\", {momentum}learning_rate = 0.003 }}");
        goes_on_bit_for_bit(&[&optimizer, "checkpoint.every_steps=7", "training.epochs=2"]);
    }
}

#[test]
fn it_goes_on_bit_for_bit_with_all_that_is_remembered() {
    goes_on_bit_for_bit(&[
        "training.average=0.9",
        "training.accumulate=2",
        "training.warmup_steps=3",
        "training.label_smoothing=0.1",
        "schedule.name=plateau",
        "schedule.patience=1",
        "early_stopping.patience=2",
        "optimizer.learning_rate=0.3",
        "clip.value=0.01",
        "checkpoint.every_steps=3",
        "model.dense={ size = 5, dropout = 0.3 }",
        "training.epochs=6",
    ]);
}

/// What a sample draws follows from seed, epoch and step.
#[test]
fn it_goes_on_bit_for_bit_with_changed_images() {
    let augment =
        "model.input.augment={ shift = 1.5, rotate = 20, scale = 0.2, flip = true, erase = 0.2 }";
    goes_on_bit_for_bit(&[augment, "checkpoint.every_steps=4", "training.epochs=2"]);
    let trained = |settings: &[&str]| {
        let config = testing::load(&[settings, &["training.epochs=1"]].concat()).unwrap();
        let mut trainer = trainer(&config);
        trainer.run(&held_out(&config), &mut ()).unwrap();
        weights(trainer.model())
    };
    assert_ne!(trained(&[augment]), trained(&[]));
}

/// The sums, counts and scores of an epoch are in the checkpoint.
#[test]
fn it_goes_on_bit_for_bit_with_every_metric_of_classes() {
    goes_on_bit_for_bit(&[
        "metrics=[\"f1\", \"f1_weighted\", \"balanced_accuracy\", \"roc_auc\", \"log_loss\", \"accuracy@2\"]",
        "monitor=roc_auc",
        "checkpoint.every_steps=4",
        "training.epochs=2",
    ]);
}

/// Each batch begins with the states that the one before left, and those are in the checkpoint.
#[test]
fn it_goes_on_bit_for_bit_with_carried_states() {
    let streams = ["training.carry_state=true", "data.validation=0", "training.epochs=2"];
    goes_on_bit_for_bit(&[&streams[..], &["checkpoint.every_steps=4"]].concat());
    // The windows of convolutions are carried, too.
    let blocks = "model.recurrent.block={ conv = 3, dropout = { rate = 0.2 } }";
    goes_on_bit_for_bit(&[&streams[..], &["checkpoint.every_steps=4", blocks]].concat());
    let trained = |settings: &[&str]| {
        let (config, mut saved) = (testing::load(settings).unwrap(), Saved::default());
        let every = crate::config::CheckpointConfig { every_steps: Some(4), ..Default::default() };
        let config = Config { checkpoint: every, ..config };
        trainer(&config).run(&held_out(&config), &mut saved).unwrap();
        saved.0.swap_remove(0).training
    };
    assert!(trained(&streams).contains_key("carried/0"));
    assert!(!trained(&streams[1..]).contains_key("carried/0"));
}

#[test]
fn a_progress_that_no_training_comes_to_is_refused() {
    let config = testing::load(&["training.epochs=1"]).unwrap();
    let mut saved = Saved::default();
    trainer(&config).run(&held_out(&config), &mut saved).unwrap();
    type Change = fn(&mut TrainerState);
    let changes: [(&str, Change); 6] = [
        ("its format is 7, expected 4", |progress| progress.format = 7),
        ("its epoch is 0, expected 2", |progress| progress.epoch = 0),
        ("its count of steps", |progress| progress.step = usize::MAX),
        ("its step within the epoch is 10, expected at most 9", |progress| {
            progress.epoch_step = 10;
        }),
        ("its count of updates", |progress| progress.updates = u64::MAX),
        ("its count of lowered rates", |progress| progress.lowered = -2),
    ];
    for (expected, change) in changes {
        let mut checkpoint = saved.0[0].clone();
        change(&mut checkpoint.state);
        let message = trainer(&config).restore(&checkpoint).err().unwrap().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn another_data_set_is_not_gone_on_with() {
    let config = testing::load(&["training.epochs=1"]).unwrap();
    let mut saved = Saved::default();
    trainer(&config).run(&held_out(&config), &mut saved).unwrap();
    let mut again = trainer(&config);
    again.restore(&saved.0[0]).unwrap();
    let error = again.run(&testing::dataset(), &mut ()).err().unwrap();
    assert!(matches!(error, Error::ChangedData { .. }), "{error}");

    // The same samples in number, with one label changed.
    let mut again = trainer(&config);
    again.restore(&saved.0[0]).unwrap();
    let changed = testing::dataset_with(|labels| labels[3] = (labels[3] + 1) % 3);
    let changed = config.data.divide(changed, config.training.seed).unwrap();
    let message = again.run(&changed, &mut ()).err().unwrap().to_string();
    assert!(message.contains("--accept-changed-data"), "{message}");
    assert!(message.contains("other content in the 70 training samples"), "{message}");
    again.accept_changed_data();
    again.run(&changed, &mut ()).unwrap();

    let wider = testing::load(&["model.recurrent.hidden_size=7"]).unwrap();
    let error = trainer(&wider).restore(&saved.0[0]).err().unwrap();
    assert!(matches!(error, Error::OtherTraining { .. }), "{error}");
}

/// Interrupts after so many steps.
struct Interrupts(Arc<AtomicBool>, usize);

impl<M> Observer<M> for Interrupts {
    fn step(&mut self, step: &StepMetrics) -> Result<()> {
        self.0.store(step.total == self.1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn it_is_interrupted_saved() {
    let config = testing::load(&["training.epochs=2"]).unwrap();
    let dataset = held_out(&config);
    let mut whole = trainer(&config);
    whole.run(&dataset, &mut ()).unwrap();
    // 70 samples in batches of 8: 9 steps an epoch.
    for (step, end) in [(5, End::Interrupted), (9, End::Interrupted), (18, End::Finished)] {
        let mut trainer = trainer(&config);
        let flag = Arc::new(AtomicBool::new(false));
        trainer.interrupt_on(flag.clone());
        let mut observer = (Interrupts(flag, step), Saved::default());
        assert_eq!(trainer.run(&dataset, &mut observer).unwrap(), end, "{step}");
        let last = observer.1.0.last().unwrap();
        assert_eq!(last.state.step(), step);
        let mut again = super::trainer(&config);
        again.restore(last).unwrap();
        assert_eq!(again.run(&dataset, &mut ()).unwrap(), End::Finished);
        assert_eq!(weights(again.model()), weights(whole.model()));
    }
}

/// Whatever is left out, each step takes its own batches.
#[test]
fn it_goes_on_bit_for_bit_past_a_step_that_was_left_out() {
    for broken in 0..12 {
        let trainer = || {
            own(|config| {
                config.training.batch_size = 1;
                config.training.accumulate = 3;
                config.training.non_finite = NonFinite::Skip;
                config.checkpoint.every_steps = Some(1);
            })
        };
        let mut saved = Saved::default();
        let mut whole = trainer();
        whole.run(&numbers(Some(broken)), &mut saved).unwrap();
        assert_eq!(saved.0.len(), 8);
        let bits = |trainer: &Trainer<Mean>| {
            trainer.model().parameters[0].1.to_scalar::<f64>().unwrap().to_bits()
        };
        for checkpoint in &saved.0 {
            let mut again = trainer();
            again.restore(checkpoint).unwrap();
            again.run(&numbers(Some(broken)), &mut ()).unwrap();
            assert_eq!(bits(&again), bits(&whole));
        }
    }
}

/// The training loss of an epoch without a step is not a number, which JSON has no word for.
#[test]
fn it_goes_on_past_an_epoch_whose_steps_were_all_left_out() {
    let mut saved = Saved::default();
    let trainer = || {
        own(|config| {
            config.training.batch_size = 12;
            config.training.non_finite = NonFinite::Skip;
        })
    };
    let data = |broken| {
        let Dataset { train, test, .. } = numbers(broken);
        Dataset { train, valid: Some(test.clone()), test }
    };
    trainer().run(&data(Some(0)), &mut saved).unwrap();
    let folder = tempfile::tempdir().unwrap();
    saved.0[0].write(folder.path()).unwrap();
    let mut again = trainer();
    again.restore(&Checkpoint::read(folder.path()).unwrap()).unwrap();
    again.accept_changed_data();
    assert_eq!(again.run(&data(None), &mut ()).unwrap(), End::Finished);
    let losses: Vec<_> = again.state().history().iter().map(|epoch| epoch.train.loss()).collect();
    assert!(losses.len() == 2 && losses[0].is_nan() && losses[1].is_finite(), "{losses:?}");
}
