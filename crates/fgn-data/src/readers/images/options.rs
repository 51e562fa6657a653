//! How image files become samples.

use serde::{Deserialize, Serialize};

use super::background::Background;
use crate::grey_levels::Rounding;

/// How image files become samples: `[data.images]` of a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageOptions {
    /// `[height, width]` that every image is resized to, whatever its own shape. If not given, all images must
    /// be of one size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Whether an image has three channels, red, green and blue; if not, it has one, of grey.
    pub colour: bool,
    /// The colour behind images that are transparent in places; white if left out.
    #[serde(skip_serializing_if = "is_white")]
    pub background: Background,
    /// Whether images are read as negatives, which turns dark strokes on a light ground into the light strokes
    /// on a dark ground of MNIST.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub invert: bool,
    /// For models that generate images: how many levels of grey images are read in, 2 to 256. The target of an image are
    /// its pixels then, and folders are no classes: there may be images in the folder itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<usize>,
    /// With `levels`: how a pixel between two levels becomes one of them.
    #[serde(skip_serializing_if = "is_nearest")]
    pub rounding: Rounding,
    /// How many bytes of decoded images may be kept in memory. If all images fit, each file is decoded once;
    /// if not, anew for each batch.
    pub memory: u64,
}

impl Default for ImageOptions {
    fn default() -> Self {
        ImageOptions {
            size: None,
            colour: false,
            background: Background::default(),
            invert: false,
            levels: None,
            rounding: Rounding::Nearest,
            memory: 256 << 20,
        }
    }
}

fn is_white(background: &Background) -> bool {
    *background == Background::default()
}

fn is_nearest(rounding: &Rounding) -> bool {
    *rounding == Rounding::Nearest
}
