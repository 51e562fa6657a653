//! A piece of a sound that comes in gets no memory from the system. Alone in its file, for the counting allocator sees
//! all that runs beside it.
#![allow(clippy::unwrap_used)]

use std::alloc::System;

use candle_core::{DType, Device};
use fgn_core::AnyCell;
use fgn_nn::{
    Audio, Classification, Ctc, DenseConfig, DetectorOptions, HeadConfig, Model, ModelConfig,
    Precision, RecurrentConfig,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many allocations happen while `work` runs.
fn allocations(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}

fn model(head: impl Into<HeadConfig>) -> Model {
    let recurrent = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::FGN, 24) };
    let dense = Some(DenseConfig { size: 20, dropout: 0.0 });
    let config = ModelConfig { dense, ..ModelConfig::new(Audio::new(8000), recurrent, head) };
    Model::new(&config, 1, DType::F32, &Device::Cpu).unwrap()
}

#[test]
fn a_piece_of_a_sound_allocates_nothing() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1_u8; 100]))) > 0);
    let sound: Vec<f32> = (0..16_000).map(|at| (0.1 * at as f32).sin()).collect();
    let (first, then) = sound.split_at(8_000);

    let (classifier, writer) = (model(Classification::new(3)), model(Ctc::new(5)));
    let mut stream = classifier.sound_stream(Precision::F32, 1).unwrap();
    let mut transcriber = writer.transcriber(Precision::F32, 1).unwrap();
    let mut options = DetectorOptions::default();
    (options.window, options.hop, options.threshold) = (0.3, 0.1, 0.01);
    let mut detector = classifier.detector(&options, Precision::F32, 1).unwrap();
    let (mut steps, mut labels, mut detections) = (0, 0, 0);
    let mut run = |sound: &[f32]| {
        for piece in sound.chunks(77) {
            stream
                .push(piece, &mut |_| {
                    steps += 1;
                    Ok(())
                })
                .unwrap();
            transcriber
                .push(piece, &mut |_| {
                    labels += 1;
                    Ok(())
                })
                .unwrap();
            detector
                .push(piece, &mut |_| {
                    detections += 1;
                    Ok(())
                })
                .unwrap();
        }
    };
    run(first);
    assert_eq!(allocations(|| run(then)), 0);
    assert!(
        steps > 190 && detections > 0,
        "{steps} steps, {labels} labels, {detections} detections"
    );
}
