//! What the trainer costs beside the steps themselves: `cargo xtask bench --trainer`.
//!
//! The same steps of `mnist-rows` twice, in turns: by a [`Trainer`] with everything that `fgn train` does
//! (batches, metrics, progress, run folder, events for TensorBoard, a look at the gates, checkpoint, curves),
//! and as bare steps: forward, backward and optimizer on batches made before. A turn is a tenth of an epoch,
//! so that both halves of a pair meet the same machine; the median of the pairs' differences is taken. What
//! is done once an epoch is timed apart, and counted once an epoch.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::{DType, Device};
use fgn_data::{Batch, Batches, Dataset, Order, Samples, Subset};
use fgn_nn::{Mode, Model, cross_entropy};
use fgn_train::{
    Checkpoint, Config, Console, EpochMetrics, GateRecorder, Gradients, Observer, Optimizer, Plan,
    Recorder, Step, Trainer,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TURNS: usize = 40;
/// Turns that an epoch has.
const PARTS: usize = 10;
/// Of a step: what the trainer may cost.
const LIMIT: f64 = 0.03;

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::load("mnist-rows", &["training.epochs=1".parse()?])?;
    let seed = config.training.seed;
    // Measuring the held-out part is work of its own, and none of the trainer's.
    let looked_at = config.data.divide(config.data.open()?, seed)?;
    let part = (0..(looked_at.train.len() / PARTS) as u32).collect();
    let train: Arc<dyn Samples> = Arc::new(Subset::new(looked_at.train.clone(), part)?);
    let dataset = Dataset { train, valid: None, test: looked_at.test.clone() };
    let order = Order::Shuffled { seed, epoch: 1 };
    let batches = Batches::new(&dataset.train, order, config.training.batch_size, &Device::Cpu)?;
    let batches = batches.collect::<Result<Vec<_>, _>>()?;

    let steps = batches.len() as f64;
    let (mut alone, mut beside, mut each_epoch) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let bare = bare(&config, &batches)?.as_secs_f64();
        let whole = whole(&config, &dataset, &looked_at)?;
        alone.push(1e3 * bare / steps);
        beside.push(1e3 * (whole.steps.as_secs_f64() - bare) / steps);
        each_epoch.push(1e3 * whole.epoch.as_secs_f64());
    }
    let [alone, beside, each_epoch] = [alone, beside, each_epoch].map(median);
    let epoch = steps * PARTS as f64;
    let all = beside + each_epoch / epoch;
    println!(
        "mnist-rows, median of {TURNS} turns of {steps} steps: a step alone {alone:.3} ms; beside it the \
         trainer's loop {beside:.3} ms, and {each_epoch:.1} ms once an epoch of {epoch} steps: {all:.3} ms a \
         step, {:.2} % of it, at most {:.0} %",
        100.0 * all / alone,
        100.0 * LIMIT,
    );
    if all > LIMIT * alone { Err("the trainer costs too much".into()) } else { Ok(()) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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

/// What an epoch took: its steps with all that is done at each, and what is done at its end.
struct Took {
    steps: Duration,
    epoch: Duration,
}

fn whole(config: &Config, dataset: &Dataset, looked_at: &Dataset) -> Result<Took, Box<dyn Error>> {
    let parent = tempfile::tempdir()?;
    let folder = parent.path().join("run");
    let mut trainer = Trainer::new(config, model(config)?)?;
    let recorder = Recorder::create(Some(&folder), config)?;
    let gates = GateRecorder::new(&folder, looked_at, config.report.gate_samples);
    let mut timed = Timed {
        observer: (recorder, (gates, Console::new())),
        begun: Instant::now(),
        last_step: Instant::now(),
    };
    trainer.run(dataset, &mut timed)?;
    Ok(Took { steps: timed.last_step - timed.begun, epoch: timed.last_step.elapsed() })
}

/// Notes when the first step begins, and when the last has ended.
struct Timed<O> {
    observer: O,
    begun: Instant,
    last_step: Instant,
}

impl<O: Observer> Observer for Timed<O> {
    fn start(&mut self, plan: &Plan) -> fgn_train::Result<()> {
        self.observer.start(plan)?;
        self.begun = Instant::now();
        Ok(())
    }

    fn step(&mut self, step: &Step) -> fgn_train::Result<()> {
        self.observer.step(step)?;
        self.last_step = Instant::now();
        Ok(())
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &Model) -> fgn_train::Result<()> {
        self.observer.epoch(metrics, model)
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> fgn_train::Result<()> {
        self.observer.save(checkpoint)
    }
}
