//! Files that are not what they should be: each is an error that names the file, never a panic.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::Device;
use fgn_data::{
    DataConfig, Dataset, Error, Images, InputSchema, Like, Result, Samples as _, Schema,
    TargetSchema, read_idx, read_idx_folder,
};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use tempfile::TempDir;

const PARTS: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

fn idx(dimensions: &[u32], data: &[u8]) -> Vec<u8> {
    let magic = 0x0800 + dimensions.len() as u32;
    let header = [&[magic], dimensions].concat();
    [header.iter().flat_map(|word| word.to_be_bytes()).collect(), data.to_vec()].concat()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Seven images of 3 x 5 pixels.
fn images() -> Vec<u8> {
    idx(&[7, 3, 5], &(0..105).map(|pixel| (pixel * 37 % 251) as u8).collect::<Vec<_>>())
}

fn labels() -> Vec<u8> {
    idx(&[7], &[0, 9, 3, 3, 8, 1, 2])
}

/// A folder for one pair of files.
struct Pair(TempDir);

impl Pair {
    fn new() -> Pair {
        Pair(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, images: &[u8], labels: &[u8]) -> Result<Images> {
        fs::write(self.path("images"), images).unwrap();
        fs::write(self.path("labels"), labels).unwrap();
        read_idx(&self.path("images"), &self.path("labels"))
    }

    /// The error of a pair that must be refused, without the folder's name.
    #[track_caller]
    fn refused(&self, images: &[u8], labels: &[u8]) -> String {
        let folder = format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR);
        let message = self.read(images, labels).expect_err("accepted").to_string();
        assert!(message.contains(&folder), "names no file: {message}");
        message.replace(&folder, "")
    }
}

#[test]
fn plain_and_gzipped_files_give_the_same() {
    let pair = Pair::new();
    let plain = pair.read(&images(), &labels()).unwrap();
    assert_eq!((plain.len(), plain.height(), plain.width(), plain.classes()), (7, 3, 5, 6));
    assert_eq!(plain.schema().target.names(), ["0", "1", "2", "3", "8", "9"]);
    assert_eq!(plain.pixels(6), &images()[16 + 90..]);
    assert_eq!(plain.label(4), 4);
    assert_eq!(pair.read(&gzip(&images()), &labels()).unwrap(), plain);

    // gzip may come in several members, empty ones too.
    let members = [gzip(b"").repeat(20_000), gzip(&labels()[..6]), gzip(&labels()[6..])].concat();
    assert_eq!(pair.read(&images(), &members).unwrap(), plain);
}

#[test]
fn every_truncation_is_refused() {
    let pair = Pair::new();
    for file in [images(), gzip(&images())] {
        for end in 0..file.len() {
            pair.refused(&file[..end], &labels());
        }
    }
    for file in [labels(), gzip(&labels())] {
        for end in 0..file.len() {
            pair.refused(&images(), &file[..end]);
        }
    }
    assert_eq!(
        pair.refused(&images()[..120], &labels()),
        "images: ends after 120 bytes, expected 121 (both unpacked): truncated?"
    );
    assert_eq!(
        pair.refused(&images(), &labels()[..5]),
        "labels: ends after 5 bytes, expected 8 (both unpacked): truncated?"
    );
    let damaged = pair.refused(&gzip(&images())[..60], &labels());
    assert!(damaged.starts_with("images: damaged compressed data ("), "{damaged}");
}

#[test]
fn trailing_bytes_are_refused() {
    let pair = Pair::new();
    let longer = [images(), vec![0]].concat();
    let message = "images: goes on after the 121 bytes (unpacked) that its header declares";
    assert_eq!(pair.refused(&longer, &labels()), message);
    assert_eq!(pair.refused(&gzip(&longer), &labels()), message);

    for tail in [&[0][..], b"more", &[0; 512], &[0x1f, 0x8b]] {
        let longer = [gzip(&images()), tail.to_vec()].concat();
        let message = pair.refused(&longer, &labels());
        assert!(message.starts_with("images: damaged compressed data ("), "{message}");
    }
}

/// Gzip's header and the padding of its first block hold bits without meaning; any other flip must
/// be found.
#[test]
fn no_flipped_bit_of_gzip_changes_an_image() {
    let pair = Pair::new();
    let (file, whole) = (gzip(&images()), pair.read(&images(), &labels()).unwrap());
    let mut refused = 0;
    for position in 0..file.len() {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[position] ^= 1 << bit;
            match pair.read(&flipped, &labels()) {
                Ok(read) => assert_eq!(read, whole, "byte {position}, bit {bit}"),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused >= 8 * (file.len() - 11), "{refused} refused");
}

#[test]
fn a_bad_checksum_is_named() {
    let pair = Pair::new();
    let mut file = gzip(&images());
    let checksum = file.len() - 8;
    file[checksum] ^= 1;
    let message = pair.refused(&file, &labels());
    assert!(message.starts_with("images: damaged compressed data (corrupt gzip"), "{message}");
    assert!(message.contains("checksum"), "{message}");
}

#[test]
fn a_bomb_is_stopped_where_its_header_ends() {
    let bomb = gzip(&idx(&[7, 3, 5], &vec![0; 100 << 20]));
    assert_eq!(
        Pair::new().refused(&bomb, &labels()),
        "images: goes on after the 121 bytes (unpacked) that its header declares"
    );
}

#[test]
fn other_kinds_of_file_are_refused() {
    let pair = Pair::new();
    assert_eq!(
        pair.refused(&labels(), &images()),
        "images: begins with 0x00000801, expected 0x00000803 (IDX, unsigned bytes, 3 dimension(s))"
    );
    assert_eq!(
        pair.refused(&images(), b"<html>"),
        "labels: begins with 0x3c68746d, expected 0x00000801 (IDX, unsigned bytes, 1 dimension(s))"
    );
}

#[test]
fn files_that_do_not_fit_each_other_are_refused() {
    let pair = Pair::new();
    assert_eq!(
        pair.refused(&images(), &idx(&[6], &[1; 6])),
        "images with labels: 7 images but 6 labels, expected as many of each"
    );
    assert_eq!(
        pair.refused(&idx(&[0, 3, 5], &[]), &idx(&[0], &[])),
        "images with labels: an empty set, expected at least one sample"
    );
    for (height, width) in [(0, 5), (3, 0), (0, 0), (u32::MAX, 0)] {
        assert_eq!(
            pair.refused(&idx(&[7, height, width], &[]), &labels()),
            format!(
                "images with labels: images of {height} x {width} pixels, expected at least 1 x 1"
            )
        );
    }
}

#[test]
fn a_folder_is_read_in_every_spelling() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, data: &[u8]| fs::write(dir.path().join(name), data).unwrap();
    write("train-images-idx3-ubyte", &images());
    write("train-labels.idx1-ubyte.gz", &gzip(&labels()));
    write("t10k-images.idx3-ubyte", &gzip(&images())); // the bytes tell, not the name
    write("t10k-labels-idx1-ubyte.gz", &labels());

    let expected = Pair::new().read(&images(), &labels()).unwrap();
    let Dataset { train, test, .. } = read_idx_folder(dir.path()).unwrap();
    assert_eq!((&train, &test), (&expected, &expected));
}

#[test]
fn a_missing_file_is_named_in_all_its_spellings() {
    let dir = tempfile::tempdir().unwrap();
    for (part, written) in PARTS.iter().zip([images(), labels(), images(), labels()]) {
        let (stem, kind) = part.rsplit_once("-idx").unwrap();
        let message = read_idx_folder(dir.path()).unwrap_err().to_string();
        let spelt = |stem: &str| {
            ["-idx", ".idx"]
                .map(|dot| format!("{stem}{dot}{kind}, {stem}{dot}{kind}.gz"))
                .join(", ")
        };
        // The images of a test part may have two names; its labels then have the name of the images.
        let looked_for = match stem {
            "t10k-images" => format!("{}, {}", spelt(stem), spelt("test-images")),
            _ => spelt(stem),
        };
        assert_eq!(
            message,
            format!("{}: a file is missing; looked for {looked_for}", dir.path().display())
        );
        fs::write(dir.path().join(part), written).unwrap();
    }
    read_idx_folder(dir.path()).unwrap();
}

#[test]
fn a_folder_that_is_not_one_is_refused() {
    let message = read_idx_folder(Path::new("no/such/folder")).unwrap_err().to_string();
    assert!(message.starts_with("cannot read no/such/folder: "), "{message}");
}

#[test]
fn a_test_label_that_no_training_image_has_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let other = idx(&[7], &[0, 9, 3, 10, 8, 1, 2]);
    for (part, data) in PARTS.iter().zip([images(), labels(), images(), other]) {
        fs::write(dir.path().join(part), data).unwrap();
    }
    let message = read_idx_folder(dir.path()).unwrap_err().to_string();
    let expected = "label 3 is 10, expected one of 0, 1, 2, 3, 8, 9, the labels trained on";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn a_folder_of_two_image_sizes_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let other = idx(&[7, 5, 3], &[1; 105]);
    for (part, data) in PARTS.iter().zip([images(), labels(), other, labels()]) {
        fs::write(dir.path().join(part), data).unwrap();
    }
    let error = read_idx_folder(dir.path()).unwrap_err();
    assert!(matches!(error, Error::SizesDiffer { train: (3, 5), test: (5, 3), .. }), "{error}");
}

