use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_kernels::Precision;
use fgn_schema::Padded;

use super::*;
use crate::config::ModelConfig;
use crate::dense::DenseConfig;
use crate::dropout::Mode;
use crate::error::{Error, Result};
use crate::heads::{Classification, HeadConfig, NextToken};
use crate::inputs::{Audio, Embedding, InputConfig};
use crate::logits::softmax;
use crate::model::Model;
use crate::random::Generator;
use crate::recurrent::RecurrentConfig;

const CLASSES: usize = 3;

fn model(input: impl Into<InputConfig>, head: impl Into<HeadConfig>) -> Model {
    let recurrent = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::FGN, 13) };
    let dense = Some(DenseConfig { size: 11, dropout: 0.5 });
    let config = ModelConfig { dense, ..ModelConfig::new(input, recurrent, head) };
    Model::new(&config, 3, DType::F32, &Device::Cpu).unwrap()
}

fn sound(samples: usize) -> Vec<f32> {
    let mut generator = Generator::seed_from_u64(7);
    let loudness = |at: usize| 0.1 + (at as f64 * 0.0007).sin().powi(2);
    (0..samples).map(|at| (loudness(at) * (2.0 * generator.next_f64() - 1.0)) as f32).collect()
}

/// The logits that the model has for a whole sound, after its last step or after each.
fn whole(model: &Model, sound: &[f32]) -> Vec<f32> {
    let x = Tensor::from_slice(sound, (1, sound.len()), &Device::Cpu).unwrap();
    let found = model.forward(&Padded::new(x), Mode::Eval).unwrap().prediction;
    found.output().tensor().flatten_all().unwrap().to_vec1().unwrap()
}

/// Those of a stream that gets pieces of random sizes.
fn streamed(model: &Model, sound: &[f32], seed: u64) -> Vec<f32> {
    let mut generator = Generator::seed_from_u64(seed);
    let mut stream = model.sound_stream(Precision::F32, 1).unwrap();
    let mut found = Vec::new();
    let mut each = |step: SoundStep<'_>| {
        assert_eq!(step.index as usize * CLASSES, found.len());
        found.extend_from_slice(step.logits);
        Ok(())
    };
    let mut rest = sound;
    while !rest.is_empty() {
        let count = 1 + (generator.next_f64() * 3000.0) as usize;
        let (piece, after) = rest.split_at(count.min(rest.len()));
        stream.push(piece, &mut each).unwrap();
        rest = after;
    }
    stream.finish(&mut each).unwrap();
    found
}

#[test]
fn a_stream_has_the_logits_of_the_whole_sound() {
    let head = Classification { per_step: true, ..Classification::new(CLASSES) };
    let model = model(Audio::new(8000), head);
    for samples in [1, 199, 200, 5000, 20_011] {
        let sound = sound(samples);
        let (expected, found) = (whole(&model, &sound), streamed(&model, &sound, 1));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        assert_eq!(found, streamed(&model, &sound, 2), "other pieces");
    }
}

#[test]
fn a_stream_can_begin_anew() {
    let head = Classification { per_step: true, ..Classification::new(CLASSES) };
    let model = model(Audio::new(8000), head);
    let mut stream = model.sound_stream(Precision::F32, 1).unwrap();
    let mut run = |sound: &[f32]| {
        let mut last = Vec::new();
        let mut each = |step: SoundStep<'_>| {
            last = step.logits.to_vec();
            Ok(())
        };
        stream.push(sound, &mut each).unwrap();
        stream.finish(&mut each).unwrap();
        stream.reset().unwrap();
        last
    };
    let sound = sound(3000);
    assert_eq!(run(&sound), run(&sound));
}

