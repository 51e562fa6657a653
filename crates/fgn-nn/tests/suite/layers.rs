//! What the layers compute, and the inputs that they refuse.

use candle_core::{DType, Device, Tensor};
use fgn_nn::fgn_schema::Padded;
use fgn_nn::{
    Dense, DenseConfig, Dropout, Error, Generator, ImageConv, ImagePixels, ImageRows, InputConfig,
    Linear, Mode, Model, Parameters,
};

use crate::common::{flat, model_config, output, parameters, random, scramble};

/// Of sums of some dozens of products of numbers about 1, in `f64`.
const ROUNDING_TOLERANCE: f64 = 1e-12;
/// Of a share counted over 100,000 draws: six standard errors or more.
const SHARE_TOLERANCE: f64 = 0.01;

fn assert_close(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dims(), expected.dims());
    for (found, expected) in flat(found).into_iter().zip(flat(expected)) {
        assert!((found - expected).abs() < ROUNDING_TOLERANCE, "{found} {expected}");
    }
}

fn steps(config: &InputConfig, images: &Tensor) -> Vec<Vec<Vec<f64>>> {
    let layer = config.build(&mut parameters(1), "input").unwrap();
    let steps =
        layer.forward(&Padded::new(images.clone()), &mut Mode::Eval).unwrap().tensor().clone();
    let batch = images.dims()[0];
    assert_eq!(steps.dims(), [config.steps().unwrap(), batch, config.features()]);
    steps.to_vec3().unwrap()
}

#[test]
fn rows_and_pixels_are_the_image_in_order() {
    let images = random(&[3, 4, 5], 1);
    let expected: Vec<Vec<Vec<f64>>> = images.to_vec3().unwrap();
    let rows = steps(&ImageRows::new(4, 5).into(), &images);
    let pixels = ImagePixels::new(4, 5);
    let pixels = steps(&pixels.into(), &images);
    for (b, image) in expected.iter().enumerate() {
        for (row, expected) in image.iter().enumerate() {
            assert_eq!(rows[row][b], *expected);
            for (column, &expected) in expected.iter().enumerate() {
                assert_eq!(pixels[5 * row + column][b], [expected]);
            }
        }
    }
}

/// A row of colours is the channels of its pixels, pixel by pixel.
#[test]
fn a_step_of_a_colour_image_has_all_channels() {
    let images = random(&[2, 4, 5, 3], 1);
    let channels = |n: usize, row: usize, column: usize| -> Vec<f64> {
        images.get(n).unwrap().get(row).unwrap().get(column).unwrap().to_vec1().unwrap()
    };
    let rows = steps(&ImageRows { in_channels: 3, ..ImageRows::new(4, 5) }.into(), &images);
    let pixels = ImagePixels { in_channels: 3, ..ImagePixels::new(4, 5) };
    let pixels = steps(&pixels.into(), &images);
    for (n, row, column) in [(0, 0, 0), (1, 2, 3), (1, 3, 4)] {
        assert_eq!(rows[row][n][3 * column..3 * column + 3], channels(n, row, column));
        assert_eq!(pixels[5 * row + column][n], channels(n, row, column));
    }
}

#[test]
fn a_permutation_is_the_same_for_all_images_and_follows_its_seed() {
    // Two images: pixel k is k, and 100 + k.
    let images: Vec<f64> = (0..20).map(f64::from).chain((100..120).map(f64::from)).collect();
    let images = Tensor::from_vec(images, (2, 4, 5), &Device::Cpu).unwrap();
    let order = |seed| -> Vec<f64> {
        let config = ImagePixels { permutation_seed: Some(seed), ..ImagePixels::new(4, 5) };
        let steps = steps(&config.into(), &images);
        assert!(steps.iter().all(|step| step[1][0] == step[0][0] + 100.0));
        steps.iter().map(|step| step[0][0]).collect()
    };
    let first = order(1);
    assert_eq!(first, order(1));
    assert_ne!(first, order(2));
    let mut sorted = first.clone();
    sorted.sort_by(f64::total_cmp);
    assert_eq!(sorted, (0..20).map(f64::from).collect::<Vec<_>>());
    assert_ne!(first, sorted);
}

#[test]
fn the_rows_of_the_last_feature_map_are_the_steps() {
    for in_channels in [1, 3] {
        rows_of_feature_maps(in_channels);
    }
}

fn rows_of_feature_maps(in_channels: usize) {
    let config: InputConfig = ImageConv { in_channels, ..ImageConv::new(8, 12, [2, 3]) }.into();
    let mut parameters = parameters(1);
    let layer = config.build(&mut parameters, "input").unwrap();
    scramble(parameters.list());
    let images = random(&[2, 8, 12, in_channels], 2);
    let samples = if in_channels == 1 { images.squeeze(3).unwrap() } else { images.clone() };
    let found = layer.forward(&Padded::new(samples), &mut Mode::Eval).unwrap();

    // The same with Candle's convolution, channels first.
    let list = parameters.list();
    let mut maps = images.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
    for conv in list.chunks(2) {
        let (weight, bias) = (&conv[0].1, &conv[1].1);
        let bias = bias.reshape((1, (), 1, 1)).unwrap();
        maps = maps.conv2d(weight, 1, 1, 1, 1).unwrap().broadcast_add(&bias).unwrap();
        maps = maps.relu().unwrap().max_pool2d(2).unwrap();
    }
    // [B, C, T, W] to [T, B, W, C].
    let expected = maps.permute((2, 0, 3, 1)).unwrap().flatten_from(2).unwrap();
    assert_close(found.tensor(), &expected);
}

