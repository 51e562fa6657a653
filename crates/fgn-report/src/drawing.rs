//! Colours and letters of every picture.

use plotters::prelude::*;

pub(crate) const INK: RGBColor = RGBColor(40, 44, 52);
pub(crate) const GRID: RGBColor = RGBColor(228, 230, 235);
pub(crate) const TRAIN: RGBColor = RGBColor(31, 119, 180);
pub(crate) const VALID: RGBColor = RGBColor(214, 93, 14);

/// What a drawing function returns: the drawing library has errors of many types.
pub(crate) type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// The letters of texts in pictures.
pub(crate) fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}
