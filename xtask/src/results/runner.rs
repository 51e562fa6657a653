//! Runs what is missing of a table, one training after the other.

use std::collections::HashSet;

use anyhow::{Result, bail};

use super::experiment::{Count, Experiment};
use super::run::{Run, State, Store};
use super::statistics::duration;
use super::table::Table;

/// A run above this many minutes is announced as a long one.
const LONG: f64 = 5.0;

/// How a training ended.
#[derive(Debug, PartialEq)]
pub(super) enum Ended {
    Finished,
    /// With an error.
    Failed(String),
    /// By a signal of the user's.
    Interrupted,
}

/// What runs trainings.
pub(super) struct Runner<'a> {
    pub(super) store: &'a Store,
    /// In place of the number of seeds where there are several.
    pub(super) seeds: Option<u32>,
    /// No run begins that would end later than after so many minutes, by its estimate.
    pub(super) limit: Option<f64>,
    /// What this machine is called.
    pub(super) machine: String,
    /// Begins, or goes on with, a run in its folder.
    pub(super) train: &'a dyn Fn(&Run) -> Result<Ended>,
    /// The minutes since the beginning.
    pub(super) elapsed: &'a dyn Fn() -> f64,
    pub(super) report: Report,
}

/// What did not go well.
#[derive(Default)]
pub(super) struct Report {
    /// The runs that failed.
    pub(super) failed: Vec<String>,
    /// The runs for which there was no time.
    pub(super) left_out: Vec<String>,
}

impl Runner<'_> {
    /// Runs what is missing of `table`. A run that fails does not stop the others.
    ///
    /// # Errors
    /// An interruption, and a training that cannot be started.
    pub(super) fn run(&mut self, table: &Table) -> Result<()> {
        let (count, _) = count(table, self.seeds, self.store);
        let missing = count.runs - count.finished;
        if missing > 0 {
            let time = duration(count.minutes);
            complain!("{}: {missing} of {} runs are missing, about {time}", table.name, count.runs);
        }
        for experiment in table.experiments() {
            self.run_all(table, experiment)?;
        }
        Ok(())
    }

    /// Which runs there are may depend on the results of those before, so that it is planned again after each.
    fn run_all(&mut self, table: &Table, experiment: &Experiment) -> Result<()> {
        let mut tried = HashSet::new();
        loop {
            let plan = match experiment.plan(table.name, self.seeds, self.store) {
                Ok(plan) if plan.needs.is_none() => plan,
                // What cannot be planned is reported where the table is printed.
                Ok(_) | Err(_) => return Ok(()),
            };
            let next = plan.runs.iter().find(|planned| {
                !matches!(planned.state, State::Finished(_)) && !tried.contains(&planned.run.name)
            });
            let Some(next) = next else { return Ok(()) };
            tried.insert(next.run.name.clone());
            self.run_one(&next.run, next.run.remaining(&next.state))?;
        }
    }

    fn run_one(&mut self, run: &Run, minutes: f64) -> Result<()> {
        if self.limit.is_some_and(|limit| (self.elapsed)() + minutes > limit) {
            self.report.left_out.push(run.name.clone());
            return Ok(());
        }
        complain!("{}: {}", run.name, run.command());
        if minutes > LONG {
            complain!("  takes long, about {}: the same command resumes it", duration(minutes));
        }
        self.store.begin(run, &self.machine)?;
        let ended = match (self.train)(run)? {
            Ended::Finished if !self.is_finished(run) => {
                Ended::Failed("it left no complete run".into())
            }
            ended => ended,
        };
        match ended {
            Ended::Finished => {}
            Ended::Interrupted => bail!("interrupted in {}: the same command resumes it", run.name),
            Ended::Failed(why) => {
                complain!("{} failed: {why}", run.name);
                self.store.fail(run, &why)?;
                self.report.failed.push(run.name.clone());
            }
        }
        Ok(())
    }

    fn is_finished(&self, run: &Run) -> bool {
        matches!(self.store.state(run), Ok(State::Finished(_)))
    }
}

