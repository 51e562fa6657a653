//! A model, data and a metric of your own, trained with all that `fgn train` has: a run folder, a progress bar,
//! events for TensorBoard, curves, gates, a report, checkpoints, Ctrl-C, and resuming.
//!
//! ```sh
//! cargo run --release -p fgn-cli --example own_model                   # in runs/adding-1, a minute at most
//! cargo run --release -p fgn-cli --example own_model runs/adding-1     # resumes after Ctrl-C or a kill
//! ```
//!
//! The data is the *adding problem* (Hochreiter & Schmidhuber 1997): each step of a sequence has a number
//! between 0 and 1 and a mark; two steps are marked, and the sum of their numbers is to be predicted. The model
//! is one that no recipe has: two directions of a forgetting gate network, and a further gate that selects the
//! outputs that count.

use std::env;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{DType, Device, Tensor, Var};
use fgn_cli::Console;
use fgn_core::AnyCell;
use fgn_data::{Dataset, Samples};
use fgn_nn::{
    Generator, LayerTrace, Linear, Parameters, Recurrent, RecurrentConfig, RecurrentOptions,
    mean_squared_error,
};
use fgn_schema::{Batch, InputSchema, Padded, Prediction, Schema, TargetSchema};
use fgn_train::{
    Config, Direction, End, GateRecorder, Learner, Metric, MetricInfo, Metrics, OptimizerConfig,
    Pass, Recorder, Resumed, Schedule, Scored, Trainer, TrainingConfig, Unit,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The data as configured; `config.toml` in the run folder has it as `[data]`.
#[derive(Serialize, Deserialize)]
struct DataSettings {
    train: usize,
    valid: usize,
    test: usize,
    seed: u64,
}

/// The model, `[model]` there.
#[derive(Serialize, Deserialize)]
struct ModelSettings {
    hidden_size: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1);
    let (recorder, config, checkpoint) = match &folder {
        None => {
            let data = DataSettings { train: 20_000, valid: 1_000, test: 1_000, seed: 1 };
            let model = ModelSettings { hidden_size: 32 };
            let mut config = Config::new("adding", data, TrainingConfig::new(6, 50), model);
            config.optimizer = OptimizerConfig::adam(5e-3);
            config.schedule = Schedule::Cosine { floor: 0.0 };
            config.clip.norm = Some(1.0);
            (Recorder::create(None, &config)?, config, None)
        }
        Some(folder) => {
            let Resumed { recorder, config, checkpoint } =
                Recorder::resume::<ModelSettings, DataSettings>(Path::new(folder), false)?;
            (recorder, config, checkpoint)
        }
    };
    let DataSettings { train, valid, test, seed } = config.data;
    let dataset = Dataset {
        train: Adding::new(train, seed),
        valid: Some(Adding::new(valid, seed + 1)),
        test: Adding::new(test, seed + 2),
    };
    let dataset = dataset.shared();
    let mut trainer = Trainer::new(&config, Adder::new(&config.model, config.training.seed)?)?;
    if let Some(checkpoint) = &checkpoint {
        trainer.restore(checkpoint)?;
    }
    let interrupt = Arc::new(AtomicBool::new(false));
    trainer.interrupt_on(interrupt.clone());
    ctrlc::set_handler(move || interrupt.store(true, Ordering::Relaxed))?;

    let folder = recorder.folder().to_owned();
    let gates = GateRecorder::new(&folder, &dataset, config.report.gate_samples);
    // The report reads what the recorders write: it comes after them.
    let pictures = fgn_report::observers(&folder, &config)?;
    let mut observers = (recorder, (gates, (pictures, Console::new())));
    if trainer.run(&dataset, &mut observers)? == End::Interrupted {
        println!("Interrupted: this program with the argument {} resumes", folder.display());
        return Ok(());
    }
    let test = trainer.evaluate_and_finish(&dataset, &mut observers)?.test;
    println!("Test loss = {:.6}", test.loss());
    for (info, (_, value)) in test.metrics.iter().zip(test.measures.iter().skip(1)) {
        println!("Test {} = {}", info.label, info.format(value));
    }
    println!("The run is in {}: open report.html in a browser", folder.display());
    Ok(())
}

/// The share of sums with an error below [`TOLERANCE`].
#[derive(Default)]
struct Close {
    close: u64,
    count: u64,
}

/// A smaller error counts as right, as usual for this problem.
const TOLERANCE: f64 = 0.04;

impl Metric for Close {
    fn info(&self) -> MetricInfo {
        MetricInfo::new("close", "within 0.04", Direction::Higher, Unit::Share)
    }

    fn update(&mut self, prediction: &Prediction, target: &Padded) -> fgn_train::Result<()> {
        let (predicted, target) = prediction.rows(target)?;
        let errors = (predicted - target)?.abs()?.flatten_all()?.to_vec1::<f64>()?;
        self.close += errors.iter().filter(|&&error| error < TOLERANCE).count() as u64;
        self.count += errors.len() as u64;
        Ok(())
    }

    fn value(&self) -> f64 {
        self.close as f64 / self.count as f64
    }

    fn save(&self) -> Value {
        json!([self.close, self.count])
    }

    fn restore(&mut self, saved: &Value) -> fgn_train::Result<()> {
        [self.close, self.count] = fgn_train::restored(saved)?;
        Ok(())
    }
}

