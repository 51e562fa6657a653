//! The loss of connectionist temporal classification and its gradient, for 32 sequences of 200 steps with 29 classes and
//! targets of 20 to 40 labels. `peers/python/ctc.py` measures the same in PyTorch.

use std::time::Duration;

use candle_core::{Device, Tensor, Var};
use criterion::Criterion;
use fgn_benches as _; // its allocator
use fgn_nn::{CtcOptions, ctc_loss};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const STEPS: usize = 200;
const BATCH: usize = 32;
const CLASSES: usize = 29;

fn main() -> fgn_nn::Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let logits: Vec<f32> =
        (0..STEPS * BATCH * CLASSES).map(|_| rng.random_range(-3.0..3.0)).collect();
    let logits = Tensor::from_vec(logits, (STEPS, BATCH, CLASSES), &Device::Cpu)?;
    let blank = CLASSES - 1;
    let mut target = || -> Vec<u32> {
        let length = rng.random_range(20..=40);
        (0..length).map(|_| rng.random_range(0..blank as u32)).collect()
    };
    let targets: Vec<Vec<u32>> = (0..BATCH).map(|_| target()).collect();
    let options = CtcOptions::new(blank);
    let var = Var::from_tensor(&logits)?;

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("ctc");
    group.sample_size(50);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    group.bench_function("loss", |bencher| {
        bencher.iter(|| ctc_loss(&logits, None, &targets, &options).expect("the targets fit"));
    });
    group.bench_function("loss-and-gradient", |bencher| {
        bencher.iter(|| {
            let losses = ctc_loss(&var, None, &targets, &options).expect("the targets fit");
            losses.mean_all().and_then(|mean| mean.backward()).expect("losses have a gradient")
        });
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}
