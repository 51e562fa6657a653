//! Small images side by side in one picture.

use std::io::{self, Cursor};

use image::{ExtendedColorType, ImageFormat, write_buffer_with_format};

use crate::error::{Error, Result};
use crate::pixels::image_size;

/// Grey images of one size in a grid, row by row, with grey lines between them.
///
/// ```
/// use fgn_data::ImageGrid;
///
/// let mut grid = ImageGrid::new([1, 2], 2)?;
/// for level in [0, 1, 3] {
///     grid.push(&[level; 2], 4)?; // pixels in 4 levels of grey
/// }
/// let (pixels, [height, width]) = grid.pixels();
/// assert_eq!([height, width], [2 * 1 + 3, 2 * 2 + 3]);
/// assert_eq!(&pixels[8..13], [0, 0, 128, 85, 85]); // the first row, without the edges
/// # Ok::<(), fgn_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageGrid {
    size: [usize; 2],
    columns: usize,
    images: Vec<Vec<u8>>,
}

/// The colour between the images, which is neither black nor white.
const BETWEEN: u8 = 128;

impl ImageGrid {
    /// An empty grid of images of `[height, width]` pixels, with so many `columns`.
    ///
    /// # Errors
    /// [`Error::ImageSize`] for images without pixels, [`Error::Option`] for no columns.
    pub fn new(size: [usize; 2], columns: usize) -> Result<ImageGrid> {
        image_size("a grid of images", size[0], size[1])?;
        match columns {
            0 => Err(Error::Option {
                option: "columns",
                found: "0".into(),
                expected: "at least 1".into(),
            }),
            columns => Ok(ImageGrid { size, columns, images: Vec::new() }),
        }
    }

    /// Adds an image, whose pixels are levels of grey: from 0 for black to `levels - 1` for white.
    ///
    /// # Errors
    /// [`Error::Image`] for an image of another number of pixels.
    pub fn push(&mut self, pixels: &[u32], levels: usize) -> Result<()> {
        let [height, width] = self.size;
        if pixels.len() != height * width {
            let (index, found) = (self.images.len(), pixels.len());
            return Err(Error::Image { index, found, height, width });
        }
        let last = levels.saturating_sub(1).max(1) as f64;
        // A float cast saturates.
        let byte = |&level: &u32| (255.0 * f64::from(level) / last).round() as u8;
        self.images.push(pixels.iter().map(byte).collect());
        Ok(())
    }

    /// How many rows there are: the last may have room left.
    pub fn rows(&self) -> usize {
        self.images.len().div_ceil(self.columns)
    }

    /// All pixels of the picture, row by row, 0 (black) to 255 (white); and its `[height, width]`.
    pub fn pixels(&self) -> (Vec<u8>, [usize; 2]) {
        let [height, width] = self.size;
        let whole = [self.rows() * (height + 1) + 1, self.columns * (width + 1) + 1];
        let mut pixels = vec![BETWEEN; whole[0] * whole[1]];
        for (index, image) in self.images.iter().enumerate() {
            let (row, column) = (index / self.columns, index % self.columns);
            let corner = (row * (height + 1) + 1) * whole[1] + column * (width + 1) + 1;
            for (y, line) in image.chunks_exact(width).enumerate() {
                pixels[corner + y * whole[1]..][..width].copy_from_slice(line);
            }
        }
        (pixels, whole)
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// [`Error::Write`] for a picture that is too large for the format.
    pub fn png(&self) -> Result<Vec<u8>> {
        let (pixels, size) = self.pixels();
        let wrong = |source| Error::Write { file: "a grid of images".into(), source };
        let [height, width] = size.map(u32::try_from);
        let (Ok(height), Ok(width)) = (height, width) else {
            return Err(wrong(io::Error::other("a side has more than 4294967295 pixels")));
        };
        let mut png = Cursor::new(Vec::new());
        let (colours, format) = (ExtendedColorType::L8, ImageFormat::Png);
        let written = write_buffer_with_format(&mut png, &pixels, width, height, colours, format);
        written.map_err(|error| wrong(io::Error::other(error)))?;
        Ok(png.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_stand_side_by_side() {
        let mut grid = ImageGrid::new([2, 1], 2).unwrap();
        for pixels in [[0, 1], [1, 1], [1, 0]] {
            grid.push(&pixels, 2).unwrap();
        }
        let (pixels, size) = grid.pixels();
        let expected = [
            [128, 128, 128, 128, 128],
            [128, 0, 128, 255, 128],
            [128, 255, 128, 255, 128],
            [128, 128, 128, 128, 128],
            [128, 255, 128, 128, 128],
            [128, 0, 128, 128, 128],
            [128, 128, 128, 128, 128],
        ];
        assert_eq!((&pixels[..], size, grid.rows()), (expected.as_flattened(), [7, 5], 2));
        let read = image::load_from_memory(&grid.png().unwrap()).unwrap();
        assert_eq!(read.into_luma8().into_raw(), pixels);
    }

    #[test]
    fn what_is_no_grid_is_refused() {
        assert!(ImageGrid::new([0, 3], 2).is_err() && ImageGrid::new([3, 3], 0).is_err());
        let error = ImageGrid::new([2, 2], 1).unwrap().push(&[0; 3], 2).unwrap_err();
        assert!(matches!(error, Error::Image { found: 3, .. }), "{error}");
    }
}
