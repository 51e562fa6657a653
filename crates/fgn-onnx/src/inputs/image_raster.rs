//! Images whose pixels are predicted one after the other: at each, what came before it.

use fgn_nn::ImageRaster;

use super::images::images;
use crate::attribute;
use crate::context::{Context, Sequences};
use crate::graph::{Graph, Value};

/// The features of each pixel: the one before it, those around it in the rows above, and where it is.
pub(super) fn image_raster(context: &mut Context<'_>, config: &ImageRaster) -> Sequences {
    let ImageRaster { height, width, rows, radius, coordinates } = *config;
    let images = images(context, [height, width, 1]);
    let graph = &mut context.graph;
    let mut parts = vec![pixels_before(graph, &images, height * width)];
    let mut size = 1;
    if rows > 0 {
        parts.push(pixels_above(graph, &images, config));
        size += rows * (2 * radius + 1);
    }
    if coordinates {
        parts.push(positions(graph, &images, [height, width]));
        size += 2;
    }
    let features = graph.concat(&parts, 2);
    let x = graph.transpose(&features, &[1, 0, 2]);
    Sequences { x, size, steps: Some(height * width), lengths: None }
}

/// The pixel of the step before, zero ahead of the first, `[B, T, 1]`.
fn pixels_before(graph: &mut Graph, images: &Value, steps: usize) -> Value {
    let pixels = graph.reshape(images, &[0, steps as i64, 1]);
    let earlier = graph.slice(&pixels, 1, 0, steps - 1);
    let one_ahead = graph.ints(&[0, 1, 0, 0, 0, 0]);
    graph.node("Pad", [&earlier, &one_ahead], vec![])
}

/// Of each row above, the nearest first, the pixels at most `radius` columns away, `[B, T, rows · (2 · radius + 1)]`.
fn pixels_above(graph: &mut Graph, images: &Value, config: &ImageRaster) -> Value {
    let ImageRaster { height, width, rows, radius, .. } = *config;
    // With zeros around the image, each pixel's are at the same distances.
    let around = [0, rows, radius, 0, 0, radius].map(|size| size as i64);
    let around = graph.ints(&around);
    let padded = graph.node("Pad", [images, &around], vec![]);
    let padded_width = width + 2 * radius;
    let count = (rows + height) * padded_width;
    let padded = graph.reshape(&padded, &[0, count as i64]);
    // The leftmost pixel that is read of the pixel's own row, and how far behind it the others are.
    let own = |row: usize| (0..width).map(move |column| (rows + row) * padded_width + column);
    let own: Vec<_> = (0..height).flat_map(own).map(|at| at as i64).collect();
    let above = |distance: usize| (0..=2 * radius).map(move |n| (n, distance * padded_width));
    let above = (1..=rows).flat_map(above).map(|(n, behind)| n as i64 - behind as i64);
    let above: Vec<_> = above.collect();
    let own = graph.int_constant("input.own_row", &[own.len(), 1], &own);
    let above = graph.int_constant("input.rows_above", &[above.len()], &above);
    let indices = graph.add(&own, &above);
    graph.node("Gather", [&padded, &indices], vec![attribute::int("axis", 1)])
}

/// The row and the column of each pixel, each from 0 to 1, `[B, T, 2]`.
fn positions(graph: &mut Graph, images: &Value, [height, width]: [usize; 2]) -> Value {
    let scaled = |at: usize, size: usize| (at as f64 / (size - 1).max(1) as f64) as f32;
    let of_row =
        |row| (0..width).flat_map(move |column| [scaled(row, height), scaled(column, width)]);
    let all: Vec<_> = (0..height).flat_map(of_row).collect();
    let all = graph.constant("input.positions", &[1, height * width, 2], &all);
    let one = graph.ints(&[1]);
    let batch = graph.size(images, 0);
    let shape = graph.concat(&[batch, one.clone(), one], 0);
    graph.node("Expand", [&all, &shape], vec![])
}
