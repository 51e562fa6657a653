//! Training in groups of samples, by several processes: threads stand for them.

use super::*;
use crate::error::Error;
use crate::group::{Group, threads};
use crate::metrics::Measures;

/// Everything that a training of this configuration gives, as bits.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    weights: Vec<u32>,
    /// The measures of each epoch.
    measures: Vec<(String, u64)>,
    steps: Vec<u64>,
}

fn found(trainer: &Trainer<Model>, notes: &Notes) -> Found {
    let history = trainer.state().history();
    let all = history.iter().flat_map(|epoch| [Some(&epoch.train), epoch.valid.as_ref()]);
    let measures = all.flatten().flat_map(Measures::iter);
    Found {
        weights: weights(trainer.model()).iter().map(|weight| weight.to_bits()).collect(),
        measures: measures.map(|(name, value)| (name.to_owned(), value.to_bits())).collect(),
        steps: notes.steps.iter().map(|step| step.loss.to_bits()).collect(),
    }
}

fn joined(config: &Config, group: Arc<dyn Group>, dataset: &Dataset) -> Trainer<Model> {
    let mut trainer = trainer(config);
    trainer.join(group, dataset).unwrap();
    trainer
}

/// What each of so many processes finds, and the checkpoints of the first.
fn train_in(config: &Config, processes: usize) -> (Vec<Found>, Vec<Checkpoint>) {
    let dataset = held_out(config);
    let all = threads::run(processes, |group| {
        let mut trainer = joined(config, group, &dataset);
        let mut observers = (Notes::default(), Saved::default());
        assert_eq!(trainer.run(&dataset, &mut observers).unwrap(), End::Finished);
        (found(&trainer, &observers.0), observers.1.0)
    });
    let (all, mut saved): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    (all, saved.remove(0))
}

const GROUPED: [&str; 5] = [
    "training.groups=4",
    "training.epochs=2",
    "training.average=0.9",
    "clip.norm=0.5",
    "metrics=['accuracy','roc_auc','f1','log_loss']",
];

fn grouped(more: &[&str]) -> Config {
    testing::load(&[&GROUPED[..], more].concat()).unwrap()
}

#[test]
fn any_number_of_processes_gives_the_same_bits() {
    for more in [&[][..], &["training.accumulate=2"], &["training.shard_optimizer=true"]] {
        let config = grouped(more);
        let alone = train_in(&config, 1).0.remove(0);
        assert!(alone.measures.iter().any(|(name, _)| name == "roc_auc"));
        for processes in [2, 3, 4] {
            for of in train_in(&config, processes).0 {
                assert_eq!(of, alone, "{processes} processes with {more:?}");
            }
        }
    }
}

#[test]
fn groups_change_the_last_bits_alone() {
    let [config, plain] = [grouped(&[]), grouped(&[])];
    let mut plain = plain;
    plain.training.groups = None;
    let one = train_in(&config, 1).0.remove(0);
    let other = train_in(&plain, 1).0.remove(0);
    assert_ne!(one.weights, other.weights);
    for (one, other) in one.weights.iter().zip(&other.weights) {
        let (one, other) = (f32::from_bits(*one), f32::from_bits(*other));
        assert!((one - other).abs() < 0.05, "{one} {other}");
    }
}

#[test]
fn without_groups_each_process_is_one_and_all_agree() {
    let config = testing::load(&["training.epochs=2", "training.compress_gradients=true"]).unwrap();
    let all = train_in(&config, 3).0;
    assert!(all.iter().all(|of| *of == all[0]));
    let exact = testing::load(&["training.epochs=2"]).unwrap();
    let exact = train_in(&exact, 3).0;
    assert_ne!(exact[0].weights, all[0].weights, "nothing was rounded");
    assert!(exact.iter().all(|of| *of == exact[0]));
}

#[test]
fn another_number_of_processes_resumes_to_the_same_bits() {
    let config = grouped(&["checkpoint.every_steps=3", "training.shard_optimizer=true"]);
    let dataset = held_out(&config);
    let (whole, saved) = train_in(&config, 3);
    let within = |checkpoint: &&Checkpoint| checkpoint.state.epoch_step == 3;
    let checkpoint = saved.iter().rfind(within).unwrap();
    for processes in [1, 2, 4] {
        let all = threads::run(processes, |group| {
            let mut trainer = joined(&config, group, &dataset);
            trainer.restore(checkpoint).unwrap();
            trainer.run(&dataset, &mut ()).unwrap();
            found(&trainer, &Notes::default())
        });
        for of in all {
            assert_eq!(of.weights, whole[0].weights, "{processes} processes");
            assert_eq!(of.measures, whole[0].measures, "{processes} processes");
        }
    }
    // Of other groups than before, nothing is lost but the order of sums.
    let mut other = config.clone();
    other.training.groups = Some(2);
    let mut trainer = trainer(&other);
    trainer.restore(checkpoint).unwrap();
    trainer.run(&dataset, &mut ()).unwrap();
    let accuracy = |history: &[EpochMetrics]| history[1].train.get("accuracy").unwrap();
    let before = whole[0].measures.iter().filter(|(name, _)| name == "accuracy").nth(2).unwrap();
    let difference = accuracy(trainer.state().history()) - f64::from_bits(before.1);
    assert!(difference.abs() < 0.1, "{difference}");
}

