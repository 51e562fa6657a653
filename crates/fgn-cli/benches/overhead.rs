//! What the trainer costs beside the steps themselves: `cargo xtask bench --trainer`.
//!
//! Two models of `mnist-rows` are trained in turns, a step each: one by a [`Trainer`] with everything that `fgn
//! train` does in an epoch (batches, metrics, progress, run folder, events for TensorBoard, gates, checkpoint,
//! curves), one by bare steps: forward, backward and optimizer on batches made before. Both steps of a pair run
//! under the same load of the machine; the median of the pairs' differences is taken. What is done once per epoch
//! is timed separately, and counted once per epoch.

use std::error::Error;
use std::iter::Cycle;
use std::sync::Arc;
use std::time::Instant;
use std::vec::IntoIter;

use candle_core::{DType, Device};
use fgn_cli::Console;
use fgn_data::{Batches, Dataset, Order, Samples, Subset};
use fgn_nn::{Generator, LossOptions, Mode, Model};
use fgn_schema::Batch;
use fgn_train::{
    Checkpoint, Config, EpochMetrics, GateRecorder, Gradients, Observer, Optimizer, Recorder,
    StepMetrics, Trainer, TrainingPlan, open_data,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs of the trainer, each over a tenth of an epoch's samples.
const RUNS: usize = 20;
const PARTS: usize = 10;
/// Of a step: what the trainer may cost.
const LIMIT: f64 = 0.03;

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::load("mnist-rows", &["training.epochs=1".parse()?])?;
    let seed = config.training.seed;
    // Evaluating the validation part is work of its own, and not the trainer's overhead.
    let looked_at = config.data.divide(open_data(&config.data)?, seed)?;
    let part = (0..(looked_at.train.len() / PARTS) as u32).collect();
    let train: Arc<dyn Samples> = Arc::new(Subset::new(looked_at.train.clone(), part)?);
    let dataset = Dataset { train, valid: None, test: looked_at.test.clone() };
    let order = Order::Shuffled { seed, epoch: 1 };
    let batches = Batches::new(&dataset.train, order, config.training.batch_size, &Device::Cpu)?;
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    let steps = batches.len();

    let mut bare = Bare::new(&config, batches)?;
    let (mut alone, mut beside, mut each_epoch) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let took = run(&config, &dataset, &looked_at, &mut bare)?;
        for [by_trainer, by_hand] in took.steps {
            alone.push(by_hand);
            beside.push(by_trainer - by_hand);
        }
        each_epoch.push(took.epoch);
    }
    let [alone, beside, each_epoch] = [alone, beside, each_epoch].map(median);
    let epoch = (steps * PARTS) as f64;
    let all = beside + each_epoch / epoch;
    println!(
        "mnist-rows, median of {} pairs of steps: a step alone {alone:.3} ms; beside it the trainer's loop \
         {beside:.3} ms, and {each_epoch:.1} ms once an epoch of {epoch} steps: {all:.3} ms a step, {:.2} % of \
         it, at most {:.0} %",
        RUNS * steps,
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

/// Steps without a trainer.
struct Bare<'a> {
    config: &'a Config,
    model: Model,
    optimizer: Optimizer,
    dropout: Generator,
    batches: Cycle<IntoIter<Batch>>,
}

impl<'a> Bare<'a> {
    fn new(config: &'a Config, batches: Vec<Batch>) -> Result<Self, Box<dyn Error>> {
        let model = model(config)?;
        let optimizer = Optimizer::new(&config.optimizer, &[], model.parameters(), &[])?;
        let dropout = Generator::seed_from_u64(1);
        Ok(Self { config, model, optimizer, dropout, batches: batches.into_iter().cycle() })
    }

    fn step(&mut self) -> fgn_train::Result<()> {
        let Some(batch) = self.batches.next() else { return Ok(()) };
        let output = self.model.forward(batch.input(), Mode::Train(&mut self.dropout))?;
        let options = LossOptions::default();
        let loss = self.model.loss(&output.prediction, batch.target(), &options)?;
        let gradients = Gradients::new(self.model.parameters(), &loss.mean.backward()?)?;
        self.optimizer.step(&gradients, self.config.clip, 1.0)?;
        Ok(())
    }
}

/// What a run took, in ms.
struct Took {
    /// For each step: by the trainer, and the bare one behind it.
    steps: Vec<[f64; 2]>,
    /// What is done once an epoch.
    epoch: f64,
}

fn run(
    config: &Config,
    dataset: &Dataset,
    looked_at: &Dataset,
    bare: &mut Bare<'_>,
) -> Result<Took, Box<dyn Error>> {
    let parent = tempfile::tempdir()?;
    let folder = parent.path().join("run");
    let mut trainer = Trainer::new(config, model(config)?)?;
    let recorder = Recorder::create(Some(&folder), config)?;
    let gates = GateRecorder::new(&folder, looked_at, config.report.gate_samples);
    let pictures = fgn_report::observers(&folder, config)?;
    let observer = (recorder, (gates, (pictures, Console::new())));
    let mut turns = Turns { observer, bare, begun: Instant::now(), steps: Vec::new() };
    trainer.run(dataset, &mut turns)?;
    Ok(Took { epoch: ms(turns.begun), steps: turns.steps })
}

fn ms(since: Instant) -> f64 {
    1e3 * since.elapsed().as_secs_f64()
}

/// Has a bare step follow each of the trainer's, and times both.
struct Turns<'a, 'b, O> {
    observer: O,
    bare: &'a mut Bare<'b>,
    /// When the trainer's step, or what follows the last one, began.
    begun: Instant,
    steps: Vec<[f64; 2]>,
}

impl<O: Observer> Observer for Turns<'_, '_, O> {
    fn start(&mut self, plan: &TrainingPlan) -> fgn_train::Result<()> {
        self.observer.start(plan)?;
        self.begun = Instant::now();
        Ok(())
    }

    fn step(&mut self, step: &StepMetrics) -> fgn_train::Result<()> {
        self.observer.step(step)?;
        let by_trainer = ms(self.begun);
        self.begun = Instant::now();
        self.bare.step()?;
        self.steps.push([by_trainer, ms(self.begun)]);
        self.begun = Instant::now();
        Ok(())
    }

    fn epoch(&mut self, metrics: &EpochMetrics, model: &Model) -> fgn_train::Result<()> {
        self.observer.epoch(metrics, model)
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> fgn_train::Result<()> {
        self.observer.save(checkpoint)
    }
}