/// Sequences of 30 to 50 steps, generated when they are asked for.
#[derive(Debug)]
struct Adding {
    schema: Schema,
    count: usize,
    seed: u64,
}

fn sum() -> TargetSchema {
    TargetSchema::Value { names: vec!["sum".into()], per_step: false }
}

impl Adding {
    fn new(count: usize, seed: u64) -> Adding {
        Adding { schema: Schema::new(InputSchema::Series { features: 2 }, sum()), count, seed }
    }

    /// The steps, each a number and a mark, and the sum. The same index always gives the same sample.
    fn sample(&self, index: u32) -> (Vec<[f32; 2]>, f32) {
        let mut random = Generator::seed_from_u64((self.seed << 32) + u64::from(index));
        let mut below = |end: u64| random.next_u64() % end;
        let length = 30 + below(21);
        let marked = [below(length / 2), length / 2 + below(length - length / 2)];
        let step = |at| [random.next_f64() as f32, f32::from(marked.contains(&at))];
        let steps: Vec<[f32; 2]> = (0..length).map(step).collect();
        let sum = steps.iter().map(|[number, mark]| number * mark).sum();
        (steps, sum)
    }
}

impl Samples for Adding {
    fn name(&self) -> &str {
        "adding"
    }

    fn len(&self) -> usize {
        self.count
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let (samples, sums): (Vec<_>, Vec<_>) =
            indices.iter().map(|&index| self.sample(index)).unzip();
        let lengths: Vec<usize> = samples.iter().map(Vec::len).collect();
        let longest = lengths.iter().max().copied().unwrap_or(0);
        let mut input = Vec::with_capacity(indices.len() * longest * 2);
        for mut steps in samples {
            steps.resize(longest, [0.0; 2]);
            input.extend(steps.into_flattened());
        }
        let input = Tensor::from_vec(input, (indices.len(), longest, 2), device)?;
        let target = Tensor::from_vec(sums, (indices.len(), 1), device)?;
        Ok(Batch::new(Padded::with_lengths(input, lengths)?, target))
    }
}

/// Reads in both directions, selects the outputs that count, and adds them up.
struct Adder {
    parameters: Vec<(String, Var)>,
    read: Recurrent,
    select: Linear,
    output: Linear,
}

impl Adder {
    fn new(settings: &ModelSettings, seed: u64) -> fgn_nn::Result<Adder> {
        let mut parameters = Parameters::new(seed, DType::F32, &Device::Cpu)?;
        let config = RecurrentConfig {
            bidirectional: true,
            batch_first: true,
            ..RecurrentConfig::new(AnyCell::FGN, settings.hidden_size)
        };
        let read = Recurrent::new(&mut parameters, "read", 2, &config)?;
        let outputs = config.output_size();
        let select = Linear::new(&mut parameters, "select", outputs, 1)?;
        let output = Linear::new(&mut parameters, "output", outputs, 1)?;
        Ok(Adder { parameters: parameters.list().to_vec(), read, select, output })
    }
}

impl Learner for Adder {
    fn parameters(&self) -> &[(String, Var)] {
        &self.parameters
    }

    fn summary(&self) -> String {
        "two directions and a gate".into()
    }

    fn forward(&self, batch: &Batch, mut pass: Pass<'_>) -> fgn_train::Result<Scored> {
        let (input, target) = (batch.input(), batch.target().tensor());
        let options = RecurrentOptions {
            lengths: input.lengths(),
            seed: self.read.seed(&mut pass.mode),
            ..RecurrentOptions::default()
        };
        // [B, T, 2·H], zero past the end of each sequence.
        let outputs = self.read.forward(input.tensor(), &options)?.output;
        // [B, T, 1], from 0 to 1: the logistic function of x is (tanh(x / 2) + 1) / 2.
        let selected = (((self.select.forward(&outputs)? * 0.5)?.tanh()? + 1.0)? * 0.5)?;
        let sum = outputs.broadcast_mul(&selected)?.sum(1)?;
        let predicted = self.output.forward(&sum)?;
        let loss = mean_squared_error(&predicted, target)?;
        let prediction = Prediction::Values(predicted.detach().into());
        Ok(Scored::new(loss, batch.size(), Some(prediction)))
    }

    /// Its own metric, after those of fgn's that `metrics` of the configuration names.
    fn metrics(&self, names: &[String]) -> fgn_train::Result<Metrics> {
        let mut metrics = Metrics::named(names, &sum())?;
        metrics.push(Box::new(Close::default()));
        Ok(metrics)
    }

    fn gated_units(&self) -> usize {
        2 * self.read.config().hidden_size
    }

    fn trace(&self, batch: &Batch, steps: usize) -> fgn_train::Result<Vec<LayerTrace>> {
        let input = batch.input().tensor();
        let steps = steps.min(input.dim(1)?);
        let cut = |lengths: &[usize]| lengths.iter().map(|&length| length.min(steps)).collect();
        let lengths: Option<Vec<usize>> = batch.input().lengths().map(cut);
        let options =
            RecurrentOptions { lengths: lengths.as_deref(), ..RecurrentOptions::default() };
        Ok(self.read.trace(&input.narrow(1, 0, steps)?, &options)?.1)
    }
}
