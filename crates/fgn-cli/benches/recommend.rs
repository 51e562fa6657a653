//! Speed of recommendation, beside PyTorch: `cargo xtask bench --recommend`.
//!
//! Training is a step of the trainer: 128 sessions side by side, a GRU of 128 units, BPR-max against the other targets
//! of the batch and 2,048 sampled items, Adagrad, 20,000 items; then the same with fewer and more items. Serving is one
//! event of one session: a step of the layer, and the ten best of 100,000 items or a million. With a Python that has
//! PyTorch (`--python`), `benches/peers/python/gru4rec.py` does the same in turns with us.

mod support;

use std::error::Error;
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::{Embedding, ItemLoss, Model, ModelConfig, NextItem, Precision, RecurrentConfig};
use fgn_schema::{Batch, Catalogue};
use fgn_train::{Config, Trainer};
use support::{median, peer, python};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each contestant has its turn.
const ROUNDS: usize = 3;
/// How long a turn of training takes.
const SECONDS: u64 = 8;
const SESSIONS: usize = 128;
const WINDOW: usize = 16;
const UNITS: usize = 128;
const SAMPLES: usize = 2048;
const EVENTS: usize = 300;
/// The peer, and what it prints.
const SCRIPT: &str = "gru4rec.py";

fn main() -> Result<(), Box<dyn Error>> {
    let python = python()?;
    let shared = rayon::current_num_threads().to_string();
    let seconds = SECONDS.to_string();
    let steps = WINDOW.to_string();
    let (mut ours, mut single, mut windows) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(train(20_000)?);
        let work = ["--seconds", &seconds, "--threads", &shared];
        single.extend(peer(python.as_deref(), SCRIPT, &work, "events_per_second")?);
        let work = [&work[..], &["--window", &steps]].concat();
        windows.extend(peer(python.as_deref(), SCRIPT, &work, "events_per_second")?);
    }
    println!("training, 20,000 items   fgn {:9.0} events/s", median(ours.clone()));
    for (name, theirs) in [("step by step", single), ("in windows", windows)] {
        if !theirs.is_empty() {
            let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
            let (theirs, ratio) = (median(theirs), median(ratios));
            println!("  PyTorch, {name:12}       {theirs:9.0} events/s  ratio {ratio:.2}");
        }
    }

    let mut speeds = [10_000, 100_000, 1_000_000].map(|items| (items, Vec::new()));
    for _ in 0..ROUNDS {
        for (items, speeds) in &mut speeds {
            speeds.push(train(*items)?);
        }
    }
    let first = median(speeds[0].1.clone());
    for (items, speeds) in speeds {
        let speed = median(speeds);
        println!("training, {items:9} items {speed:9.0} events/s  cost {:.2}", first / speed);
    }
    serve(python.as_deref(), &shared)
}

/// Prints the time of an event, and how much of it the ranking takes.
fn serve(python: Option<&std::path::Path>, threads: &str) -> Result<(), Box<dyn Error>> {
    for items in [100_000, 1_000_000] {
        let model = model(items)?;
        for (name, precision) in
            [("f32", Precision::F32), ("bf16", Precision::Bf16), ("int8", Precision::Int8)]
        {
            let [event, ranking] = recommend(&model, items, precision)?;
            let share = 100.0 * ranking / (event + ranking);
            println!(
                "serving, {items:9} items  {name:4} {:9.1} µs/event  ranking {share:.1} %",
                event + ranking
            );
        }
        let count = items.to_string();
        let work = ["--mode", "serve", "--items", &count, "--threads", threads];
        if let Some(theirs) = peer(python, SCRIPT, &work, "microseconds")? {
            println!("  PyTorch                      {theirs:9.1} µs/event");
        }
    }
    Ok(())
}

fn catalogue(items: usize) -> Result<Catalogue, Box<dyn Error>> {
    let names = (0..items).map(|item| item.to_string()).collect();
    let counts = (1..=items as u64).map(|rank| 10_000_000 / rank + 1).collect();
    Ok(Catalogue::new(names, counts)?)
}

fn model(items: usize) -> Result<Model, Box<dyn Error>> {
    let input = Embedding { sparse: true, ..Embedding::new(items, UNITS) };
    let head = NextItem {
        loss: ItemLoss::BprMax,
        samples: SAMPLES,
        tied: Some(UNITS),
        ..NextItem::new(catalogue(items)?)
    };
    let config = ModelConfig::new(input, RecurrentConfig::new(AnyCell::GRU, UNITS), head);
    Ok(Model::new(&config, 1, DType::F32, &Device::Cpu)?)
}

/// Events a second of training: the median over steps.
fn train(items: usize) -> Result<f64, Box<dyn Error>> {
    let adagrad = "optimizer={ name = \"adagrad\", learning_rate = 0.1 }".parse()?;
    let config = Config::load("shop", &[adagrad])?;
    let mut trainer = Trainer::new(&config, model(items)?)?;
    let mut events = Events { state: 7, items };
    let (mut seconds, start) = (Vec::new(), Instant::now());
    while start.elapsed() < Duration::from_secs(SECONDS) {
        let batch = events.batch()?;
        let begin = Instant::now();
        trainer.step(&[batch])?;
        seconds.push(begin.elapsed().as_secs_f64());
    }
    let warm = seconds.split_off(seconds.len().min(2));
    Ok((SESSIONS * WINDOW) as f64 / median(warm))
}

/// Events without a meaning, the popular items most often.
struct Events {
    state: u64,
    items: usize,
}

impl Events {
    /// From 0 to 1.
    fn number(&mut self) -> f64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 11) as f64 / (1u64 << 53) as f64
    }

    /// By a Zipf law: the logarithm of the rank is uniform.
    fn item(&mut self) -> u32 {
        let rank = (self.number() * (self.items as f64).ln()).exp();
        (rank as usize - 1).min(self.items - 1) as u32
    }

    /// A window of each of the sessions, which are six events long on average.
    fn batch(&mut self) -> Result<Batch, Box<dyn Error>> {
        let shape = (SESSIONS, WINDOW);
        let mut items = || (0..SESSIONS * WINDOW).map(|_| self.item()).collect::<Vec<u32>>();
        let input = Tensor::from_vec(items(), shape, &Device::Cpu)?;
        let target = Tensor::from_vec(items(), shape, &Device::Cpu)?;
        let resets = (0..SESSIONS * WINDOW).map(|_| u8::from(self.number() < 1.0 / 6.0));
        let resets = Tensor::from_vec(resets.collect::<Vec<_>>(), shape, &Device::Cpu)?;
        Ok(Batch::new(input, target).with_resets(resets)?)
    }
}

/// Microseconds of reading an event and of finding the ten best items: medians.
fn recommend(
    model: &Model,
    items: usize,
    precision: Precision,
) -> Result<[f64; 2], Box<dyn Error>> {
    let mut recommender = model.recommender(precision)?;
    let mut session = recommender.session();
    let mut events = Events { state: 3, items };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..EVENTS {
        let begin = Instant::now();
        recommender.read(&mut session, events.item())?;
        let read = begin.elapsed();
        recommender.best(&session, 10, |_| false)?;
        times[0].push(1e6 * read.as_secs_f64());
        times[1].push(1e6 * (begin.elapsed() - read).as_secs_f64());
    }
    Ok(times.map(median))
}
