//! What comes out of a pass is what went in: every image once, in order, scaled, with its label.

#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device};
use fgn_data::{Batch, Batches, Error, Images, Order, input};
use proptest::prelude::*;

const SHUFFLED: Order = Order::Shuffled { seed: 5, epoch: 2 };

/// Images that say who they are: image `i` has pixels `i`, `i + 1`, .. and label `i % 10`.
fn images(count: usize, height: usize, width: usize) -> Images {
    let pixels = (0..count).flat_map(|i| (0..height * width).map(move |p| (i + p) as u8)).collect();
    let labels = (0..count).map(|i| (i % 10) as u8).collect();
    Images::new("numbered", height, width, 10, pixels, labels).unwrap()
}

fn pass(images: &Images, indices: &[u32], order: Order, batch_size: usize) -> Vec<Batch> {
    let batches = Batches::new(images, indices, order, batch_size, &Device::Cpu).unwrap();
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
        let indices: Vec<u32> = (0..count as u32).rev().collect();
        let batch_size = size.index(count) + 1;
        let order = if shuffled { SHUFFLED } else { Order::AsGiven };
        let batches = pass(&images, &indices, order, batch_size);

        prop_assert_eq!(batches.len(), count.div_ceil(batch_size));
        let mut left = count;
        for Batch { input, target } in &batches {
            let here = left.min(batch_size);
            prop_assert_eq!(input.dims(), [here, height, width]);
            prop_assert_eq!(target.dims(), [here]);
            prop_assert_eq!((input.dtype(), target.dtype()), (DType::F32, DType::U32));
            let numbers = numbers(&[Batch { input: input.clone(), target: target.clone() }]);
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
    let indices: Vec<u32> = (20..150).collect();
    let order = |seed, epoch, batch_size| {
        numbers(&pass(&images, &indices, Order::Shuffled { seed, epoch }, batch_size))
    };
    assert_eq!(order(1, 0, 10), order(1, 0, 10));
    assert_eq!(order(1, 0, 10), order(1, 0, 33), "the batch size changes the order");
    assert_ne!(order(1, 0, 10), order(1, 1, 10));
    assert_ne!(order(1, 0, 10), order(2, 0, 10));
}

#[test]
fn black_is_0_and_white_is_1() {
    let images = Images::new("two", 1, 2, 2, vec![0, 255], vec![1]).unwrap();
    let batches = pass(&images, &[0], Order::AsGiven, 1);
    assert_eq!(batches[0].input.to_vec3::<f32>().unwrap(), [[[0.0, 1.0]]]);
}

#[test]
fn bad_batch_sizes_and_indices_are_refused() {
    let images = images(10, 2, 2);
    let refused = |indices: &[u32], batch_size| {
        let batches = Batches::new(&images, indices, Order::AsGiven, batch_size, &Device::Cpu);
        batches.err().expect("accepted").to_string()
    };
    let size =
        |size| format!("batch size {size}, expected 1 to 3, the number of images to draw from");
    assert_eq!(refused(&[1, 2, 3], 0), size(0));
    assert_eq!(refused(&[1, 2, 3], 4), size(4));
    let none = "no images to draw a batch from, expected at least one index";
    assert_eq!(refused(&[], 1), none);
    assert_eq!(refused(&[1, 10, 3], 2), "index 10 in a set of 10 images, expected less than 10");
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
