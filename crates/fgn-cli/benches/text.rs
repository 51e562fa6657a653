//! Speed on text, beside PyTorch: `cargo xtask bench --text`.
//!
//! The model is that of the recipe `shakespeare`: two LSTM layers of 512 units over 65 characters. Training is a step
//! of the trainer on 64 windows of 128 characters; generation samples one character after the other. With a Python
//! that has PyTorch (`--python`), `benches/peers/python/charlm.py` does the same in turns with us.

mod support;

use std::error::Error;
use std::time::{Duration, Instant};

use candle_core::{DType, Device};
use fgn_data::{Batches, Order, Samples as _};
use fgn_nn::{Model, Precision, Sampler, SamplerOptions};
use fgn_train::{Config, Override, Trainer, open_data};
use support::{median, peer, python};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each contestant has its turn.
const ROUNDS: usize = 3;
/// How long a turn of training takes.
const SECONDS: u64 = 15;
const TOKENS: usize = 2000;
/// The peer, and what it prints.
const SCRIPT: &str = "charlm.py";
const SPEED: &str = "tokens_per_second";

fn main() -> Result<(), Box<dyn Error>> {
    let python = python()?;
    let threads = rayon::current_num_threads();
    let shared = threads.to_string();
    let overrides: Result<Vec<Override>, _> =
        ["training.batch_size=64", "data.text.window=128"].map(str::parse).into_iter().collect();
    let config = Config::load("shakespeare", &overrides?)?;
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu)?;
    println!("shakespeare: {} parameters, {threads} threads", model.parameter_count());

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(train(&config)?);
        let seconds = SECONDS.to_string();
        let work = ["train", "--seconds", &seconds, "--threads", &shared];
        theirs.extend(peer(python.as_deref(), SCRIPT, &work, SPEED)?);
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
        let work = ["generate", "--threads", &shared];
        theirs.extend(peer(python.as_deref(), SCRIPT, &work, SPEED)?);
    }
    for (speeds, (name, _)) in ours.into_iter().zip(kinds) {
        report("generation", &format!("fgn {name}"), speeds, theirs.clone());
    }
    Ok(())
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

fn report(work: &str, name: &str, ours: Vec<f64>, theirs: Vec<f64>) {
    let pairs: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    print!("{work:10}  {name:8}  {:7.0} tokens/s", median(ours));
    if !theirs.is_empty() {
        print!("  PyTorch {:7.0} tokens/s  ratio {:.2}", median(theirs), median(pairs));
    }
    println!();
}
