//! Settings that are out of range are errors that name the setting.

use fgn_audio::Error;
use fgn_audio::features::{FeatureKind, Features, FeaturesConfig, Normalization, PcenConfig};
use serde_json::json;

use super::signals::{SMALL_RATE, features, small};

/// The error of a configuration, and the setting that it names.
fn error(config: &FeaturesConfig, sample_rate: u32) -> (&'static str, String) {
    match Features::new(config, sample_rate) {
        Err(error @ Error::Setting { setting, .. }) => (setting, error.to_string()),
        other => panic!("{config:?}: {other:?}"),
    }
}

/// Makes a configuration wrong.
type Change = fn(&mut FeaturesConfig);

#[test]
fn each_setting_has_a_range() {
    let wrong: &[(&str, &[Change])] = &[
        ("win_length", &[|c| c.win_length = Some(1), |c| c.win_length = Some(usize::MAX)]),
        ("hop_length", &[|c| c.hop_length = Some(0), |c| c.hop_length = Some(21)]),
        ("n_fft", &[|c| c.n_fft = Some(18), |c| c.n_fft = Some(27), |c| c.n_fft = Some(65_538)]),
        (
            "n_mels",
            &[|c| c.n_mels = 0, |c| c.n_mels = 15, |c| (c.f_min, c.f_max) = (1.0, Some(2.0))],
        ),
        ("f_min", &[|c| c.f_min = -1.0, |c| c.f_min = 500.0, |c| c.f_min = f64::NAN]),
        (
            "f_max",
            &[|c| c.f_max = Some(501.0), |c| c.f_max = Some(0.0), |c| c.f_max = Some(f64::NAN)],
        ),
        (
            "log_offset",
            &[|c| c.log_offset = 0.0, |c| c.log_offset = f64::NAN, |c| c.log_offset = 1e11],
        ),
        (
            "n_mfcc",
            &[
                |c| (c.features, c.n_mfcc) = (FeatureKind::Mfcc, 6),
                |c| {
                    (c.features, c.n_mfcc) = (FeatureKind::Mfcc, 0);
                },
            ],
        ),
        (
            "pcen.time_constant",
            &[|c| c.pcen.time_constant = 0.0, |c| c.pcen.time_constant = f64::INFINITY],
        ),
        ("pcen.gain", &[|c| c.pcen.gain = -0.1, |c| c.pcen.gain = 1.1]),
        ("pcen.bias", &[|c| c.pcen.bias = -0.1, |c| c.pcen.bias = f64::NAN]),
        (
            "pcen.power",
            &[|c| c.pcen.power = 0.0, |c| c.pcen.power = 1.1, |c| c.pcen.power = f64::NAN],
        ),
        ("pcen.eps", &[|c| c.pcen.eps = 0.0, |c| c.pcen.eps = f64::INFINITY]),
        ("deltas", &[|c| c.deltas = 3, |c| c.deltas = usize::MAX]),
        (
            "normalization.running.time_constant",
            &[
                |c| c.normalization = Normalization::Running { time_constant: 0.0 },
                |c| c.normalization = Normalization::Running { time_constant: f64::NAN },
            ],
        ),
        ("stack", &[|c| c.stack = 0, |c| c.stack = 101]),
    ];
    assert!(Features::new(&small(), SMALL_RATE).is_ok());
    for (setting, changes) in wrong {
        for (nth, change) in changes.iter().enumerate() {
            let mut config = small();
            change(&mut config);
            let (found, message) = error(&config, SMALL_RATE);
            assert_eq!(found, *setting, "change {nth}: {message}");
            assert!(message.starts_with(&format!("`{setting}` is ")), "{message}");
        }
    }
}

#[test]
fn the_sample_rate_has_a_range() {
    for config in [small(), FeaturesConfig::default()] {
        for rate in [0, 1_000_001, u32::MAX] {
            let message = format!("`sample_rate` is {rate}, expected from 1 to 1000000");
            assert_eq!(error(&config, rate), ("sample_rate", message));
        }
    }
}

