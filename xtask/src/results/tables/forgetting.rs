//! Where the forgetting gate pays: cells with and without it, of one size, on small tasks.
//!
//! `docs/forgetting-gate.md` describes the study. On each task every cell has as many parameters as an LSTM of 64 units,
//! the same three learning rates to choose from, and the same five seeds.

use super::super::column::{Column, Shown, Unit};
use super::super::experiment::{Better, Experiment, Tuning};
use super::super::sizes::{Blocks, Ends};
use super::super::table::{Body, Entry, Grid, Network, Table, Task};

const RATES: &[&str] = &["0.001", "0.003", "0.01"];
const SEEDS: u32 = 5;
/// The most that a run takes.
const MINUTES: f64 = 1.0;
/// The units of the LSTM whose number of parameters all cells have.
const UNITS: u64 = 64;
const LSTM_BLOCKS: Blocks = Blocks { input: 4, recurrent: 4, single: 8 };
/// The width of an embedding, which the tasks with tokens are given so that sizes are known.
const EMBEDDING: u64 = 32;

/// A cell of the study.
struct Cell {
    name: &'static str,
    label: &'static str,
    /// `model.recurrent.cell`.
    config: &'static str,
    blocks: Blocks,
    /// `model.recurrent.init.forget_bias`.
    forget_bias: &'static str,
}

/// `forget_bias` of all cells but those with a refined gate, which is made for `uniform-gate`.
const CONSTANT: &str = "{ constant = 1.0 }";
const UNIFORM: &str = r#""uniform-gate""#;

