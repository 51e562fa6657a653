//! Features held against librosa and torchaudio: `golden/features.py` wrote what they make of the signals in
//! `golden/features.json`, in double precision.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::collections::BTreeMap;

use fgn_audio::features::{FeatureKind, Features};
use serde::Deserialize;
use serde_json::{Map, Value};

/// How far a value may be off: relative to itself or, of values that are no energies, to 1 if that is larger.
const TOLERANCE: f64 = 3e-5;
/// How far a weight may be off, relative to the largest of its filter bank.
const WEIGHT_TOLERANCE: f64 = 1e-6;

/// The keys of a `FeaturesConfig`, and `sample_rate`.
type Config = Map<String, Value>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Goldens {
    signals: BTreeMap<String, Vec<f32>>,
    filter_banks: Vec<FilterBank>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterBank {
    config: Config,
    values: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    signal: String,
    config: Config,
    values: Vec<f64>,
}

fn goldens() -> Goldens {
    serde_json::from_str(include_str!("golden/features.json")).unwrap()
}

fn features(mut config: Config) -> Features {
    let sample_rate = serde_json::from_value(config.remove("sample_rate").unwrap()).unwrap();
    Features::new(&serde_json::from_value(config.into()).unwrap(), sample_rate).unwrap()
}

#[test]
fn mel_filter_banks_are_those_of_librosa() {
    let banks = goldens().filter_banks;
    assert_eq!(banks.len(), 5);
    for FilterBank { config, values } in banks {
        let features = features(config);
        let (found, config) = (features.filter_bank(), features.config());
        assert_eq!(found.len(), values.len(), "{config:?}");
        let largest = values.iter().copied().fold(0.0, f64::max);
        for (index, (&found, expected)) in found.iter().zip(values).enumerate() {
            let error = (f64::from(found) - expected).abs();
            let within = error <= WEIGHT_TOLERANCE * largest;
            assert!(within, "{config:?}, weight {index}: {found}, expected {expected}");
        }
    }
}

#[test]
fn features_are_those_of_librosa_and_torchaudio() {
    let goldens = goldens();
    assert_eq!(goldens.cases.len(), 13);
    for Case { signal, config, values } in goldens.cases {
        let samples: Vec<_> =
            goldens.signals[&signal].iter().map(|value| value / 32768.0).collect();
        let features = features(config);
        let (found, config) = (features.compute(&samples).unwrap(), features.config());
        assert_eq!(found.len(), features.steps(samples.len()) * features.size(), "{config:?}");
        assert_eq!(found.len(), values.len(), "{config:?}");
        let least = if config.features == FeatureKind::Mel { 0.0 } else { 1.0 };
        for (index, (&found, expected)) in found.iter().zip(values).enumerate() {
            let error = (f64::from(found) - expected).abs() / expected.abs().max(least);
            let within = error <= TOLERANCE;
            assert!(within, "{signal} {config:?}, value {index}: {found}, expected {expected}");
        }
    }
}