#[test]
fn messages_say_what_was_found_and_expected() {
    let cases = [
        (
            FeaturesConfig { stack: 0, ..small() },
            SMALL_RATE,
            "`stack` is 0, expected from 1 to 100",
        ),
        (
            FeaturesConfig { log_offset: 1e-40, ..small() },
            SMALL_RATE,
            "`log_offset` is 1e-40, expected from 1e-30 to 10000000000.0",
        ),
        (
            FeaturesConfig { n_fft: Some(27), ..small() },
            SMALL_RATE,
            "`n_fft` is 27, expected an even number from `win_length`, 20, to 65536",
        ),
        (
            FeaturesConfig { f_max: Some(4000.5), ..FeaturesConfig::default() },
            8000,
            "`f_max` is 4000.5, expected above 0 and at most 4000, half the sample rate",
        ),
        (
            FeaturesConfig { n_mels: 90, ..FeaturesConfig::default() },
            8000,
            "`n_mels` is 90, expected fewer bands, or a larger `n_fft`: the band from 0.0 to 29.9 Hz contains none \
             of the frequencies of the STFT, which are multiples of 31.25 Hz",
        ),
    ];
    for (config, sample_rate, expected) in cases {
        assert_eq!(error(&config, sample_rate).1, expected);
    }
}

#[test]
fn settings_that_are_not_used_have_no_range() {
    let config = FeaturesConfig { n_mfcc: 1000, ..small() };
    assert_eq!(features(&config).size(), 5);
}

#[test]
fn a_stream_is_not_normalised_by_its_whole_signal() {
    let config = FeaturesConfig { normalization: Normalization::Utterance, ..small() };
    let error = features(&config).stream().unwrap_err();
    let expected = "`normalization` is utterance, expected `none` or `running` for a stream, whose end is not known";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_configuration_is_read_as_it_was_written() {
    let full = FeaturesConfig {
        features: FeatureKind::Pcen,
        f_max: Some(400.0),
        pcen: PcenConfig { gain: 0.5, ..PcenConfig::default() },
        normalization: Normalization::Running { time_constant: 2.5 },
        ..small()
    };
    for config in [FeaturesConfig::default(), full] {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<FeaturesConfig>(&text).unwrap(), config, "{text}");
    }
    let read = |keys| serde_json::from_value::<FeaturesConfig>(keys);
    let shortest = read(json!({ "normalization": { "running": {} } })).unwrap();
    let normalization = Normalization::Running { time_constant: 3.0 };
    assert_eq!(shortest, FeaturesConfig { normalization, ..FeaturesConfig::default() });
    for wrong in [
        json!({ "sample_rate": 8000 }),
        json!({ "n_mel": 3 }),
        json!({ "features": "spectrogram" }),
        json!({ "pcen": { "offset": 1 } }),
        json!({ "normalization": { "running": { "half_life": 1.0 } } }),
    ] {
        assert!(read(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn settings_that_have_their_defaults_are_not_written() {
    let written = |config| serde_json::to_value(config).unwrap();
    assert_eq!(written(FeaturesConfig::default()), json!({}));
    assert_eq!(
        serde_json::from_value::<FeaturesConfig>(json!({})).unwrap(),
        FeaturesConfig::default()
    );
    // Each of the others is.
    let others = [
        json!({ "features": "mel" }),
        json!({ "win_length": 400 }),
        json!({ "hop_length": 160 }),
        json!({ "n_fft": 512 }),
        json!({ "n_mels": 41 }),
        json!({ "f_min": 20.0 }),
        json!({ "f_max": 8000.0 }),
        json!({ "mel_scale": "slaney" }),
        json!({ "norm": "slaney" }),
        json!({ "log_offset": 1e-7 }),
        json!({ "n_mfcc": 14 }),
        json!({ "pcen": { "time_constant": 0.4, "gain": 0.5, "bias": 2.0, "power": 0.5, "eps": 1e-6 } }),
        json!({ "deltas": 1 }),
        json!({ "normalization": "utterance" }),
        json!({ "stack": 2 }),
    ];
    for table in others {
        let config: FeaturesConfig = serde_json::from_value(table.clone()).unwrap();
        assert_ne!(config, FeaturesConfig::default(), "{table}");
        assert_eq!(written(config), table);
    }
}
