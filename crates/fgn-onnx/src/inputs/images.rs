//! The input of images.

use crate::context::Context;
use crate::graph::{Dim, Value};
use crate::proto::DataType;

/// `[B, height, width]`, or `[B, height, width, channels]` of several.
pub(super) fn images(context: &mut Context<'_>, [height, width, channels]: [usize; 3]) -> Value {
    let mut shape = vec![Dim::Named("batch"), Dim::Fixed(height), Dim::Fixed(width)];
    if channels != 1 {
        shape.push(Dim::Fixed(channels));
    }
    context.graph.input("images", DataType::Float, &shape)
}
