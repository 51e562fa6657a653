//! The inputs of the fuzz targets: what each begins with and every input that was once mishandled, and
//! changes of them at random. None may panic.
//!
//! `FGN_FUZZ_SECONDS=600 cargo test -p fgn-train --test corpus` changes them for so long for each target;
//! `cargo +nightly fuzz run csv` looks for paths not taken before, which takes a build of its own.

#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "it is the library of the fuzz targets")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candle_core::{DType, Device};
use fgn_train::{Checkpoint, Config, Model, Observer, Trainer};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

fn inputs(target: &str) -> Vec<Vec<u8>> {
    let folder = corpus(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3, "{} has few inputs", folder.display());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Hands an input to a target; one that makes it panic is kept, to be added to the corpus.
fn try_one(name: &str, target: targets::Target, input: &[u8]) {
    if catch_unwind(|| target(input)).is_err() {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mishandled-{name}"));
        fs::write(&file, input).unwrap();
        panic!("{name} panics on the input that is now in {}", file.display());
    }
}

#[test]
fn no_input_of_the_corpus_panics() {
    for &(name, target) in targets::TARGETS {
        inputs(name).iter().for_each(|input| try_one(name, target, input));
    }
}

/// The corpus' checkpoints, made anew when their form changes, by
/// `cargo test -p fgn-train --test corpus -- --ignored`.
#[test]
#[ignore = "it writes into the corpus"]
fn checkpoints_for_the_corpus() {
    let (config, dataset) = targets::small();
    let model = Model::new(&config.model, 1, DType::F32, &Device::Cpu).unwrap();
    let mut saved = Saved(Vec::new());
    Trainer::new(&config, model).unwrap().run(&dataset, &mut saved).unwrap();
    for (name, place) in [("first-step", 0), ("first-epoch", 3), ("last", saved.0.len() - 1)] {
        let folder = tempfile::tempdir().unwrap();
        saved.0[place].write(folder.path()).unwrap();
        let files = ["config.toml", "progress.json", "training.safetensors", "weights.safetensors"];
        let parts = files.map(|file| fs::read(folder.path().join(file)).unwrap());
        fs::write(corpus("checkpoint").join(name), parts.join(&b"\n--\n"[..])).unwrap();
    }
}

#[test]
fn trainings_go_on_from_the_corpus_checkpoints() {
    for name in ["first-step", "first-epoch", "last"] {
        assert!(targets::goes_on(&fs::read(corpus("checkpoint").join(name)).unwrap()), "{name}");
    }
}

/// What the changed inputs begin with is sound: a change is found by the check that it is for.
#[test]
fn recipes_and_models_of_the_corpus_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["mnist", "mnist-permuted"] {
        let file = folder.path().join("recipe.toml");
        fs::copy(corpus("recipe").join(name), &file).unwrap();
        Config::load(file.to_str().unwrap(), &[]).unwrap();
    }
    for name in ["rows", "series"] {
        Model::load(&corpus("model").join(name), &Device::Cpu).unwrap();
    }
}

struct Saved(Vec<Checkpoint>);

impl Observer for Saved {
    fn save(&mut self, checkpoint: &Checkpoint) -> fgn_train::Result<()> {
        self.0.push(checkpoint.clone());
        Ok(())
    }
}

#[test]
fn no_changed_input_panics() {
    let seconds = std::env::var("FGN_FUZZ_SECONDS").map_or(1, |text| text.parse().unwrap());
    let only = std::env::var("FGN_FUZZ_TARGET").ok();
    for &(name, target) in targets::TARGETS {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let (inputs, start) = (inputs(name), Instant::now());
        // A short run is the same each time, a long one new.
        let seed = if seconds > 1 { rand_seed() } else { 1 };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut count = 0;
        while start.elapsed() < Duration::from_secs(seconds) {
            try_one(name, target, &changed(&inputs, &mut rng));
            count += 1;
        }
        println!("{name}: {count} changed inputs, seed {seed}");
    }
}

fn rand_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_nanos() as u64
}

/// One of the inputs with a few changes.
fn changed(inputs: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut below = |end: usize| (rng.next_u64() % end.max(1) as u64) as usize;
    let mut data = inputs[below(inputs.len())].clone();
    for _ in 0..=below(6) {
        let at = below(data.len() + 1);
        let end = (at + below(16)).min(data.len());
        match below(8) {
            0 if at < data.len() => data[at] ^= 1 << below(8),
            1 if at < data.len() => {
                let telling = b"\0\x01\x7f\x80\xff\n\r,;\"-.019eN?[]{}=P";
                data[at] = telling[below(telling.len())];
            }
            2 => {
                let number = [0u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff][below(5)];
                let bytes = if below(2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
                data.splice(at..(at + 4).min(data.len()), bytes);
            }
            3 => drop(data.drain(at..end)),
            4 => {
                let piece = data[at..end].repeat(1 + below(4));
                data.splice(at..at, piece);
            }
            5 => {
                let other = &inputs[below(inputs.len())];
                let from = below(other.len());
                let piece = &other[from..(from + below(64)).min(other.len())];
                data.splice(at..end, piece.iter().copied());
            }
            6 if below(8) == 0 => data.truncate(at),
            _ => data.insert(at, below(256) as u8),
        }
    }
    data
}