/// Detections of `sound` in windows of 0.2 s, one each 0.05 s.
fn detected(model: &Model, sound: &[f32], piece: usize, threshold: f64) -> Vec<Detection> {
    let options =
        DetectorOptions { window: 0.2, hop: 0.05, threshold, ..DetectorOptions::default() };
    let mut detector = model.detector(&options, Precision::F32, 1).unwrap();
    let mut found = Vec::new();
    let mut each = |detection| {
        found.push(detection);
        Ok(())
    };
    sound.chunks(piece).try_for_each(|piece| detector.push(piece, &mut each)).unwrap();
    detector.finish(&mut each).unwrap();
    found
}

#[test]
fn a_window_is_answered_as_a_sound_of_its_own() {
    let model = model(Audio::new(8000), Classification::new(CLASSES));
    let sound = sound(8000);
    let found = detected(&model, &sound, 333, 1e-6);
    assert!(!found.is_empty());
    for detection in &found {
        // 20 steps of 80 samples, and what the last frame of 256 samples reads beyond its own.
        let start = (detection.start * 8000.0).round() as usize;
        let steps = ((detection.end - detection.start) / 0.01).round() as usize;
        let window = &sound[start..][..(steps - 1) * 80 + 256];
        let expected = softmax(&whole(&model, window))[detection.class];
        assert!((detection.probability - expected).abs() < 1e-5, "{detection:?} {expected}");
    }
    assert_eq!(found, detected(&model, &sound, 8000, 1e-6), "other pieces");
    assert!(detected(&model, &sound, 333, 1.0).is_empty());
}

#[test]
fn overlapping_windows_of_a_class_are_one_detection() {
    let model = model(Audio::new(8000), Classification::new(CLASSES));
    let found = detected(&model, &sound(16_000), 333, 1e-6);
    for pair in found.windows(2) {
        assert!(pair[0].class != pair[1].class || pair[1].start >= pair[0].end - 1e-9, "{pair:?}");
    }
}

#[test]
fn the_end_of_a_sound_is_heard_if_it_is_half_a_window() {
    let model = model(Audio::new(8000), Classification::new(CLASSES));
    // Steps: 1 + (N - 256) / 80; windows of 20.
    let samples = |steps: usize| sound(256 + 80 * (steps - 1));
    assert!(detected(&model, &samples(9), 100, 1e-6).is_empty());
    let found = detected(&model, &samples(10), 100, 1e-6);
    assert_eq!(found.len(), 1);
    assert!((found[0].end - 0.1).abs() < 1e-9);
}

#[test]
fn models_that_cannot_listen_are_refused() {
    let refused = |result: Result<SoundStream>, field: &str| match result {
        Err(Error::Config { field: found, .. }) => assert_eq!(found, field),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("expected an error"),
    };
    let texts = model(Embedding::new(5, 4), NextToken::new(5));
    refused(texts.sound_stream(Precision::F32, 1), "input.kind");
    let recurrent =
        RecurrentConfig { bidirectional: true, ..RecurrentConfig::new(AnyCell::FGN, 4) };
    let config = ModelConfig::new(Audio::new(8000), recurrent, Classification::new(2));
    let both = Model::new(&config, 1, DType::F32, &Device::Cpu).unwrap();
    refused(both.sound_stream(Precision::F32, 1), "recurrent.bidirectional");
}

#[test]
fn options_out_of_range_are_refused() {
    let model = model(Audio::new(8000), Classification::new(CLASSES));
    let options = DetectorOptions::default;
    for (options, field) in [
        (DetectorOptions { window: 0.0, ..options() }, "window"),
        (DetectorOptions { window: f64::NAN, ..options() }, "window"),
        (DetectorOptions { hop: 2.0, ..options() }, "hop"),
        (DetectorOptions { hop: 1e-9, ..options() }, "hop"),
        (DetectorOptions { threshold: 0.0, ..options() }, "threshold"),
        (DetectorOptions { background: vec![CLASSES], ..options() }, "background"),
    ] {
        match model.detector(&options, Precision::F32, 1) {
            Err(Error::Config { field: found, .. }) => assert_eq!(found, field),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("expected an error"),
        }
    }
}
