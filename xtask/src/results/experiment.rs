//! A measurement: one network on one task, with some seeds, and where asked for with the best of some learning rates.

use anyhow::{Context as _, Result};

use super::run::{Outcome, Run, State, Store};

/// What is measured, in one or more runs.
#[derive(Clone, Debug)]
pub(super) struct Experiment {
    /// Names its runs; unique in its table.
    pub(super) name: String,
    /// The arguments of `fgn train` that all its runs share.
    args: Vec<String>,
    /// How many seeds, from 1 on.
    seeds: u32,
    /// How long a run takes, estimated on two cores.
    minutes: f64,
    tuning: Option<Tuning>,
    /// A file of the user's that it cannot do without.
    needs: Option<&'static str>,
}

/// How the learning rate is chosen: that of the best run with seed 1. All seeds then have it.
#[derive(Clone, Debug)]
pub(super) struct Tuning {
    /// As they are typed, in ascending order.
    pub(super) rates: &'static [&'static str],
    /// What decides: a measure of the validation part, after the epoch whose model is kept. Where it is equal, the lower
    /// loss decides.
    pub(super) key: &'static str,
    pub(super) better: Better,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Better {
    Higher,
    Lower,
}

/// The runs of an experiment, as far as they are known, and what there is of them.
pub(super) struct Plan {
    pub(super) runs: Vec<Planned>,
    /// How many more there will be when the learning rate is chosen.
    later: usize,
    /// The learning rate that was chosen.
    pub(super) rate: Option<&'static str>,
    minutes: f64,
    pub(super) seeds: u32,
    pub(super) needs: Option<&'static str>,
}

pub(super) struct Planned {
    pub(super) run: Run,
    pub(super) state: State,
    /// Whether it is shown in the table, and is not only for the choice of a learning rate.
    is_result: bool,
}

impl Experiment {
    /// One run of seed 1.
    pub(super) fn new(name: impl Into<String>, args: &[&str], minutes: f64) -> Experiment {
        Experiment {
            name: name.into(),
            args: args.iter().map(|arg| (*arg).into()).collect(),
            seeds: 1,
            minutes,
            tuning: None,
            needs: None,
        }
    }

    pub(super) fn seeds(self, seeds: u32) -> Experiment {
        Experiment { seeds, ..self }
    }

    pub(super) fn tuned(self, tuning: Tuning) -> Experiment {
        Experiment { tuning: Some(tuning), ..self }
    }

    pub(super) fn needs(self, file: &'static str) -> Experiment {
        Experiment { needs: Some(file), ..self }
    }

    /// Its runs in the table `table`. `seeds` is in place of their number where there are several.
    ///
    /// # Errors
    /// As [`Store::state`]; a run of a tuning that did not measure what decides.
    pub(super) fn plan(&self, table: &str, seeds: Option<u32>, store: &Store) -> Result<Plan> {
        let seeds = seeds.filter(|_| self.seeds > 1).unwrap_or(self.seeds);
        let mut plan = Plan {
            runs: Vec::new(),
            later: 0,
            rate: None,
            minutes: self.minutes,
            seeds,
            needs: self.needs,
        };
        let planned = |rate: Option<&str>, seed, is_result| {
            let run = self.run(table, rate, seed);
            let state = store.state(&run)?;
            Ok(Planned { run, state, is_result })
        };
        let Some(tuning) = &self.tuning else {
            plan.runs = (1..=seeds).map(|seed| planned(None, seed, true)).collect::<Result<_>>()?;
            return Ok(plan);
        };
        for rate in tuning.rates {
            plan.runs.push(planned(Some(rate), 1, false)?);
        }
        match tuning.chosen(&plan.runs)? {
            Some(chosen) => {
                plan.rate = Some(tuning.rates[chosen]);
                plan.runs[chosen].is_result = true;
                for seed in 2..=seeds {
                    plan.runs.push(planned(plan.rate, seed, true)?);
                }
            }
            None => plan.later = seeds.saturating_sub(1) as usize,
        }
        Ok(plan)
    }

    /// The command of its runs, with `N` for the seed where there are several; that of a tuned one has its rate.
    pub(super) fn command(&self, plan: &Plan) -> String {
        let seed = if plan.seeds > 1 { "N".into() } else { "1".to_owned() };
        super::run::command(&self.args_of(plan.rate, &seed))
    }

    fn run(&self, table: &str, rate: Option<&str>, seed: u32) -> Run {
        let rate_part = rate.map(|rate| format!("-rate{rate}")).unwrap_or_default();
        Run {
            name: format!("{table}/{}{rate_part}-seed{seed}", self.name),
            args: self.args_of(rate, &seed.to_string()),
            minutes: self.minutes,
        }
    }

