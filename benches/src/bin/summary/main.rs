//! The summary of speed: the machine's peak rates, and the times of all contestants, which take turns on the same
//! work.

use std::collections::HashMap;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use fgn_benches::protocol::{Answer, Request, Work, median};
use fgn_core::AnyCell;
use indicatif::{ProgressBar, ProgressStyle};

mod contestant;
mod environment;
mod jobs;
mod machine;
mod report;
mod serve;

use contestant::Contestant;
use jobs::{Entrant, Job};
use machine::Machine;
use report::{Entry, Summary};

/// The largest difference allowed between the results of two contestants, relative to the largest value.
const TOLERANCE: f64 = 1e-3;
/// The same with operands in bf16, of 8 bits: others round in other places.
const BF16_TOLERANCE: f64 = 0.03;
/// The stack of the server thread: candle-nn's graphs are dropped recursively.
const STACK: usize = 1 << 30;

/// Measures recurrent layers, and prints a table for each shape.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Options {
    /// Write the measurements to FILE; it is updated after each table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure candle-nn, burn, PyTorch, TensorFlow, JAX and ONNX Runtime as well
    #[arg(long)]
    peers: bool,
    /// The number of threads [default: the number of cores]
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// The shapes to measure, by name or as TxBxIxH, for instance row,56x100x28x128 [default: all named shapes]
    #[arg(long, value_delimiter = ',')]
    shapes: Vec<String>,
    /// Seconds for each contestant in each round
    #[arg(long, default_value = "0.4", value_parser = seconds)]
    seconds: f64,
    /// The number of turns of each contestant
    #[arg(long, default_value = "5")]
    rounds: NonZeroUsize,
    /// A Python that has the packages in benches/peers/python/requirements.txt, instead of the environment under target/
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Answer requests as the contestant of this name
    #[arg(long, hide = true)]
    serve: Option<String>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if f64::is_finite(seconds) && seconds > 0.0 => Ok(seconds),
        _ => Err("expected a number greater than 0".into()),
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(name) = options.serve {
        fgn_kernels::keep_freed_memory(); // Like the binary `fgn`.
        let threads = options.threads.map_or(1, NonZeroUsize::get);
        let server = std::thread::Builder::new().stack_size(STACK);
        let server = server.spawn(move || serve::contestant(&name, threads))?;
        return server.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
    let threads = options.threads.map_or_else(std::thread::available_parallelism, Ok)?.get();
    let jobs = jobs::jobs(&jobs::shapes(&options.shapes)?, threads, options.peers);
    if let Some(file) = &options.json {
        // Fails before the measurements if the file cannot be written. Existing content stays until the first table.
        let opened = File::options().create(true).append(true).open(file);
        opened.with_context(|| cannot_write(file))?;
    }
    let machine = Machine::measure(threads)?;
    println!("{}", machine.lines());

    let mut arena = Arena::new(&options)?;
    let mut results = Vec::new();
    let turns = jobs.iter().map(|job| job.entrants.len() * options.rounds.get()).sum::<usize>();
    let bar = ProgressBar::new(turns as u64).with_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} turns, {eta} left  {wide_msg}",
    )?);
    for job in &jobs {
        let entries = arena.measure(job, &options, &machine, &bar);
        bar.suspend(|| print!("{}", report::table(&entries)));
        results.extend(entries);
        write(&options, &machine, &results)?;
    }
    bar.finish_and_clear();
    if let Some(file) = &options.json {
        println!("\nThe measurements are in {}", file.display());
    }
    match arena.wrong {
        0 => Ok(()),
        wrong => bail!("fgn failed, or the result of a peer differed, {wrong} times: see above"),
    }
}

/// Writes the measurements so far to the file of `--json`, if there is one.
fn write(options: &Options, machine: &Machine, results: &[Entry]) -> Result<()> {
    let Some(file) = &options.json else { return Ok(()) };
    let summary = serde_json::to_string_pretty(&Summary { machine, results })?;
    std::fs::write(file, summary + "\n").with_context(|| cannot_write(file))
}

fn cannot_write(file: &Path) -> String {
    format!("cannot write {}", file.display())
}

/// The running contestants, which are measured one at a time.
struct Arena {
    python: PathBuf,
    root: PathBuf,
    running: HashMap<(&'static str, usize), Contestant>,
    /// The number of failures of our own layers, and of differing results of the others.
    wrong: usize,
}

impl Arena {
    fn new(options: &Options) -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().unwrap_or(here);
        let mut python = options.python.clone().unwrap_or_default();
        if options.peers {
            if options.python.is_none() {
                match environment::python(root) {
                    Ok(found) => python = found,
                    Err(error) => println!("The Python peers are skipped: {error:#}"),
                }
            }
            if let Err(error) = environment::build_rust_peers(root) {
                println!("burn is skipped: {error:#}");
            }
        }
        Ok(Self { python, root: root.into(), running: HashMap::new(), wrong: 0 })
    }

