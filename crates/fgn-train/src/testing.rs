//! A small data set and a small training for the unit tests.

use fgn_data::{Dataset, Images};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::checkpoint::files::Checkpoint;
use crate::config::Config;
use crate::error::Result;
use crate::observer::Observer;

/// Three classes of 6 x 4 images: a bright pair of rows on noise.
pub(crate) fn dataset() -> Dataset {
    dataset_with(|_| ())
}

/// The same with other labels in the training part.
pub(crate) fn dataset_with(change: impl FnOnce(&mut [u8])) -> Dataset {
    Dataset { train: images(90, 1, change), valid: None, test: images(31, 2, |_| ()) }.shared()
}

/// A training that learns it in four epochs.
pub(crate) fn config() -> Config {
    load(&[]).unwrap()
}

/// The same with other values.
pub(crate) fn load(more: &[&str]) -> Result<Config> {
    let small = [
        "name=testing",
        "data.validation=20",
        "training.epochs=4",
        "training.batch_size=8",
        "optimizer.learning_rate=0.03",
        "model.head.classes=3",
        "model.input.height=6",
        "model.input.width=4",
        "model.recurrent.hidden_size=6",
    ];
    let overrides = small.iter().chain(more).map(|text| text.parse());
    Config::load("mnist-rows", &overrides.collect::<Result<Vec<_>>>()?)
}

fn images(count: usize, seed: u64, change: impl FnOnce(&mut [u8])) -> Images {
    let mut noise = ChaCha8Rng::seed_from_u64(seed);
    let mut labels: Vec<u8> = (0..count).map(|i| (i % 3) as u8).collect();
    let pixel =
        |label: u8, at: u8, noise: u32| (noise % 60) as u8 + if at / 8 == label { 180 } else { 0 };
    let pixels = labels.iter().flat_map(|&label| (0..24).map(move |at| (label, at)));
    let pixels = pixels.map(|(label, at)| pixel(label, at, noise.next_u32())).collect();
    change(&mut labels);
    Images::new("testing", 6, 4, 3, pixels, labels).unwrap()
}

/// Keeps every checkpoint.
#[derive(Default)]
pub(crate) struct Saved(pub(crate) Vec<Checkpoint>);

impl<M> Observer<M> for Saved {
    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.0.push(checkpoint.clone());
        Ok(())
    }
}