    fn args_of(&self, rate: Option<&str>, seed: &str) -> Vec<String> {
        let mut args = self.args.clone();
        args.extend(rate.into_iter().flat_map(|rate| ["--learning-rate".into(), rate.into()]));
        args.extend(["--seed".into(), seed.into()]);
        args
    }
}

impl Tuning {
    /// The index of the best of these runs; none as long as one is not over, or if all have failed. A run that failed
    /// is not the best one.
    fn chosen(&self, runs: &[Planned]) -> Result<Option<usize>> {
        let mut best: Option<(usize, [f64; 2])> = None;
        for (index, planned) in runs.iter().enumerate() {
            let outcome = match &planned.state {
                State::Missing | State::Interrupted(_) => return Ok(None),
                State::Failed(_) => continue,
                State::Finished(outcome) => outcome,
            };
            let score = self.score(outcome).with_context(|| planned.run.name.clone())?;
            if best.is_none_or(|(_, least)| score < least) {
                best = Some((index, score));
            }
        }
        Ok(best.map(|(index, _)| index))
    }

    /// Less is better, in the order of the two values.
    fn score(&self, outcome: &Outcome) -> Result<[f64; 2]> {
        let value = outcome.metrics.valid(self.key)?;
        let value = if self.better == Better::Higher { -value } else { value };
        let score = [value, outcome.metrics.valid("valid_loss")?];
        // NaN is worse than any number.
        Ok(score.map(|value| if value.is_nan() { f64::INFINITY } else { value }))
    }
}

impl Plan {
    /// The finished runs that the table shows.
    pub(super) fn outcomes(&self) -> Vec<&Outcome> {
        let results = self.runs.iter().filter(|planned| planned.is_result);
        let finished = results.filter_map(|planned| match &planned.state {
            State::Finished(outcome) => Some(&**outcome),
            _ => None,
        });
        finished.collect()
    }

    /// The runs that ended with an error.
    pub(super) fn failed(&self) -> impl Iterator<Item = &str> {
        let failed = |planned: &&Planned| matches!(planned.state, State::Failed(_));
        self.runs.iter().filter(failed).map(|planned| &planned.run.name[..])
    }

    /// What stands in the table where no run is finished.
    pub(super) fn status(&self) -> String {
        let states = || self.runs.iter().map(|planned| &planned.state);
        let has_begun = |state: &State| matches!(state, State::Finished(_) | State::Interrupted(_));
        match self.needs {
            Some(file) => format!("needs {file}"),
            None if states().any(|state| matches!(state, State::Failed(_))) => "failed".into(),
            None if states().any(has_begun) => "not finished".into(),
            None => "not run".into(),
        }
    }

    pub(super) fn count(&self) -> Count {
        // Nothing runs without the file.
        if self.needs.is_some() {
            return Count::default();
        }
        let is_finished = |planned: &&Planned| matches!(planned.state, State::Finished(_));
        let minutes = self.runs.iter().map(|planned| planned.run.remaining(&planned.state));
        Count {
            runs: self.runs.len() + self.later,
            finished: self.runs.iter().filter(is_finished).count(),
            minutes: minutes.sum::<f64>() + self.later as f64 * self.minutes,
        }
    }
}

