//! Images whose target are their own pixels, from folders and from IDX files.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use fgn_data::{
    DataConfig, Dataset, InputSchema, Like, Result, Rounding, Samples, Schema, TargetSchema,
};
use image::{GrayImage, Luma, RgbImage};

/// Ten images of 1 x 3 pixels: the number of the image, 128, 255.
fn write(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for number in 0..10 {
        let pixel = |x, _| Luma([[number, 128, 255][x as usize]]);
        GrayImage::from_fn(3, 1, pixel).save(folder.join(format!("{number}.png"))).unwrap();
    }
}

fn config(path: &Path, levels: usize) -> DataConfig {
    let mut config = DataConfig::new(path.to_str().unwrap());
    config.images.levels = Some(levels);
    config
}

fn open(config: &DataConfig) -> Result<Dataset> {
    config.open(&mut |_| ())
}

fn targets(samples: &dyn Samples) -> Vec<Vec<u32>> {
    let indices: Vec<u32> = (0..samples.len() as u32).collect();
    let batch = samples.batch(&indices, &Device::Cpu).unwrap();
    batch.target().tensor().to_vec2().unwrap()
}

fn like(levels: usize) -> Like {
    let input = InputSchema::Image { height: 1, width: 3, channels: 1 };
    Like::new(Schema::new(input, TargetSchema::Pixels { levels }), Vec::new())
}

#[test]
fn a_folder_of_images_needs_no_classes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flat");
    write(&path);
    let data = open(&config(&path, 2)).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (8, 2));
    let expected = "images of 1 x 3 pixels, the pixels themselves in 2 levels of grey";
    assert_eq!(data.train.schema().to_string(), expected);
    assert!(targets(&*data.train).iter().all(|pixels| pixels == &[0, 1, 1]));
    assert!(data.test.title(0).ends_with(".png"));

    // With 256 levels each pixel is its own; folders in the folder are read, too.
    let deep = folder.path().join("deep");
    write(&deep.join("a"));
    write(&deep.join("b"));
    let data = open(&config(&deep, 256)).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (16, 4));
    for pixels in targets(&*data.train) {
        assert!(pixels[0] < 10 && pixels[1..] == [128, 255], "{pixels:?}");
    }
}

#[test]
fn parts_and_files_for_a_model_have_its_levels() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["train", "test"] {
        write(&folder.path().join(part));
    }
    let data = open(&config(folder.path(), 3)).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (10, 10));
    assert_eq!(data.train.fingerprint().unwrap(), data.test.fingerprint().unwrap());

    // A model of other data says how many levels there are.
    let none = DataConfig::new("");
    let file = folder.path().join("test/7.png");
    let read = |like: &Like| none.read(&file, like, &mut |_| ());
    let samples = read(&like(256)).unwrap();
    assert_eq!(targets(&*samples), [[7, 128, 255]]);
    assert_eq!(targets(&*read(&like(3)).unwrap()), [[0, 1, 2]]);
    let unlabelled = read(&like(2).unlabelled()).unwrap();
    assert_eq!(unlabelled.schema().target, TargetSchema::None);
    let batch = unlabelled.batch(&[0], &Device::Cpu).unwrap();
    assert_eq!(batch.input().tensor().to_vec3::<f32>().unwrap(), [[[0.0, 1.0, 1.0]]]);
    let whole = none.read(folder.path(), &like(2), &mut |_| ()).unwrap();
    assert_eq!(whole.len(), 10, "the test part");
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let error = open(&config(folder.path(), 257)).unwrap_err().to_string();
    assert_eq!(error, "data.images.levels is 257, expected 2 to 256 levels of grey");
    let mut colour = config(folder.path(), 2);
    colour.images.colour = true;
    let error = open(&colour).unwrap_err().to_string();
    assert!(error.starts_with("data.images.colour is true, expected false beside"), "{error}");

    let none = DataConfig::new("");
    let large = folder.path().join("large.png");
    RgbImage::new(4, 4).save(&large).unwrap();
    let error = none.read(&large, &like(2), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("large.png: 4 x 4 pixels, expected 1 x 3"), "{error}");
    fs::remove_file(large).unwrap();

    // A model of classes reads no pixels as its target.
    let classes = TargetSchema::Class { names: vec!["a".into()], per_step: false };
    let like = Like::new(Schema::new(like(2).schema.input, classes), Vec::new());
    let read = config(folder.path(), 2).read(folder.path(), &like, &mut |_| ());
    let error = read.unwrap_err().to_string();
    assert!(
        error.contains("the pixels themselves in 2 levels of grey, expected 1 class"),
        "{error}"
    );
}

/// Images of 1 x 2 pixels without labels, two for training and one for the test.
#[test]
fn idx_files_need_no_labels() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, pixels: &[u8]| {
        let header = [0x0803, pixels.len() as u32 / 2, 1, 2].map(u32::to_be_bytes).concat();
        fs::write(folder.path().join(name), [&header, pixels].concat()).unwrap();
    };
    file("train-images-idx3-ubyte", &[0, 255, 130, 90]);
    file("t10k-images-idx3-ubyte", &[10, 200]);
    let mut config = DataConfig::new(folder.path().to_str().unwrap());
    config.idx.levels = Some(2);
    let data = open(&config).unwrap();
    assert_eq!(targets(&*data.train), [[0, 1], [1, 0]]);
    assert_eq!(targets(&*data.test), [[0, 1]]);
    config.idx.transpose = true;
    let data = open(&config).unwrap();
    let expected = InputSchema::Image { height: 2, width: 1, channels: 1 };
    assert_eq!(data.train.schema().input, expected);
    config.idx.levels = Some(1);
    assert!(open(&config).is_err());
}

#[test]
fn rounding_is_an_option_of_a_recipe() {
    let text =
        "source = \"photos/\"\nvalidation = 0\n[images]\nlevels = 4\nrounding = \"stochastic\"\n";
    let config: DataConfig = toml::from_str(text).unwrap();
    assert_eq!((config.images.levels, config.images.rounding), (Some(4), Rounding::Stochastic));
    let written = toml::to_string(&config).unwrap();
    assert!(written.contains("rounding = \"stochastic\""), "{written}");
    assert_eq!(toml::from_str::<DataConfig>(&written).unwrap(), config);
    let plain = toml::to_string(&DataConfig::new("photos/")).unwrap();
    assert!(!plain.contains("levels") && !plain.contains("rounding"), "{plain}");
}

#[test]
fn subsets_of_one_image_are_drawn_alike() {
    let folder = tempfile::tempdir().unwrap();
    GrayImage::from_pixel(30, 20, Luma([100])).save(folder.path().join("a.png")).unwrap();
    GrayImage::from_pixel(30, 20, Luma([180])).save(folder.path().join("b.png")).unwrap();
    let mut config = config(folder.path(), 2);
    config.images.rounding = Rounding::Stochastic;
    let input = InputSchema::Image { height: 20, width: 30, channels: 1 };
    let like = Like::new(Schema::new(input, TargetSchema::Pixels { levels: 2 }), Vec::new());
    let read = |path: &Path| -> Arc<dyn Samples> { config.read(path, &like, &mut |_| ()).unwrap() };
    let (all, one) = (read(folder.path()), read(&folder.path().join("b.png")));
    let (all, one) = (targets(&*all), targets(&*one));
    assert_eq!(all[1], one[0]);
    let share = f64::from(one[0].iter().sum::<u32>()) / 600.0;
    assert!((share - 180.0 / 255.0).abs() < 0.1, "{share}");
    assert_ne!(all[0], all[1]);
}