#[test]
fn a_folder_like_another_has_its_size_and_classes() {
    let dir = tempfile::tempdir().unwrap();
    for (part, data) in PARTS.iter().zip([images(), labels(), images(), labels()]).skip(2) {
        fs::write(dir.path().join(part), data).unwrap();
    }
    let like = |height, width, names: Vec<String>| {
        let target = TargetSchema::Class { names, per_step: false };
        Like::new(Schema::new(InputSchema::Image { height, width, channels: 1 }, target), vec![])
    };
    let counted = |count: usize| (0..count).map(|class| class.to_string()).collect();
    let read = |like: &Like| DataConfig::new("mnist").read(dir.path(), like, &mut |_| ());
    // The test part is enough. A model may have more classes than there are labels.
    for classes in [10, 12] {
        let found = read(&like(3, 5, counted(classes))).unwrap();
        assert_eq!((found.len(), found.schema().target.names().len()), (7, classes));
        let batch = found.batch(&[1], &Device::Cpu).unwrap();
        assert_eq!(batch.target().tensor().to_vec1::<u32>().unwrap(), [9]);
    }
    let refused = |like: &Like, expected: &str| {
        let message = read(like).unwrap_err().to_string();
        assert!(message.ends_with(expected), "{message}\nexpected {expected}");
    };
    let size =
        "found images of 3 x 5 pixels, expected images of 5 x 3 pixels, as in the data trained on";
    refused(&like(5, 3, counted(10)), size);
    refused(&like(3, 5, counted(9)), "label 1 is 9, expected less than 9");
    let names = vec!["cat".into(), "dog".into()];
    refused(&like(3, 5, names), "expected 2 classes: \"cat, dog\", as in the data trained on");

    // Without labels, no file of them is needed.
    fs::remove_file(dir.path().join(PARTS[3])).unwrap();
    assert!(read(&like(3, 5, counted(10))).is_err());
    let found = read(&like(3, 5, counted(10)).unlabelled()).unwrap();
    assert_eq!((found.len(), &found.schema().target), (7, &TargetSchema::None));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        start in prop::sample::select(vec![
            &[][..],
            &[0, 0, 8, 1],
            &[0, 0, 8, 3],
            &[0, 0, 8, 3, 0, 0, 0],
            &[0x1f, 0x8b, 8, 0],
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
        zipped in any::<bool>(),
    ) {
        let data = [start, &rest].concat();
        let data = if zipped { gzip(&data) } else { data };
        let pair = Pair::new();
        pair.refused(&data, &labels());
        pair.refused(&images(), &data);
    }

    #[test]
    fn what_is_written_is_read(
        (height, width, count) in (1_u32..9, 1_u32..9, 1_u32..20),
        noise in prop::collection::vec(any::<u8>(), 8 * 8 * 19),
        zipped in any::<bool>(),
    ) {
        let size = (height * width) as usize;
        let pixels = &noise[..size * count as usize];
        let classes: Vec<u8> = noise[..count as usize].iter().map(|byte| byte % 10).collect();
        let (images, labels) = (idx(&[count, height, width], pixels), idx(&[count], &classes));
        let images = if zipped { gzip(&images) } else { images };
        let read = Pair::new().read(&images, &labels).unwrap();
        let sizes = [read.len(), read.height(), read.width()];
        prop_assert_eq!(sizes, [count, height, width].map(|size| size as usize));
        let names = read.schema().target.names();
        for (index, (image, label)) in pixels.chunks(size).zip(classes).enumerate() {
            prop_assert_eq!(read.pixels(index), image);
            prop_assert_eq!(&names[usize::from(read.label(index))], &label.to_string());
        }
    }
}
