//! `fgn sweep`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use candle_core::Device;
use clap::Args;

use super::{interrupt, print, program};
use crate::{Console, Error, Result, Sweep};

pub(super) const HELP: &str = "\
Example:
  fgn sweep rates.toml

with, in rates.toml:
  name = \"rates\"
  recipe = \"mnist-rows\"
  seeds = [1, 2, 3]
  set = [\"training.epochs=3\"]
  [grid]                                        # each value with each
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

The same command goes on after an interruption. The table at the end is in results.md, best trial
first; each run is a run folder, to be measured and used as any other.";

#[derive(Debug, Args)]
pub(super) struct SweepArgs {
    /// The file that says what is tried
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// Where its runs are kept [default: sweeps/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl SweepArgs {
    pub(super) fn run(self, device: &Device) -> Result<ExitCode> {
        let text = fs::read_to_string(&self.file).map_err(Error::io("read", &self.file))?;
        let sweep = Sweep::open(&text, &self.file.to_string_lossy(), self.out.as_deref())?;
        let interrupt = interrupt::on_ctrl_c()?;
        let count = sweep.len();
        let begin = |number: usize, folder: &std::path::Path| {
            print(&format!("\nRun {number} of {count}: {}\n", folder.display()))
        };
        match sweep.run(device, &interrupt, &mut Console::new(), begin)? {
            Some(table) => {
                print(&format!("\n{table}\nThe sweep is in {}\n", sweep.folder().display()))?;
                Ok(ExitCode::SUCCESS)
            }
            None => {
                let (program, file) = (program(), self.file.display());
                print(&format!("\nInterrupted, and saved. To go on:\n  {program} sweep {file}\n"))?;
                Ok(ExitCode::from(interrupt::EXIT_CODE))
            }
        }
    }
}
