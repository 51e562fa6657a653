//! Tasks that need a long memory.

use super::super::column::{Column, Shown, Unit};
use super::super::experiment::Experiment;
use super::super::table::{Body, Row, Table};

const ACCURACY: &str = "test accuracy";
const ERROR: &str = "test MSE";
const STEPS: &str = "steps until MSE < 0.01";

pub(super) fn table() -> Table {
    let mut rows = Vec::new();
    for (length, published, minutes) in
        [("2000", "1,900", 5.0), ("5000", "2,000", 12.0), ("10000", "1,900", 25.0)]
    {
        let network = match length {
            "2000" => "LEM, adding, 2,000 steps",
            "5000" => "LEM, adding, 5,000 steps",
            _ => "LEM, adding, 10,000 steps",
        };
        rows.push(Row::published(network, "github.com/tk-rusch/LEM", STEPS, published));
        let name = format!("adding-{length}");
        let setting = format!("data.task.length={length}");
        // The steps are counted by the RMSE of the validation part, which is in the targets' own unit.
        let args = ["adding", "--set", &setting, "--set", r#"metrics=["rmse"]"#];
        let experiment = Experiment::new(name, &args, minutes);
        rows.push(Row::with_columns(
            format!("adding, {length} steps"),
            experiment,
            &[ERROR, STEPS],
        ));
    }
    for (length, minutes) in [("500", 4.0), ("1000", 7.0)] {
        rows.push(with_options("copy", &[("length", length)], minutes));
    }
    let reber = Experiment::new("reber", &["reber"], 3.0).seeds(5);
    rows.push(Row::with_columns("reber", reber, &[ACCURACY]));
    for (length, minutes) in [("512", 20.0), ("1024", 40.0)] {
        rows.push(with_options("selective-copy", &[("length", length)], minutes));
    }
    for (length, pairs, minutes) in [("64", "4", 5.0), ("128", "8", 10.0), ("256", "16", 20.0)] {
        rows.push(with_options("recall", &[("length", length), ("pairs", pairs)], minutes));
    }
    rows.push(with_options("parity", &[], 5.0));
    let error = Shown::Test { key: "test_rmse", unit: Unit::Square(4) };
    let columns = vec![
        Column::percent(ACCURACY, "test_accuracy"),
        Column { head: ERROR, shown: error },
        Column { head: STEPS, shown: Shown::StepsUntil { key: "valid_rmse", below: 0.1 } },
    ];
    Table {
        name: "long-memory",
        title: "Long memory",
        bar: "Steps are those of the optimizer, to the end of the first epoch after which the MSE of the validation part \
            is below 0.01.",
        body: Body::Rows { columns, rows },
    }
}

/// A run of `recipe` with these options of `[data.task]`, which say their names in its row.
fn with_options(recipe: &str, options: &[(&str, &str)], minutes: f64) -> Row {
    let settings: Vec<_> =
        options.iter().map(|(key, value)| format!("data.task.{key}={value}")).collect();
    let sets = settings.iter().flat_map(|setting| ["--set", setting]);
    let args: Vec<_> = [recipe].into_iter().chain(sets).collect();
    let name = options.iter().fold(recipe.to_owned(), |name, (_, value)| name + "-" + value);
    let network = options
        .iter()
        .fold(recipe.to_owned(), |network, (key, value)| format!("{network}, {key} {value}"));
    Row::with_columns(network, Experiment::new(name, &args, minutes), &[ACCURACY])
}