#[test]
fn linear_is_x_times_weight_transposed_plus_bias() {
    let mut parameters = parameters(1);
    let layer = Linear::new(&mut parameters, "head", 2, 3).unwrap();
    let [(_, weight), (_, bias)] = parameters.list() else { panic!() };
    let device = &Device::Cpu;
    weight.set(&Tensor::new(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], device).unwrap()).unwrap();
    bias.set(&Tensor::new(&[0.5, 0.25, 0.125], device).unwrap()).unwrap();
    let y = layer.forward(&Tensor::new(&[[1.0, 10.0]], device).unwrap()).unwrap();
    assert_eq!(flat(&y), [21.5, 43.25, 65.125]);
    assert!(matches!(layer.forward(&random(&[4, 3], 1)), Err(Error::Shape { .. })));
    assert!(Linear::new(&mut parameters, "none", 0, 3).is_err());
    assert!(Linear::new(&mut parameters, "huge", usize::MAX, 3).is_err());
}

#[test]
fn layers_of_the_same_shape_begin_differently() {
    let mut parameters = parameters(1);
    for name in ["one", "two"] {
        Linear::new(&mut parameters, name, 2, 3).unwrap();
    }
    let list = parameters.list();
    assert_eq!((list[0].0.as_str(), list[2].0.as_str()), ("one.weight", "two.weight"));
    assert_ne!(flat(&list[0].1), flat(&list[2].1));
}

#[test]
fn dense_is_linear_and_relu_at_every_step() {
    let mut parameters = parameters(1);
    let config = DenseConfig { size: 4, dropout: 0.5 };
    let layer = Dense::new(&mut parameters, "dense", 3, &config).unwrap();
    scramble(parameters.list());
    let [(_, weight), (_, bias)] = parameters.list() else { panic!() };
    let x = random(&[5, 2, 3], 2);
    let y = layer.forward(&x, &mut Mode::Eval).unwrap();
    let linear = x.broadcast_matmul(&weight.t().unwrap()).unwrap().broadcast_add(bias).unwrap();
    assert_close(&y, &linear.relu().unwrap());
    assert!(flat(&linear).iter().any(|&y| y < 0.0));
    assert!(matches!(layer.forward(&y, &mut Mode::Eval), Err(Error::Shape { .. })));
}

#[test]
fn dropout_keeps_the_mean_and_follows_its_seed() {
    let x = Tensor::ones(100_000, DType::F32, &Device::Cpu).unwrap();
    for p in [0.1, 0.5, 0.9] {
        let dropout = Dropout::new(p).unwrap();
        let draw = |seed| {
            let mut generator = Generator::seed_from_u64(seed);
            flat(&dropout.forward(&x, &mut Mode::Train(&mut generator)).unwrap())
        };
        let y = draw(1);
        let zeroed = y.iter().filter(|&&y| y == 0.0).count() as f64 / y.len() as f64;
        assert!((zeroed - p).abs() < SHARE_TOLERANCE, "{zeroed} {p}");
        let kept = 1.0 / (1.0 - p);
        assert!(y.iter().all(|&y| y == 0.0 || (y / kept - 1.0).abs() < 1e-4));
        assert_eq!(y, draw(1));
        assert_ne!(y, draw(2));
        assert_eq!(flat(&dropout.forward(&x, &mut Mode::Eval).unwrap()), flat(&x));
    }
    for p in [-0.1, 1.0, f64::NAN] {
        assert!(matches!(Dropout::new(p), Err(Error::Config { .. })));
    }
    let almost_all = Dropout::new(1.0 - 1e-12).unwrap();
    let mut generator = Generator::seed_from_u64(1);
    let y = flat(&almost_all.forward(&x, &mut Mode::Train(&mut generator)).unwrap());
    assert!(y.iter().all(|y| y.is_finite()));
}

#[test]
fn a_model_refuses_images_that_it_was_not_built_for() {
    let model = Model::new(&model_config(), 1, DType::F64, &Device::Cpu).unwrap();
    let found = model.forward(&random(&[2, 8, 12], 1), Mode::Eval).unwrap();
    let logits = output(&found.prediction);
    assert_eq!(logits.dims(), [2, 3]);
    assert!(!logits.track_op(), "in inference nothing is kept for a backward pass");
    for dims in [&[2, 12, 8][..], &[8, 12], &[0, 8, 12], &[2, 1, 8, 12]] {
        let error = model.forward(&random(dims, 1), Mode::Eval).unwrap_err().to_string();
        let expected = format!("images have shape {dims:?}, expected [B, 8, 12]");
        assert!(error.starts_with(&expected), "{error}");
    }
    let images = Tensor::zeros((1, 8, 12), DType::U8, &Device::Cpu).unwrap();
    let error = model.forward(&images, Mode::Eval).unwrap_err();
    assert!(matches!(error, Error::DType { found: DType::U8, .. }), "{error}");
    assert!(Parameters::new(1, DType::BF16, &Device::Cpu).is_err());
}
