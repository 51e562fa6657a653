//! Random changes of images in training.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::check::check;
use crate::dropout::Mode;
use crate::error::Result;
use crate::random::Generator;

/// Random changes of images in training, which make a model indifferent to them. All are off unless given. Each image
/// draws its own, by the training's seed. Shift, rotation and scale are one resampling, bilinear; what comes from beyond
/// the border is black.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub struct ImageAugment {
    /// Moves an image by up to so many pixels, horizontally and vertically.
    #[serde(skip_serializing_if = "is_zero")]
    pub shift: f64,
    /// Rotates an image about its centre by up to so many degrees, either way.
    #[serde(skip_serializing_if = "is_zero")]
    pub rotate: f64,
    /// Makes an image larger or smaller by a factor of 1 − `scale` to 1 + `scale`.
    #[serde(skip_serializing_if = "is_zero")]
    pub scale: f64,
    /// Mirrors every other image, on average, left to right.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub flip: bool,
    /// Blackens a rectangle of up to this share of the image (Zhong et al. 2020).
    #[serde(skip_serializing_if = "is_zero")]
    pub erase: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Where the pixels of an image go.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Placement {
    /// Pixels to the right, and down.
    shift: [f64; 2],
    /// Counterclockwise, in radians.
    angle: f64,
    scale: f64,
    /// Left to right, before all else.
    is_mirrored: bool,
}

impl Placement {
    /// Where all pixels stay.
    const NONE: Placement =
        Placement { shift: [0.0; 2], angle: 0.0, scale: 1.0, is_mirrored: false };
}

impl ImageAugment {
    /// Whether it changes nothing.
    pub(super) fn is_none(&self) -> bool {
        *self == ImageAugment::default()
    }

    pub(super) fn validate(&self) -> Result<()> {
        let shift = "pixels from 0 to 10000";
        check((0.0..=1e4).contains(&self.shift), "input.augment.shift", self.shift, shift)?;
        let rotate = "degrees from 0 to 180";
        check((0.0..=180.0).contains(&self.rotate), "input.augment.rotate", self.rotate, rotate)?;
        let scale = "a share from 0 to 0.9";
        check((0.0..=0.9).contains(&self.scale), "input.augment.scale", self.scale, scale)?;
        let erase = "a share from 0 to 0.9";
        check((0.0..=0.9).contains(&self.erase), "input.augment.erase", self.erase, erase)
    }

    /// The images `[B, height, width, channels]`, in training changed.
    pub(super) fn apply(&self, images: Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let generator = match mode {
            Mode::Train(generator) if !self.is_none() => generator,
            _ => return Ok(images),
        };
        let (batch, height, width, channels) = images.dims4()?;
        let (dtype, device) = (images.dtype(), images.device().clone());
        // One seed each, so that the images can be changed at the same time.
        let seeds: Vec<u64> = (0..batch).map(|_| generator.next_u64()).collect();
        let pixels = images.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
        let pixels = pixels.flatten_all()?.to_vec1::<f32>()?;
        let size = [height, width, channels];
        let each = pixels.par_chunks(height * width * channels).zip(seeds);
        let changed: Vec<Vec<f32>> = each
            .map(|(image, seed)| self.image(image, size, &mut Generator::seed_from_u64(seed)))
            .collect();
        let images =
            Tensor::from_vec(changed.concat(), (batch, height, width, channels), &Device::Cpu);
        Ok(images?.to_dtype(dtype)?.to_device(&device)?)
    }

    /// One image, changed.
    fn image(&self, pixels: &[f32], size: [usize; 3], generator: &mut Generator) -> Vec<f32> {
        let placement = self.placement(generator);
        let mut changed = match placement == Placement::NONE {
            true => pixels.to_vec(),
            false => placed(pixels, size, &placement),
        };
        if self.erase > 0.0 {
            let [rows, columns] = rectangle(self.erase, [size[0], size[1]], generator);
            let row = size[1] * size[2];
            for pixels in changed[rows[0] * row..rows[1] * row].chunks_exact_mut(row.max(1)) {
                pixels[columns[0] * size[2]..columns[1] * size[2]].fill(0.0);
            }
        }
        changed
    }

    fn placement(&self, generator: &mut Generator) -> Placement {
        let mut placement = Placement::NONE;
        if self.shift > 0.0 {
            placement.shift =
                [symmetric(generator), symmetric(generator)].map(|at| self.shift * at);
        }
        if self.rotate > 0.0 {
            placement.angle = (self.rotate * symmetric(generator)).to_radians();
        }
        if self.scale > 0.0 {
            placement.scale += self.scale * symmetric(generator);
        }
        if self.flip {
            placement.is_mirrored = generator.next_f64() < 0.5;
        }
        placement
    }
}

/// A number of a uniform distribution over `[-1, 1)`.
fn symmetric(generator: &mut Generator) -> f64 {
    2.0 * generator.next_f64() - 1.0
}

