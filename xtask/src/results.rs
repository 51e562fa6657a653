//! `cargo xtask results`: every table of results of this project, each a list of trainings that anyone can repeat.
//!
//! A table is data in [`tables`]; its runs are in `runs/results/TABLE/`. What is finished is never run again, what was
//! interrupted goes on, and a table is printed from what there is.

mod column;
mod experiment;
mod grid;
mod machine;
mod markdown;
mod metrics;
mod model_file;
mod page;
mod run;
mod runner;
mod sizes;
mod statistics;
mod table;
mod tables;
#[cfg(test)]
mod testing;

use std::io;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use self::run::{Run, Store};
use self::runner::{Ended, Report, Runner};
use self::table::Table;
use crate::process;

const HELP: &str = "\
Without arguments, the tables are listed, and nothing runs.
  cargo xtask results mnist > mnist.md        runs what is missing of the table, prints it
  cargo xtask results forgetting --limit 60   for an hour; the next time goes on from there
  cargo xtask results --print                 prints all tables from what there is

The runs are in runs/results/TABLE/. Remove the folder of a run and its .json to run it again.";

/// Which tables, and what to do with them.
#[derive(clap::Args, Debug, Default)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The tables to run and print
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    /// Run nothing; print these tables, or all, from what there is
    #[arg(long)]
    print: bool,
    /// Begin no run that by its estimate would end later than in so many minutes
    #[arg(long, value_name = "MINUTES", requires = "tables", conflicts_with = "print")]
    #[arg(value_parser = minutes)]
    limit: Option<f64>,
    /// How many seeds, where a row has several
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: Option<u32>,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse().ok().filter(|minutes: &f64| minutes.is_finite() && *minutes >= 0.0);
    minutes.ok_or_else(|| "expected a number of minutes, 0 or more".into())
}

/// Lists, runs or prints tables.
pub(crate) fn run(args: &Args) -> Result<()> {
    let store = Store::new(process::root().join("runs/results"));
    let all = tables::all();
    let chosen = chosen(&all, &args.tables)?;
    if args.tables.is_empty() && !args.print {
        list(&all, args.seeds, &store);
        return Ok(());
    }
    let mut failures = Vec::new();
    if !args.print {
        failures = train(&chosen, args, &store)?;
    }
    for table in chosen {
        let page = page::page(table, args.seeds, &store);
        say!("{}", page.text);
        for problem in page.problems {
            complain!("{}: {problem}", table.name);
            failures.push(table.name.to_owned());
        }
    }
    if !failures.is_empty() {
        failures.sort();
        failures.dedup();
        bail!("not all went well: {}; the reasons are above", failures.join(", "));
    }
    Ok(())
}

/// The tables called so; all if none is named.
fn chosen<'a>(all: &'a [Table], names: &[String]) -> Result<Vec<&'a Table>> {
    if names.is_empty() {
        return Ok(all.iter().collect());
    }
    let find = |name: &String| {
        all.iter().find(|table| table.name == name).with_context(|| {
            let names: Vec<_> = all.iter().map(|table| table.name).collect();
            format!("there is no table `{name}`; the tables are {}", names.join(", "))
        })
    };
    names.iter().map(find).collect()
}

fn list(tables: &[Table], seeds: Option<u32>, store: &Store) {
    say!("{:<12} {:>4}  {:>12}  {:<16} title", "table", "rows", "finished", "missing, about");
    for table in tables {
        let (count, problems) = runner::count(table, seeds, store);
        let finished = format!("{} of {}", count.finished, count.runs);
        let time = statistics::duration(count.minutes);
        let (name, rows, title) = (table.name, table.rows(), table.title);
        say!("{name:<12} {rows:>4}  {finished:>12}  {time:<16} {title}");
        for problem in problems {
            complain!("{name}: not counted: {problem}");
        }
    }
    say!("\n`cargo xtask results TABLE` runs what is missing of a table, and prints it.");
}

