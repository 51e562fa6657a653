//! A whole sequence. `forward` computes the output of every step and saves nothing for a backward pass;
//! `forward-backward` also computes the gradient of the sum of all outputs with respect to the weights.

use std::thread;
use std::time::Duration;

use candle_core::{Result, Tensor};
use criterion::{Criterion, SamplingMode};
use fgn_benches::{SEQUENCES, Weights, contestants};

/// Candle recurses along the graph in the backward pass and when the graph is dropped. candle-nn's graph of 784 steps
/// is thousands of nodes deep.
const STACK: usize = 1 << 30;

fn main() -> Result<()> {
    let bench = thread::Builder::new().stack_size(STACK).spawn(all)?;
    bench.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn all() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    compare(&mut criterion, "forward", Weights::Constant, |_| Ok(()))?;
    compare(&mut criterion, "forward-backward", Weights::Tracked, |output| {
        output.sum_all()?.backward()?;
        Ok(())
    })?;
    criterion.final_summary();
    Ok(())
}

/// Measures the forward pass of each contestant, followed by `then`.
fn compare(
    criterion: &mut Criterion,
    what: &str,
    weights: Weights,
    then: impl Fn(&Tensor) -> Result<()>,
) -> Result<()> {
    for (name, shape) in SEQUENCES {
        let mut group = criterion.benchmark_group(format!("{what}/{name}"));
        // Some contestants take seconds per run: few samples, and one run for each rather than a growing number.
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_millis(500));
        group.measurement_time(Duration::from_secs(2));
        for (contestant, work) in contestants(shape, weights)? {
            group.bench_function(contestant, |bencher| {
                bencher.iter(|| work().and_then(|output| then(&output)).expect("the layer runs"));
            });
        }
        group.finish();
    }
    Ok(())
}
