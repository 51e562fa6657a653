//! Input layers: from samples to features `[T, B, I]`.

mod audio;
mod image_raster;
mod images;
mod lengths;

use fgn_nn::fgn_schema::Moments;
use fgn_nn::{DenseConfig, Embedding, ImageConv, ImagePixels, ImageRows, InputConfig, Series};

use self::images::images;
use crate::attribute;
use crate::context::{Context, Lengths, Sequences};
use crate::error::{Error, Result};
use crate::graph::{Dim, Value};
use crate::proto::DataType;

/// The name of the parameter that holds the vectors of an embedding.
pub(crate) const EMBEDDING: &str = "input.embedding.weight";

pub(crate) fn input_layer(context: &mut Context<'_>, config: &InputConfig) -> Result<Sequences> {
    match config {
        InputConfig::ImageRows(config) => Ok(image_rows(context, config)),
        InputConfig::ImagePixels(config) => Ok(image_pixels(context, config)),
        InputConfig::ImageConv(config) => image_conv(context, config),
        InputConfig::ImageRaster(config) => Ok(image_raster::image_raster(context, config)),
        InputConfig::Series(config) => Ok(series(context, config)),
        InputConfig::Embedding(config) => embedding(context, config),
        InputConfig::Audio(config) => audio::audio(context, config),
        other => Err(Error::unsupported(
            format!("model.input ({})", other.kind()),
            "there is no graph for this kind of input layer",
        )),
    }
}

/// A fully connected layer and ReLU. Dropout is absent in inference.
pub(crate) fn dense(
    context: &mut Context<'_>,
    config: &DenseConfig,
    features: Sequences,
) -> Result<Sequences> {
    let DenseConfig { size, dropout: _ } = *config;
    let sums = context.linear("dense", &features.x, [size, features.size])?;
    let x = context.graph.node("Relu", [&sums], vec![]);
    Ok(Sequences { x, size, ..features })
}

fn image_rows(context: &mut Context<'_>, config: &ImageRows) -> Sequences {
    let ImageRows { height, width, in_channels, augment: _ } = *config;
    let images = images(context, [height, width, in_channels]);
    let size = width * in_channels;
    let graph = &mut context.graph;
    let rows = match in_channels {
        1 => images,
        _ => graph.reshape(&images, &[0, height as i64, size as i64]),
    };
    let x = graph.transpose(&rows, &[1, 0, 2]);
    Sequences { x, size, steps: Some(height), lengths: None }
}

fn image_pixels(context: &mut Context<'_>, config: &ImagePixels) -> Sequences {
    let ImagePixels { height, width, in_channels, permutation_seed: _, augment: _ } = *config;
    let images = images(context, [height, width, in_channels]);
    let steps = height * width;
    let graph = &mut context.graph;
    let pixels = graph.reshape(&images, &[0, steps as i64, in_channels as i64]);
    let mut x = graph.transpose(&pixels, &[1, 0, 2]);
    if let Some(order) = config.order() {
        let order: Vec<i64> = order.into_iter().map(i64::from).collect();
        let order = graph.int_constant("input.permutation", &[steps], &order);
        x = graph.node("Gather", [&x, &order], vec![attribute::int("axis", 0)]);
    }
    Sequences { x, size: in_channels, steps: Some(steps), lengths: None }
}

fn image_conv(context: &mut Context<'_>, config: &ImageConv) -> Result<Sequences> {
    let ImageConv { height, width, in_channels, channels: [first, second], augment: _ } = *config;
    let images = images(context, [height, width, in_channels]);
    let maps = match in_channels {
        1 => context.graph.unsqueeze(&images, 1),
        _ => context.graph.transpose(&images, &[0, 3, 1, 2]),
    };
    let maps = block(context, "input.conv1", &maps, [first, in_channels])?;
    let maps = block(context, "input.conv2", &maps, [second, first])?;
    // From [B, O, H, W] to [H, B, W, O]: a row of all feature maps is one step.
    let rows = context.graph.transpose(&maps, &[2, 0, 3, 1]);
    let (steps, size) = (height / 4, width / 4 * second);
    let x = context.graph.reshape(&rows, &[0, 0, size as i64]);
    Ok(Sequences { x, size, steps: Some(steps), lengths: None })
}

/// A convolution, ReLU and max-pooling of `[B, C, H, W]`.
fn block(
    context: &mut Context<'_>,
    name: &str,
    maps: &Value,
    [outputs, inputs]: [usize; 2],
) -> Result<Value> {
    let weight = context.parameter(&format!("{name}.weight"), &[outputs, inputs, 3, 3])?;
    let bias = context.parameter(&format!("{name}.bias"), &[outputs])?;
    let graph = &mut context.graph;
    let same =
        vec![attribute::ints("kernel_shape", &[3, 3]), attribute::ints("pads", &[1, 1, 1, 1])];
    let sums = graph.node("Conv", [maps, &weight, &bias], same);
    let positive = graph.node("Relu", [&sums], vec![]);
    let halves =
        vec![attribute::ints("kernel_shape", &[2, 2]), attribute::ints("strides", &[2, 2])];
    Ok(graph.node("MaxPool", [&positive], halves))
}

fn series(context: &mut Context<'_>, config: &Series) -> Sequences {
    let Series { features, scale, augment: _ } = config;
    let shape = [Dim::Named("batch"), Dim::Named("time"), Dim::Fixed(*features)];
    let mut x = context.graph.input("series", context.unscaled, &shape);
    if let Some(Moments { mean, std }) = scale {
        let mean = unscaled(context, "input.mean", mean);
        let std = unscaled(context, "input.std", std);
        let centred = context.graph.node("Sub", [&x, &mean], vec![]);
        x = context.graph.node("Div", [&centred, &std], vec![]);
    }
    if context.unscaled != DataType::Float {
        x = context.graph.cast(&x, DataType::Float);
    }
    of_any_length(context, &x, *features)
}

/// A constant in the type of numbers in their own units.
pub(crate) fn unscaled(context: &mut Context<'_>, name: &str, values: &[f64]) -> Value {
    match context.unscaled {
        DataType::Double => context.graph.doubles(name, values),
        _ => {
            let narrow: Vec<_> = values.iter().map(|&value| value as f32).collect();
            context.graph.constant(name, &[values.len()], &narrow)
        }
    }
}

fn embedding(context: &mut Context<'_>, config: &Embedding) -> Result<Sequences> {
    let Embedding { num_embeddings, embedding_dim, dropout: _, sparse: _, tokenizer: _ } = config;
    let shape = [Dim::Named("batch"), Dim::Named("time")];
    let tokens = context.graph.input("tokens", DataType::Int64, &shape);
    let vectors = context.parameter(EMBEDDING, &[*num_embeddings, *embedding_dim])?;
    let name = format!("tokens_must_be_0_to_{}", num_embeddings.saturating_sub(1));
    let x = context.graph.gather_checked(&name, (&vectors, *num_embeddings), &tokens);
    Ok(of_any_length(context, &x, *embedding_dim))
}

/// The steps of `x: [B, T, size]`, with an input for the lengths.
fn of_any_length(context: &mut Context<'_>, x: &Value, size: usize) -> Sequences {
    let graph = &mut context.graph;
    let int64 = lengths::lengths(graph, x);
    let int32 = graph.cast(&int64, DataType::Int32);
    let x = graph.transpose(x, &[1, 0, 2]);
    Sequences { x, size, steps: None, lengths: Some(Lengths { int64, int32 }) }
}
