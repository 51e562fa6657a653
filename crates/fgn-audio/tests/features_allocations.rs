//! A stream gets no memory from the system after its construction. Alone in its file, for the counting allocator sees
//! all that runs beside it.
#![allow(clippy::unwrap_used)]

use std::alloc::System;
use std::hint::black_box;

use fgn_audio::Error;
use fgn_audio::features::{FeatureKind, Features, FeaturesConfig, Normalization};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many allocations happen anywhere while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}

#[test]
fn a_stream_allocates_nothing() {
    assert!(allocations(|| drop(black_box(vec![1_u8; 100]))) > 0);
    let samples: Vec<f32> = (0..3000).map(|nth| (nth as f32 * 0.1).sin()).collect();
    for kind in [FeatureKind::LogMel, FeatureKind::Mel, FeatureKind::Pcen, FeatureKind::Mfcc] {
        for (n_fft, deltas, stack) in [(None, 0, 1), (None, 2, 3), (Some(422), 1, 2)] {
            let config = FeaturesConfig {
                features: kind,
                n_fft,
                deltas,
                stack,
                n_mels: 20,
                normalization: Normalization::Running { time_constant: 1.0 },
                ..FeaturesConfig::default()
            };
            let mut stream = Features::new(&config, 16_000).unwrap().stream().unwrap();
            let mut steps = 0;
            let mut count = |step: &[f32]| {
                black_box(step);
                steps += 1;
                Ok::<_, Error>(())
            };
            let count = allocations(|| {
                for chunk in samples.chunks(170) {
                    stream.push(chunk, &mut count).unwrap();
                }
                stream.finish(&mut count).unwrap();
            });
            assert!(steps > 3, "{config:?}");
            assert_eq!(count, 0, "{config:?}");
        }
    }
}
