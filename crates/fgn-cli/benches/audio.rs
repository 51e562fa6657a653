//! Speed on sound, beside PyTorch: `cargo xtask bench --audio`.
//!
//! A stream of sound at 16 kHz comes in pieces of 10 ms. Each gives one step: 40 mel bands, a forgetting gate network
//! of two layers of 128 units, and the logits of 12 classes, on one thread. With a Python that has PyTorch
//! (`--python`), `benches/peers/python/audio.py` does the same, with an LSTM, in turns with us.

mod support;

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use candle_core::{DType, Device};
use fgn_core::AnyCell;
use fgn_nn::{Audio, Classification, Generator, Model, ModelConfig, Precision, RecurrentConfig};

use support::{median, peer, python};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each contestant has its turn.
const ROUNDS: usize = 5;
/// Of sound, in a turn.
const SECONDS: usize = 20;
const RATE: usize = 16_000;
/// Samples that come in at once.
const PIECE: usize = 160;

fn main() -> Result<(), Box<dyn Error>> {
    let python = python()?;
    let recurrent = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::FGN, 128) };
    let config = ModelConfig::new(Audio::new(RATE as u32), recurrent, Classification::new(12));
    let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
    println!("2 layers of 128 units, {} parameters, 1 thread", model.parameter_count());

    let kinds = [("f32", Precision::F32), ("bf16", Precision::Bf16), ("int8", Precision::Int8)];
    let mut ours = vec![Vec::new(); kinds.len()];
    let mut theirs = Vec::new();
    let seconds = SECONDS.to_string();
    for _ in 0..ROUNDS {
        for (factors, (_, precision)) in ours.iter_mut().zip(kinds) {
            factors.push(stream(&model, precision)?);
        }
        let arguments = ["stream", "--seconds", &seconds];
        theirs.extend(peer(python.as_deref(), "audio.py", &arguments, "real_time_factor")?);
    }
    for (factors, (name, _)) in ours.into_iter().zip(kinds) {
        let pairs = factors.iter().zip(&theirs).map(|(ours, theirs)| theirs / ours).collect();
        print!("stream  fgn {name:4}  real-time factor {:.5}", median(factors));
        if !theirs.is_empty() {
            print!("  PyTorch {:.5}  ratio {:.1}", median(theirs.clone()), median(pairs));
        }
        println!();
    }
    Ok(())
}

/// Seconds of computation for each second of sound.
fn stream(model: &Model, precision: Precision) -> Result<f64, Box<dyn Error>> {
    let mut generator = Generator::seed_from_u64(1);
    let sound: Vec<f32> =
        (0..RATE * SECONDS).map(|_| 0.1 * (generator.next_f64() as f32 - 0.5)).collect();
    let mut stream = model.sound_stream(precision, 1)?;
    let (warm, sound) = sound.split_at(RATE);
    let mut sum = 0.0;
    let mut each = |step: fgn_nn::SoundStep<'_>| {
        sum += step.logits[0];
        Ok(())
    };
    for piece in warm.chunks(PIECE) {
        stream.push(piece, &mut each)?;
    }
    let begin = Instant::now();
    for piece in sound.chunks(PIECE) {
        stream.push(piece, &mut each)?;
    }
    let elapsed = begin.elapsed().as_secs_f64();
    black_box(sum);
    Ok(elapsed * RATE as f64 / sound.len() as f64)
}
