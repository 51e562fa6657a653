//! A fingerprint changes with the content of samples, and with nothing else.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use fgn_data::{
    Batch, DataConfig, Dataset, Fingerprint, Images, InputSchema, Padded, Samples, Schema,
    SeriesOptions, Subset, TargetSchema, Task,
};

/// Sequences of different lengths, whose values are `x`, in a data set of one's own.
#[derive(Debug)]
struct Own {
    schema: Schema,
    x: f32,
}

fn own(x: f32, target: &str) -> Own {
    let target = TargetSchema::Value { names: vec![target.into()], per_step: false };
    Own { schema: Schema::new(InputSchema::Series { features: 1 }, target), x }
}

impl Samples for Own {
    fn name(&self) -> &str {
        "own"
    }

    fn len(&self) -> usize {
        250
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let lengths: Vec<usize> = indices.iter().map(|&index| index as usize % 3 + 1).collect();
        // Of the last sample alone.
        let x = if indices.contains(&249) { self.x } else { 1.0 };
        let input = Tensor::full(x, (indices.len(), 3, 1), device)?;
        let target = Tensor::zeros((indices.len(), 1), candle_core::DType::F32, device)?;
        Ok(Batch::new(Padded::with_lengths(input, lengths)?, target))
    }
}

#[test]
fn a_data_set_of_ones_own_has_one() {
    let of = |own: Own| own.fingerprint().unwrap();
    assert_eq!(of(own(1.0, "y")), of(own(1.0, "y")));
    assert_ne!(of(own(1.0, "y")), of(own(2.0, "y")), "one value");
    assert_ne!(of(own(1.0, "y")), of(own(1.0, "z")), "a name");
}

fn images(pixel: u8, label: u8) -> Images {
    let (pixels, labels) = ([vec![pixel], vec![0; 5]].concat(), vec![0, 1, label]);
    Images::new("images", 1, 2, 3, pixels, labels).unwrap()
}

#[test]
fn a_pixel_a_label_and_the_choice_of_samples_count() {
    let of = |images: &Images| images.fingerprint().unwrap();
    assert_eq!(of(&images(1, 2)), of(&images(1, 2)));
    assert_ne!(of(&images(1, 2)), of(&images(2, 2)));
    assert_ne!(of(&images(1, 2)), of(&images(1, 1)));
    let part = |images, indices: &[u32]| {
        Subset::new(Arc::new(images), indices.to_vec()).unwrap().fingerprint().unwrap()
    };
    assert_eq!(part(images(1, 2), &[0, 2]), part(images(1, 2), &[0, 2]));
    assert_ne!(part(images(1, 2), &[0, 2]), part(images(1, 2), &[0, 1]));
    assert_ne!(part(images(1, 2), &[0, 2]), part(images(1, 1), &[0, 2]));
}

/// Of the training part that is read from `path`.
fn read(path: &Path, more: impl FnOnce(&mut DataConfig)) -> Fingerprint {
    let mut config = DataConfig::new(path.to_str().unwrap());
    more(&mut config);
    let dataset: Dataset = config.open(&mut |_| ()).unwrap();
    dataset.train.fingerprint().unwrap()
}

fn table(task: Task, memory: u64, text: &str) -> Fingerprint {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("table.csv");
    fs::write(&file, text).unwrap();
    read(&file, |config| {
        let mut series = SeriesOptions::default();
        (series.task, series.memory) = (task, memory);
        (series.id, series.target) = (Some("id".into()), vec!["y".into()]);
        config.series = series;
    })
}

#[test]
fn a_table_has_the_same_anywhere_and_another_with_any_other_field() {
    let text = "id,x,y\na,1,3\na,2,3\nb,5,4\nc,6,5\nd,7,3\n";
    for task in [Task::Classification, Task::Regression] {
        let before = table(task, 1 << 20, text);
        assert_eq!(before, table(task, 1 << 20, text));
        assert_eq!(before, table(task, 0, text), "in a temporary file");
        for (part, other) in [("a,2,3", "a,9,3"), ("c,6,5", "c,6,4"), ("x,y", "z,y")] {
            assert_ne!(before, table(task, 1 << 20, &text.replace(part, other)), "{other}");
        }
    }
}

#[test]
fn a_folder_of_images_may_move_and_may_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let write = |place: &str, grey: u8| {
        for (class, number) in [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 3)] {
            let folder = folder.path().join(place).join(class);
            fs::create_dir_all(&folder).unwrap();
            let grey = if number == 2 { grey } else { 0 };
            let image = image::GrayImage::from_pixel(3, 2, image::Luma([grey]));
            image.save(folder.join(format!("{number}.png"))).unwrap();
        }
        read(&folder.path().join(place), |_| ())
    };
    let before = write("here", 7);
    assert_eq!(before, write("there", 7));
    assert_ne!(before, write("here", 8));
}