/// Runs what is missing; gives the runs that failed.
fn train(tables: &[&Table], args: &Args, store: &Store) -> Result<Vec<String>> {
    // A build is no part of a run.
    let build = ["build", "--release", "--package", "fgn-cli", "--bin", "fgn"];
    process::run(&mut process::cargo(build))?;
    let begin = Instant::now();
    let mut runner = Runner {
        store,
        seeds: args.seeds,
        limit: args.limit,
        machine: machine::describe(),
        train: &|run| ended(&mut command(run, store)),
        elapsed: &|| begin.elapsed().as_secs_f64() / 60.0,
        report: Report::default(),
    };
    for table in tables {
        runner.run(table)?;
    }
    let Report { failed, left_out } = runner.report;
    if !left_out.is_empty() {
        complain!("there was no time for {}: {}", left_out.len(), left_out.join(", "));
    }
    Ok(failed)
}

/// Begins, or resumes, a run. What it prints is not part of our output.
fn command(run: &Run, store: &Store) -> Command {
    let fgn =
        ["run", "--quiet", "--release", "--package", "fgn-cli", "--bin", "fgn", "--", "train"];
    let mut command = process::cargo(fgn);
    command.args(&run.args).arg("--out").arg(store.path(&run.name)).arg("--continue");
    command.stdout(io::stderr());
    command
}

/// The exit code that shells give to a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Runs a training to its end.
fn ended(command: &mut Command) -> Result<Ended> {
    let status = command.status();
    let status = status.with_context(|| format!("cannot start `{}`", process::line(command)))?;
    Ok(match status.code() {
        Some(0) => Ended::Finished,
        Some(INTERRUPTED) => Ended::Interrupted,
        _ => Ended::Failed(status.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Typed {
        #[command(flatten)]
        args: Args,
    }

    fn typed(line: &str) -> Option<Args> {
        let words = ["results"].into_iter().chain(line.split_whitespace());
        Typed::try_parse_from(words).ok().map(|typed| typed.args)
    }

    #[test]
    fn a_limit_is_for_tables_that_are_run() {
        assert_eq!(typed("mnist --limit 30").unwrap().limit, Some(30.0));
        for line in ["--limit 30", "mnist --print --limit 3", "mnist --limit x", "mnist --seeds 0"]
        {
            assert!(typed(line).is_none(), "{line}");
        }
        assert!(typed("mnist --limit=-1").is_none());
        assert!(typed("mnist --limit NaN").is_none());
        assert_eq!(typed("mnist pixels --print --seeds 2").unwrap().tables.len(), 2);
    }

    #[test]
    fn an_unknown_table_is_an_error_that_names_those_there_are() {
        let all = tables::all();
        assert_eq!(chosen(&all, &[]).unwrap().len(), all.len());
        assert_eq!(chosen(&all, &["pixels".into()]).unwrap()[0].name, "pixels");
        let error = chosen(&all, &["mnits".into()]).err().unwrap().to_string();
        assert!(error.contains("no table `mnits`; the tables are mnist, mnist-rows"), "{error}");
    }

    #[test]
    fn how_a_training_ends_is_read_from_its_status() {
        let failed =
            ended(process::cargo(["no-such-subcommand"]).stderr(std::process::Stdio::null()));
        assert!(matches!(failed.unwrap(), Ended::Failed(_)));
        let fine = ended(process::cargo(["--version"]).stdout(std::process::Stdio::null()));
        assert_eq!(fine.unwrap(), Ended::Finished);
        assert!(ended(&mut Command::new("no-such-program-here")).is_err());
    }

    #[test]
    fn a_run_is_begun_or_resumed_in_its_folder() {
        let run = Run { name: "t/a-seed1".into(), args: vec!["names".into()], minutes: 1.0 };
        let line = process::line(&command(&run, &Store::new("/results")));
        assert!(line.ends_with("-- train names --out /results/t/a-seed1 --continue"), "{line}");
    }
}
