//! `fgn sweep`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::Device;
use clap::Args;
use fgn_report::observers;
use fgn_train::{Session, Sweep};
use serde_json::{Value, json};

use crate::console::Console;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::output::{note, print, print_json, program, progress};
use crate::stdin::Source;

pub(crate) const HELP: &str = "\
Example:
  fgn sweep rates.toml

with, in rates.toml:
  name = \"rates\"
  recipe = \"mnist-rows\"
  seeds = [1, 2, 3]
  set = [\"training.epochs=3\"]
  [grid]                                        # all combinations
  \"optimizer.learning_rate\" = [1e-3, 3e-3]
  \"model.recurrent.cell.name\" = [\"fgn\", \"lstm\"]

or, in place of [grid] or beside it:
  [random]
  trials = 20
  [random.keys]
  \"optimizer.learning_rate\" = { log-uniform = [1e-4, 1e-2] }
  \"model.recurrent.hidden_size\" = { whole = [64, 256] }
  \"model.recurrent.cell.name\" = { choose = [\"fgn\", \"lstm\"] }
  \"clip.norm\" = { uniform = [0.5, 2.0] }

The same command resumes after an interruption. The table at the end is in results.md, best trial
first: the one with the best `monitor`, the loss if the recipe has no such key. Each run is a run
folder, to be evaluated and used like any other.

With --json, it prints one object instead of the table: \"folder\", and \"runs\" with the lines of
results.jsonl, best trial first.";

#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// The file that describes the sweep; - for standard input
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// The folder of its runs [default: sweeps/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON object at the end; the lines of the epochs go to standard error
    #[arg(long)]
    json: bool,
}

impl SweepArgs {
    pub(crate) fn run(self, device: &Device, quiet: bool) -> Result<ExitCode> {
        let file = Source::open(&self.file, "toml")?;
        let text = read(file.path())?;
        let sweep = Sweep::open(&text, &self.file.to_string_lossy(), self.out.as_deref())?;
        let interrupt = interrupt::on_ctrl_c(false)?;
        let count = sweep.len();
        let observe = |number: usize, session: &Session| {
            let folder = session.folder();
            let heading = format!("\nRun {number} of {count}: {}\n", folder.display());
            let console = match (quiet, self.json) {
                (true, _) => Console::quiet(),
                (false, true) => {
                    note(&heading);
                    Console::on_stderr()
                }
                (false, false) => {
                    progress(&heading);
                    Console::new()
                }
            };
            Ok((observers(folder, session.config())?, console))
        };
        match sweep.run(device, &interrupt, observe)? {
            Some(_) if self.json => {
                let lines = read(&sweep.results())?;
                let runs = lines.lines().map(serde_json::from_str::<Value>);
                let runs = runs
                    .collect::<serde_json::Result<Vec<_>>>()
                    .map_err(|error| Error::Read { path: sweep.results(), source: error.into() })?;
                print_json(&json!({ "folder": sweep.folder().to_string_lossy(), "runs": runs }))?;
                Ok(ExitCode::SUCCESS)
            }
            Some(table) => {
                print(&format!("\n{table}\nThe sweep is in {}\n", sweep.folder().display()))?;
                Ok(ExitCode::SUCCESS)
            }
            None if self.json => Ok(ExitCode::from(interrupt::EXIT_CODE)),
            None => {
                let (program, file) = (program(), self.file.display());
                print(&format!(
                    "\nInterrupted, and saved. To resume:\n  {program} sweep {file}\n"
                ))?;
                Ok(ExitCode::from(interrupt::EXIT_CODE))
            }
        }
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}
