//! Folders of images become the images in them; what is wrong is reported with its file.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;
use fgn_data::{
    Batches, DataConfig, Dataset, ImageFolders, ImageOptions, InputSchema, Like, Order,
    ReadProgress, Reader, Result, Samples, Schema, TargetSchema,
};
use image::{GrayImage, Luma, Rgb, RgbImage};
use tempfile::TempDir;

/// The value of all pixels of image `number` of a class.
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

fn read(folder: &Path, options: &ImageOptions) -> Result<Arc<dyn Samples>> {
    ImageFolders::read(folder, options, None, &mut |_| ())
}

/// The first number of every image, and its class.
fn contents(samples: &dyn Samples) -> Vec<(u8, u32)> {
    let batches =
        Batches::new(samples, Order::AsGiven, 4.min(samples.len()), &Device::Cpu).unwrap();
    let parts = batches.map(Result::unwrap).flat_map(|batch| {
        let rows = batch.input().tensor().flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        let first = |row: &Vec<f32>| (row[0] * 255.0).round() as u8;
        let target = batch.target().tensor().to_vec1::<u32>().unwrap();
        rows.iter().map(first).zip(target).collect::<Vec<_>>()
    });
    parts.collect()
}

#[test]
fn every_image_has_its_class_whether_kept_in_memory_or_decoded_anew() {
    let (_keep, folder) = temporary();
    classes(&folder, 5);
    fs::write(folder.join(".hidden"), "").unwrap();
    fs::write(folder.join("cat").join(".hidden"), "").unwrap();
    for memory in [1 << 20, 0] {
        let mut reported = Vec::new();
        let options = ImageOptions { memory, ..ImageOptions::default() };
        let mut note = |progress: ReadProgress<'_>| reported.push((progress.done, progress.total));
        let images = ImageFolders::read(&folder, &options, None, &mut note).unwrap();
        assert_eq!(reported.last(), Some(&(15, 15)));
        let input = InputSchema::Image { height: 4, width: 6, channels: 1 };
        let names = ["2", "10", "cat"].map(String::from).to_vec();
        let target = TargetSchema::Class { names, per_step: false };
        assert_eq!(*images.schema(), Schema::new(input, target));
        let expected: Vec<_> = (0..3)
            .flat_map(|class| (0..5).map(move |at| (pixel(class, at), class.into())))
            .collect();
        for _ in 0..2 {
            assert_eq!(contents(&*images), expected);
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
    assert_eq!(batch.input().tensor().dims(), [2, 5, 7]);

    let colour = read(&folder, &ImageOptions { colour: true, ..resized }).unwrap();
    assert_eq!(colour.schema().input, InputSchema::Image { height: 5, width: 7, channels: 3 });
    let batch = colour.batch(&[0, 1], &Device::Cpu).unwrap();
    assert_eq!(batch.input().tensor().dims(), [2, 5, 7, 3]);
    let last = |image: usize| {
        batch.input().tensor().get(image).unwrap().flatten_to(1).unwrap().get(34).unwrap()
    };
    assert_eq!(last(0).to_vec1::<f32>().unwrap(), [1.0, 0.0, 0.0]);
    assert_eq!(last(1).to_vec1::<f32>().unwrap(), [0.0, 0.0, 1.0]);

    let none = ImageOptions { size: Some([0, 7]), ..ImageOptions::default() };
    let message = read(&folder, &none).unwrap_err().to_string();
    assert_eq!(message, "data.images.size is [0, 7], expected sides of 1 to 16384 pixels");
}

#[test]
fn parts_are_folders_or_drawn() {
    let (_keep, folder) = temporary();
    classes(&folder.join("train"), 5);
    classes(&folder.join("test"), 2);
    let open = |path: &Path| -> Result<Dataset> {
        DataConfig::new(path.to_str().unwrap()).open(&mut |_| ())
    };
    let set = open(&folder).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (15, 6));
    assert!(set.valid.is_none());
    assert_eq!(set.train.schema(), set.test.schema());
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
        message.contains("dog: found an unknown class, expected a known class: 2, 10, cat"),
        "{message}"
    );
}

#[test]
fn the_validation_part_has_three_names() {
    for name in ["valid", "val", "validation"] {
        let (_keep, folder) = temporary();
        for (part, images) in [("train", 5), (name, 2), ("test", 1)] {
            classes(&folder.join(part), images);
        }
        let set = DataConfig::new(folder.to_str().unwrap()).open(&mut |_| ()).unwrap();
        let sizes = [set.train.len(), set.valid.unwrap().len(), set.test.len()];
        assert_eq!(sizes, [15, 6, 3], "{name}");

        // A test part is drawn from the training part alone.
        fs::remove_dir_all(folder.join("test")).unwrap();
        let set = DataConfig::new(folder.to_str().unwrap()).open(&mut |_| ()).unwrap();
        let sizes = [set.train.len(), set.valid.unwrap().len(), set.test.len()];
        assert_eq!(sizes, [12, 6, 3], "{name}");
    }
    let (_keep, folder) = temporary();
    for part in ["train", "val", "validation"] {
        classes(&folder.join(part), 1);
    }
    let error =
        DataConfig::new(folder.to_str().unwrap()).open(&mut |_| ()).unwrap_err().to_string();
    let expected = "validation, expected one of them, for the part \"valid\"";
    assert!(error.contains("val and ") && error.ends_with(expected), "{error}");
}