/// An image whose pixels go where `placement` says: each pixel is where it comes from, between four pixels.
fn placed(
    pixels: &[f32],
    [height, width, channels]: [usize; 3],
    placement: &Placement,
) -> Vec<f32> {
    let &Placement { shift, angle, scale, is_mirrored } = placement;
    let (sin, cos) = angle.sin_cos();
    let [right, down] = [width, height].map(|size| (size as f64 - 1.0) / 2.0);
    let mut all = vec![0.0; pixels.len()];
    for (at, pixel) in all.chunks_exact_mut(channels.max(1)).enumerate() {
        // From the centre; `y` grows downwards.
        let x = (at % width) as f64 - right - shift[0];
        let y = (at / width) as f64 - down - shift[1];
        let (from_x, from_y) = ((cos * x - sin * y) / scale, (sin * x + cos * y) / scale);
        let from_x = if is_mirrored { right - from_x } else { right + from_x };
        between(pixels, [height, width, channels], [down + from_y, from_x], pixel);
    }
    all
}

/// The pixel at a position, row and column, between four pixels of an image, of which those beyond the border are black.
fn between(
    pixels: &[f32],
    [height, width, channels]: [usize; 3],
    [y, x]: [f64; 2],
    into: &mut [f32],
) {
    let is_near = |at: f64, size: usize| at > -1.0 && at < size as f64;
    if !(is_near(y, height) && is_near(x, width)) {
        return;
    }
    let ([top, left], [below, beside]) = ([y.floor(), x.floor()], [y - y.floor(), x - x.floor()]);
    let mut sums = vec![0.0f64; channels];
    for (row, row_weight) in [(top, 1.0 - below), (top + 1.0, below)] {
        for (column, column_weight) in [(left, 1.0 - beside), (left + 1.0, beside)] {
            let weight = row_weight * column_weight;
            let is_inside =
                row >= 0.0 && column >= 0.0 && (row as usize) < height && (column as usize) < width;
            if weight > 0.0 && is_inside {
                let from = (row as usize * width + column as usize) * channels;
                for (sum, &value) in sums.iter_mut().zip(&pixels[from..from + channels]) {
                    *sum += weight * f64::from(value);
                }
            }
        }
    }
    for (value, sum) in into.iter_mut().zip(sums) {
        *value = sum as f32;
    }
}

