//! What comes out of a pass is what went in: every image once, in order, scaled, with its label.

#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device};
use std::sync::Arc;

use fgn_data::{
    Batch, Batches, Dataset, Error, Form, Images, Order, Samples, Subset, input, split,
};
use proptest::prelude::*;

const SHUFFLED: Order = Order::Shuffled { seed: 5, epoch: 2 };

/// Images that say who they are: image `i` has pixels `i`, `i + 1`, .. and label `i % 10`.
fn images(count: usize, height: usize, width: usize) -> Images {
    let pixels = (0..count).flat_map(|i| (0..height * width).map(move |p| (i + p) as u8)).collect();
    let labels = (0..count).map(|i| (i % 10) as u8).collect();
    Images::new("numbered", height, width, 10, pixels, labels).unwrap()
}

fn pass(samples: &dyn Samples, order: Order, batch_size: usize) -> Vec<Batch> {
    let batches = Batches::new(samples, order, batch_size, &Device::Cpu).unwrap();
    let announced = batches.len();
    let batches: Vec<Batch> = batches.map(Result::unwrap).collect();
    assert_eq!(batches.len(), announced);
    batches
}

/// The first pixel of every image, that is its number, in the order of the pass.
fn numbers(batches: &[Batch]) -> Vec<u32> {
    let inputs = batches.iter().map(|batch| batch.input.flatten_from(1).unwrap());
    let rows = inputs.flat_map(|input| input.to_vec2::<f32>().unwrap());
    rows.map(|row| (row[0] * 255.0).round() as u32).collect()
}

proptest! {
    #[test]
    fn a_pass_gives_every_image_once(
        (count, height, width) in (1_usize..200, 1_usize..7, 1_usize..7),
        size in any::<prop::sample::Index>(),
        shuffled in any::<bool>(),
    ) {
        let images = images(count, height, width);
        let places: Vec<u32> = (0..count as u32).rev().collect();
        let part = Subset::new(Arc::new(images.clone()), places.clone()).unwrap();
        let batch_size = size.index(count) + 1;
        let order = if shuffled { SHUFFLED } else { Order::AsGiven };
        let batches = pass(&part, order, batch_size);

        prop_assert_eq!(batches.len(), count.div_ceil(batch_size));
        let mut left = count;
        for batch in &batches {
            let Batch { input, lengths, target } = batch;
            prop_assert!(lengths.is_none());
            let here = left.min(batch_size);
            prop_assert_eq!(input.dims(), [here, height, width]);
            prop_assert_eq!(target.dims(), [here]);
            prop_assert_eq!((input.dtype(), target.dtype()), (DType::F32, DType::U32));
            let numbers = numbers(std::slice::from_ref(batch));
            let rows = input.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
            let targets = target.to_vec1::<u32>().unwrap();
            for ((number, row), target) in numbers.iter().zip(rows).zip(targets) {
                let pixels = images.pixels(*number as usize);
                prop_assert!(row.iter().copied().eq(pixels.iter().map(|&p| f32::from(p) / 255.0)));
                prop_assert_eq!(target, number % 10);
            }
            left -= here;
        }
        let mut seen = numbers(&batches);
        if shuffled {
            seen.sort_unstable_by(|a, b| b.cmp(a));
        }
        prop_assert_eq!(seen, places);
    }
}

#[test]
fn the_order_is_the_seeds_and_the_epochs() {
    let images = images(150, 2, 3);
    let order = |seed, epoch, batch_size| {
        numbers(&pass(&images, Order::Shuffled { seed, epoch }, batch_size))
    };
    assert_eq!(order(1, 0, 10), order(1, 0, 10));
    assert_eq!(order(1, 0, 10), order(1, 0, 33), "the batch size changes the order");
    assert_ne!(order(1, 0, 10), order(1, 1, 10));
    assert_ne!(order(1, 0, 10), order(2, 0, 10));
}

#[test]
fn a_pass_goes_on_from_any_batch() {
    let images = images(23, 1, 1);
    let whole = numbers(&pass(&images, SHUFFLED, 5));
    for batch in 0..7 {
        let rest = Batches::new(&images, SHUFFLED, 5, &Device::Cpu).unwrap().starting_at(batch);
        assert_eq!(rest.len(), 5_usize.saturating_sub(batch));
        assert_eq!(rest.places(), &whole[(5 * batch).min(23)..(5 * batch + 5).min(23)]);
        let rest: Vec<Batch> = rest.map(Result::unwrap).collect();
        assert_eq!(numbers(&rest), whole[(5 * batch).min(23)..]);
    }
}

