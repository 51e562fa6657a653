//! Starting `fgn` by `mpirun`, and reading what it wrote.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process;

/// How long a training may take.
pub(super) const LONGEST: Duration = Duration::from_secs(600);

/// How long the other processes may go on after one was killed.
pub(super) const AFTER_KILL: Duration = Duration::from_secs(20);

/// Where trainings are started, and what starts them.
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
}

impl Launch {
    /// `fgn` with the words of `line`, in so many processes; in one without `mpirun` if 0.
    pub(super) fn command(&self, processes: usize, line: &str) -> Command {
        let mut command = match processes {
            0 => Command::new(&self.program),
            _ => {
                let mut command = Command::new("mpirun");
                let count = processes.to_string();
                command.args(["--oversubscribe", "--bind-to", "none", "-n", &count]);
                command.arg(&self.program);
                // A check may run as root, in a container.
                command.env("OMPI_ALLOW_RUN_AS_ROOT", "1");
                command.env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
                command
            }
        };
        command.args(line.split_whitespace()).current_dir(&self.folder);
        command
    }

    /// The same, without output.
    pub(super) fn quiet(&self, processes: usize, line: &str) -> Command {
        let mut command = self.command(processes, line);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(super) fn train(&self, processes: usize, line: &str) -> Result<()> {
        process::run(self.command(processes, line).arg("--quiet").stdout(Stdio::null()))
    }

    /// The model's bytes, and what was measured but for times.
    pub(super) fn result(&self, run: &str) -> Result<(Vec<u8>, Vec<Value>)> {
        let folder = self.folder.join(run);
        let read = |name: &str| {
            let file = folder.join(name);
            fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
        };
        let metrics = String::from_utf8(read("metrics.jsonl")?)?;
        let mut lines = Vec::new();
        for line in metrics.lines() {
            let mut line: Value = serde_json::from_str(line)?;
            if let Some(line) = line.as_object_mut() {
                line.retain(|key, _| !["seconds", "samples_per_second"].contains(&key.as_str()));
            }
            lines.push(line);
        }
        Ok((read("model.safetensors")?, lines))
    }

    /// How many numbers a run's model has: the file holds a length, a header of that length, and numbers of 4 bytes.
    pub(super) fn parameters(&self, run: &str) -> Result<u64> {
        let (bytes, _) = self.result(run)?;
        let length = bytes.first_chunk::<8>().context("a model file of fewer than 8 bytes")?;
        let header = u64::from_le_bytes(*length);
        let left = (bytes.len() as u64).checked_sub(8).and_then(|all| all.checked_sub(header));
        Ok(left.context("a model file that is cut off")? / 4)
    }
}

/// Waits for the end of `child`, and kills it if it takes longer than that.
pub(super) fn ended(child: &mut Child, longest: Duration) -> Result<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < longest {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    bail!("it did not end within {} s", longest.as_secs())
}

/// The processes of that name that `parent` has started.
pub(super) fn children(parent: u32, name: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |process: &u32| {
        // `123 (name) S 122 …`
        let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let parts = text.split_once(" (").and_then(|(_, rest)| rest.rsplit_once(") "));
        parts.is_some_and(|(found, rest)| {
            let of = rest.split(' ').nth(1).and_then(|of| of.parse::<u32>().ok());
            found == name && of == Some(parent)
        })
    };
    numbers.filter(is_child).collect()
}

/// Kills a process at once.
pub(super) fn kill(process: u32) -> Result<()> {
    // It may have ended by itself meanwhile.
    let mut kill = Command::new("kill");
    kill.args(["-9", &process.to_string()]).stderr(Stdio::null());
    kill.status().context("cannot start kill")?;
    Ok(())
}
