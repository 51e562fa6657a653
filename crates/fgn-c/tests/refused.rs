//! Models that are not written as C source, and why.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use fgn_c::{Options, export};
use fgn_core::AnyCell;
use fgn_nn::candle_core::{DType, Device, Tensor};
use fgn_nn::fgn_schema::Moments;
use fgn_nn::{
    BlockConfig, Classification, Decoder, Embedding, ImageConv, ImageRaster, Model, ModelConfig,
    Pixels, Pool, RecurrentConfig, Regression, Series,
};

fn lstm() -> RecurrentConfig {
    RecurrentConfig::new(AnyCell::LSTM, 4)
}

fn series() -> Series {
    Series::new(2)
}

fn model(config: &ModelConfig) -> Model {
    Model::new(config, 1, DType::F32, &Device::Cpu).unwrap()
}

fn error(model: &Model) -> String {
    export(model, &Options::new("model")).unwrap_err().to_string()
}

#[test]
fn parts_that_no_step_computes_are_refused_by_name() {
    let both = RecurrentConfig { bidirectional: true, ..lstm() };
    let conv = ImageConv::new(16, 16, [2, 2]);
    let tokens = || Embedding::new(9, 3);
    for (config, expected) in [
        (
            ModelConfig::new(series(), both, Classification::new(2)),
            "`recurrent.bidirectional` is true, which is not written as C source: expected false: a \
             stream has no later steps",
        ),
        (
            ModelConfig::new(conv, lstm(), Classification::new(2)),
            "`input.kind` is \"image-conv\", which is not written as C source: expected series, \
             embedding, image-rows, image-pixels; a convolution reads",
        ),
        (
            ModelConfig::new(ImageRaster::new(4, 4), lstm(), Pixels::new(2)),
            "`input.kind` is \"image-raster\", which is not written as C source: expected series, \
             embedding, image-rows, image-pixels; a step would read the pixels of several rows",
        ),
        (
            ModelConfig::new(tokens(), lstm(), Decoder::new(9, 3, lstm())),
            "`head.kind` is \"decoder\", which is not written as C source: expected classification, \
             regression, next-token, next-item, ctc; a search for the best answer is no part of a step",
        ),
    ] {
        let found = error(&model(&config));
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn numbers_that_float_does_not_hold_are_refused() {
    let plain = model(&ModelConfig::new(series(), lstm(), Classification::new(2)));
    let named = plain.parameters().iter().find(|(name, _)| name == "head.bias").unwrap();
    named.1.set(&Tensor::new(&[0.0, f32::NAN], &Device::Cpu).unwrap()).unwrap();
    let found = error(&plain);
    assert!(found.starts_with("parameter `head.bias`: number 1 is NaN, expected"), "{found}");

    let scaled = |mean, std| {
        let scale = Some(Moments { mean: vec![0.0, mean], std: vec![1.0, std] });
        let config = ModelConfig::new(Series { scale, ..series() }, lstm(), Regression::new(1));
        error(&model(&config))
    };
    let found = scaled(1e39, 1.0);
    assert!(found.starts_with("the means of `input.scale`: number 1 is 1e39"), "{found}");
    let found = scaled(0.0, 1e-42);
    let expected = "the standard deviations of `input.scale`: number 1 is 1e-42";
    assert!(found.starts_with(expected), "{found}");
}

#[test]
fn names_are_checked_first() {
    let model = model(&ModelConfig::new(series(), lstm(), Classification::new(2)));
    let found = export(&model, &Options::new("a b")).unwrap_err().to_string();
    assert!(found.starts_with("the name \"a b\" of the C source, expected a letter"), "{found}");
}

#[test]
fn the_bytes_are_those_of_the_arrays() {
    let recurrent = RecurrentConfig { layers: 2, ..RecurrentConfig::new(AnyCell::LSTM, 8) };
    let config = ModelConfig::new(series(), recurrent, Classification::new(3));
    let model = model(&config);
    let sources = export(&model, &Options::new("model")).unwrap();
    // Both biases of a layer are one array here.
    let numbers = model.parameter_count() - 2 * 4 * 8;
    assert_eq!(sources.weight_bytes, 4 * numbers);
    // Two layers, h and c; the pre-activations, and the outputs of two layers.
    assert_eq!([sources.state_bytes, sources.stack_bytes], [4 * 2 * 2 * 8, 4 * (4 * 8 + 2 * 8)]);
    let line = format!("Bytes:   {} of weights", sources.weight_bytes);
    assert!(sources.header.contains(&line), "{}", sources.header);

    let int8 = export(&model, &Options::new("model").with_int8(true)).unwrap();
    let matrices = 4 * 8 * (2 + 8) + 4 * 8 * (8 + 8) + 3 * 8;
    let rows = 2 * 2 * 4 * 8 + 3;
    assert_eq!(int8.weight_bytes, matrices + 4 * rows + 4 * (2 * 4 * 8 + 3));
}

#[test]
fn the_bytes_of_blocks_and_pools_are_those_of_their_arrays() {
    let block = BlockConfig { conv: 4, mlp: 1.5, ..BlockConfig::default() };
    let recurrent = lstm().with_layers(3).with_block(block);
    let head = Classification { pool: Pool::Attention, ..Classification::new(3) };
    let model = model(&ModelConfig::new(series(), recurrent, head));
    let sources = export(&model, &Options::new("model")).unwrap();
    let biases = 3 * 4 * 4;
    assert_eq!(sources.weight_bytes, 4 * (model.parameter_count() - biases));
    // In each layer h, c and the last three inputs of the convolution; what is pooled, its score and its weight.
    assert_eq!(sources.state_bytes, 4 * (3 * (2 * 4 + 3 * 4) + 4 + 2));
    // The residual stream, a row and the pre-activations, which are more than the 2 * 6 hidden units.
    assert_eq!(sources.stack_bytes, 4 * (4 + 4 + 4 * 4));

    let int8 = export(&model, &Options::new("model").with_int8(true)).unwrap();
    let rows_and_columns =
        [(4, 2), (3 * 16, 4), (3 * 16, 4), (3 * 4, 4), (3 * 12, 4), (3 * 4, 6), (3, 4)];
    let matrices: usize = rows_and_columns.iter().map(|(rows, columns)| rows * columns).sum();
    let scales: usize = rows_and_columns.iter().map(|(rows, _)| rows).sum();
    assert_eq!(sources.weight_bytes - int8.weight_bytes, 3 * matrices - 4 * scales);
}
