//! A table as people read it: markdown, with the command and the machine of each row.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::column::{Column, Shown};
use super::experiment::{Experiment, Plan};
use super::grid;
use super::markdown;
use super::run::{Outcome, Store, read_if_there};
use super::statistics::range;
use super::table::{Body, Measured, Published, Row, Table};

/// A table in markdown, and what is wrong with its runs.
pub(super) struct Page {
    pub(super) text: String,
    pub(super) problems: Vec<String>,
}

/// The table from what there is in `store`, with `seeds` in place of the number of seeds where there are several.
pub(super) fn page(table: &Table, seeds: Option<u32>, store: &Store) -> Page {
    let mut problems = Vec::new();
    let body = match &table.body {
        Body::Rows { columns, rows } => {
            Rows { table: table.name, columns, seeds, store }.text(rows, &mut problems)
        }
        Body::Grid(grid) => {
            let plan = |experiment: &Experiment| experiment.plan(table.name, seeds, store);
            grid::text(grid, plan, &mut problems)
        }
    };
    let bar = if table.bar.is_empty() { String::new() } else { format!("\n{}\n", table.bar) };
    Page { text: format!("## {}\n\n{body}{bar}", table.title), problems }
}

/// A table with a row for each network.
struct Rows<'a> {
    table: &'a str,
    columns: &'a [Column],
    seeds: Option<u32>,
    store: &'a Store,
}

/// What follows the table, for each measured row.
struct Footnote {
    network: String,
    command: String,
    machines: Vec<String>,
}

impl Rows<'_> {
    fn text(&self, rows: &[Row], problems: &mut Vec<String>) -> String {
        let fixed = ["parameters", "epochs", "steps", "seconds"];
        let measures = self.columns.iter().map(|column| column.head);
        let head = ["network", "figure"].into_iter().chain(measures).chain(fixed);
        let head: Vec<_> = head.map(String::from).collect();
        let (mut lines, mut notes) = (Vec::new(), Vec::new());
        for row in rows {
            match row {
                Row::Published(published) => lines.push(self.published(published, problems)),
                Row::Measured(measured) => match self.measured(measured) {
                    Ok((found, note)) => {
                        lines.extend(found);
                        notes.push(note);
                    }
                    Err(error) => {
                        problems.push(format!("{error:#}"));
                        lines.push(self.line(&measured.network, "measured", |_| None, "error"));
                    }
                },
            }
        }
        for line in &mut lines {
            line.resize(head.len(), String::new());
        }
        markdown::table(&head, 2, &lines) + "\n" + &footnotes(&notes)
    }

    /// A line whose measures are `value`, with `otherwise` in the first of them that is none.
    fn line(
        &self,
        network: &str,
        figure: &str,
        value: impl Fn(&Column) -> Option<String>,
        otherwise: &str,
    ) -> Vec<String> {
        let mut otherwise = Some(otherwise);
        let measures = self.columns.iter().map(|column| {
            value(column).unwrap_or_else(|| otherwise.take().unwrap_or_default().into())
        });
        [network.into(), figure.into()].into_iter().chain(measures).collect()
    }

    fn published(&self, published: &Published, problems: &mut Vec<String>) -> Vec<String> {
        let Published { network, source, values } = published;
        for (head, _) in values {
            if !self.columns.iter().any(|column| column.head == *head) {
                problems.push(format!("{network}: no column is called `{head}`"));
            }
        }
        let value = |column: &Column| {
            let value = values.iter().find(|(head, _)| *head == column.head);
            Some(value.map(|(_, value)| (*value).to_owned()).unwrap_or_default())
        };
        self.line(network, &format!("published: {source}"), value, "")
    }

    /// The row, those of its baselines, and what is to be said of it below the table.
    fn measured(&self, measured: &Measured) -> Result<(Vec<Vec<String>>, Footnote)> {
        let Measured { network, experiment, columns, has_baselines } = measured;
        for head in columns {
            let is_there = self.columns.iter().any(|column| column.head == *head);
            ensure!(is_there, "{network}: no column is called `{head}`");
        }
        let plan = experiment.plan(self.table, self.seeds, self.store)?;
        let outcomes = plan.outcomes();
        let mut texts = Vec::new();
        for column in self.columns {
            let has_it = columns.is_empty() || columns.contains(&column.head);
            let text = if has_it { Some(column.text(&outcomes)?) } else { None };
            texts.push((column.head, text));
        }
        let value = |column: &Column| {
            let (_, text) = texts.iter().find(|(head, _)| *head == column.head)?;
            // What it does not have is empty; what it has and nobody measured is none.
            let Some(text) = text else { return Some(String::new()) };
            Some(text.clone()).filter(|text| !text.is_empty())
        };
        let status = if outcomes.is_empty() { plan.status() } else { String::new() };
        let mut line = self.line(network, &figure(&plan, outcomes.len()), value, &status);
        line.extend(sizes(&outcomes));
        let mut lines = vec![line];
        if let (true, Some(run)) = (*has_baselines, outcomes.first()) {
            lines.extend(self.baselines(run)?);
        }
        let note = Footnote {
            network: network.clone(),
            command: experiment.command(&plan),
            machines: machines(&outcomes),
        };
        Ok((lines, note))
    }

    fn baselines(&self, run: &Outcome) -> Result<Vec<Vec<String>>> {
        #[derive(Deserialize)]
        struct Baseline {
            name: String,
            #[serde(flatten)]
            measures: Map<String, Value>,
        }
        let path = self.store.path(&run.name).join("baselines.json");
        let text = read_if_there(&path)?.unwrap_or_else(|| "[]".into());
        let baselines: Vec<Baseline> =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let line = |baseline: &Baseline| {
            let value = |column: &Column| {
                let Shown::Test { key, unit } = column.shown else { return Some(String::new()) };
                let value = baseline.measures.get(key.strip_prefix("test_")?)?.as_f64();
                Some(value.map(|value| unit.text(&[value])).unwrap_or_default())
            };
            self.line(&baseline.name, "baseline, measured", value, "")
        };
        Ok(baselines.iter().map(line).collect())
    }
}