/// One process of three is asked to stop: all stop after the same step.
#[test]
fn processes_stop_together() {
    let config = grouped(&[]);
    let dataset = held_out(&config);
    let all = threads::run(3, |group| {
        let is_second = group.rank() == 1;
        let mut trainer = joined(&config, group, &dataset);
        trainer.interrupt_on(Arc::new(AtomicBool::new(is_second)));
        let mut saved = Saved::default();
        let end = trainer.run(&dataset, &mut saved).unwrap();
        (end, trainer.state().step(), saved.0.len())
    });
    assert_eq!(all, [(End::Interrupted, 1, 1); 3]);
}

#[test]
fn a_process_of_another_mind_is_named() {
    let dataset = held_out(&grouped(&[]));
    let others = testing::dataset_with(|labels| labels[0] = 2);
    let others = grouped(&[]).data.divide(others, 1).unwrap();
    let messages = |differ: &(dyn Fn(usize) -> (Config, Dataset) + Sync)| {
        threads::run(3, |group| {
            let (config, dataset) = differ(group.rank());
            trainer(&config).join(group, &dataset).unwrap_err().to_string()
        })
    };
    let found = messages(&|rank| {
        let config =
            if rank == 2 { grouped(&["optimizer.learning_rate=0.5"]) } else { grouped(&[]) };
        (config, dataset.clone())
    });
    let expected = "process 2 cannot train with process 0: its configuration is another one: \
                    optimizer.learning_rate is 0.5, and 0.03 in process 0";
    assert_eq!(found, [expected; 3]);
    let found = messages(&|rank| {
        let dataset = if rank == 0 { &dataset } else { &others };
        (grouped(&[]), dataset.clone())
    });
    assert!(
        found[1].starts_with("processes 1, 2 cannot train with process 0: the content of its ")
    );
    let found = threads::run(5, |group| {
        trainer(&grouped(&[])).join(group, &dataset).unwrap_err().to_string()
    });
    assert_eq!(found[4], "training.groups is 4, expected at least 5, the number of processes");
}

/// Whoever leaves ends the calls of the others.
#[test]
fn nobody_waits_for_a_process_that_has_failed() {
    /// Fails in the second epoch of the second process.
    struct Fails(bool);
    impl<M> Observer<M> for Fails {
        fn epoch(&mut self, _: &EpochMetrics, _: &M) -> Result<()> {
            match self.0 {
                true => Err(Error::NoBatches),
                false => Ok(()),
            }
        }
    }
    let config = grouped(&[]);
    let dataset = held_out(&config);
    let errors = threads::run(3, |group| {
        let mut fails = Fails(group.rank() == 1);
        let mut trainer = joined(&config, group, &dataset);
        trainer.run(&dataset, &mut fails).unwrap_err()
    });
    assert!(matches!(errors[1], Error::NoBatches));
    assert!(matches!(errors[0], Error::Group(_)) && matches!(errors[2], Error::Group(_)));
}

/// A loss that is not finite in one process ends the training of all, or the step is skipped by all.
#[test]
fn trouble_of_one_process_is_that_of_all() {
    let dataset = numbers(Some(4));
    let run = |how| {
        threads::run(2, |group| {
            let mut trainer = own(|config| {
                config.training.groups = Some(3);
                config.training.non_finite = how;
            });
            trainer.join(group, &dataset).unwrap();
            let end = trainer.run(&dataset, &mut ()).map_err(|error| error.to_string());
            (end, trainer.model().parameters[0].1.to_scalar::<f64>().unwrap())
        })
    };
    let all = run(NonFinite::Stop);
    let errors: Vec<&String> = all.iter().map(|(end, _)| end.as_ref().unwrap_err()).collect();
    let own = errors.iter().position(|error| error.contains("the batch's input")).unwrap();
    assert_eq!(*errors[1 - own], format!("process {own}: the loss is NaN"));

    let all = run(NonFinite::Skip);
    assert!(all.iter().all(|(end, _)| *end == Ok(End::Finished)), "{all:?}");
    assert!(all[0].1.is_finite() && all[0].1.to_bits() == all[1].1.to_bits(), "{all:?}");
}
