//! Folders of images by class: what is in them is what comes out, and what is wrong is told by file.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use fgn_data::{
    Batches, Dataset, ImageFolder, ImageOptions, Input, OpenOptions, Order, Result, Samples,
    Target, open_path,
};
use image::{GrayImage, Luma, Rgb, RgbImage};
use tempfile::TempDir;

/// Image `number` of a class: all its pixels tell which it is.
fn pixel(class: u8, number: u8) -> u8 {
    40 * class + number
}

/// Three classes of five grey images, 4 pixels high and 6 wide.
fn classes(folder: &Path, images: u8) {
    for (at, class) in ["2", "10", "cat"].iter().enumerate() {
        fs::create_dir_all(folder.join(class)).unwrap();
        for number in 0..images {
            let image = GrayImage::from_pixel(6, 4, Luma([pixel(at as u8, number)]));
            let end = ["png", "bmp", "pgm"][usize::from(number % 3)];
            image.save(folder.join(class).join(format!("{number}.{end}"))).unwrap();
        }
    }
}

fn temporary() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("photos");
    fs::create_dir(&path).unwrap();
    (folder, path)
}

fn read(folder: &Path, options: &ImageOptions) -> Result<ImageFolder> {
    ImageFolder::read(folder, options, None, &mut |_| ())
}

/// The first number of every image, and its class.
fn contents(samples: &dyn Samples) -> Vec<(u8, u32)> {
    let batches =
        Batches::new(samples, Order::AsGiven, 4.min(samples.len()), &Device::Cpu).unwrap();
    let parts = batches.map(Result::unwrap).flat_map(|batch| {
        let rows = batch.input.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        let first = |row: &Vec<f32>| (row[0] * 255.0).round() as u8;
        let target = batch.target.to_vec1::<u32>().unwrap();
        rows.iter().map(first).zip(target).collect::<Vec<_>>()
    });
    parts.collect()
}

#[test]
fn every_image_is_there_with_its_class_whether_kept_or_decoded_anew() {
    let (_keep, folder) = temporary();
    classes(&folder, 5);
    fs::write(folder.join(".hidden"), "").unwrap();
    fs::write(folder.join("cat").join(".hidden"), "").unwrap();
    for memory in [1 << 20, 0] {
        let mut told = Vec::new();
        let options = ImageOptions { memory, ..ImageOptions::default() };
        let mut note =
            |progress: fgn_data::Progress<'_>| told.push((progress.done, progress.total));
        let images = ImageFolder::read(&folder, &options, None, &mut note).unwrap();
        assert_eq!(told.last(), Some(&(15, 15)));
        assert_eq!(images.form().input, Input::Image { height: 4, width: 6, channels: 1 });
        let names = ["2", "10", "cat"].map(String::from).to_vec();
        assert_eq!(images.form().target, Target::Classes(names));
        let expected: Vec<_> = (0..3)
            .flat_map(|class| (0..5).map(move |at| (pixel(class, at), class.into())))
            .collect();
        for _ in 0..2 {
            assert_eq!(contents(&images), expected);
        }
        assert!(images.title(7).ends_with("2.pgm"), "{}", images.title(7));
    }
}

#[test]
fn sizes_and_colours_are_as_asked() {
    let (_keep, folder) = temporary();
    for class in ["a", "b"] {
        fs::create_dir(folder.join(class)).unwrap();
    }
    RgbImage::from_pixel(8, 4, Rgb([255, 0, 0])).save(folder.join("a/one.png")).unwrap();
    RgbImage::from_pixel(3, 9, Rgb([0, 0, 255])).save(folder.join("b/one.png")).unwrap();
    let message = read(&folder, &ImageOptions::default()).unwrap_err().to_string();
    assert!(message.contains("b/one.png: 9 x 3 pixels, expected 4 x 8"), "{message}");

    let resized = ImageOptions { size: Some([5, 7]), ..ImageOptions::default() };
    let grey = read(&folder, &resized).unwrap();
    let batch = grey.batch(&[0, 1], &Device::Cpu).unwrap();
    assert_eq!(batch.input.dims(), [2, 5, 7]);

    let colour = read(&folder, &ImageOptions { colour: true, ..resized }).unwrap();
    assert_eq!(colour.form().input, Input::Image { height: 5, width: 7, channels: 3 });
    let batch = colour.batch(&[0, 1], &Device::Cpu).unwrap();
    assert_eq!(batch.input.dims(), [2, 5, 7, 3]);
    let last =
        |image: usize| batch.input.get(image).unwrap().flatten_to(1).unwrap().get(34).unwrap();
    assert_eq!(last(0).to_vec1::<f32>().unwrap(), [1.0, 0.0, 0.0]);
    assert_eq!(last(1).to_vec1::<f32>().unwrap(), [0.0, 0.0, 1.0]);

    let none = ImageOptions { size: Some([0, 7]), ..ImageOptions::default() };
    let message = read(&folder, &none).unwrap_err().to_string();
    assert_eq!(message, "size is [0, 7], expected sides of 1 to 16384 pixels");
}