/// `measured, seed 1`, `measured, 3 of 5 seeds`.
fn figure(plan: &Plan, finished: usize) -> String {
    match (plan.seeds as usize, finished) {
        (1, _) => "measured, seed 1".into(),
        (seeds, finished) if seeds == finished => format!("measured, {seeds} seeds"),
        (seeds, finished) => format!("measured, {finished} of {seeds} seeds"),
    }
}

/// Parameters, epochs, steps and seconds.
fn sizes(outcomes: &[&Outcome]) -> [String; 4] {
    let ranged =
        |value: fn(&Outcome) -> Option<u64>| range(outcomes.iter().filter_map(|run| value(run)));
    [
        ranged(|run| Some(run.parameters)),
        ranged(|run| Some(run.metrics.epochs())),
        ranged(|run| run.metrics.steps()),
        ranged(|run| Some(run.metrics.seconds().round() as u64)),
    ]
}

/// The machines of these runs, each once.
fn machines(outcomes: &[&Outcome]) -> Vec<String> {
    let mut machines: Vec<String> = Vec::new();
    for machine in outcomes.iter().flat_map(|run| &run.machines) {
        if !machines.contains(machine) {
            machines.push(machine.clone());
        }
    }
    machines
}

/// The commands, and the machine: once if it is the same of all rows.
fn footnotes(notes: &[Footnote]) -> String {
    let measured = || notes.iter().filter(|note| !note.machines.is_empty());
    let one = measured().next().map(|first| &first.machines);
    let is_one = measured().all(|note| Some(&note.machines) == one);
    let mut text = match one {
        Some(machines) if is_one => format!("Measured on {}.\n\n", machines.join("; then on ")),
        _ => String::new(),
    };
    for note in notes {
        let machines = match note.machines.is_empty() || is_one {
            true => String::new(),
            false => format!(", on {}", note.machines.join("; then on ")),
        };
        text += &format!("- {}: {}{machines}\n", note.network, markdown::code(&note.command));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::run::Run;
    use super::super::testing::{finish, store};
    use super::*;

    fn experiment() -> Experiment {
        Experiment::new("lstm", &["mnist"], 3.0).seeds(2)
    }

    fn table() -> Table {
        let accuracy = Column::percent("accuracy", "test_accuracy");
        let loss = Column::number("loss", "test_loss");
        Table {
            name: "t",
            title: "A table",
            bar: "The goal is 99 %.",
            body: Body::Rows {
                columns: vec![accuracy, loss],
                rows: vec![
                    Row::published("FGN", "the article", "accuracy", "97.28 %"),
                    Row::measured("LSTM", experiment()),
                    Row::with_columns("GRU", Experiment::new("gru", &["a b"], 1.0), &["loss"]),
                ],
            },
        }
    }

    fn run(name: &str, args: &[&str]) -> Run {
        let args = args.iter().map(|arg| (*arg).into()).collect();
        Run { name: name.into(), args, minutes: 3.0 }
    }

    #[test]
    fn a_table_without_runs_says_so() {
        let (_folder, store) = store();
        let page = page(&table(), None, &store);
        assert_eq!(page.problems, Vec::<String>::new());
        let expected = "## A table\n\n\
            | network | figure | accuracy | loss | parameters | epochs | steps | seconds |\n\
            |---|---|--:|--:|--:|--:|--:|--:|\n\
            | FGN | published: the article | 97.28 % |  |  |  |  |  |\n\
            | LSTM | measured, 0 of 2 seeds | not run |  |  |  |  |  |\n\
            | GRU | measured, seed 1 |  | not run |  |  |  |  |\n\
            \n\
            - LSTM: `fgn train mnist --seed N`\n\
            - GRU: `fgn train 'a b' --seed 1`\n\
            \nThe goal is 99 %.\n";
        assert_eq!(page.text, expected);
    }

    #[test]
    fn what_was_measured_has_its_mean_its_size_and_its_machine() {
        let (_folder, store) = store();
        let seed = |seed: &str| run(&format!("t/lstm-seed{seed}"), &["mnist", "--seed", seed]);
        finish(&store, &seed("1"), &[("test_accuracy", 0.98)]);
        finish(&store, &seed("2"), &[("test_accuracy", 0.96)]);
        let text = page(&table(), None, &store).text;
        let row =
            "| LSTM | measured, 2 seeds | 97.00 ± 1.41 % | 0.500 ± 0.000 | 1,500 | 1 | 100 | 2 |";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("Measured on Machine, 2 threads, AVX2.\n"), "{text}");

        let gru = run("t/gru-seed1", &["a b", "--seed", "1"]);
        store.begin(&gru, "Another").unwrap();
        finish(&store, &gru, &[]);
        let text = page(&table(), Some(1), &store).text;
        assert!(text.contains("| LSTM | measured, seed 1 | 98.00 % | 0.500 |"), "{text}");
        let note =
            "- GRU: `fgn train 'a b' --seed 1`, on Another; then on Machine, 2 threads, AVX2\n";
        assert!(text.contains(note), "{text}");
        assert!(!text.contains("Measured on"), "{text}");
    }

    #[test]
    fn a_run_that_does_not_fit_the_table_is_a_problem() {
        let (_folder, store) = store();
        finish(&store, &run("t/lstm-seed1", &["names"]), &[("test_accuracy", 0.98)]);
        finish(&store, &run("t/gru-seed1", &["a b", "--seed", "1"]), &[]);
        let page = page(&table(), None, &store);
        assert!(page.text.contains("| LSTM | measured | error |"), "{}", page.text);
        assert_eq!(page.problems.len(), 1, "{:?}", page.problems);
        assert!(page.problems[0].contains("found one of `fgn train names`"), "{:?}", page.problems);
    }

    #[test]
    fn baselines_follow_their_model() {
        let (_folder, store) = store();
        let run = run("t/gru-seed1", &["shop", "--seed", "1"]);
        finish(&store, &run, &[("test_recall@20", 0.8)]);
        let baselines = r#"[{"name":"popularity","loss":null,"recall@20":0.25}]"#;
        fs::write(store.path(&run.name).join("baselines.json"), baselines).unwrap();
        let recall = Column::percent("Recall@20", "test_recall@20");
        let row = Row::with_baselines("GRU", Experiment::new("gru", &["shop"], 1.0));
        let columns = vec![recall, Column::number("nats", "test_loss")];
        let body = Body::Rows { columns, rows: vec![row] };
        let page = page(&Table { name: "t", title: "Shop", bar: "", body }, None, &store);
        let row = "| popularity | baseline, measured | 25.00 % |  |  |  |  |  |";
        assert!(page.text.contains(row), "{}", page.text);
    }
}
