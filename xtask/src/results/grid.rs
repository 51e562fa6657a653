//! The text of a table with a row for each network and a column for each task.

use anyhow::Result;

use super::experiment::{Experiment, Plan};
use super::markdown;
use super::run::{command, typed};
use super::statistics::grouped;
use super::table::{Entry, Grid, Task};

/// How far the numbers of parameters of the networks of one task may be apart, as a ratio.
const SPREAD: f64 = 1.05;

/// The results, then how they came about: the learning rates that were chosen, and the numbers of parameters.
pub(super) fn text(
    grid: &Grid,
    plan: impl Fn(&Experiment) -> Result<Plan>,
    problems: &mut Vec<String>,
) -> String {
    let (mut results, mut choices) = (Vec::new(), Vec::new());
    let mut parameters: Vec<Vec<u64>> = vec![Vec::new(); grid.tasks.len()];
    let mut machines: Vec<String> = Vec::new();
    for network in &grid.networks {
        let (mut result, mut choice) = (vec![network.label.into()], vec![network.label.into()]);
        for (index, (task, entry)) in grid.tasks.iter().zip(&network.entries).enumerate() {
            let shown = plan(&entry.experiment).and_then(|plan| Shown::new(task, entry, &plan));
            let shown = shown.unwrap_or_else(|error| {
                problems.push(format!("{error:#}"));
                Shown { result: "error".into(), ..Shown::default() }
            });
            result.push(shown.result);
            choice.push(shown.choice);
            parameters[index].extend(shown.parameters);
            machines.extend(shown.machines);
        }
        results.push(result);
        choices.push(choice);
    }
    problems.extend(spread(&grid.tasks, &parameters));
    machines.sort();
    machines.dedup();
    let measured = match machines.is_empty() {
        true => String::new(),
        false => format!("\nMeasured on {}.\n", machines.join("; and on ")),
    };
    let heads = grid.tasks.iter().map(|task| task.column.head);
    let head: Vec<_> = ["network"].into_iter().chain(heads).map(String::from).collect();
    let results = markdown::table(&head, 1, &results);
    let choices = markdown::table(&head, 1, &choices);
    format!(
        "{results}{measured}\nUnits, learning rates and numbers of parameters:\n\n{choices}\n{}",
        commands(grid)
    )
}

/// How a network on a task is shown.
#[derive(Default)]
struct Shown {
    result: String,
    choice: String,
    parameters: Option<u64>,
    machines: Vec<String>,
}

impl Shown {
    fn new(task: &Task, entry: &Entry, plan: &Plan) -> Result<Shown> {
        let outcomes = plan.outcomes();
        let value = task.column.text(&outcomes)?;
        let result = match outcomes.len() {
            0 => plan.status(),
            finished if finished == plan.seeds as usize => value,
            finished => format!("{value} ({finished} of {} seeds)", plan.seeds),
        };
        let rate = plan.rate.map(|rate| format!(", {rate}")).unwrap_or_default();
        // A rate that failed was not compared.
        let failed = match plan.failed().count() {
            0 => String::new(),
            failed => format!(" (failed runs: {failed})"),
        };
        let parameters = outcomes.first().map(|run| run.parameters);
        let size = parameters.map(|count| format!(", {}", grouped(count))).unwrap_or_default();
        let choice = format!("{}{rate}{failed}{size}", entry.hidden_size);
        let machines = outcomes.iter().flat_map(|run| run.machines.clone()).collect();
        Ok(Shown { result, choice, parameters, machines })
    }
}

/// What a run's command is made of.
fn commands(grid: &Grid) -> String {
    let mut text = "The command of a run is that of its task, followed by the arguments of its network and by \
        `--set model.recurrent.hidden_size=UNITS --learning-rate RATE --seed N`:\n\n"
        .to_owned();
    for task in &grid.tasks {
        let command = command(&task.args);
        text += &format!("- {}: {}\n", task.column.head, markdown::code(&command));
    }
    for network in &grid.networks {
        text += &format!("- {}: {}\n", network.label, markdown::code(&typed(&network.args)));
    }
    text
}

/// The tasks whose networks are not of one size.
fn spread(tasks: &[Task], parameters: &[Vec<u64>]) -> Vec<String> {
    let uneven = tasks.iter().zip(parameters).filter_map(|(task, parameters)| {
        let (least, most) = (*parameters.iter().min()?, *parameters.iter().max()?);
        (most as f64 > least as f64 * SPREAD).then(|| {
            let (task, least, most) = (task.column.head, grouped(least), grouped(most));
            format!("{task}: the networks have {least} to {most} parameters, more than 5 % apart")
        })
    });
    uneven.collect()
}

#[cfg(test)]
mod tests {
    use super::super::column::Column;
    use super::super::run::{Run, Store};
    use super::super::table::Network;
    use super::super::testing::{finish, store};
    use super::*;

    fn grid() -> Grid {
        let task = Task {
            column: Column::percent("copy", "test_accuracy"),
            args: vec!["copy".into(), "--set".into(), "data.task.length=50".into()],
        };
        let network = |label: &'static str, name: &str| {
            let experiment = Experiment::new(name, &["copy"], 1.0).seeds(2);
            let entries = vec![Entry { experiment, hidden_size: 64 }];
            Network { label, args: vec!["--set".into(), format!("a={name}")], entries }
        };
        Grid { networks: vec![network("LSTM", "lstm"), network("FGN", "fgn")], tasks: vec![task] }
    }

    fn shown(store: &Store) -> (String, Vec<String>) {
        let mut problems = Vec::new();
        let plan = |experiment: &Experiment| experiment.plan("t", None, store);
        (text(&grid(), plan, &mut problems), problems)
    }

    #[test]
    fn a_network_is_a_row_and_a_task_is_a_column() {
        let (_folder, store) = store();
        for (seed, accuracy) in [("1", 0.5), ("2", 0.7)] {
            let args = ["copy", "--seed", seed].map(String::from).to_vec();
            let run = Run { name: format!("t/lstm-seed{seed}"), args, minutes: 1.0 };
            finish(&store, &run, &[("test_accuracy", accuracy)]);
        }
        let (text, problems) = shown(&store);
        assert!(problems.is_empty(), "{problems:?}");
        let expected =
            "| network | copy |\n|---|--:|\n| LSTM | 60.00 ± 14.14 % |\n| FGN | not run |\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("Measured on Machine, 2 threads, AVX2."), "{text}");
        assert!(text.contains("| LSTM | 64, 1,500 |\n| FGN | 64 |\n"), "{text}");
        assert!(text.contains("- copy: `fgn train copy --set data.task.length=50`\n"), "{text}");
        assert!(text.ends_with("- LSTM: `--set a=lstm`\n- FGN: `--set a=fgn`\n"), "{text}");
    }

    #[test]
    fn networks_of_different_sizes_are_a_problem() {
        assert!(spread(&grid().tasks, &[vec![100, 104]]).is_empty());
        let expected = "copy: the networks have 100 to 106 parameters, more than 5 % apart";
        assert_eq!(spread(&grid().tasks, &[vec![106, 100]]), [expected]);
    }
}
