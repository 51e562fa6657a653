//! Every damage is found, and what is whole is kept.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::files::{Checkpoint, WEIGHTS};
use super::store::CheckpointStore;
use crate::error::Error;
use crate::testing::{self, Saved};
use crate::train::train;

/// The checkpoint of a real training, with averages and best weights.
fn checkpoint() -> Checkpoint {
    let settings = ["training.average=0.9", "early_stopping.patience=3", "training.epochs=2"];
    let mut saved = Saved::default();
    train(&testing::load(&settings).unwrap(), &testing::dataset(), &mut saved).unwrap();
    saved.0.pop().unwrap()
}

fn bits(tensors: &HashMap<String, Tensor>) -> Vec<(String, Vec<u32>)> {
    let of = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let mut all: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), of(tensor).into_iter().map(f32::to_bits).collect()))
        .collect();
    all.sort();
    all
}

fn written(checkpoint: &Checkpoint) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    checkpoint.write(folder.path()).unwrap();
    folder
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn it_comes_back_bit_for_bit() {
    let before = checkpoint();
    let folder = written(&before);
    let after = Checkpoint::read(folder.path()).unwrap();
    assert_eq!((&after.config, &after.state), (&before.config, &before.state));
    assert_eq!(bits(&after.weights), bits(&before.weights));
    assert_eq!(bits(&after.training), bits(&before.training));
    for kind in ["exp_avg/", "exp_avg_sq/", "average/", "best/"] {
        let count = after.training.keys().filter(|name| name.starts_with(kind)).count();
        assert_eq!(count, after.weights.len(), "{kind}");
    }
}

/// Losses are compared with each other after going on: not a bit may change in the file.
#[test]
fn numbers_survive_json() {
    let mut checkpoint = checkpoint();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let metrics = checkpoint.state.history.last_mut().unwrap();
        let value = f64::from_bits(rng.next_u64());
        metrics.train = crate::metrics::Measures::new(if value.is_finite() { value } else { 0.1 });
        checkpoint.write(folder.path()).unwrap();
        assert_eq!(Checkpoint::read(folder.path()).unwrap().state, checkpoint.state);
    }
}

/// 1,000 single bits, and 300 lengths, drawn at random; every file has its share.
#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let folder = written(&checkpoint());
    let files = files(folder.path());
    assert_eq!(files.len(), 5);
    let whole: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for case in 0..1300 {
        let at = case % files.len();
        let mut bytes = whole[at].clone();
        let place = rng.next_u64() as usize % bytes.len();
        match case {
            0..1000 => bytes[place] ^= 1 << (rng.next_u32() % 8),
            _ => bytes.truncate(place),
        }
        fs::write(&files[at], bytes).unwrap();
        let error = Checkpoint::read(folder.path()).unwrap_err();
        assert!(
            matches!(error, Error::Damaged { .. }),
            "{}, {place}: {error}",
            files[at].display()
        );
        fs::write(&files[at], &whole[at]).unwrap();
    }
    Checkpoint::read(folder.path()).unwrap();
}

#[test]
fn a_missing_or_longer_file_is_found() {
    let folder = written(&checkpoint());
    for file in files(folder.path()) {
        let whole = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let message = Checkpoint::read(folder.path()).unwrap_err().to_string();
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(message.contains("is damaged") && message.contains(name), "{message}");
        fs::write(&file, [&whole[..], b"\n"].concat()).unwrap();
        Checkpoint::read(folder.path()).unwrap_err();
        fs::write(&file, whole).unwrap();
    }
}

fn at_step(checkpoint: &Checkpoint, step: usize, best: usize) -> Checkpoint {
    let mut checkpoint = checkpoint.clone();
    checkpoint.state.step = step;
    checkpoint.state.best.as_mut().unwrap().step = best;
    checkpoint
}

#[test]
fn the_last_and_the_best_are_kept() {
    let (one, folder) = (checkpoint(), tempfile::tempdir().unwrap());
    let store = CheckpointStore::open(folder.path(), 2).unwrap();
    for (step, best, kept) in [
        (10, 10, &[10][..]),
        (20, 20, &[10, 20]),
        (30, 20, &[20, 30]),
        (40, 20, &[20, 30, 40]),
        (50, 50, &[40, 50]),
        (50, 50, &[40, 50]),
    ] {
        store.save(&at_step(&one, step, best)).unwrap();
        assert_eq!(store.steps().unwrap(), kept);
    }
    assert_eq!(store.last(false).unwrap().unwrap().state.step(), 50);
}

#[test]
fn a_damaged_last_is_passed_over_when_asked_for() {
    let (one, folder) = (checkpoint(), tempfile::tempdir().unwrap());
    let store = CheckpointStore::open(folder.path(), 3).unwrap();
    assert!(store.last(false).unwrap().is_none());
    let saved = [10, 20, 30].map(|step| store.save(&at_step(&one, step, step)).unwrap());
    for folder in &saved[1..] {
        let file = folder.join(WEIGHTS);
        let mut bytes = fs::read(&file).unwrap();
        bytes.pop();
        fs::write(&file, bytes).unwrap();
    }
    let message = store.last(false).err().unwrap().to_string();
    for part in ["step-000000030", "weights.safetensors", "step 10 is whole", "--last-good"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(store.steps().unwrap(), [10, 20, 30], "looking changes nothing");
    assert_eq!(store.last(true).unwrap().unwrap().state.step(), 10);
    assert_eq!(store.steps().unwrap(), [10], "the damaged are out of the way");
    assert!(folder.path().join("damaged-step-000000030").is_dir());
}

#[test]
fn what_a_kill_leaves_is_cleared_away() {
    let (one, folder) = (checkpoint(), tempfile::tempdir().unwrap());
    {
        let store = CheckpointStore::open(folder.path(), 1).unwrap();
        store.save(&at_step(&one, 10, 10)).unwrap();
        let again = CheckpointStore::open(folder.path(), 1);
        assert!(matches!(again, Err(Error::InUse { .. })), "two may not write at once");
    }
    for leftover in ["partial", "removed"] {
        fs::create_dir(folder.path().join(leftover)).unwrap();
        fs::write(folder.path().join(leftover).join(WEIGHTS), "half").unwrap();
    }
    let store = CheckpointStore::open(folder.path(), 1).unwrap();
    store.save(&at_step(&one, 20, 20)).unwrap();
    assert_eq!(store.steps().unwrap(), [20]);
    let left = files(folder.path());
    assert_eq!(left, [folder.path().join("lock"), folder.path().join("step-000000020")]);
}

#[test]
fn tensors_of_another_training_are_refused() {
    let checkpoint = checkpoint();
    let like = Tensor::zeros((2, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
    for name in ["head.weight", "no.such"] {
        let message = Checkpoint::find(&checkpoint.weights, name, &like).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains("expected F32 [2, 2]"), "{message}");
    }
}
