//! How image files become samples.

use serde::{Deserialize, Serialize};

use super::background::Background;

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
            memory: 256 << 20,
        }
    }
}

fn is_white(background: &Background) -> bool {
    *background == Background::default()
}