#[test]
fn what_is_held_out_is_what_split_says() {
    let set = || Dataset { train: images(50, 1, 1), valid: None, test: images(3, 1, 1) }.shared();
    let held = set().hold_out(10, 4).unwrap();
    let all = |samples: &dyn Samples| numbers(&pass(samples, Order::AsGiven, samples.len()));
    let (train, valid) = split(50, 10, 4).unwrap();
    assert_eq!((all(&held.train), all(held.valid.as_ref().unwrap())), (train, valid));
    // A second time, it has a validation part.
    let again = held.clone().hold_out(7, 5).unwrap();
    assert_eq!(all(&again.train), all(&held.train));
    assert!(set().hold_out(0, 4).unwrap().valid.is_none());
    assert!(matches!(set().hold_out(50, 4), Err(Error::Validation { .. })));
}

/// A set whose samples come in groups.
#[derive(Debug)]
struct Grouped(Images, u32);

impl Samples for Grouped {
    fn name(&self) -> &str {
        "grouped"
    }
    fn len(&self) -> usize {
        Samples::len(&self.0)
    }
    fn form(&self) -> &Form {
        self.0.form()
    }
    fn group(&self, place: u32) -> u32 {
        place / self.1
    }
    fn batch(&self, places: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        self.0.batch(places, device)
    }
}

#[test]
fn groups_are_never_parted() {
    let set = |size| -> Dataset {
        let grouped = Arc::new(Grouped(images(50, 1, 1), size));
        Dataset { train: grouped.clone(), valid: None, test: grouped }
    };
    let all = |samples: &dyn Samples| numbers(&pass(samples, Order::AsGiven, samples.len()));
    for (size, count, seed) in [(5, 10, 1), (5, 11, 2), (7, 20, 3), (7, 49, 4), (24, 30, 5)] {
        let held = set(size).hold_out(count, seed).unwrap();
        let (train, valid) = (all(&held.train), all(held.valid.as_ref().unwrap()));
        assert!(train.iter().all(|&place| !valid.iter().any(|&it| it / size == place / size)));
        assert!(train.is_sorted() && valid.is_sorted());
        assert_eq!(train.len() + valid.len(), 50);
        let enough =
            valid.len() >= count || train.iter().all(|place| place / size == train[0] / size);
        assert!(enough, "{} of {count} held out", valid.len());
        // A part of the set knows the groups too.
        let train = held.train.len() as u32;
        assert!(
            (0..train)
                .all(|place| held.train.group(place) == all(&held.train)[place as usize] / size)
        );
    }
    // Of one group, the last samples are held out.
    let held = set(50).hold_out(8, 1).unwrap();
    assert_eq!(all(&held.train), (0..42).collect::<Vec<_>>());
    assert_eq!(all(held.valid.as_ref().unwrap()), (42..50).collect::<Vec<_>>());
}

#[test]
fn black_is_0_and_white_is_1() {
    let images = Images::new("two", 1, 2, 2, vec![0, 255], vec![1]).unwrap();
    let batches = pass(&images, Order::AsGiven, 1);
    assert_eq!(batches[0].input.to_vec3::<f32>().unwrap(), [[[0.0, 1.0]]]);
}

#[test]
fn bad_batch_sizes_and_places_are_refused() {
    let images = Arc::new(images(3, 2, 2));
    let refused = |batch_size| {
        let batches = Batches::new(&images, Order::AsGiven, batch_size, &Device::Cpu);
        batches.err().expect("accepted").to_string()
    };
    let size =
        |size| format!("batch size {size}, expected 1 to 3, the number of samples to draw from");
    assert_eq!(refused(0), size(0));
    assert_eq!(refused(4), size(4));
    let message = "index 3 in a set of 3 samples, expected less than 3";
    assert_eq!(images.batch(&[1, 3], &Device::Cpu).unwrap_err().to_string(), message);
    let part = |places: &[u32]| Subset::new(images.clone(), places.to_vec());
    assert_eq!(part(&[2, 3]).unwrap_err().to_string(), message);
    let none = "a part of numbered: an empty set, expected at least one sample";
    assert_eq!(part(&[]).unwrap_err().to_string(), none);
    let message = "index 2 in a set of 2 samples, expected less than 2";
    let outside = part(&[0, 2]).unwrap().batch(&[2], &Device::Cpu);
    assert_eq!(outside.unwrap_err().to_string(), message);
}

#[test]
fn loose_images_must_have_the_size_asked_for() {
    let (small, right) = ([1_u8; 5], [1_u8; 6]);
    let made = input([&right[..], &small], 2, 3, &Device::Cpu);
    assert_eq!(made.unwrap_err().to_string(), "image 1 has 5 pixels, expected 2 x 3");
    let made = input([&right[..]], usize::MAX, 2, &Device::Cpu);
    assert!(matches!(made, Err(Error::ImageSize { .. })), "{made:?}");
    assert_eq!(input([], 2, 3, &Device::Cpu).unwrap().dims(), [0, 2, 3]);
}