    /// Measures all entrants of a job in turn. An entrant that fails is reported and left out.
    fn measure(
        &mut self,
        job: &Job,
        options: &Options,
        machine: &Machine,
        bar: &ProgressBar,
    ) -> Vec<Entry> {
        let mut answers: Vec<Result<Vec<Answer>>> =
            job.entrants.iter().map(|_| Ok(vec![])).collect();
        for _ in 0..options.rounds.get() {
            for (entrant, so_far) in job.entrants.iter().zip(&mut answers) {
                bar.set_message(format!("{} {}", job.shape, entrant.name));
                if let Ok(all) = so_far {
                    match self.ask(job, entrant, options.seconds) {
                        Ok(answer) => all.push(answer),
                        Err(error) => {
                            let Entrant { name, cell, .. } = entrant;
                            bar.suspend(|| println!("{} {name} {cell}: {error:#}", job.shape));
                            *so_far = Err(error);
                            self.wrong += usize::from(*name == "fgn");
                        }
                    }
                }
                bar.inc(1);
            }
        }
        let mut entries = Vec::new();
        let mut reference = Vec::new();
        for (entrant, answers) in job.entrants.iter().zip(answers) {
            let answers = answers.unwrap_or_default();
            let times: Vec<f64> = answers.iter().flat_map(|answer| &answer.ms).copied().collect();
            let (Some(median_ms), Some(answer)) = (median(&times), answers.first()) else {
                continue;
            };
            let ours = entrant.name == "fgn" && entrant.cell == AnyCell::LSTM;
            if ours && reference.is_empty() {
                reference.clone_from(&answer.check);
            } else if entrant.name != "fgn"
                && differ(&reference, &answer.check, tolerance(entrant.dtype))
            {
                let (shape, who) = (&job.shape, &answer.who);
                bar.suspend(|| println!("{shape} {who}: the result differs from ours"));
                self.wrong += 1;
            }
            // The weights of a stream are read as f32.
            let operands = if job.work == Work::Stream { "f32" } else { entrant.dtype };
            let gflops = report::operations(entrant.cell, job.work, job.sizes) / median_ms / 1e6;
            entries.push(Entry {
                shape: job.shape.clone(),
                work: job.work,
                who: answer.who.clone(),
                cell: entrant.cell.name().into(),
                option: entrant.option.into(),
                threads: entrant.threads,
                dtype: entrant.dtype.into(),
                median_ms,
                gflops,
                peak_fraction: gflops / machine.peak(operands, entrant.threads),
            });
        }
        entries
    }

    fn ask(&mut self, job: &Job, entrant: &Entrant, seconds: f64) -> Result<Answer> {
        let &Entrant { name, cell, dtype, threads, option } = entrant;
        if !self.running.contains_key(&(name, threads)) {
            let contestant = Contestant::start(name, threads, &self.python, &self.root)?;
            self.running.insert((name, threads), contestant);
        }
        let [steps, batch, input, hidden] = job.sizes;
        let request = Request {
            work: job.work,
            cell: cell.name().into(),
            dtype: dtype.into(),
            option: option.into(),
            steps,
            batch,
            input,
            hidden,
            seconds,
        };
        let contestant =
            self.running.get_mut(&(name, threads)).context("the contestant is not running")?;
        let answer = contestant.ask(&request);
        match answer {
            Ok(Answer { error: Some(error), who, .. }) => bail!("{who}: {error}"),
            Err(error) => {
                self.running.remove(&(name, threads));
                Err(error)
            }
            answer => answer,
        }
    }
}

/// By how much a result may differ from ours, relative to the largest number.
fn tolerance(dtype: &str) -> f64 {
    if dtype == "bf16" { BF16_TOLERANCE } else { TOLERANCE }
}

/// Whether two checks differ by more than a tolerance.
fn differ(ours: &[f64], theirs: &[f64], tolerance: f64) -> bool {
    let largest = ours.iter().fold(0.0, |largest: f64, number| largest.max(number.abs()));
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * largest;
    ours.len() != theirs.len() || !ours.iter().zip(theirs).all(close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Options as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn different_work_is_noticed() {
        assert!(!differ(&[1.0, 0.5], &[1.0, 0.5001], tolerance("f32")));
        assert!(!differ(&[1.0, 0.5], &[1.0, 0.51], tolerance("bf16")));
        assert!(differ(&[1.0, 0.5], &[1.0, 0.6], tolerance("bf16")));
        assert!(differ(&[1.0, 0.5], &[1.0, 0.51], tolerance("f32")));
        assert!(differ(&[1.0, 0.5], &[1.0], TOLERANCE));
        assert!(differ(&[1.0], &[f64::NAN], TOLERANCE));
    }
}