/// The runs of a table, and what is wrong with the experiments that are not counted.
pub(super) fn count(table: &Table, seeds: Option<u32>, store: &Store) -> (Count, Vec<String>) {
    let (mut counts, mut problems) = (Vec::new(), Vec::new());
    for experiment in table.experiments() {
        match experiment.plan(table.name, seeds, store) {
            Ok(plan) => counts.push(plan.count()),
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    (counts.into_iter().sum(), problems)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::column::Column;
    use super::super::experiment::{Better, Tuning};
    use super::super::table::{Body, Row};
    use super::super::testing::{finish, store};
    use super::*;

    fn table(experiments: Vec<Experiment>) -> Table {
        let rows = experiments.into_iter().map(|one| Row::measured(one.name.clone(), one));
        let columns = vec![Column::percent("accuracy", "test_accuracy")];
        Table { name: "t", title: "T", bar: "", body: Body::Rows { columns, rows: rows.collect() } }
    }

    /// Runs `table`, with `ended` for how each run ends; gives the names of the runs that were begun.
    fn run(
        table: &Table,
        store: &Store,
        limit: Option<f64>,
        ended: impl Fn(&Run) -> Ended,
    ) -> (Vec<String>, Vec<String>, Result<()>) {
        let begun = RefCell::new(Vec::new());
        let minutes = RefCell::new(0.0);
        let train = |run: &Run| {
            begun.borrow_mut().push(run.name.clone());
            *minutes.borrow_mut() += run.minutes;
            let ended = ended(run);
            if ended == Ended::Finished {
                let accuracy = if run.name.contains("0.01") { 0.9 } else { 0.5 };
                finish(store, run, &[("valid_accuracy", accuracy)]);
            }
            Ok(ended)
        };
        let mut runner = Runner {
            store,
            seeds: None,
            limit,
            machine: "Machine, 2 threads, AVX2".into(),
            train: &train,
            elapsed: &|| *minutes.borrow(),
            report: Report::default(),
        };
        let result = runner.run(table);
        let Report { failed, left_out } = runner.report;
        let others = [failed, left_out].concat();
        (begun.into_inner(), others, result)
    }

    fn plain() -> Table {
        table(vec![
            Experiment::new("a", &["a"], 2.0).seeds(2),
            Experiment::new("file", &["file"], 2.0).needs("file.csv"),
            Experiment::new("b", &["b"], 5.0),
        ])
    }

    #[test]
    fn what_is_missing_runs_once() {
        let (_folder, store) = store();
        let (begun, ..) = run(&plain(), &store, None, |_| Ended::Finished);
        assert_eq!(begun, ["t/a-seed1", "t/a-seed2", "t/b-seed1"]);
        let (begun, others, _) = run(&plain(), &store, None, |_| Ended::Finished);
        assert_eq!((begun.len(), others.len()), (0, 0));
        let all = Count { runs: 3, finished: 3, minutes: 0.0 };
        assert_eq!(count(&plain(), None, &store), (all, Vec::new()));
    }

    #[test]
    fn a_failure_does_not_stop_the_others_and_is_tried_again_the_next_time() {
        let (_folder, store) = store();
        let fails = |run: &Run| match &run.name[..] {
            "t/a-seed1" => Ended::Failed("exit status: 1".into()),
            _ => Ended::Finished,
        };
        let (begun, failed, result) = run(&plain(), &store, None, fails);
        assert!(result.is_ok());
        assert_eq!((begun.len(), &failed[..]), (3, &["t/a-seed1".to_owned()][..]));
        let (begun, ..) = run(&plain(), &store, None, |_| Ended::Finished);
        assert_eq!(begun, ["t/a-seed1"]);
    }

    #[test]
    fn an_interruption_stops_all() {
        let (_folder, store) = store();
        let (begun, _, result) = run(&plain(), &store, None, |_| Ended::Interrupted);
        assert_eq!(begun, ["t/a-seed1"]);
        assert!(result.unwrap_err().to_string().contains("t/a-seed1"));
    }

    #[test]
    fn no_run_begins_that_does_not_fit_the_limit() {
        let (_folder, store) = store();
        let (begun, left_out, _) = run(&plain(), &store, Some(4.5), |_| Ended::Finished);
        assert_eq!(begun, ["t/a-seed1", "t/a-seed2"]);
        assert_eq!(left_out, ["t/b-seed1"]);
    }

    #[test]
    fn a_training_that_leaves_no_complete_run_has_failed() {
        let (_folder, store) = store();
        let train = |_: &Run| Ok(Ended::Finished);
        let mut runner = Runner {
            store: &store,
            seeds: Some(1),
            limit: None,
            machine: "A".into(),
            train: &train,
            elapsed: &|| 0.0,
            report: Report::default(),
        };
        runner.run(&plain()).unwrap();
        assert_eq!(runner.report.failed, ["t/a-seed1", "t/b-seed1"]);
    }

    #[test]
    fn the_seeds_follow_the_choice_of_a_learning_rate() {
        let (_folder, store) = store();
        let rates = &["0.001", "0.01"];
        let tuning = Tuning { rates, key: "valid_accuracy", better: Better::Higher };
        let table = table(vec![Experiment::new("a", &["a"], 1.0).seeds(3).tuned(tuning)]);
        let (begun, ..) = run(&table, &store, None, |_| Ended::Finished);
        let expected = [
            "t/a-rate0.001-seed1",
            "t/a-rate0.01-seed1",
            "t/a-rate0.01-seed2",
            "t/a-rate0.01-seed3",
        ];
        assert_eq!(begun, expected);
    }
}
