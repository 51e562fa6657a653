//! Features of signals whose features are known.

use fgn_audio::features::{FeatureKind, Features, FeaturesConfig, Normalization, PcenConfig};

use super::signals::{KINDS, all_small, bits, compute, noise, small};

#[test]
fn silence_has_finite_features() {
    for config in all_small() {
        let features = compute(&config, &[0.0; 100]);
        assert!(features.iter().all(|value| value.is_finite()), "{config:?}");
    }
    let log_mel = compute(&small(), &[0.0; 100]);
    assert!(log_mel.iter().all(|&value| value == 1e-6_f32.ln()));
    for normalization in [Normalization::Utterance, Normalization::Running { time_constant: 1.0 }] {
        let config = FeaturesConfig { normalization, deltas: 1, ..small() };
        let features = compute(&config, &[0.0; 100]);
        assert!(features.iter().all(|value| value.abs() < 1e-6), "{features:?}");
    }
}

#[test]
fn the_loudest_sound_has_finite_features() {
    for features in KINDS {
        for normalization in [Normalization::None, Normalization::Utterance] {
            let sizes = (Some(65_536), Some(65_536), Some(30_000));
            let (win_length, n_fft, hop_length) = sizes;
            let config = FeaturesConfig {
                features,
                normalization,
                win_length,
                n_fft,
                hop_length,
                deltas: 2,
                pcen: PcenConfig { eps: 1e-30, gain: 0.0, power: 1.0, ..PcenConfig::default() },
                ..FeaturesConfig::default()
            };
            let features = Features::new(&config, 1_000_000).unwrap();
            let features = features.compute(&[1e10; 100_000]).unwrap();
            assert_eq!(
                features.len(),
                2 * 3 * if config.features == FeatureKind::Mfcc { 13 } else { 40 }
            );
            assert!(features.iter().all(|value| value.is_finite()), "{config:?}");
        }
    }
}

#[test]
fn a_signal_shorter_than_a_frame_ends_with_zeros() {
    for config in all_small() {
        let short = noise(12);
        let mut padded = short.clone();
        padded.resize(26, 0.0);
        let found = compute(&config, &short);
        assert_eq!(found.len(), config.size(), "{config:?}");
        assert_eq!(bits(&found), bits(&compute(&config, &padded)), "{config:?}");
        assert_eq!(compute(&config, &[]).len(), 0, "{config:?}");
    }
}

#[test]
fn samples_after_the_last_whole_frame_change_nothing() {
    let samples = noise(26 + 2 * 7 + 6);
    for config in all_small() {
        let expected = compute(&config, &samples[..26 + 2 * 7]);
        assert_eq!(bits(&compute(&config, &samples)), bits(&expected), "{config:?}");
    }
}

#[test]
fn a_stack_has_the_frames_in_order_and_repeats_the_last_one() {
    let samples = noise(26 + 6 * 7); // 7 frames
    let frames = compute(&small(), &samples);
    let stacked = compute(&FeaturesConfig { stack: 3, ..small() }, &samples);
    assert_eq!(stacked.len(), 3 * 3 * 5);
    let (whole, repeated) = stacked.split_at(frames.len());
    assert_eq!(bits(whole), bits(&frames));
    assert_eq!(bits(repeated), bits(&[&frames[6 * 5..], &frames[6 * 5..]].concat()));
}

#[test]
fn whole_signals_are_normalised_to_mean_0_and_standard_deviation_1() {
    let samples = noise(26 + 40 * 7);
    for stack in [1, 4] {
        let normalization = Normalization::Utterance;
        let config = FeaturesConfig { normalization, stack, deltas: 1, ..small() };
        let features = compute(&config, &samples);
        let rows: Vec<_> = features.chunks_exact(10).take(41).collect();
        for column in 0..10 {
            let values = || rows.iter().map(|row| f64::from(row[column]));
            let mean = values().sum::<f64>() / 41.0;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / 41.0;
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean}, {variance}");
        }
    }
}

#[test]
fn running_normalisation_begins_small_and_follows_a_new_level() {
    let normalization = Normalization::Running { time_constant: 0.2 };
    let config = FeaturesConfig { normalization, ..small() };
    let mut samples = noise(4000);
    samples[2000..].iter_mut().for_each(|sample| *sample *= 1e-2);
    let features = compute(&config, &samples);
    let rows: Vec<_> = features.chunks_exact(5).collect();
    assert_eq!(rows[0], [0.0; 5]);
    // Of two nearly equal weights, values are one standard deviation from their mean.
    assert!(rows[1].iter().all(|value| (value.abs() - 1.0).abs() < 0.05), "{:?}", rows[1]);
    let mean = |rows: &[&[f32]]| rows.concat().iter().sum::<f32>() / (rows.len() * 5) as f32;
    assert!(mean(&rows[200..280]).abs() < 0.2);
    assert!(mean(&rows[286..290]) < -2.0); // 40 dB less
    assert!(mean(&rows[480..560]).abs() < 0.2); // 7 time constants later
}

#[test]
fn small_differences_are_not_made_large() {
    let samples: Vec<_> = noise(26 + 7).iter().map(|sample| sample * 1e-4).collect();
    let mel = FeaturesConfig { features: FeatureKind::Mel, ..small() };
    let energies = compute(&mel, &samples);
    let running = Normalization::Running { time_constant: 1e6 };
    for normalization in [Normalization::Utterance, running] {
        let features = compute(&FeaturesConfig { normalization, ..mel.clone() }, &samples);
        for column in 0..5 {
            let [first, second] = [energies[column], energies[column + 5]].map(f64::from);
            // The mean of both is subtracted, the rest divided by 1e-5.
            let expected = (second - first) / 2.0 / 1e-5;
            let found = f64::from(features[column + 5]);
            assert!((found - expected).abs() < 1e-4 * expected.abs(), "{found}, {expected}");
        }
    }
}

#[test]
fn pcen_makes_levels_alike() {
    let config =
        FeaturesConfig { features: FeatureKind::Pcen, n_mels: 20, ..FeaturesConfig::default() };
    let pcen = Features::new(&config, 8000).unwrap();
    let loud = noise(24_000);
    let quiet: Vec<_> = loud.iter().map(|sample| sample * 0.1).collect();
    let mean_of_end = |samples: &[f32]| {
        let features = pcen.compute(samples).unwrap();
        let end = &features[features.len() - 50 * 20..];
        end.iter().sum::<f32>() / end.len() as f32
    };
    // The energies differ by a factor of 100; what is left of it is 100^(1 - gain), before the compression.
    let ratio = mean_of_end(&loud) / mean_of_end(&quiet);
    assert!(ratio > 1.0 && ratio < 1.11, "{ratio}");
}

#[test]
fn a_step_is_made_of_the_bins_and_deltas_of_its_frames() {
    for config in all_small() {
        let bins = if config.features == FeatureKind::Mfcc { 4 } else { 5 };
        assert_eq!(config.bins(), bins, "{config:?}");
        assert_eq!(config.size(), bins * (1 + config.deltas) * config.stack, "{config:?}");
    }
}
