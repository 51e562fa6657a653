//! `fgn sweep`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use candle_core::Device;
use clap::Args;
use fgn_report::observers;
use fgn_train::{Session, Sweep};

use crate::console::Console;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::output::{print, program};

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
folder, to be evaluated and used like any other.";

#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// The file that describes the sweep
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// The folder of its runs [default: sweeps/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl SweepArgs {
    pub(crate) fn run(self, device: &Device) -> Result<ExitCode> {
        let text = fs::read_to_string(&self.file)
            .map_err(|source| Error::Read { path: self.file.clone(), source })?;
        let sweep = Sweep::open(&text, &self.file.to_string_lossy(), self.out.as_deref())?;
        let interrupt = interrupt::on_ctrl_c()?;
        let count = sweep.len();
        let observe = |number: usize, session: &Session| {
            let folder = session.folder();
            print(&format!("\nRun {number} of {count}: {}\n", folder.display()))?;
            Ok((observers(folder, session.config())?, Console::new()))
        };
        match sweep.run(device, &interrupt, observe)? {
            Some(table) => {
                print(&format!("\n{table}\nThe sweep is in {}\n", sweep.folder().display()))?;
                Ok(ExitCode::SUCCESS)
            }
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
