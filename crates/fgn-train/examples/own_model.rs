//! A model and data of one's own, trained with what `fgn train` has: a run folder, a progress bar, events for
//! TensorBoard, checkpoints, Ctrl-C, and going on.
//!
//! ```sh
//! cargo run --release -p fgn-train --example own_model                   # in runs/adding-1, a minute at most
//! cargo run --release -p fgn-train --example own_model runs/adding-1     # goes on after Ctrl-C or a kill
//! ```
//!
//! The data is the *adding problem* (Hochreiter & Schmidhuber 1997): each step of a sequence has a number
//! between 0 and 1 and a mark; two steps are marked, and their numbers' sum is to be told. The model is one that
//! no recipe has: two directions of a forgetting gate network, of whose outputs another gate picks those that
//! count.

use std::env;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{DType, Device, Tensor, Var};
use fgn_core::AnyCell;
use fgn_data::{Batch, Batches, Dataset, Form, Input, Order, Samples, Target};
use fgn_nn::{Linear, Mode, Parameters, Recurrent, RecurrentConfig, Run, squared_error};
use fgn_train::{
    Config, Console, End, Evaluation, Learner, OptimizerConfig, Pass, Recorder, Resumed, Schedule,
    Scored, Trainer, TrainingConfig,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

/// The data as the configuration tells it; `config.toml` in the run folder has it as `[data]`.
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

    let mut observers = (recorder, Console::new());
    let end = trainer.run(&dataset, &mut observers)?;
    let (recorder, _) = observers;
    let folder = recorder.folder().to_owned();
    if end == End::Interrupted {
        println!("Interrupted: this program with {} behind it goes on", folder.display());
        return Ok(());
    }

    let model = trainer.into_model();
    let (mut loss, mut close) = (0.0, 0);
    for batch in Batches::new(&dataset.test, Order::AsGiven, 100, &Device::Cpu)? {
        let batch = batch?;
        let pass = Pass { mode: Mode::Eval, carried: &mut Vec::new(), label_smoothing: 0.0 };
        let scored = model.forward(&batch, pass)?;
        loss += f64::from(scored.loss.to_scalar::<f32>()?) * scored.targets as f64 / test as f64;
        close += scored.correct.unwrap_or(0);
    }
    let measured = Evaluation { loss, targets: test, classes: Vec::new(), numbers: Vec::new() };
    recorder.finish(&model, &measured)?;
    println!("Test loss = {loss:.6}; {close} of {test} sums are off by less than {CLOSE}");
    println!("The run is in {}", folder.display());
    Ok(())
}

/// A sum that is less off counts as right, as usual for this problem.
const CLOSE: f64 = 0.04;

/// Sequences of 30 to 50 steps, made when they are asked for.
#[derive(Debug)]
struct Adding {
    form: Form,
    count: usize,
    seed: u64,
}

impl Adding {
    fn new(count: usize, seed: u64) -> Adding {
        let target = Target::Numbers(vec!["sum".into()]);
        let form = Form { input: Input::Series { features: 2 }, target, each_step: false };
        Adding { form, count, seed }
    }

    /// The steps, each a number and a mark, and the sum. The same place always gives the same.
    fn sample(&self, place: u32) -> (Vec<[f32; 2]>, f32) {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(place.into());
        let mut below = |end: u32| random.next_u32() % end;
        let length = 30 + below(21);
        let marked = [below(length / 2), length / 2 + below(length - length / 2)];
        let step = |at| [below(1 << 24) as f32 / (1 << 24) as f32, f32::from(marked.contains(&at))];
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

    fn form(&self) -> &Form {
        &self.form
    }

    fn batch(&self, places: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let (samples, sums): (Vec<_>, Vec<_>) =
            places.iter().map(|&place| self.sample(place)).unzip();
        let lengths: Vec<usize> = samples.iter().map(Vec::len).collect();
        let longest = lengths.iter().max().copied().unwrap_or(0);
        let mut input = Vec::with_capacity(places.len() * longest * 2);
        for mut steps in samples {
            steps.resize(longest, [0.0; 2]);
            input.extend(steps.into_flattened());
        }
        Ok(Batch {
            input: Tensor::from_vec(input, (places.len(), longest, 2), device)?,
            lengths: Some(lengths),
            target: Tensor::from_vec(sums, (places.len(), 1), device)?,
        })
    }
}

/// Reads in both directions, picks what counts, and adds it up.
struct Adder {
    parameters: Vec<(String, Var)>,
    read: Recurrent,
    pick: Linear,
    tell: Linear,
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
        let pick = Linear::new(&mut parameters, "pick", outputs, 1)?;
        let tell = Linear::new(&mut parameters, "tell", outputs, 1)?;
        Ok(Adder { parameters: parameters.list().to_vec(), read, pick, tell })
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
        let run = Run {
            lengths: batch.lengths.as_deref(),
            seed: self.read.seed(&mut pass.mode),
            ..Run::default()
        };
        // [B, T, 2·H], zero behind the end of each sequence.
        let outputs = self.read.forward(&batch.input, &run)?.output;
        // [B, T, 1], from 0 to 1: the logistic function, by way of tanh.
        let picked = (((self.pick.forward(&outputs)? * 0.5)?.tanh()? + 1.0)? * 0.5)?;
        let sum = outputs.broadcast_mul(&picked)?.sum(1)?;
        let told = self.tell.forward(&sum)?;
        let off = (&told - &batch.target)?.abs()?.detach();
        let close = off.lt(CLOSE)?.to_dtype(DType::F32)?.sum_all()?.to_scalar::<f32>()?;
        Ok(Scored {
            loss: squared_error(&told, &batch.target)?,
            targets: batch.target.dim(0)?,
            correct: Some(close as usize),
        })
    }
}
