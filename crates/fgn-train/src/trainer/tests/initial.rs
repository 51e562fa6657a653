//! What a training begins with, what it leaves alone, and how it is given more epochs.

use super::going_on::goes_on_bit_for_bit_on;
use super::*;
use crate::session::{ResumeOptions, Session};
use crate::trainer::frozen::frozen;

/// The bits of each parameter.
fn parameters(model: &Model) -> Vec<(String, Vec<u32>)> {
    let bits = |(name, var): &(String, Var)| {
        let values = var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        (name.clone(), values.into_iter().map(f32::to_bits).collect())
    };
    model.parameters().iter().map(bits).collect()
}

/// Weight decay of biases too, averages and clipping: all that changes weights.
const FROZEN: [&str; 7] = [
    "training.freeze=[\"recurrent.*\", \"head.bias\"]",
    "training.average=0.9",
    "optimizer={ name = \"adamw\", learning_rate = 0.03, weight_decay = 0.5 }",
    "groups=[{ parameters = \"*\", weight_decay = 0.25 }]",
    "clip.norm=0.5",
    "checkpoint.every_steps=4",
    "training.epochs=2",
];

#[test]
fn frozen_parameters_keep_every_bit() {
    let config = testing::load(&FROZEN).unwrap();
    let mut trainer = trainer(&config);
    let before = parameters(trainer.model());
    trainer.run(&held_out(&config), &mut ()).unwrap();
    for ((name, found), (_, before)) in parameters(trainer.model()).iter().zip(&before) {
        let is_frozen = name.starts_with("recurrent.") || name == "head.bias";
        assert_eq!(found == before, is_frozen, "{name}");
    }
    goes_on_bit_for_bit_on(&config, &held_out(&config), &FROZEN);
}

#[test]
fn frozen_parameters_are_no_part_of_the_norm() {
    let step = |setting: &str| {
        let config = testing::load(&[setting]).unwrap();
        let batch = held_out(&config).train.batch(&[0, 1, 2], &Device::Cpu).unwrap();
        trainer(&config).step(&[batch]).unwrap().gradient_norm
    };
    let [all, head, rest] = [
        step("training.freeze=[]"),
        step("training.freeze=[\"recurrent.*\"]"),
        step("training.freeze=[\"head.*\"]"),
    ];
    assert!(head > 0.0 && rest > 0.0);
    assert!((all.powi(2) - head.powi(2) - rest.powi(2)).abs() < 1e-9, "{all} {head} {rest}");
}

#[test]
fn patterns_that_freeze_nothing_or_all_are_refused() {
    let config = testing::config();
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    let of = |patterns: &[&str]| {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.into()).collect();
        frozen(&patterns, model.parameters())
    };
    let error = of(&["head.*", "recurent.*"]).unwrap_err().to_string();
    let expected =
        "training.freeze has \"recurent.*\", which no parameter is called: expected some of ";
    assert!(error.starts_with(expected) && error.contains("head.weight"), "{error}");
    let error = of(&["*"]).unwrap_err().to_string();
    assert!(error.contains("training.freeze leaves no parameter to train"), "{error}");
    assert!(!of(&[]).unwrap().contains(&true));
}

#[test]
fn weights_of_another_model_are_the_first_ones() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.safetensors");
    let other = testing::load(&["training.seed=9", "model.head.classes=5"]).unwrap();
    let other = Model::new(&other.model, 9, DType::F32, &Device::Cpu).unwrap();
    other.save(&file).unwrap();
    let setting = format!("training.init={:?}", file.to_str().unwrap());
    let config = testing::load(&[&setting, "training.average=0.9", "training.epochs=1"]).unwrap();
    let mut trainer = trainer(&config);
    let own = parameters(trainer.model());
    trainer.initialise().unwrap();
    let found = trainer.initial_weights().unwrap().clone();
    let kept: Vec<_> = found.kept.iter().map(|kept| &kept.name[..]).collect();
    assert_eq!(kept, ["head.weight", "head.bias"], "they are of other shapes");
    assert!(found.unused.is_empty());
    let now = parameters(trainer.model());
    for (((name, now), (_, own)), (_, other)) in now.iter().zip(&own).zip(&parameters(&other)) {
        let expected = if kept.contains(&&name[..]) { own } else { other };
        assert!(now == expected, "{name}");
    }
    // The averages begin with them too.
    let average = trainer.average.as_ref().unwrap();
    for (average, (_, var)) in average.values().zip(trainer.model().parameters()) {
        let [average, var] = [average, var.as_tensor()]
            .map(|tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        assert_eq!(average, var);
    }
    // Once: what was learned since stays.
    trainer.run(&held_out(&config), &mut ()).unwrap();
    let learned = parameters(trainer.model());
    trainer.initialise().unwrap();
    assert!(parameters(trainer.model()) == learned);

    // A training that is resumed does not read the file again.
    let mut saved = Saved::default();
    let mut whole = self::trainer(&config);
    whole.run(&held_out(&config), &mut saved).unwrap();
    std::fs::remove_file(&file).unwrap();
    let mut again = self::trainer(&config);
    again.restore(&saved.0[0]).unwrap();
    again.run(&held_out(&config), &mut ()).unwrap();
    assert_eq!(weights(again.model()), weights(whole.model()));
    let error = self::trainer(&config).run(&held_out(&config), &mut ()).unwrap_err();
    assert!(matches!(error, Error::NoRun { .. }), "{error}");
}

