//! What the input layers of images have in common.

use candle_core::Tensor;
use fgn_schema::{InputSchema, Padded};
use serde_json::{Map, Value, json};

use crate::check::{size, wrong_shape};
use crate::error::Result;

/// Grey images.
pub(super) fn schema(height: usize, width: usize) -> InputSchema {
    InputSchema::Image { height, width, channels: 1 }
}

/// The keys that follow from grey images; `None` for other samples.
pub(super) fn complete(samples: &InputSchema) -> Option<Map<String, Value>> {
    let InputSchema::Image { height, width, channels: 1 } = *samples else { return None };
    Some(Map::from_iter([("height".into(), json!(height)), ("width".into(), json!(width))]))
}

pub(super) fn validate(height: usize, width: usize) -> Result<()> {
    size("input.height", height, 1)?;
    size("input.width", width, 1)
}

/// The images of a batch, `[B, height, width]`, without lengths: all have the same size.
pub(super) fn checked(images: &Padded, [height, width]: [usize; 2]) -> Result<&Tensor> {
    let tensor = images.tensor();
    let expected = match *tensor.dims() {
        [batch, h, w] if batch > 0 && [h, w] == [height, width] => match images.lengths() {
            None => return Ok(tensor),
            Some(_) => format!("[B, {height}, {width}] without lengths"),
        },
        _ => format!("[B, {height}, {width}], B at least 1"),
    };
    Err(wrong_shape("images", tensor, expected))
}
