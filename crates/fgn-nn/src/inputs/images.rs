//! What the input layers of images have in common.

use candle_core::Tensor;
use fgn_schema::{InputSchema, Padded};
use serde_json::{Map, Value, json};

use crate::check::{size, wrong_shape};
use crate::error::Result;

/// Images of `channels` numbers a pixel: 1 for grey, 3 for red, green and blue.
pub(super) fn schema(height: usize, width: usize, channels: usize) -> InputSchema {
    InputSchema::Image { height, width, channels }
}

/// The keys that follow from images; `None` for other samples. Grey images need no `in_channels`.
pub(super) fn complete(samples: &InputSchema) -> Option<Map<String, Value>> {
    let InputSchema::Image { height, width, channels } = *samples else { return None };
    let mut keys =
        Map::from_iter([("height".into(), json!(height)), ("width".into(), json!(width))]);
    if !is_grey(&channels) {
        keys.insert("in_channels".into(), json!(channels));
    }
    Some(keys)
}

pub(super) fn validate(height: usize, width: usize, channels: usize) -> Result<()> {
    size("input.height", height, 1)?;
    size("input.width", width, 1)?;
    size("input.in_channels", channels, 1)
}

/// The channels of grey images: what `in_channels` is where it is left out.
pub(super) fn grey() -> usize {
    1
}

pub(super) fn is_grey(channels: &usize) -> bool {
    *channels == grey()
}

/// The images of a batch as `[B, height, width, channels]`: `[B, height, width]` if they are grey, else that
/// already. They have no lengths: all have the same size.
pub(super) fn checked(images: &Padded, [height, width, channels]: [usize; 3]) -> Result<Tensor> {
    let tensor = images.tensor();
    let (size, expected) = match channels {
        1 => (&[height, width][..], format!("[B, {height}, {width}]")),
        _ => (&[height, width, channels][..], format!("[B, {height}, {width}, {channels}]")),
    };
    let expected = match tensor.dims() {
        [batch, found @ ..] if *batch > 0 && found == size => match images.lengths() {
            None => return Ok(tensor.reshape((*batch, height, width, channels))?),
            Some(_) => format!("{expected} without lengths"),
        },
        _ => format!("{expected}, B at least 1"),
    };
    Err(wrong_shape("images", tensor, expected))
}