fn session(folder: &std::path::Path, settings: &[&str]) -> Session {
    let config = testing::load(settings).unwrap();
    Session::begin_on(testing::dataset(), config, Some(folder), &Device::Cpu).unwrap()
}

/// The same bits as a training of as many epochs from the beginning, where the schedule does not depend on the end.
#[test]
fn a_finished_training_is_given_more_epochs() {
    let settings = ["schedule={ name = \"plateau\", patience = 1 }", "training.average=0.8"];
    let more = |epochs: &str| testing::load(&[&settings[..], &[epochs]].concat()).unwrap();
    let (short, long) = (more("training.epochs=2"), more("training.epochs=5"));
    let (mut saved, mut notes) = (Saved::default(), Notes::default());
    let mut first = trainer(&short);
    first.run(&held_out(&short), &mut saved).unwrap();
    let mut whole = trainer(&long);
    whole.run(&held_out(&long), &mut notes).unwrap();
    let mut again = trainer(&long);
    again.restore(saved.0.last().unwrap()).unwrap();
    let mut rest = Notes::default();
    assert_eq!(again.run(&held_out(&long), &mut rest).unwrap(), End::Finished);
    assert_eq!(rest.epochs.len(), 3);
    assert!(weights(again.model()) == weights(whole.model()));
    let losses =
        |notes: &[EpochMetrics]| -> Vec<f64> { notes.iter().map(EpochMetrics::loss).collect() };
    assert_eq!(losses(&rest.epochs), losses(&notes.epochs[2..]));
}

#[test]
fn with_more_epochs_the_schedule_is_that_of_the_longer_training() {
    let of = |epochs: &str| testing::load(&["schedule.name=cosine", epochs]).unwrap();
    let (short, long) = (of("training.epochs=2"), of("training.epochs=4"));
    let rates = |config: &Config, from: Option<&Checkpoint>| {
        let (mut trainer, mut notes) = (trainer(config), Notes::default());
        if let Some(checkpoint) = from {
            trainer.restore(checkpoint).unwrap();
        }
        trainer.run(&held_out(config), &mut notes).unwrap();
        notes.epochs.iter().map(|epoch| epoch.learning_rate).collect::<Vec<_>>()
    };
    let mut saved = Saved::default();
    trainer(&short).run(&held_out(&short), &mut saved).unwrap();
    assert_eq!(rates(&long, saved.0.last()), rates(&long, None)[2..]);
}

#[test]
fn one_that_was_stopped_early_goes_on_and_waits_anew() {
    let of = |epochs: &str| {
        let stops =
            ["early_stopping.patience=1", "early_stopping.min_delta=9", "data.validation=20"];
        testing::load(&[&stops[..], &[epochs]].concat()).unwrap()
    };
    let (short, long) = (of("training.epochs=4"), of("training.epochs=6"));
    let mut saved = Saved::default();
    let mut first = trainer(&short);
    assert_eq!(first.run(&held_out(&short), &mut saved).unwrap(), End::StoppedEarly);
    assert_eq!(first.state().history().len(), 2);
    let mut again = trainer(&long);
    again.restore(saved.0.last().unwrap()).unwrap();
    assert_eq!(again.run(&held_out(&long), &mut ()).unwrap(), End::StoppedEarly);
    assert_eq!(again.state().history().len(), 3);
}

#[test]
fn a_run_folder_is_given_more_epochs() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("run");
    let interrupt = || Arc::new(AtomicBool::new(false));
    let end = session(&folder, &["training.epochs=1"]).run(interrupt(), &mut ()).unwrap();
    assert_eq!((end.end, end.step, end.initial), (End::Finished, 9, None));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    for asked in [0, 1] {
        let options = ResumeOptions { epochs: Some(asked), ..ResumeOptions::default() };
        let error = Session::resume(&folder, &options, &Device::Cpu).err().unwrap().to_string();
        assert!(
            error.contains(&format!("of 1 epochs, expected more than that, found {asked}")),
            "{error}"
        );
    }
    assert!(read("config.toml").contains("epochs = 1"));
}
