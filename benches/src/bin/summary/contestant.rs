//! Contestants as separate processes, of which only one runs at a time.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use fgn_benches::protocol::{Answer, Request, Work};

use crate::environment::RUST_PEERS;

/// The Python peers, by their names in `peers.py`.
pub(crate) const PYTHON_PEERS: [&str; 4] = ["pytorch", "tensorflow", "jax", "onnxruntime"];
/// Those that are measured with operands in bf16, and the work that they do so.
pub(crate) const BF16_PEERS: [(&str, &[Work]); 2] =
    [("pytorch", &[Work::Infer, Work::Train]), ("openvino", &[Work::Infer])];

/// A process that answers requests. It is stopped between requests, so that its spinning threads take no time from
/// other contestants.
pub(crate) struct Contestant {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Contestant {
    /// Starts the contestant `name`. `python` is used by the Python peers, the workspace's `root` by all peers.
    pub(crate) fn start(name: &str, threads: usize, python: &Path, root: &Path) -> Result<Self> {
        let bf16 = BF16_PEERS.iter().any(|(of, _)| *of == name);
        let mut command = if bf16 || PYTHON_PEERS.contains(&name) {
            let mut command = Command::new(python);
            command.arg(root.join("benches/peers/python/peers.py")).arg(name);
            command
        } else if name == "burn" {
            let mut command = Command::new(root.join(RUST_PEERS).join("release/fgn-peers"));
            command.arg(name);
            command
        } else {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["--serve", name, "--threads"]);
            command
        };
        let threads = threads.to_string();
        // The variables by which the libraries configure their number of threads.
        for variable in
            ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "CANDLE_NUM_THREADS", "MATMUL_NUM_THREADS"]
        {
            command.env(variable, &threads);
        }
        command.arg(&threads).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            bail!("{name} has no standard input or output");
        };
        Ok(Self { process, requests, answers: BufReader::new(answers) })
    }

    /// Sends a request, and waits for the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer> {
        self.signal("CONT");
        writeln!(self.requests, "{}", serde_json::to_string(request)?)?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the process ended with {}", self.process.wait()?);
        }
        self.signal("STOP");
        serde_json::from_str(&line).with_context(|| format!("expected an answer, got {line:?}"))
    }

    fn signal(&self, name: &str) {
        if cfg!(unix) {
            // If this fails, the process merely keeps running.
            let id = self.process.id().to_string();
            let _ = Command::new("kill").arg(format!("-{name}")).arg(id).status();
        }
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        // Fails if the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
