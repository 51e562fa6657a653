//! One step of one sequence from weights packed once, in each format, on one thread and on two.

use std::time::Duration;

use candle_core::{Device, Result, Tensor};
use criterion::Criterion;
use fgn_core::{AnyCell, Layout};
use fgn_kernels::{LayerStreamWeights, Precision, SequenceOptions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The sizes of input and hidden state.
const SIZES: [usize; 2] = [128, 512];
const CELLS: [AnyCell; 2] = [AnyCell::LSTM, AnyCell::FGN];
const PRECISIONS: [(&str, Precision); 3] =
    [("f32", Precision::F32), ("bf16", Precision::Bf16), ("int8", Precision::Int8)];

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for size in SIZES {
        let mut group = criterion.benchmark_group(format!("stream/h{size}"));
        group.sample_size(30);
        group.warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(1));
        for cell in CELLS {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let mut draw = |count: usize, bound: f32| -> Vec<f32> {
                (0..count).map(|_| rng.random_range(-bound..bound)).collect()
            };
            let parameters = Layout::new(cell.spec(), size, size).len();
            let weights = draw(parameters, 1.0 / (size as f32).sqrt());
            let weights = Tensor::new(weights, &Device::Cpu)?;
            let x = draw(size, 1.0);
            for (format, precision) in PRECISIONS {
                let weights = LayerStreamWeights::new(
                    cell,
                    &weights,
                    [size; 2],
                    precision,
                    &SequenceOptions::default(),
                )?;
                for threads in [1, 2] {
                    let mut stream = weights.stream(1, threads)?;
                    let mut output = vec![0.0; size];
                    group.bench_function(
                        format!("{}-{format}-{threads}", cell.name()),
                        |bencher| {
                            bencher.iter(|| stream.step(&x, &mut output).expect("the sizes fit"));
                        },
                    );
                }
            }
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
