//! One image file as pixels of a given size.

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, Limits};

use crate::{Error, Input, Result};

/// What image files are read as: a size, grey or in colour.
///
/// ```
/// use candle_core::Device;
/// use fgn_data::Picture;
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("white.png");
/// image::GrayImage::from_pixel(20, 10, image::Luma([255])).save(&file)?;
///
/// let picture = Picture { size: [2, 3], colour: false, resize: true };
/// let pixels = picture.read(&file)?;
/// assert_eq!(pixels, [255; 6]);
/// let input = picture.input(&[pixels], &Device::Cpu)?;
/// assert_eq!(input.to_vec3::<f32>()?, [[[1.0; 3]; 2]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// `[height, width]`.
    pub size: [usize; 2],
    /// Whether red, green and blue are told apart; if not, colours become shades of grey.
    pub colour: bool,
    /// Whether an image of another size is resized; if not, it is an error.
    pub resize: bool,
}

/// The longest side of an image.
const LONGEST: usize = 1 << 14;
/// What decoding an image may take: the head of a small file can declare an image that fills the
/// memory.
const MEMORY: u64 = 512 << 20;

impl Picture {
    /// # Errors
    /// [`Error::Option`] for a side without pixels, or far above any use.
    pub(crate) fn check(&self) -> Result<()> {
        let [height, width] = self.size;
        match self.size.iter().all(|side| (1..=LONGEST).contains(side)) {
            true => Ok(()),
            false => Err(Error::Option {
                option: "size",
                found: format!("[{height}, {width}]"),
                expected: format!("sides of 1 to {LONGEST} pixels"),
            }),
        }
    }

    /// What the pictures are as samples.
    pub fn form(&self) -> Input {
        let [height, width] = self.size;
        Input::Image { height, width, channels: self.channels() }
    }

    fn channels(&self) -> usize {
        if self.colour { 3 } else { 1 }
    }

    /// How many numbers a picture is: `height · width · channels`.
    pub(crate) fn len(&self) -> usize {
        self.size[0] * self.size[1] * self.channels()
    }

    /// Reads an image file, PNG, JPEG, BMP or PNM by its content: its pixels row by row, 0 (black) to
    /// 255 (white), in colour three numbers each.
    ///
    /// # Errors
    /// A file that cannot be read, is no image or a damaged one, needs much memory to decode, or has
    /// another size where none may.
    pub fn read(&self, file: &Path) -> Result<Vec<u8>> {
        self.check()?;
        let mut reader = open(file)?;
        reader.limits(limits());
        let image = reader.decode().map_err(|source| no_image(file, source))?;
        let found = [image.height() as usize, image.width() as usize];
        if found != self.size && !self.resize {
            let (file, expected) = (file.to_owned(), self.size);
            return Err(Error::PictureSize { file, found, expected });
        }
        let image = match self.colour {
            true => DynamicImage::from(image.to_rgb8()),
            false => DynamicImage::from(image.to_luma8()),
        };
        if found == self.size {
            return Ok(image.into_bytes());
        }
        let [height, width] = self.size.map(|side| side as u32);
        Ok(image.resize_exact(width, height, FilterType::Triangle).into_bytes())
    }

    /// Some pictures as the input of a batch: `[B, height, width]`, in colour
    /// `[B, height, width, 3]`; f32 in \[0, 1\].
    ///
    /// # Errors
    /// Pixels of another number than the size says.
    pub fn input(&self, all: &[impl AsRef<[u8]>], device: &Device) -> Result<Tensor> {
        let [height, width] = self.size;
        let mut values = Vec::with_capacity(all.len().saturating_mul(self.len()));
        for (index, pixels) in all.iter().enumerate() {
            let pixels = pixels.as_ref();
            if pixels.len() != self.len() {
                return Err(Error::Image { index, found: pixels.len(), height, width });
            }
            values.extend(pixels.iter().map(|&value| f32::from(value) / 255.0));
        }
        Ok(match self.colour {
            true => Tensor::from_vec(values, (all.len(), height, width, 3), device)?,
            false => Tensor::from_vec(values, (all.len(), height, width), device)?,
        })
    }
}

/// `[height, width]` of an image file, from its head alone.
pub(crate) fn dimensions(file: &Path) -> Result<[usize; 2]> {
    let (width, height) = open(file)?.into_dimensions().map_err(|source| no_image(file, source))?;
    Ok([height as usize, width as usize])
}

fn open(file: &Path) -> Result<ImageReader<std::io::BufReader<std::fs::File>>> {
    let unreadable = |source| Error::Read { file: file.display().to_string(), source };
    let reader = ImageReader::open(file).map_err(unreadable)?;
    reader.with_guessed_format().map_err(unreadable)
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_height = Some(LONGEST as u32);
    limits.max_image_width = Some(LONGEST as u32);
    limits.max_alloc = Some(MEMORY);
    limits
}

fn no_image(file: &Path, source: image::ImageError) -> Error {
    Error::NoImage { file: PathBuf::from(file), source }
}