#[test]
fn what_systems_leave_behind_is_ignored_and_other_files_are_not() {
    let (_keep, folder) = temporary();
    classes(&folder.join("train"), 1);
    classes(&folder.join("test"), 1);
    fs::write(folder.join("README.md"), "").unwrap();
    for folder in [folder.join("train"), folder.join("train/cat")] {
        for file in ["Thumbs.db", "desktop.ini", ".DS_Store", "._1.png", "README", "Readme.txt"] {
            fs::write(folder.join(file), "").unwrap();
        }
        fs::create_dir(folder.join("__MACOSX")).unwrap();
        fs::write(folder.join("__MACOSX/1.png"), "").unwrap();
    }
    let set = DataConfig::new(folder.to_str().unwrap()).open(&mut |_| ()).unwrap();
    assert_eq!((set.train.len(), set.train.schema().target.names().len()), (3, 3));
    let like = like([4, 6], 1, &["a", "b"]).unlabelled();
    let cat = read_like(&folder.join("train/cat"), &like, ImageOptions::default()).unwrap();
    assert_eq!(cat.len(), 1);

    // A folder too deep, as a part with an unknown name has them; a loop.
    fs::create_dir(folder.join("train/cat/small")).unwrap();
    let error = read(&folder.join("train"), &ImageOptions::default()).unwrap_err().to_string();
    let expected = "small: found a folder in a folder of images, expected images only";
    assert!(error.contains(expected), "{error}");
    #[cfg(unix)]
    {
        fs::remove_dir(folder.join("train/cat/small")).unwrap();
        std::os::unix::fs::symlink(&folder, folder.join("train/cat/small")).unwrap();
        let error = read(&folder.join("train"), &ImageOptions::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn endings_may_be_in_capitals_and_stems_the_same() {
    let (_keep, folder) = temporary();
    for class in ["a", "b"] {
        fs::create_dir(folder.join(class)).unwrap();
        for (value, end) in [(10, "JPG"), (20, "Jpeg"), (30, "PNG"), (40, "png")] {
            let file = folder.join(class).join("1").with_extension(end);
            GrayImage::from_pixel(8, 8, Luma([value])).save(&file).unwrap();
            // A file is recognised by its ending alone, before it is there.
            assert!(ImageFolders::accepts(&Path::new("none").with_extension(end)), "{end}");
        }
    }
    let images = read(&folder, &ImageOptions::default()).unwrap();
    let found: Vec<u8> = contents(&*images).iter().map(|&(value, _)| value).collect();
    assert_eq!(found, [10, 20, 30, 40, 10, 20, 30, 40]);
}

#[test]
fn what_is_no_image_is_reported_with_its_name() {
    let (_keep, folder) = temporary();
    let message = || read(&folder, &ImageOptions::default()).unwrap_err().to_string();
    assert!(
        message().ends_with(
            "photos: found an empty folder, expected a folder for each class, with images in it"
        ),
        "{}",
        message()
    );
    fs::create_dir(folder.join("a")).unwrap();
    let expected = "a: found no image, expected some of this class: add them, or remove the folder";
    assert!(message().ends_with(expected), "{}", message());
    fs::write(folder.join("a/notes.txt"), "hello").unwrap();
    assert!(message().contains("a/notes.txt: "), "{}", message());
    let expected = "PNG, JPEG, BMP and PNM are known: replace the file, or move it away";
    assert!(message().ends_with(expected), "{}", message());
    fs::remove_file(folder.join("a/notes.txt")).unwrap();
    // A small file that declares an enormous image.
    fs::write(folder.join("a/bomb.pgm"), "P5 60000 60000 255\n").unwrap();
    assert!(message().contains("expected sides of 1 to 16384 pixels"), "{}", message());
    fs::write(folder.join("a/bomb.pgm"), "P5 16000 16000 255\n").unwrap();
    let images = read(&folder, &ImageOptions::default()).unwrap();
    let error = images.batch(&[0], &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("bomb.pgm"), "{error}");
    fs::write(folder.join("photo.png"), "").unwrap();
    assert!(
        message().ends_with(
            "photo.png: found a file, expected a folder for each class, with images in it"
        ),
        "{}",
        message()
    );
    let missing = read(&folder.join("nowhere"), &ImageOptions::default()).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read "), "{missing}");
}

#[test]
fn a_damaged_image_is_an_error_when_it_is_decoded() {
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

fn like(size: [usize; 2], channels: usize, names: &[&str]) -> Like {
    let [height, width] = size;
    let names = names.iter().map(|&name| name.to_owned()).collect();
    let target = TargetSchema::Class { names, per_step: false };
    Like::new(Schema::new(InputSchema::Image { height, width, channels }, target), Vec::new())
}

/// All of what is at a path, for a model trained on images of that kind.
fn read_like(path: &Path, like: &Like, options: ImageOptions) -> Result<Arc<dyn Samples>> {
    let config = DataConfig { images: options, ..DataConfig::new("mnist") };
    config.read(path, like, &mut |_| ())
}

#[test]
fn images_like_others_have_their_size_classes_and_colours() {
    let (_keep, folder) = temporary();
    classes(&folder, 2);
    fs::remove_dir_all(folder.join("10")).unwrap();
    let known = ["2", "10", "cat"];
    let images = read_like(&folder, &like([4, 6], 1, &known), ImageOptions::default()).unwrap();
    let label = |class: u32| [(pixel(class as u8, 0), class), (pixel(class as u8, 1), class)];
    assert_eq!(contents(&*images), [label(0), label(2)].concat());

    let refused = |like: &Like, expected: &str| {
        let error = read_like(&folder, like, ImageOptions::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    };
    refused(
        &like([4, 6], 1, &["2", "10"]),
        "cat: found an unknown class, expected a known class: 2, 10",
    );
    refused(&like([3, 6], 1, &known), "4 x 6 pixels, expected 3 x 6");
    refused(
        &like([3, 6], 1, &known),
        "data.images.size resizes all to one size: --set 'data.images.size=[3,6]'",
    );
    let target = TargetSchema::Value { names: vec!["x".into()], per_step: false };
    let series = Like::new(Schema::new(InputSchema::Series { features: 2 }, target), Vec::new());
    refused(&series, "found a folder, but the model is for series of 2 features; expected a table");

    let resized = ImageOptions { size: Some([9, 9]), ..ImageOptions::default() };
    let images = read_like(&folder, &like([3, 5], 3, &known), resized).unwrap();
    assert_eq!(images.batch(&[0], &Device::Cpu).unwrap().input().tensor().dims(), [1, 3, 5, 3]);

    // Of a folder with parts, the test part is measured with.
    let (_keep, whole) = temporary();
    classes(&whole.join("train"), 5);
    classes(&whole.join("test"), 1);
    let images = read_like(&whole, &like([4, 6], 1, &known), ImageOptions::default()).unwrap();
    assert_eq!(images.len(), 3);
}

#[test]
fn images_without_classes_are_read_from_files_and_folders() {
    let (_keep, folder) = temporary();
    for (at, name) in ["b.png", "a.bmp", "train.pgm", "without-ending"].iter().enumerate() {
        let image = GrayImage::from_pixel(6, 4, Luma([at as u8]));
        image.save_with_format(folder.join(name), image::ImageFormat::Png).unwrap();
    }
    fs::write(folder.join(".hidden"), "").unwrap();
    let like = like([4, 6], 1, &["2", "10"]).unlabelled();
    let read = |path: &Path| read_like(path, &like, ImageOptions::default());
    let titles = |samples: &dyn Samples| -> Vec<String> {
        (0..samples.len() as u32).map(|index| samples.title(index)).collect()
    };
    let all = read(&folder).unwrap();
    assert_eq!(titles(&*all), ["a.bmp", "b.png", "train.pgm", "without-ending"]);
    assert_eq!(contents(&*all), [(1, 0), (0, 0), (2, 0), (3, 0)]);
    assert_eq!(all.schema().target, TargetSchema::None);
    let one = read(&folder.join("b.png")).unwrap();
    assert_eq!((titles(&*one), contents(&*one)), (vec!["b.png".to_owned()], vec![(0, 0)]));

    // A negative, and images in folders.
    let inverted = ImageOptions { invert: true, ..ImageOptions::default() };
    assert_eq!(contents(&*read_like(&folder.join("b.png"), &like, inverted).unwrap()), [(255, 0)]);
    let (_keep, sorted) = temporary();
    classes(&sorted, 1);
    let within = |class: &str, file: &str| Path::new(class).join(file).display().to_string();
    let expected = [within("10", "0.png"), within("2", "0.png"), within("cat", "0.png")];
    assert_eq!(titles(&*read(&sorted).unwrap()), expected);

    let nothing = temporary();
    let error = read(&nothing.1).unwrap_err().to_string();
    assert!(error.ends_with("an empty set, expected at least one sample"), "{error}");
    let error = read(&folder.join("c.png")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("c.png"), "{error}");
}
