//! A pass gives every image once, in order, scaled, with its label.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use fgn_data::{
    Batch, Batches, Dataset, Error, Images, InputSchema, Order, Padded, Samples, Schema, Subset,
    TargetSchema, input, split, statistics,
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
    let inputs = batches.iter().map(|batch| batch.input().tensor().flatten_from(1).unwrap());
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
        let indices: Vec<u32> = (0..count as u32).rev().collect();
        let part = Subset::new(Arc::new(images.clone()), indices.clone()).unwrap();
        let batch_size = size.index(count) + 1;
        let order = if shuffled { SHUFFLED } else { Order::AsGiven };
        let batches = pass(&part, order, batch_size);

        prop_assert_eq!(batches.len(), count.div_ceil(batch_size));
        let mut left = count;
        for batch in &batches {
            prop_assert!(batch.input().lengths().is_none() && batch.target().lengths().is_none());
            let (input, target) = (batch.input().tensor(), batch.target().tensor());
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
        prop_assert_eq!(seen, indices);
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
        assert_eq!(rest.indices(), &whole[(5 * batch).min(23)..(5 * batch + 5).min(23)]);
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
    assert!(matches!(set().hold_out(50, 4), Err(Error::HeldOut { .. })));
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
    fn schema(&self) -> &Schema {
        self.0.schema()
    }
    fn group(&self, index: u32) -> u32 {
        index / self.1
    }
    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        self.0.batch(indices, device)
    }
}

#[test]
fn groups_are_never_split() {
    let set = |size| -> Dataset {
        let grouped = Arc::new(Grouped(images(50, 1, 1), size));
        Dataset { train: grouped.clone(), valid: None, test: grouped }
    };
    let all = |samples: &dyn Samples| numbers(&pass(samples, Order::AsGiven, samples.len()));
    for (size, count, seed) in [(5, 10, 1), (5, 11, 2), (7, 20, 3), (7, 49, 4), (24, 30, 5)] {
        let held = set(size).hold_out(count, seed).unwrap();
        let (train, valid) = (all(&held.train), all(held.valid.as_ref().unwrap()));
        assert!(train.iter().all(|&index| !valid.iter().any(|&it| it / size == index / size)));
        assert!(train.is_sorted() && valid.is_sorted());
        assert_eq!(train.len() + valid.len(), 50);
        let enough =
            valid.len() >= count || train.iter().all(|index| index / size == train[0] / size);
        assert!(enough, "{} of {count} held out", valid.len());
        // A part of the set knows the groups too.
        let train = held.train.len() as u32;
        assert!(
            (0..train)
                .all(|index| held.train.group(index) == all(&held.train)[index as usize] / size)
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
    assert_eq!(batches[0].input().tensor().to_vec3::<f32>().unwrap(), [[[0.0, 1.0]]]);
}

#[test]
fn bad_batch_sizes_and_indices_are_refused() {
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
    let part = |indices: &[u32]| Subset::new(images.clone(), indices.to_vec());
    assert_eq!(part(&[2, 3]).unwrap_err().to_string(), message);
    let none = "a part of numbered: an empty set, expected at least one sample";
    assert_eq!(part(&[]).unwrap_err().to_string(), none);
    let message = "index 2 in a set of 2 samples, expected less than 2";
    let outside = part(&[0, 2]).unwrap().batch(&[2], &Device::Cpu);
    assert_eq!(outside.unwrap_err().to_string(), message);
}

#[test]
fn images_in_memory_must_have_the_size_asked_for() {
    let (small, right) = ([1_u8; 5], [1_u8; 6]);
    let made = input([&right[..], &small], 2, 3, &Device::Cpu);
    assert_eq!(made.unwrap_err().to_string(), "image 1 has 5 pixels, expected 2 x 3");
    let made = input([&right[..]], usize::MAX, 2, &Device::Cpu);
    assert!(matches!(made, Err(Error::ImageSize { .. })), "{made:?}");
    assert_eq!(input([], 2, 3, &Device::Cpu).unwrap().dims(), [0, 2, 3]);
}

/// Sample `i` is a sequence of `i + 1` steps of its index; a target stands at every second step, 10 times as large.
#[derive(Debug)]
struct Halves(Schema);

impl Samples for Halves {
    fn name(&self) -> &str {
        "halves"
    }
    fn len(&self) -> usize {
        5
    }
    fn schema(&self) -> &Schema {
        &self.0
    }
    fn batch(&self, indices: &[u32], device: &Device) -> fgn_data::Result<Batch> {
        let padded = |length: &dyn Fn(u32) -> usize, scale: f32| {
            let lengths: Vec<usize> = indices.iter().map(|&index| length(index)).collect();
            let steps = lengths.iter().copied().max().unwrap();
            // The padding is large, so that no one can overlook it.
            let rows: Vec<Vec<f32>> = indices
                .iter()
                .zip(&lengths)
                .map(|(&index, &length)| {
                    let step = |step| if step < length { scale * index as f32 } else { 1e9 };
                    (0..steps).map(step).collect()
                })
                .collect();
            let tensor = Tensor::from_vec(rows.concat(), (indices.len(), steps, 1), device)?;
            Padded::with_lengths(tensor, lengths)
        };
        let input = padded(&|index| index as usize + 1, 1.0)?;
        Ok(Batch::new(input, padded(&|index| index as usize / 2 + 1, 10.0)?))
    }
}

#[test]
fn inputs_and_targets_have_lengths_of_their_own() {
    let target = TargetSchema::Value { names: vec!["ten times".into()], per_step: true };
    let halves = Halves(Schema::new(InputSchema::Series { features: 1 }, target));
    let batches = pass(&halves, Order::AsGiven, 2);
    let lengths = |part: fn(&Batch) -> &Padded| {
        batches.iter().map(|it| part(it).lengths().unwrap()).collect()
    };
    let (inputs, targets): (Vec<_>, Vec<_>) = (lengths(Batch::input), lengths(Batch::target));
    assert_eq!(inputs.concat(), [1, 2, 3, 4, 5]);
    assert_eq!(targets.concat(), [1, 1, 2, 2, 3]);
    let parts = Subset::new(Arc::new(halves), vec![4, 0]).unwrap();
    let batch = parts.batch(&[1, 0], &Device::Cpu).unwrap();
    assert_eq!(
        (batch.input().lengths(), batch.target().lengths()),
        (Some(&[1, 5][..]), Some(&[1, 3][..]))
    );

    // Each counts by its own lengths: 5 times 4 and once 0; 3 times 40 and once 0.
    let found = statistics(&parts).unwrap();
    let (input, target) = (found.input.unwrap(), found.target.unwrap());
    assert!((input.mean[0] - 20.0 / 6.0).abs() < 1e-9, "{input:?}");
    assert!((input.std[0] - (80.0_f64 / 36.0).sqrt()).abs() < 1e-9, "{input:?}");
    assert!((target.mean[0] - 30.0).abs() < 1e-9, "{target:?}");
    assert!((target.std[0] - 300.0_f64.sqrt()).abs() < 1e-9, "{target:?}");
}
