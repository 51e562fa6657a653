//! The steps of `cargo xtask ci`, which `.ci/run` calls. Quick ones first; a failing step does not
//! keep the next from running, so that one run tells everything.

use std::fmt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{formatting, invariants, mpi_check, process, python};

const STEPS: [(&str, Step); 11] = [
    ("format", format),
    ("invariants", invariants),
    ("dependencies", dependencies),
    ("clippy", clippy),
    ("docs", docs),
    ("tests", tests),
    ("parquet", parquet),
    ("symphonia", symphonia),
    ("own-cell", own_cell),
    ("mpi", mpi),
    ("python", python_package),
];

type Step = fn() -> Result<Outcome>;

/// Runs every step and prints a summary; `Err` names those that failed.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    let reports = STEPS.map(|(name, step)| {
        say!("\n=== {name}");
        let start = Instant::now();
        let outcome = step().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        let report = Report::new(name, outcome, start.elapsed());
        say!("=== {report}");
        report
    });

    say!("\nSummary, {}", Seconds(start.elapsed()));
    for report in &reports {
        say!("  {report}");
    }
    let failed = reports.iter().filter(|report| report.outcome.failed());
    let failed: Vec<_> = failed.map(|report| report.name).collect();
    if !failed.is_empty() {
        let all = reports.len();
        bail!("{} of {all} steps failed: {}", failed.len(), failed.join(", "));
    }
    Ok(())
}

/// Runs all tests of the workspace, doctests included.
pub(crate) fn test() -> Result<()> {
    let start = Instant::now();
    tests()?;
    let time = Seconds(start.elapsed());
    say!("\nAll tests of the workspace passed, doctests included, in {time}.");
    say!("`cargo xtask ci` runs them with the other checks that a change must pass.");
    Ok(())
}

/// All files by name: `cargo fmt` does not see those that a registry's macro declares.
fn format() -> Result<Outcome> {
    process::run(formatting::rustfmt()?.arg("--check")).map(|()| Outcome::Passed)
}

fn invariants() -> Result<Outcome> {
    invariants::check(process::root()).map(|()| Outcome::Passed)
}

/// Licences, bans and sources, after `deny.toml`. Advisories would need a database from the network.
fn dependencies() -> Result<Outcome> {
    let mut probe = process::cargo(["deny", "--version"]);
    let probe = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        let why = "cargo-deny is not installed: `cargo install --locked cargo-deny`";
        return Ok(Outcome::Skipped(why.into()));
    }
    passed("deny check --hide-inclusion-graph bans licenses sources")?;
    passed(
        "deny --manifest-path crates/fgn-py/Cargo.toml check --config crates/fgn-py/deny.toml \
         --hide-inclusion-graph bans licenses sources",
    )
}

fn clippy() -> Result<Outcome> {
    passed("clippy --workspace --all-targets -- -D warnings")
}

fn docs() -> Result<Outcome> {
    let mut doc = process::cargo(["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    process::run(doc.current_dir(process::root())).map(|()| Outcome::Passed)
}

fn tests() -> Result<Outcome> {
    passed("test --workspace --no-fail-fast")
}

/// The tests of the feature that the workspace's build leaves out.
fn parquet() -> Result<Outcome> {
    passed("test --workspace --features fgn-cli/parquet --test parquet")
}

/// The tests of compressed sounds, which the workspace's build leaves out too.
fn symphonia() -> Result<Outcome> {
    passed("test -p fgn-audio --features symphonia --test compressed")
}

/// Two processes against one, where MPI is installed.
fn mpi() -> Result<Outcome> {
    if let Some(why) = mpi_check::missing() {
        return Ok(Outcome::Skipped(why));
    }
    mpi_check::run(&mpi_check::Args::quick()).map(|()| Outcome::Passed)
}

/// The Python package, where a Python has what it takes.
fn python_package() -> Result<Outcome> {
    Ok(python::test()?.map_or(Outcome::Passed, Outcome::Skipped))
}

/// A cell in a crate outside the workspace, which passes the suite of the built-in ones.
fn own_cell() -> Result<Outcome> {
    passed("test --manifest-path docs/examples/own-cell/Cargo.toml --target-dir target/own-cell")
}

/// Runs cargo at the root of the workspace.
fn passed(args: &str) -> Result<Outcome> {
    let mut command = process::cargo(args.split(' '));
    process::run(command.current_dir(process::root())).map(|()| Outcome::Passed)
}

enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

impl Outcome {
    fn failed(&self) -> bool {
        matches!(self, Outcome::Failed(_))
    }
}

struct Report {
    name: &'static str,
    outcome: Outcome,
    time: Duration,
}

impl Report {
    fn new(name: &'static str, outcome: Outcome, time: Duration) -> Self {
        Report { name, outcome, time }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, why) = match &self.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Skipped(why) => ("SKIPPED", why.as_str()),
            Outcome::Failed(why) => ("FAILED", why.as_str()),
        };
        let time = Seconds(self.time).to_string();
        let line = format!("{:<12}  {word:<7}  {time:>11}  {why}", self.name);
        f.write_str(line.trim_end())
    }
}

/// `7.3 s`, or `3 min 05 s` from a minute on.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0..60 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            whole => write!(f, "{} min {:02} s", whole / 60, whole % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let print = |seconds| Seconds(Duration::from_secs_f64(seconds)).to_string();
        assert_eq!(print(7.26), "7.3 s");
        assert_eq!(print(185.9), "3 min 05 s");
    }

    #[test]
    fn a_report_says_why_a_step_did_not_pass() {
        let report = |outcome| Report::new("docs", outcome, Duration::ZERO).to_string();
        assert_eq!(report(Outcome::Passed), "docs          passed         0.0 s");
        assert!(report(Outcome::Failed("found this".into())).ends_with("0.0 s  found this"));
        assert!(report(Outcome::Skipped("not here".into())).contains("SKIPPED"));
    }
}
