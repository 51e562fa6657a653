//! One time step, as in streaming: no backward pass, nothing saved.

use std::time::Duration;

use candle_core::Result;
use criterion::Criterion;
use fgn_benches::{STEPS, Weights, contestants};

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, shape) in STEPS {
        let mut group = criterion.benchmark_group(format!("step/{name}"));
        group.sample_size(30);
        group.warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(2));
        for (contestant, work) in contestants(shape, Weights::Constant)? {
            group.bench_function(contestant, |bencher| {
                bencher.iter(|| work().expect("the layer runs"));
            });
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