/// How many runs there are, how many of them are finished, and how long the others take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Count {
    pub(super) runs: usize,
    pub(super) finished: usize,
    pub(super) minutes: f64,
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Count>>(counts: I) -> Count {
        counts.fold(Count::default(), |sum, count| Count {
            runs: sum.runs + count.runs,
            finished: sum.finished + count.finished,
            minutes: sum.minutes + count.minutes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finish, store};
    use super::*;

    fn tuned() -> Experiment {
        Experiment::new("lstm", &["adding"], 2.0).seeds(3).tuned(Tuning {
            rates: &["0.001", "0.01"],
            key: "valid_accuracy",
            better: Better::Higher,
        })
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.runs.iter().map(|planned| &planned.run.name[..]).collect()
    }

    /// The run that [`tuned`] plans first in `table` for that rate and seed.
    fn run(rate: &str, seed: u32) -> Run {
        tuned().run("t", Some(rate), seed)
    }

    #[test]
    fn each_seed_is_a_run_with_a_name_and_a_command_of_its_own() {
        let (_folder, store) = store();
        let experiment = Experiment::new("fgn", &["mnist", "--set", "a=b"], 3.0).seeds(2);
        let plan = experiment.plan("mnist", None, &store).unwrap();
        assert_eq!(names(&plan), ["mnist/fgn-seed1", "mnist/fgn-seed2"]);
        assert_eq!(plan.runs[1].run.command(), "fgn train mnist --set a=b --seed 2");
        assert_eq!(experiment.command(&plan), "fgn train mnist --set a=b --seed N");
        assert_eq!(plan.count(), Count { runs: 2, finished: 0, minutes: 6.0 });
        assert_eq!(plan.status(), "not run");
    }

    #[test]
    fn another_number_of_seeds_is_for_those_with_several() {
        let (_folder, store) = store();
        let one = Experiment::new("a", &[], 1.0);
        assert_eq!(one.plan("t", Some(9), &store).unwrap().runs.len(), 1);
        assert_eq!(one.seeds(5).plan("t", Some(2), &store).unwrap().runs.len(), 2);
    }

    #[test]
    fn what_needs_a_file_of_the_users_is_not_counted() {
        let (_folder, store) = store();
        let plan = Experiment::new("a", &[], 1.0).needs("a.csv").plan("t", None, &store).unwrap();
        assert_eq!(plan.count(), Count::default());
        assert_eq!(plan.status(), "needs a.csv");
    }

    #[test]
    fn the_learning_rate_that_is_best_on_validation_gets_the_other_seeds() {
        let (_folder, store) = store();
        let plan = tuned().plan("t", None, &store).unwrap();
        assert_eq!(names(&plan), ["t/lstm-rate0.001-seed1", "t/lstm-rate0.01-seed1"]);
        assert_eq!(plan.count(), Count { runs: 4, finished: 0, minutes: 8.0 });

        // The test part does not decide, and neither does a rate alone.
        finish(&store, &run("0.001", 1), &[("valid_accuracy", 0.9), ("test_accuracy", 0.1)]);
        assert_eq!(tuned().plan("t", None, &store).unwrap().rate, None);
        finish(&store, &run("0.01", 1), &[("valid_accuracy", 0.8), ("test_accuracy", 0.9)]);
        let plan = tuned().plan("t", None, &store).unwrap();
        assert_eq!(plan.rate, Some("0.001"));
        assert_eq!(names(&plan)[2..], ["t/lstm-rate0.001-seed2", "t/lstm-rate0.001-seed3"]);
        assert_eq!(plan.count(), Count { runs: 4, finished: 2, minutes: 4.0 });

        finish(&store, &run("0.001", 3), &[("valid_accuracy", 0.7)]);
        let plan = tuned().plan("t", None, &store).unwrap();
        let shown: Vec<_> = plan.outcomes().iter().map(|outcome| &outcome.name[..]).collect();
        assert_eq!(shown, ["t/lstm-rate0.001-seed1", "t/lstm-rate0.001-seed3"]);
        let expected = "fgn train adding --learning-rate 0.001 --seed N";
        assert_eq!(tuned().command(&plan), expected);
    }

    #[test]
    fn of_equal_rates_the_lower_loss_decides_and_nan_is_never_best() {
        let (_folder, store) = store();
        finish(&store, &run("0.001", 1), &[("valid_accuracy", 1.0), ("valid_loss", 0.2)]);
        finish(&store, &run("0.01", 1), &[("valid_accuracy", 1.0), ("valid_loss", 0.1)]);
        assert_eq!(tuned().plan("t", None, &store).unwrap().rate, Some("0.01"));
        finish(&store, &run("0.01", 1), &[("valid_accuracy", f64::NAN), ("valid_loss", 0.1)]);
        assert_eq!(tuned().plan("t", None, &store).unwrap().rate, Some("0.001"));
    }

    #[test]
    fn a_rate_that_failed_is_not_chosen() {
        let (_folder, store) = store();
        finish(&store, &run("0.001", 1), &[("valid_accuracy", 0.5)]);
        store.begin(&run("0.01", 1), "A").unwrap();
        store.fail(&run("0.01", 1), "diverged").unwrap();
        let plan = tuned().plan("t", None, &store).unwrap();
        assert_eq!(plan.rate, Some("0.001"));
        assert_eq!(plan.failed().collect::<Vec<_>>(), ["t/lstm-rate0.01-seed1"]);
    }

    #[test]
    fn a_run_without_the_measure_that_decides_is_an_error_that_names_it() {
        let (_folder, store) = store();
        finish(&store, &run("0.001", 1), &[]);
        finish(&store, &run("0.01", 1), &[]);
        let error = format!("{:#}", tuned().plan("t", None, &store).err().unwrap());
        assert!(error.starts_with("t/lstm-rate0.001-seed1: epoch 1"), "{error}");
    }
}
