//! Whether a registered cell is as fast as a built-in one: fgn's own LSTM, registered under another name.
//!
//! ```sh
//! cargo run --example speed
//! ```

use std::time::{Duration, Instant};

use fgn_core::cells::Lstm;
use fgn_core::{AnyCell, Layout};
use fgn_kernels::candle_core::{DType, Device, Result, Tensor, Var};
use fgn_kernels::{SequenceOptions, register, sequence};

/// Runs in turn, of which the median counts.
const RUNS: usize = 101;

fn main() -> Result<()> {
    let cells = [AnyCell::LSTM, register("own-lstm", Lstm)?];
    let (steps, batch, input, hidden) = (28, 100, 28, 128);
    let device = Device::Cpu;
    let x = Tensor::rand(-1.0_f32, 1.0, (steps, batch, input), &device)?;
    let parameters = Layout::new(AnyCell::LSTM.spec(), input, hidden).len();
    let weights = Var::from_tensor(&Tensor::rand(-0.1_f32, 0.1, parameters, &device)?)?;
    let states = Tensor::zeros((2, batch, hidden), DType::F32, &device)?;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        for (cell, times) in cells.into_iter().zip(&mut times) {
            let begin = Instant::now();
            let run = sequence(cell, &x, &weights, &states, &SequenceOptions::default())?;
            run.output.sum_all()?.backward()?;
            times.push(begin.elapsed());
        }
    }
    let [built_in, own] = times.map(median);
    println!("forward and backward, T {steps}, B {batch}, I {input}, H {hidden}:");
    println!("built in {built_in:.2?}, registered {own:.2?}: {:.3}", own.as_secs_f64() / built_in.as_secs_f64());
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