#[test]
fn parts_are_folders_or_drawn() {
    let (_keep, folder) = temporary();
    classes(&folder.join("train"), 5);
    classes(&folder.join("test"), 2);
    let open =
        |path: &Path| -> Result<Dataset> { open_path(path, &OpenOptions::default(), &mut |_| ()) };
    let set = open(&folder).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (15, 6));
    assert!(set.valid.is_none());
    assert_eq!(set.train.form(), set.test.form());
    classes(&folder.join("valid"), 1);
    assert_eq!(open(&folder).unwrap().valid.map(|valid| valid.len()), Some(3));

    let drawn = open(&folder.join("train")).unwrap();
    assert_eq!((drawn.train.len(), drawn.test.len()), (12, 3));
    let mut all = [contents(&drawn.train), contents(&drawn.test)].concat();
    all.sort_unstable();
    assert_eq!(all, contents(&set.train));

    fs::create_dir(folder.join("test/dog")).unwrap();
    let message = open(&folder).unwrap_err().to_string();
    assert!(
        message.contains("dog: found an unknown class, expected a class that is known"),
        "{message}"
    );
}

#[test]
fn what_is_no_image_is_told_by_its_name() {
    let (_keep, folder) = temporary();
    let message = || read(&folder, &ImageOptions::default()).unwrap_err().to_string();
    assert!(
        message()
            .ends_with("photos: found nothing in it, expected a folder a class, with images in it"),
        "{}",
        message()
    );
    fs::create_dir(folder.join("a")).unwrap();
    assert!(message().contains("an empty set"), "{}", message());
    fs::write(folder.join("a/notes.txt"), "hello").unwrap();
    assert!(message().contains("a/notes.txt: "), "{}", message());
    assert!(message().contains("PNG, JPEG, BMP and PNM are known"), "{}", message());
    fs::remove_file(folder.join("a/notes.txt")).unwrap();
    // A small file that declares an enormous image.
    fs::write(folder.join("a/bomb.pgm"), "P5 60000 60000 255\n").unwrap();
    assert!(message().contains("expected sides of 1 to 16384 pixels"), "{}", message());
    fs::write(folder.join("a/bomb.pgm"), "P5 16000 16000 255\n").unwrap();
    let images = read(&folder, &ImageOptions::default()).unwrap();
    let told = images.batch(&[0], &Device::Cpu).unwrap_err().to_string();
    assert!(told.contains("bomb.pgm"), "{told}");
    fs::write(folder.join("photo.png"), "").unwrap();
    assert!(
        message()
            .ends_with("photo.png: found a file, expected a folder a class, with images in it"),
        "{}",
        message()
    );
    let missing = read(&folder.join("nowhere"), &ImageOptions::default()).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read "), "{missing}");
}

#[test]
fn a_damaged_image_is_told_when_it_is_decoded() {
    let (_keep, folder) = temporary();
    classes(&folder, 3);
    let file = folder.join("cat/0.png");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 20]).unwrap();
    let images = read(&folder, &ImageOptions::default()).unwrap();
    let message = images.batch(&[5, 6], &Device::Cpu).unwrap_err().to_string();
    assert!(
        message.starts_with("cannot read the image ") && message.contains("cat/0.png"),
        "{message}"
    );
    images.batch(&[5, 7], &Device::Cpu).unwrap();
}
