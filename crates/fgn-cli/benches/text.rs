//! Speed on text, beside PyTorch: `cargo xtask bench --text`.
//!
//! The model is that of the recipe `shakespeare`: two LSTM layers of 512 units over 65 characters. Training is a step
//! of the trainer on 64 windows of 128 characters; generation samples one character after the other. With a Python
//! that has PyTorch (`--python`), `benches/peers/python/charlm.py` does the same in turns with us.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use candle_core::{DType, Device};
use fgn_data::{Batches, Order, Samples as _};
use fgn_nn::{Model, Precision, Sampler, SamplerOptions};
use fgn_train::{Config, Override, Trainer, open_data};
use serde_json::Value;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each contestant has its turn.
const ROUNDS: usize = 3;
/// How long a turn of training takes.
const SECONDS: u64 = 15;
const TOKENS: usize = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let python = python()?;
    let threads = rayon::current_num_threads();
    let overrides: Result<Vec<Override>, _> =
        ["training.batch_size=64", "data.text.window=128"].map(str::parse).into_iter().collect();
    let config = Config::load("shakespeare", &overrides?)?;
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu)?;
    println!("shakespeare: {} parameters, {threads} threads", model.parameter_count());

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(train(&config)?);
        let seconds = SECONDS.to_string();
        theirs.extend(peer(python.as_deref(), threads, &["train", "--seconds", &seconds])?);
    }
    report("training", "fgn f32", ours, theirs);

    let kinds = [("f32", Precision::F32), ("bf16", Precision::Bf16), ("int8", Precision::Int8)];
    let mut ours = vec![Vec::new(); kinds.len()];
    let mut theirs = Vec::new();
    for _ in 0..ROUNDS {
        for (speeds, (_, precision)) in ours.iter_mut().zip(kinds) {
            let one = generate(&model, precision, 1)?;
            speeds.push(one.max(generate(&model, precision, threads)?));
        }
        theirs.extend(peer(python.as_deref(), threads, &["generate"])?);
    }
    for (speeds, (name, _)) in ours.into_iter().zip(kinds) {
        report("generation", &format!("fgn {name}"), speeds, theirs.clone());
    }
    Ok(())
}

/// The Python of `--python`, if it is given.
fn python() -> Result<Option<PathBuf>, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &argument[..] {
            "--python" => {
                return Ok(Some(arguments.next().ok_or("--python: a path is missing")?.into()));
            }
            // What cargo passes to every bench.
            "--bench" => {}
            other => return Err(format!("{other} is unknown; known: --python FILE").into()),
        }
    }
    Ok(None)
}

/// Tokens a second of training: the median over steps.
fn train(config: &Config) -> Result<f64, Box<dyn Error>> {
    let text = open_data(&config.data)?.train;
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu)?;
    let mut trainer = Trainer::new(config, model)?;
    let (mut seconds, start) = (Vec::new(), Instant::now());
    for batch in Batches::new(&*text, Order::Streams, config.training.batch_size, &Device::Cpu)? {
        let batch = batch?;
        let begin = Instant::now();
        trainer.step(&[batch])?;
        seconds.push(begin.elapsed().as_secs_f64());
        if start.elapsed() > Duration::from_secs(SECONDS) {
            break;
        }
    }
    let window = text.windows().map_or(0, |windows| windows.window());
    let warm = seconds.split_off(seconds.len().min(2));
    Ok((config.training.batch_size * window) as f64 / median(warm))
}

/// Tokens a second of sampling.
fn generate(model: &Model, precision: Precision, threads: usize) -> Result<f64, Box<dyn Error>> {
    let options = SamplerOptions { temperature: 0.8, ..SamplerOptions::default() };
    let mut sampler = Sampler::new(options, 1)?;
    let mut generator = model.generator(precision, threads)?;
    generator.read(&[0; 50])?;
    let begin = Instant::now();
    for token in generator.tokens(&mut sampler).take(TOKENS) {
        token?;
    }
    Ok(TOKENS as f64 / begin.elapsed().as_secs_f64())
}

/// What the peer says of that work.
fn peer(
    python: Option<&Path>,
    threads: usize,
    work: &[&str],
) -> Result<Option<f64>, Box<dyn Error>> {
    let Some(python) = python else { return Ok(None) };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/peers/python/charlm.py");
    let threads = threads.to_string();
    let mut command = Command::new(python);
    command.arg(script).args(work).args(["--threads", &threads]).stderr(Stdio::inherit());
    let output = command.output()?;
    let found: Value = serde_json::from_slice(&output.stdout)?;
    Ok(Some(found["tokens_per_second"].as_f64().ok_or("the peer gave no speed")?))
}

fn report(work: &str, name: &str, ours: Vec<f64>, theirs: Vec<f64>) {
    let pairs: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    print!("{work:10}  {name:8}  {:7.0} tokens/s", median(ours));
    if !theirs.is_empty() {
        print!("  PyTorch {:7.0} tokens/s  ratio {:.2}", median(theirs), median(pairs));
    }
    println!();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
