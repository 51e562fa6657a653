//! Streams give what whole signals give, when it is due.

use fgn_audio::Error;
use fgn_audio::features::{FeatureStream, Features, FeaturesConfig};
use proptest::prelude::*;

use super::signals::{all_small, bits, collect, compute, features, noise, small};

/// Pushes `samples` in chunks of these sizes, over and over, and ends the signal.
fn in_chunks(stream: &mut FeatureStream, samples: &[f32], sizes: &[usize]) -> Vec<f32> {
    let mut steps = Vec::new();
    let (mut rest, mut sizes) = (samples, sizes.iter().cycle());
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        stream.push(chunk, collect(&mut steps)).unwrap();
        rest = later;
    }
    stream.finish(collect(&mut steps)).unwrap();
    steps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn chunks_of_any_sizes_give_the_same_bits(
        len in 0_usize..300,
        mut sizes in prop::collection::vec(0_usize..60, 0..8),
    ) {
        sizes.push(1);
        let samples = noise(len);
        for config in all_small() {
            let features = features(&config);
            let whole = features.compute(&samples).unwrap();
            prop_assert_eq!(whole.len(), features.steps(len) * features.size(), "{:?}", config);
            let found = in_chunks(&mut features.stream().unwrap(), &samples, &sizes);
            prop_assert_eq!(bits(&found), bits(&whole), "{:?}", config);
        }
    }
}

#[test]
fn single_samples_and_default_sizes_give_the_same_bits() {
    let samples = noise(3000);
    for deltas in 0..=2 {
        let config = FeaturesConfig { deltas, ..FeaturesConfig::default() };
        let features = Features::new(&config, 8000).unwrap();
        let whole = features.compute(&samples).unwrap();
        let mut stream = features.stream().unwrap();
        for size in [1, 79, 80, 256, 257, 2999, 3000] {
            assert_eq!(bits(&in_chunks(&mut stream, &samples, &[size])), bits(&whole), "{size}");
        }
    }
}

#[test]
fn a_step_comes_with_the_last_sample_that_it_depends_on() {
    let samples = noise(200);
    for config in all_small() {
        let features = features(&config);
        let mut stream = features.stream().unwrap();
        let mut steps = Vec::new();
        for count in 1..=samples.len() {
            stream.push(&samples[count - 1..count], collect(&mut steps)).unwrap();
            let past_first = count.checked_sub(features.delay_samples());
            let due = past_first.map_or(0, |past| past / features.step_samples() + 1);
            assert_eq!(steps.len(), due * features.size(), "{count} samples, {config:?}");
        }
    }
}

#[test]
fn delays_and_steps_have_the_documented_lengths() {
    let features = Features::new(&FeaturesConfig::default(), 16_000).unwrap();
    assert_eq!(
        (features.size(), features.step_samples(), features.delay_samples()),
        (40, 160, 512)
    );
    assert_eq!((features.step_seconds(), features.delay_seconds()), (0.01, 0.032));
    let counts = [(0, 0), (1, 1), (511, 1), (512, 1), (671, 1), (672, 2), (16_000, 97)];
    for (samples, steps) in counts {
        assert_eq!(features.steps(samples), steps, "{samples}");
    }
    let config = FeaturesConfig { deltas: 2, stack: 3, ..FeaturesConfig::default() };
    let features = Features::new(&config, 16_000).unwrap();
    assert_eq!((features.size(), features.step_samples()), (360, 480));
    assert_eq!(features.delay_samples(), 512 + (2 + 4) * 160);
    assert_eq!((features.steps(16_000), features.steps(512)), (33, 1));
    // 44.1 kHz: windows of 1102.5 samples, rounded up, in frames of 2048.
    let features = Features::new(&FeaturesConfig::default(), 44_100).unwrap();
    assert_eq!(features.sample_rate(), 44_100);
    assert_eq!((features.step_samples(), features.delay_samples()), (441, 2048));
}

#[test]
fn a_reset_or_finished_stream_is_as_new() {
    let first = noise(150);
    for second in [noise(90), noise(12)] {
        for config in all_small() {
            let expected = bits(&compute(&config, &second));
            let mut stream = features(&config).stream().unwrap();
            stream.push(&first, collect(&mut Vec::new())).unwrap();
            stream.reset();
            assert_eq!(bits(&in_chunks(&mut stream, &second, &[13])), expected, "{config:?}");
            assert_eq!(bits(&in_chunks(&mut stream, &second, &[90])), expected, "{config:?}");
        }
    }
}

#[test]
fn features_are_shared_by_threads() {
    fn shared<T: Clone + Send + Sync>(_: &T) {}
    fn sent<T: Send>(_: &T) {}
    let features = features(&small());
    shared(&features);
    sent(&features.stream().unwrap());
}

/// The error of a program.
#[derive(Debug, PartialEq)]
enum Stop {
    Enough,
    Sound(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Sound(error.to_string())
    }
}

#[test]
fn the_caller_stops_a_stream_with_its_own_error() {
    let config = FeaturesConfig { deltas: 1, ..small() };
    let samples = noise(120);
    let expected = compute(&config, &samples);
    let mut stream = features(&config).stream().unwrap();
    let mut calls = 0;
    let stopped = stream.push(&samples, |_| {
        calls += 1;
        if calls == 2 { Err(Stop::Enough) } else { Ok(()) }
    });
    assert_eq!((stopped, calls), (Err(Stop::Enough), 2));
    assert_eq!(bits(&in_chunks(&mut stream, &samples, &[9])), bits(&expected));

    stream.push(&samples, collect(&mut Vec::new())).unwrap();
    assert_eq!(stream.finish(|_| Err(Stop::Enough)), Err(Stop::Enough));
    assert_eq!(bits(&in_chunks(&mut stream, &samples, &[9])), bits(&expected));
}

#[test]
fn a_bad_sample_is_found_and_leaves_the_stream_as_it_was() {
    let samples = noise(120);
    let config = small();
    let mut stream = features(&config).stream().unwrap();
    let mut steps = Vec::new();
    stream.push(&samples[..50], collect(&mut steps)).unwrap();
    for (bad, name) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf"), (2e10, "20000000000")] {
        let mut chunk = samples[50..].to_vec();
        chunk[30] = bad;
        let found = stream.push(&chunk, |_| Err(Stop::Enough));
        let expected = format!(
            "sample 80 of the signal, counted from 0: found {name}, expected a finite value, at most 1e10 in \
             magnitude"
        );
        assert_eq!(found, Err(Stop::Sound(expected)));
    }
    stream.push(&samples[50..], collect(&mut steps)).unwrap();
    stream.finish(collect(&mut steps)).unwrap();
    assert_eq!(bits(&steps), bits(&compute(&config, &samples)));
    // Of the next signal, samples are counted anew.
    let found = stream.push(&[0.0, f32::NAN], collect(&mut steps)).unwrap_err().to_string();
    assert!(found.starts_with("sample 1 of the signal"), "{found}");
}