/// A forgetting gate adds a block that reads the input, with one bias, to its unit.
#[rustfmt::skip]
const CELLS: [Cell; 12] = [
    cell("fgn", "FGN, soft", r#"{ name = "fgn" }"#, [5, 4, 9], CONSTANT),
    cell("fgn-binary", "FGN, binary", r#"{ name = "fgn", forgetting = "binary" }"#, [5, 4, 9], CONSTANT),
    cell("fgn-linear", "FGN, z linear", r#"{ name = "fgn", z = "linear" }"#, [5, 5, 9], CONSTANT),
    cell("fgn-ur-lstm", "FGN over UR-LSTM", r#"{ name = "fgn", unit = "ur-lstm" }"#, [5, 4, 9], UNIFORM),
    cell("fgn-gru", "FGN over GRU", r#"{ name = "fgn", unit = "gru" }"#, [4, 3, 7], CONSTANT),
    cell("fgn-min-gru", "FGN over minGRU", r#"{ name = "fgn", unit = "min-gru" }"#, [3, 0, 3], CONSTANT),
    cell("fgn-scan", "FGN-scan", r#"{ name = "fgn-scan" }"#, [4, 0, 5], CONSTANT),
    cell("lstm", "LSTM", r#"{ name = "lstm" }"#, [4, 4, 8], CONSTANT),
    cell("gru", "GRU", r#"{ name = "gru" }"#, [3, 3, 6], CONSTANT),
    cell("janet", "JANET", r#"{ name = "janet" }"#, [2, 2, 4], CONSTANT),
    cell("min-gru", "minGRU", r#"{ name = "min-gru" }"#, [2, 0, 2], CONSTANT),
    cell("ur-lstm", "UR-LSTM", r#"{ name = "ur-lstm" }"#, [4, 4, 8], UNIFORM),
];

const fn cell(
    name: &'static str,
    label: &'static str,
    config: &'static str,
    [input, recurrent, single]: [u64; 3],
    forget_bias: &'static str,
) -> Cell {
    Cell { name, label, config, blocks: Blocks { input, recurrent, single }, forget_bias }
}

/// A task of the study.
struct Small {
    name: &'static str,
    /// The recipe and its `--set`s.
    recipe: &'static str,
    sets: &'static [&'static str],
    ends: Ends,
    measure: Measure,
}

/// What decides on a task and is shown of it.
#[derive(Clone, Copy, PartialEq)]
enum Measure {
    Accuracy,
    /// The mean squared error, by its root.
    Error,
}

const TOKENS: &str = r#"model.input={ kind = "embedding", embedding_dim = 32 }"#;

const TASKS: [Small; 6] = [
    Small {
        name: "selective-copy",
        recipe: "selective-copy",
        sets: &["data.task.length=64", "data.task.symbols=8", TOKENS],
        ends: Ends { features: EMBEDDING, outputs: 16 },
        measure: Measure::Accuracy,
    },
    Small {
        name: "adding",
        recipe: "adding",
        sets: &["data.task.length=100", r#"metrics=["rmse"]"#],
        ends: Ends { features: 2, outputs: 1 },
        measure: Measure::Error,
    },
    Small {
        name: "copy",
        recipe: "copy",
        sets: &["data.task.length=50", TOKENS],
        ends: Ends { features: EMBEDDING, outputs: 10 },
        measure: Measure::Accuracy,
    },
    Small {
        name: "reber",
        recipe: "reber",
        sets: &[TOKENS],
        ends: Ends { features: EMBEDDING, outputs: 7 },
        measure: Measure::Accuracy,
    },
    Small {
        name: "mnist-rows",
        recipe: "mnist-rows",
        // A tenth of the 60,000 images is left to train on.
        sets: &["data.validation=54000"],
        ends: Ends { features: 28, outputs: 10 },
        measure: Measure::Accuracy,
    },
    Small {
        name: "names",
        recipe: "names",
        sets: &[TOKENS],
        ends: Ends { features: EMBEDDING, outputs: 8 },
        measure: Measure::Accuracy,
    },
];

pub(super) fn table() -> Table {
    let networks = CELLS.iter().map(|cell| Network {
        label: cell.label,
        args: cell.args(),
        entries: TASKS.iter().map(|task| task.entry(cell)).collect(),
    });
    Table {
        name: "forgetting",
        title: "Where the forgetting gate pays",
        bar: "Accuracy on the test part is to be high, and the MSE of `adding` is to be low. Mean and standard deviation \
            over seeds.",
        body: Body::Grid(Grid {
            networks: networks.collect(),
            tasks: TASKS.iter().map(Small::column).collect(),
        }),
    }
}

impl Cell {
    fn args(&self) -> Vec<String> {
        let init = format!("model.recurrent.init={{ forget_bias = {} }}", self.forget_bias);
        let cell = format!("model.recurrent.cell={}", self.config);
        ["--set".into(), cell, "--set".into(), init].into()
    }
}

impl Small {
    fn args(&self) -> Vec<String> {
        let sets = self.sets.iter().flat_map(|set| ["--set", set]);
        [self.recipe].into_iter().chain(sets).map(String::from).collect()
    }

    fn column(&self) -> Task {
        let shown = match self.measure {
            Measure::Accuracy => Shown::Test { key: "test_accuracy", unit: Unit::Percent },
            Measure::Error => Shown::Test { key: "test_rmse", unit: Unit::Square(4) },
        };
        Task { column: Column { head: self.name, shown }, args: self.args() }
    }

    fn hidden_size(&self, cell: &Cell) -> u64 {
        cell.blocks.hidden_size(self.ends, LSTM_BLOCKS.parameters(self.ends, UNITS))
    }

    fn entry(&self, cell: &Cell) -> Entry {
        let hidden_size = self.hidden_size(cell);
        let size = format!("model.recurrent.hidden_size={hidden_size}");
        let args = [self.args(), cell.args(), vec!["--set".into(), size]].concat();
        let args: Vec<_> = args.iter().map(|arg| &arg[..]).collect();
        let (key, better) = match self.measure {
            Measure::Accuracy => ("valid_accuracy", Better::Higher),
            Measure::Error => ("valid_rmse", Better::Lower),
        };
        let experiment = Experiment::new(format!("{}-{}", self.name, cell.name), &args, MINUTES);
        let tuning = Tuning { rates: RATES, key, better };
        Entry { experiment: experiment.seeds(SEEDS).tuned(tuning), hidden_size }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::store;
    use super::*;

    #[test]
    fn all_cells_of_a_task_have_parameters_within_five_percent() {
        for task in &TASKS {
            let budget = LSTM_BLOCKS.parameters(task.ends, UNITS) as f64;
            for cell in &CELLS {
                let count = cell.blocks.parameters(task.ends, task.hidden_size(cell)) as f64;
                assert!((count / budget - 1.0).abs() < 0.025, "{}: {}", task.name, cell.name);
            }
        }
        let lstm = CELLS.iter().find(|cell| cell.name == "lstm").unwrap();
        assert!(TASKS.iter().all(|task| task.hidden_size(lstm) == UNITS));
    }

    #[test]
    fn every_cell_has_the_same_rates_and_seeds_on_every_task() {
        let (_folder, store) = store();
        let Body::Grid(grid) = table().body else { panic!("the study is a grid") };
        for network in &grid.networks {
            assert_eq!(network.entries.len(), grid.tasks.len());
            for entry in &network.entries {
                let plan = entry.experiment.plan("forgetting", None, &store).unwrap();
                assert_eq!((plan.runs.len(), plan.count().runs), (3, 7));
            }
        }
    }

    #[test]
    fn a_run_is_the_task_the_cell_the_size_the_rate_and_the_seed() {
        let (_folder, store) = store();
        let lstm = CELLS.iter().find(|cell| cell.name == "lstm").unwrap();
        let plan = TASKS[1].entry(lstm).experiment.plan("forgetting", None, &store).unwrap();
        let run = &plan.runs[2].run;
        assert_eq!(run.name, "forgetting/adding-lstm-rate0.01-seed1");
        let expected = r#"fgn train adding --set data.task.length=100 --set 'metrics=["rmse"]' \
            --set 'model.recurrent.cell={ name = "lstm" }' \
            --set 'model.recurrent.init={ forget_bias = { constant = 1.0 } }' \
            --set model.recurrent.hidden_size=64 --learning-rate 0.01 --seed 1"#;
        let expected = expected.replace("\\\n            ", "");
        assert_eq!(run.command(), expected);
    }
}
