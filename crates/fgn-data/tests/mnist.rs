//! The embedded MNIST is the original, whole.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use fgn_data::{Images, Samples as _, mnist, mnist_binary, open, read_idx_folder};
use sha2::{Digest, Sha256};

const TRAIN_IMAGES: &str = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db";
const TRAIN_LABELS: &str = "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5";
const TEST_IMAGES: &str = "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7";
const TEST_LABELS: &str = "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2";

/// The sums of the IDX files that the images and labels would make.
fn sums(images: &Images) -> (String, String) {
    let count = images.len() as u32;
    let header =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_be_bytes()).collect() };
    let mut pixels = Sha256::new();
    pixels.update(header(&[0x803, count, images.height() as u32, images.width() as u32]));
    let mut labels = Sha256::new();
    labels.update(header(&[0x801, count]));
    for index in 0..images.len() {
        pixels.update(images.pixels(index));
        labels.update([images.label(index)]);
    }
    let hex = |sum: Sha256| sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    (hex(pixels), hex(labels))
}

fn histogram(images: &Images) -> Vec<usize> {
    let mut histogram = vec![0; images.classes()];
    (0..images.len()).for_each(|index| histogram[usize::from(images.label(index))] += 1);
    histogram
}

#[test]
fn mnist_is_the_original() {
    let digits = mnist().unwrap();
    assert_eq!((digits.train.len(), digits.test.len()), (60_000, 10_000));
    for images in [&digits.train, &digits.test] {
        assert_eq!((images.height(), images.width(), images.classes()), (28, 28, 10));
    }
    assert_eq!(
        histogram(&digits.train),
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    );
    assert_eq!(histogram(&digits.test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    assert_eq!(sums(&digits.train), (TRAIN_IMAGES.to_owned(), TRAIN_LABELS.to_owned()));
    assert_eq!(sums(&digits.test), (TEST_IMAGES.to_owned(), TEST_LABELS.to_owned()));
    let named = open("mnist").unwrap();
    assert_eq!((named.train.len(), named.test.len()), (60_000, 10_000));
}

#[test]
fn the_gzipped_original_gives_the_same() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mnist");
    if !dir.exists() {
        println!("skipped: no data");
        return;
    }
    assert_eq!(read_idx_folder(&dir).unwrap(), mnist().unwrap());
}

/// White pixels of the parts of the fixed draw: another draw would silently change what every run is measured with.
const WHITE: [usize; 3] = [5_135_375, 1_012_865, 1_038_534];

#[test]
fn the_draw_of_binary_digits_stays_what_it_was() {
    let digits = mnist_binary().unwrap();
    let parts = [&digits.train, digits.valid.as_ref().unwrap(), &digits.test];
    assert_eq!(parts.map(|part| part.len()), [50_000, 10_000, 10_000]);
    let grey = mnist().unwrap();
    let mut white = [0; 3];
    for (at, part) in parts.into_iter().enumerate() {
        let mut brightness = 0.0;
        for begin in (0..part.len() as u32).step_by(1000) {
            let indices: Vec<u32> = (begin..begin + 1000).collect();
            let batch = part.batch(&indices, &candle_core::Device::Cpu).unwrap();
            let pixels = batch.target().tensor().flatten_all().unwrap().to_vec1::<u32>().unwrap();
            white[at] += pixels.iter().map(|&level| level as usize).sum::<usize>();
            let input = batch.input().tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(input.iter().zip(&pixels).all(|(&value, &level)| value == level as f32));
            for (row, &index) in indices.iter().enumerate() {
                let original = match at {
                    0 => grey.train.pixels(index as usize),
                    1 => grey.train.pixels(50_000 + index as usize),
                    _ => grey.test.pixels(index as usize),
                };
                let drawn = &pixels[row * 784..][..784];
                assert!(original.iter().zip(drawn).all(|pair| !matches!(pair, (0, 1) | (255, 0))));
                brightness += original.iter().map(|&pixel| f64::from(pixel) / 255.0).sum::<f64>();
            }
        }
        // The variance of a draw is at most a quarter.
        let bound = 4.0 * (brightness / 4.0).sqrt();
        assert!((white[at] as f64 - brightness).abs() < bound, "{} {brightness}", white[at]);
    }
    assert_eq!(white, WHITE);
}
