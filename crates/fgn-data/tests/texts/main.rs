//! Tables of texts and JSON lines become the tokens in them; what is wrong in one is reported with its line.

#![allow(clippy::unwrap_used)]

mod dialogues;
mod dispatch;
mod documents;
mod named;
mod pairs;
mod tags;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use candle_core::Device;
use fgn_data::{Like, Padded, Reader, Result, Samples};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// What a reader makes of a file.
    fn read<R: Reader>(
        &self,
        (name, content): (&str, impl AsRef<[u8]>),
        options: &R::Options,
        like: Option<&Like>,
    ) -> Result<Arc<dyn Samples>> {
        R::read(&self.write(name, content), options, like, &mut |_| ())
    }

    /// The error of a file that must be refused, without the folder's name.
    #[track_caller]
    fn refused<R: Reader>(
        &self,
        file: (&str, impl AsRef<[u8]>),
        options: &R::Options,
        like: Option<&Like>,
    ) -> String {
        let folder = format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR);
        let error = self.read::<R>(file, options, like).expect_err("accepted");
        error.to_string().replace(&folder, "")
    }
}

/// The sequences of a part of a batch, without padding. Padding is zeros.
fn sequences(part: &Padded) -> Vec<Vec<u32>> {
    let rows = part.tensor().to_vec2::<u32>().unwrap();
    let lengths = part.lengths().expect("lengths");
    assert_eq!(lengths.iter().max(), rows.first().map(Vec::len).as_ref());
    let row = |(mut row, &length): (Vec<u32>, &usize)| {
        assert!(row.drain(length..).all(|token| token == 0));
        row
    };
    rows.into_iter().zip(lengths).map(row).collect()
}

fn inputs(samples: &dyn Samples, indices: &[u32]) -> Vec<Vec<u32>> {
    sequences(samples.batch(indices, &Device::Cpu).unwrap().input())
}

fn targets(samples: &dyn Samples, indices: &[u32]) -> Vec<Vec<u32>> {
    sequences(samples.batch(indices, &Device::Cpu).unwrap().target())
}

/// Texts of awkward sizes, of words that are numbers.
fn words(count: usize, seed: usize) -> Vec<String> {
    let text = |index: usize| {
        let length = [1, 2, 13, 1, 5, 64, 3][(index + seed) % 7];
        let word = |at: usize| format!("w{}", (at * at + index * 7 + seed) % 23);
        (0..length).map(word).collect::<Vec<_>>().join(" ")
    };
    (0..count).map(text).collect()
}
