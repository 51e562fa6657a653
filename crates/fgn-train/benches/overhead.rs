//! What the trainer costs beside the steps themselves: `cargo xtask bench --trainer`.
//!
//! The same epoch of `mnist-rows` twice, in turns: by a [`Trainer`] with everything that `fgn train` does
//! (batches, metrics, progress, run folder, checkpoint, curves), and as bare steps: forward, backward and
//! optimizer on batches made before. The fastest of several turns of each are compared.

use std::error::Error;
use std::time::{Duration, Instant};

use candle_core::{DType, Device};
use fgn_data::{Batch, Batches, Dataset, Order};
use fgn_nn::{Mode, Model, cross_entropy};
use fgn_train::{Config, Console, Gradients, Optimizer, Recorder, Trainer};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TURNS: usize = 5;
/// Of a step: what the trainer may cost.
const LIMIT: f64 = 0.03;

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::load("mnist-rows", &["training.epochs=1".parse()?])?;
    let seed = config.training.seed;
    // Measuring the held-out part is work of its own, and none of the trainer's.
    let dataset = config.data.divide(config.data.open()?, seed)?;
    let dataset = Dataset { valid: None, ..dataset };
    let order = Order::Shuffled { seed, epoch: 1 };
    let batches = Batches::new(&dataset.train, order, config.training.batch_size, &Device::Cpu)?;
    let batches = batches.collect::<Result<Vec<_>, _>>()?;

    let mut best = [Duration::MAX; 2];
    for _ in 0..TURNS {
        best[0] = best[0].min(bare(&config, &batches)?);
        best[1] = best[1].min(whole(&config, &dataset)?);
    }
    let [bare, whole] = best.map(|time| 1e3 * time.as_secs_f64() / batches.len() as f64);
    let share = (whole - bare) / bare;
    println!(
        "mnist-rows, {} steps an epoch, {TURNS} turns: {bare:.3} ms a bare step, {whole:.3} ms with the \
         trainer: {:.2} % overhead, at most {:.0} %",
        batches.len(),
        100.0 * share,
        100.0 * LIMIT,
    );
    if share > LIMIT { Err("the trainer costs too much".into()) } else { Ok(()) }
}

fn model(config: &Config) -> Result<Model, Box<dyn Error>> {
    Ok(Model::new(&config.model, config.training.seed, DType::F32, &Device::Cpu)?)
}

fn bare(config: &Config, batches: &[Batch]) -> Result<Duration, Box<dyn Error>> {
    let model = model(config)?;
    let mut optimizer = Optimizer::new(&config.optimizer, &[], model.parameters(), &[])?;
    let mut dropout = ChaCha8Rng::seed_from_u64(1);
    let start = Instant::now();
    for batch in batches {
        let logits = model.forward(&batch.input, Mode::Train(&mut dropout))?;
        let loss = cross_entropy(&logits, &batch.target)?;
        let gradients = Gradients::new(model.parameters(), &loss.backward()?)?;
        optimizer.step(&gradients, config.clip, 1.0)?;
    }
    Ok(start.elapsed())
}

fn whole(config: &Config, dataset: &Dataset) -> Result<Duration, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let model = model(config)?;
    let start = Instant::now();
    let mut trainer = Trainer::new(config, model)?;
    let recorder = Recorder::create(Some(&folder.path().join("run")), config)?;
    trainer.run(dataset, &mut (recorder, Console::new()))?;
    Ok(start.elapsed())
}
