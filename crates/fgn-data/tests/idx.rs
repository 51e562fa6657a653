//! Folders of IDX files: whatever the files and the classes are called.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use candle_core::Device;
use fgn_data::{DataConfig, Dataset, Like, Result, Samples};

/// Writes two images of 2 x 3 pixels for each label; the first pixel is the label.
fn write(folder: &Path, [images, labels]: [&str; 2], classes: &[u8]) {
    let count = 2 * classes.len() as u32;
    let mut pixels = [0x0803, count, 2, 3].map(u32::to_be_bytes).concat();
    let mut all = [0x0801, count].map(u32::to_be_bytes).concat();
    for &label in classes.iter().chain(classes) {
        pixels.extend([label, 1, 2, 3, 4, 5]);
        all.push(label);
    }
    fs::write(folder.join(images), pixels).unwrap();
    fs::write(folder.join(labels), all).unwrap();
}

fn part(prefix: &str, part: &str) -> [String; 2] {
    [("images", 3), ("labels", 1)]
        .map(|(what, rank)| format!("{prefix}{part}-{what}-idx{rank}-ubyte"))
}

fn write_parts(folder: &Path, prefix: &str, test: &str, classes: &[u8]) {
    for name in ["train", test] {
        let [images, labels] = part(prefix, name);
        write(folder, [&images, &labels], classes);
    }
}

fn open(folder: &Path, transpose: bool) -> Result<Dataset> {
    let mut config = DataConfig::new(folder.to_str().unwrap());
    config.idx.transpose = transpose;
    config.open(&mut |_| ())
}

/// The images of some samples, and their classes.
fn batch(samples: &dyn Samples, indices: &[u32]) -> (Vec<Vec<Vec<u8>>>, Vec<u32>) {
    let batch = samples.batch(indices, &Device::Cpu).unwrap();
    let byte = |value: &f32| (value * 255.0).round() as u8;
    let row = |row: &Vec<f32>| row.iter().map(byte).collect();
    let images = batch.input().tensor().to_vec3::<f32>().unwrap();
    let images = images.iter().map(|image| image.iter().map(row).collect()).collect();
    (images, batch.target().tensor().to_vec1().unwrap())
}

#[test]
fn the_letters_of_emnist_are_read_upright_with_their_classes() {
    let folder = tempfile::tempdir().unwrap();
    let letters: Vec<u8> = (1..=26).collect();
    write_parts(folder.path(), "emnist-letters-", "test", &letters);
    let names: Vec<_> = letters.iter().map(u8::to_string).collect();

    let set = open(folder.path(), false).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (52, 52));
    assert_eq!(set.train.schema().target.names(), names);
    let (images, classes) = batch(&*set.train, &[0, 25]);
    assert_eq!(images, [[[1, 1, 2], [3, 4, 5]], [[26, 1, 2], [3, 4, 5]]]);
    assert_eq!(classes, [0, 25]);

    let upright = open(folder.path(), true).unwrap();
    assert_eq!(upright.test.schema().to_string(), "images of 3 x 2 pixels, 26 classes");
    let (images, classes) = batch(&*upright.test, &[25]);
    assert_eq!((images, classes), (vec![vec![vec![26, 3], vec![1, 4], vec![2, 5]]], vec![25]));

    // The options of the run read later data alike.
    let mut config = DataConfig::new("mnist");
    config.idx.transpose = true;
    let like = Like::of(&*upright.train);
    let later = config.read(folder.path(), &like, &mut |_| ()).unwrap();
    assert_eq!(batch(&*later, &[25]), batch(&*upright.test, &[25]));
    let unlabelled = config.read(folder.path(), &like.unlabelled(), &mut |_| ()).unwrap();
    assert_eq!(batch(&*unlabelled, &[25]).0, batch(&*upright.test, &[25]).0);
}

#[test]
fn every_label_of_a_byte_is_a_class() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<u8> = (0..=255).collect();
    write_parts(folder.path(), "", "t10k", &all);
    let set = open(folder.path(), false).unwrap();
    assert_eq!(set.train.schema().target.names().len(), 256);
    assert_eq!(batch(&*set.test, &[255, 256]).1, [255, 0]);
}

#[test]
fn several_data_sets_in_one_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |parts: &[&str]| {
        let error = open(folder.path(), false).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "no {part:?} in {error}");
        }
    };
    write_parts(folder.path(), "emnist-letters-", "test", &[1, 2]);
    // The digits of a test part do not belong to the letters of a training part.
    fs::rename(
        folder.path().join("emnist-letters-test-images-idx3-ubyte"),
        folder.path().join("emnist-digits-test-images-idx3-ubyte"),
    )
    .unwrap();
    refused(&["a file is missing", "emnist-letters-t10k-images-idx3-ubyte", "emnist-letters-test"]);
    write_parts(folder.path(), "emnist-letters-", "test", &[1, 2]);
    write_parts(folder.path(), "emnist-digits-", "test", &[1, 2]);
    refused(&[
        "emnist-digits-train-images",
        "emnist-letters-train-images",
        "expected one such file",
    ]);

    // Another spelling of a name is not another data set; a word that ends in "test" is no prefix.
    let folder = tempfile::tempdir().unwrap();
    write_parts(folder.path(), "", "t10k", &[1, 2]);
    fs::write(folder.path().join("train-images.idx3-ubyte.gz"), "").unwrap();
    fs::write(folder.path().join("latest-images-idx3-ubyte"), "").unwrap();
    assert_eq!(open(folder.path(), false).unwrap().test.len(), 4);
    write_parts(folder.path(), "", "test", &[1, 2]);
    let error = open(folder.path(), false).unwrap_err().to_string();
    assert!(error.contains("expected one such file"), "{error}");
}
