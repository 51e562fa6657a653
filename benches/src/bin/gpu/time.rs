//! Measures the times of a layer, forward and forward + backward.

use std::time::{Duration, Instant};

use anyhow::Result;
use candle_core::{DType, Device, Tensor, Var};
use fgn_core::{AnyCell, Layout};
use fgn_kernels::{SequenceOptions, sequence};
use serde::Serialize;

/// `[T, B, I, H]`.
const SHAPES: [[usize; 4]; 4] =
    [[1024, 16, 768, 768], [784, 100, 1, 128], [28, 100, 28, 128], [256, 64, 1024, 1024]];
const LEAST: Duration = Duration::from_secs(1);
const MOST_RUNS: usize = 200;

#[derive(Serialize)]
struct Line {
    who: &'static str,
    cell: String,
    dtype: &'static str,
    work: &'static str,
    steps: usize,
    batch: usize,
    input: usize,
    hidden: usize,
    /// The time of each run in milliseconds.
    ms: Vec<f64>,
    /// The memory in use on the device by all processes after the last run, in MiB.
    used_mib: u64,
}

pub(crate) fn run(gpu: &Device) -> Result<()> {
    for [steps, batch, input, hidden] in SHAPES {
        for cell in [AnyCell::LSTM, AnyCell::FGN] {
            for (dtype, name) in [(DType::F32, "f32"), (DType::BF16, "bf16")] {
                let spec = cell.spec();
                let bound = 1.0 / (hidden as f64).sqrt();
                let numbers = |shape: &[usize], bound: f64, dtype| -> Result<Tensor> {
                    let count: usize = shape.iter().product();
                    let numbers = (0..count).map(|n| bound * (n as f64 * 0.61).sin());
                    let numbers = Tensor::from_iter(numbers, &Device::Cpu)?.reshape(shape)?;
                    Ok(numbers.to_dtype(dtype)?.to_device(gpu)?)
                };
                let parameters = Layout::new(spec, input, hidden).len();
                let x = numbers(&[steps, batch, input], 1.0, dtype)?;
                let weights = Var::from_tensor(&numbers(&[parameters], bound, dtype)?)?;
                let states = numbers(&[spec.states.len(), batch, hidden], 0.0, DType::F32)?;
                let forward = |weights: &Tensor| {
                    sequence(cell, &x, weights, &states, &SequenceOptions::default())
                };
                let infer = || Ok(drop(forward(&weights.as_tensor().detach())?));
                let train = || Ok(drop(forward(&weights)?.output.sum_all()?.backward()?));
                let works: [(_, &dyn Fn() -> Result<()>); 2] =
                    [("infer", &infer), ("train", &train)];
                for (work, run) in works {
                    let ms = measured(gpu, run)?;
                    let (cell, who) = (cell.to_string(), "fgn");
                    let used_mib = used(gpu)?;
                    let line = Line {
                        who,
                        cell,
                        dtype: name,
                        work,
                        steps,
                        batch,
                        input,
                        hidden,
                        ms,
                        used_mib,
                    };
                    println!("{}", serde_json::to_string(&line)?);
                }
            }
        }
    }
    Ok(())
}

/// Times runs for at least [`LEAST`], but at most [`MOST_RUNS`] of them, after some warm-up runs.
fn measured(gpu: &Device, run: &dyn Fn() -> Result<()>) -> Result<Vec<f64>> {
    for _ in 0..3 {
        run()?;
    }
    gpu.synchronize()?;
    let (start, mut ms) = (Instant::now(), Vec::new());
    while start.elapsed() < LEAST && ms.len() < MOST_RUNS {
        let start = Instant::now();
        run()?;
        gpu.synchronize()?;
        ms.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(ms)
}

fn used(gpu: &Device) -> Result<u64> {
    let (free, total) = gpu.as_cuda_device()?.cuda_stream().context().mem_get_info()?;
    Ok(((total - free) >> 20) as u64)
}