/// The rows and the columns, from the first to behind the last, of a rectangle of up to `share` of an image. It is up to
/// three times as high as wide, or as wide as high.
fn rectangle(share: f64, size: [usize; 2], generator: &mut Generator) -> [[usize; 2]; 2] {
    let [height, width] = size.map(|size| size as f64);
    let area = share * generator.next_f64() * height * width;
    let ratio = 3f64.powf(symmetric(generator));
    let sides = [(area * ratio).sqrt().min(height), (area / ratio).sqrt().min(width)];
    let mut span = |size: usize, side: f64| {
        let side = (side as usize).min(size);
        let first = (generator.next_f64() * (size - side + 1) as f64) as usize;
        [first, first + side]
    };
    [span(size[0], sides[0]), span(size[1], sides[1])]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5 rows of 4 pixels of 2 channels.
    const SIZE: [usize; 3] = [5, 4, 2];

    fn image() -> Vec<f32> {
        (0..40).map(|at| ((at * 37) % 41) as f32 / 40.0).collect()
    }

    fn at(pixels: &[f32], y: usize, x: usize, channel: usize) -> f32 {
        pixels[(y * SIZE[1] + x) * SIZE[2] + channel]
    }

    fn check_pixels(found: &[f32], expected: impl Fn(usize, usize, usize) -> f32) {
        for y in 0..SIZE[0] {
            for x in 0..SIZE[1] {
                for channel in 0..SIZE[2] {
                    let (found, expected) = (at(found, y, x, channel), expected(y, x, channel));
                    assert!((found - expected).abs() < 1e-6, "{y} {x}: {found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn shifts_and_mirrors_are_those_of_whole_pixels() {
        let image = image();
        let shifted = Placement { shift: [1.0, -2.0], ..Placement::NONE };
        let found = placed(&image, SIZE, &shifted);
        // One to the right, two up.
        check_pixels(&found, |y, x, channel| match (y + 2 < 5, x.checked_sub(1)) {
            (true, Some(x)) => at(&image, y + 2, x, channel),
            _ => 0.0,
        });
        let half = Placement { shift: [0.5, 0.0], ..Placement::NONE };
        check_pixels(&placed(&image, SIZE, &half), |y, x, channel| {
            let left = if x > 0 { at(&image, y, x - 1, channel) } else { 0.0 };
            (left + at(&image, y, x, channel)) / 2.0
        });
        let mirrored = Placement { is_mirrored: true, ..Placement::NONE };
        let found = placed(&image, SIZE, &mirrored);
        check_pixels(&found, |y, x, channel| at(&image, y, 3 - x, channel));
        assert_eq!(placed(&found, SIZE, &mirrored), image);
        assert_eq!(placed(&image, SIZE, &Placement::NONE), image);
    }

    #[test]
    fn a_right_angle_moves_pixels_to_pixels() {
        let square: Vec<f32> = (0..9).map(|at| at as f32 / 10.0).collect();
        let turned = |degrees: f64| {
            let placement = Placement { angle: degrees.to_radians(), ..Placement::NONE };
            placed(&square, [3, 3, 1], &placement)
        };
        let close = |found: Vec<f32>, expected: [usize; 9]| {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected as f32 / 10.0).abs() < 1e-6, "{found} for {expected}");
            }
        };
        // 0 1 2     2 5 8
        // 3 4 5 to  1 4 7, counterclockwise
        // 6 7 8     0 3 6
        close(turned(90.0), [2, 5, 8, 1, 4, 7, 0, 3, 6]);
        close(turned(-90.0), [6, 3, 0, 7, 4, 1, 8, 5, 2]);
        close(turned(180.0), [8, 7, 6, 5, 4, 3, 2, 1, 0]);
    }

    #[test]
    fn twice_as_large_is_every_other_pixel_from_the_centre() {
        let row: Vec<f32> = (0..5).map(|at| at as f32).collect();
        let scaled = |scale: f64| placed(&row, [1, 5, 1], &Placement { scale, ..Placement::NONE });
        assert_eq!(scaled(2.0), [1.0, 1.5, 2.0, 2.5, 3.0]);
        assert_eq!(scaled(0.5), [0.0, 0.0, 2.0, 4.0, 0.0]);
    }

    #[test]
    fn rectangles_are_within_the_image_and_its_share() {
        let (share, size) = (0.4, [12, 20]);
        let mut largest = 0;
        for seed in 0..500 {
            let found = rectangle(share, size, &mut Generator::seed_from_u64(seed));
            let [rows, columns] = found.map(|[first, end]| end - first);
            assert!(found[0][1] <= 12 && found[1][1] <= 20, "{found:?}");
            assert!(rows * columns <= 96, "{found:?}");
            largest = largest.max(rows * columns);
        }
        assert!(largest > 70, "{largest}");
        rectangle(0.9, [1, 1], &mut Generator::seed_from_u64(1));
    }

    fn batch() -> Tensor {
        let pixels = [image(), image()].concat();
        Tensor::from_vec(pixels, (2, 5, 4, 2), &Device::Cpu).unwrap()
    }

    fn pixels(images: &Tensor) -> Vec<f32> {
        images.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn all() -> ImageAugment {
        ImageAugment { shift: 2.0, rotate: 30.0, scale: 0.3, flip: true, erase: 0.3 }
    }

    #[test]
    fn the_same_seed_gives_the_same_images_and_each_image_its_own() {
        let train = |seed: u64| {
            let mut generator = Generator::seed_from_u64(seed);
            pixels(&all().apply(batch(), &mut Mode::Train(&mut generator)).unwrap())
        };
        let found = train(1);
        assert_eq!(found, train(1));
        assert_ne!(found, train(2));
        assert_ne!(found[..40], found[40..], "the images of a batch are changed alike");
        for seed in 0..50 {
            let found = train(seed);
            assert!(found.iter().all(|value| (0.0..=1.0).contains(value)), "{found:?}");
        }
        // In F64 they are the same, as their pixels are those of F32.
        let wide = batch().to_dtype(DType::F64).unwrap();
        let mut generator = Generator::seed_from_u64(1);
        let wide = all().apply(wide, &mut Mode::Train(&mut generator)).unwrap();
        assert_eq!(wide.dtype(), DType::F64);
        assert_eq!(pixels(&wide.to_dtype(DType::F32).unwrap()), found);
    }

    #[test]
    fn nothing_changes_in_evaluation_or_without_strength() {
        let expected = pixels(&batch());
        assert_eq!(pixels(&all().apply(batch(), &mut Mode::Eval).unwrap()), expected);
        let mut generator = Generator::seed_from_u64(1);
        let before = generator.clone();
        let none = ImageAugment::default();
        let found = none.apply(batch(), &mut Mode::Train(&mut generator)).unwrap();
        assert_eq!(pixels(&found), expected);
        assert_eq!(generator, before, "nothing is drawn");
        let flip = ImageAugment { flip: true, ..none };
        let mut mirrored = 0;
        for seed in 0..200 {
            let found = flip.image(&image(), SIZE, &mut Generator::seed_from_u64(seed));
            mirrored += usize::from(found != image());
        }
        assert!((70..=130).contains(&mirrored), "{mirrored} of 200 are mirrored");
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let none = ImageAugment::default();
        none.validate().unwrap();
        all().validate().unwrap();
        for (augment, field) in [
            (ImageAugment { shift: -1.0, ..none }, "shift"),
            (ImageAugment { rotate: 181.0, ..none }, "rotate"),
            (ImageAugment { scale: 1.0, ..none }, "scale"),
            (ImageAugment { erase: f64::NAN, ..none }, "erase"),
        ] {
            let error = augment.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`input.augment.{field}` is ")), "{error}");
        }
    }
}
