//! Every option of the front end for sounds.

use fgn_core::AnyCell;
use fgn_nn::candle_core::{Device, Tensor};
use fgn_nn::fgn_audio::features::{
    FeatureKind, Features, FeaturesConfig, MelNorm, MelScale, Normalization, PcenConfig,
};
use fgn_nn::fgn_schema::{Moments, Padded};
use fgn_nn::{
    Audio, Classification, Ctc, HeadConfig, InputConfig, Model, ModelConfig, RecurrentConfig,
};
use fgn_onnx::{ExportOptions, export};

use crate::case::{Case, model};

const RATE: u32 = 1000;

/// Noise of a mean of 0.25 as a batch; past the length of each there is other noise.
fn sounds(lengths: &[usize]) -> Padded {
    let longest = lengths.iter().copied().max().unwrap();
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 0.75
    };
    let samples = (0..lengths.len() * longest).map(|_| next()).collect();
    let tensor = Tensor::from_vec(samples, (lengths.len(), longest), &Device::Cpu).unwrap();
    Padded::with_lengths(tensor, lengths.to_vec()).unwrap()
}

/// 5 bands of 25 samples, every 10 samples, in frames of 32.
fn plain() -> FeaturesConfig {
    FeaturesConfig { n_mels: 5, ..FeaturesConfig::default() }
}

fn built(front_end: &FeaturesConfig, head: impl Into<HeadConfig>) -> Model {
    let scale = Some(Moments { mean: vec![0.25], std: vec![0.6] });
    let input = Audio { front_end: front_end.clone(), scale, ..Audio::new(RATE) };
    model(&ModelConfig::new(input, RecurrentConfig::new(AnyCell::FGN, 4), head))
}

fn front_ends() -> Vec<FeaturesConfig> {
    let kinds = [FeatureKind::Mel, FeatureKind::LogMel, FeatureKind::Mfcc, FeatureKind::Pcen];
    let plain = FeaturesConfig { n_mfcc: 3, ..plain() };
    let mut all: Vec<_> =
        kinds.iter().map(|&features| FeaturesConfig { features, ..plain.clone() }).collect();
    let running = |time_constant| Normalization::Running { time_constant };
    for (deltas, normalization, stack) in [
        (1, Normalization::None, 1),
        (2, Normalization::None, 1),
        (0, Normalization::Utterance, 1),
        (0, running(0.05), 1),
        (0, Normalization::None, 3),
        (2, Normalization::Utterance, 2),
        (2, running(0.2), 3),
    ] {
        all.push(FeaturesConfig { deltas, normalization, stack, ..plain.clone() });
    }
    // Frames whose length is no power of two, with a window that has no middle.
    let [win_length, hop_length, n_fft] = [21, 17, 34].map(Some);
    all.extend([
        FeaturesConfig { win_length, hop_length, n_fft, ..plain.clone() },
        FeaturesConfig {
            f_min: 30.0,
            f_max: Some(400.0),
            mel_scale: MelScale::Slaney,
            norm: MelNorm::Slaney,
            log_offset: 0.1,
            ..plain.clone()
        },
        FeaturesConfig {
            features: FeatureKind::Pcen,
            pcen: PcenConfig { time_constant: 0.03, gain: 0.7, bias: 1.5, power: 0.3, eps: 1e-3 },
            ..plain
        },
    ]);
    all
}

/// What the model says of the sounds, with the number of steps of each.
fn case(name: &str, model: &Model, sounds: &Padded, options: &ExportOptions) -> Case {
    let InputConfig::Audio(audio) = &model.config().input else { panic!("no sounds") };
    let features = Features::new(&audio.front_end, audio.sample_rate).unwrap();
    let longest = sounds.tensor().dims()[1];
    let lengths = (0..sounds.batch_size()).map(|at| sounds.lengths().map_or(longest, |of| of[at]));
    let steps: Vec<_> = lengths.map(|length| features.steps(length) as i64).collect();
    let mut case = Case::with(name, model, sounds, None, options);
    case.outputs.push(("steps".to_owned(), Tensor::new(steps, &Device::Cpu).unwrap()));
    case
}

/// Each front end with batches of all kinds, and a front end as it is used.
pub(crate) fn cases() -> Vec<Case> {
    let options = ExportOptions::default();
    let mut cases = Vec::new();
    for front_end in &front_ends() {
        for lengths in [&[200, 1, 31, 32, 33, 101][..], &[20, 3], &[42]] {
            let heads: [HeadConfig; 2] = [Classification::new(3).into(), Ctc::new(4).into()];
            for head in heads {
                let name = format!("{front_end:?}, {lengths:?}, {}", head.kind());
                cases.push(case(&name, &built(front_end, head), &sounds(lengths), &options));
            }
        }
    }
    let all_alike = Padded::new(sounds(&[77, 77]).tensor().clone());
    cases.push(case("without lengths", &built(&plain(), Ctc::new(4)), &all_alike, &options));
    let front_end = FeaturesConfig { stack: 2, ..FeaturesConfig::default() };
    let input = Audio { front_end, ..Audio::new(8000) };
    let lstm = RecurrentConfig::new(AnyCell::LSTM, 4);
    let usual = model(&ModelConfig::new(input, lstm, Ctc::new(4)));
    for float32 in [false, true] {
        let options = options.clone().with_float32(float32);
        let name = format!("40 bands, float32 {float32}");
        cases.push(case(&name, &usual, &sounds(&[1500, 900]), &options));
    }
    cases
}

#[test]
fn every_front_end_computes_what_the_model_does() {
    cases().iter().for_each(Case::check);
}

#[test]
fn a_batch_that_is_longer_than_its_sounds_has_no_more_steps() {
    let model = built(&plain(), Ctc::new(4));
    let long = sounds(&[150, 150]).tensor().clone();
    let padded = Padded::with_lengths(long, vec![90, 40]).unwrap();
    let case = case("padded", &model, &padded, &ExportOptions::default());
    case.check();
    assert_eq!(case.run()["logits"].shape, [2, 6, 4]);
}

#[test]
fn the_inputs_are_samples_and_their_number() {
    let model = built(&FeaturesConfig { stack: 2, ..plain() }, Ctc::new(4));
    let exported = export(&model, &ExportOptions::default()).unwrap();
    let inputs: Vec<_> = exported.inputs().iter().map(ToString::to_string).collect();
    assert_eq!(
        inputs,
        [
            "audio float32[batch, samples]",
            "lengths int64[lengths] (optional)",
            "state_l0 float32[2, state_batch, 4] (optional)",
        ]
    );
    let outputs: Vec<_> = exported.outputs().iter().map(ToString::to_string).collect();
    assert_eq!(
        outputs,
        [
            "logits float32[batch, time, 4]",
            "steps int64[batch]",
            "next_state_l0 float32[2, batch, 4]",
        ]
    );
}
