//! Models of series and of symbols: lengths, classes and numbers, one told or each step, gradients.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::{
    DenseConfig, Error, Given, InitConfig, InputConfig, Mode, Model, ModelConfig, Scale, unpadded,
};

use crate::common::{check_gradients, flat, random, recurrent_config, scramble};

const LENGTHS: [usize; 3] = [4, 1, 3];
/// Of sums of some dozens of products of numbers about 1, in `f64`.
const TOLERANCE: f64 = 1e-12;

fn series() -> InputConfig {
    let scale = Scale { mean: vec![0.3, -0.2], deviation: vec![0.5, 2.0] };
    InputConfig::Series { features: 2, scale: Some(scale) }
}

fn classes(input: InputConfig) -> ModelConfig {
    let recurrent = recurrent_config(AnyCell::FGN, 4, InitConfig::default());
    ModelConfig::classifier(3, input, recurrent)
}

fn numbers(input: InputConfig) -> ModelConfig {
    let target_scale = Some(Scale { mean: vec![5.0, -1.0], deviation: vec![3.0, 0.25] });
    ModelConfig { classes: 0, numbers: 2, target_scale, ..classes(input) }
}

fn model(config: &ModelConfig) -> Model {
    let model = Model::new(config, 1, DType::F64, &Device::Cpu).unwrap();
    scramble(model.parameters());
    model
}

fn symbols() -> Tensor {
    Tensor::new(&[[1u32, 2, 0, 4], [3, 0, 0, 0], [4, 4, 1, 0]], &Device::Cpu).unwrap()
}

/// Three sequences for a model of series or symbols.
fn input(config: &ModelConfig) -> Tensor {
    match config.input {
        InputConfig::Symbols { .. } => symbols(),
        _ => random(&[3, 4, 2], 5),
    }
}

fn given(lengths: &[usize]) -> Given<'_> {
    Given { lengths: Some(lengths), state: None }
}

fn assert_close(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dims(), expected.dims());
    for (found, expected) in flat(found).into_iter().zip(flat(expected)) {
        assert!((found - expected).abs() < TOLERANCE, "{found}, expected {expected}");
    }
}

#[test]
fn a_short_sequence_among_longer_ones_is_told_as_alone() {
    let dense = Some(DenseConfig { size: 3, dropout: 0.2 });
    let embedding = InputConfig::Symbols { symbols: 5, size: 3 };
    for each_step in [false, true] {
        for config in [
            classes(series()),
            numbers(series()),
            ModelConfig { dense: dense.clone(), ..classes(series()) },
            classes(embedding.clone()),
        ] {
            let config = ModelConfig { each_step, ..config };
            let model = model(&config);
            let input = input(&config);
            let together = model.run(&input, &given(&LENGTHS), Mode::Eval).unwrap();
            for (at, &length) in LENGTHS.iter().enumerate() {
                let alone = input.narrow(0, at, 1).unwrap().narrow(1, 0, length).unwrap();
                let alone = model.forward(&alone, Mode::Eval).unwrap();
                let found = together.output.narrow(0, at, 1).unwrap();
                let found = if each_step { found.narrow(1, 0, length).unwrap() } else { found };
                assert_close(&found, &alone);
            }
        }
    }
}

#[test]
fn a_state_carries_on() {
    let config = ModelConfig { each_step: true, ..classes(series()) };
    let (model, input) = (model(&config), random(&[3, 4, 2], 6));
    let whole = model.forward(&input, Mode::Eval).unwrap();
    let first = model.run(&input.narrow(1, 0, 2).unwrap(), &Given::default(), Mode::Eval).unwrap();
    let rest = Given { lengths: None, state: Some(&first.state) };
    let rest = model.run(&input.narrow(1, 2, 2).unwrap(), &rest, Mode::Eval).unwrap();
    assert_close(&Tensor::cat(&[first.output, rest.output], 1).unwrap(), &whole);
}

#[test]
fn scales_are_taken_out_and_put_back() {
    let plain = |config: ModelConfig| ModelConfig { target_scale: None, ..config };
    let input = random(&[3, 4, 2], 7);
    let scaled = model(&numbers(series())).forward(&input, Mode::Eval).unwrap();
    let by_hand = {
        let tensor = |numbers: [f64; 2]| Tensor::new(&numbers, &Device::Cpu).unwrap();
        let input = input.broadcast_sub(&tensor([0.3, -0.2])).unwrap();
        let input = input.broadcast_div(&tensor([0.5, 2.0])).unwrap();
        let unscaled = InputConfig::Series { features: 2, scale: None };
        let told = model(&plain(numbers(unscaled))).forward(&input, Mode::Eval).unwrap();
        let told = told.broadcast_mul(&tensor([3.0, 0.25])).unwrap();
        told.broadcast_add(&tensor([5.0, -1.0])).unwrap()
    };
    assert_close(&scaled, &by_hand);

    // The loss is that of the numbers scaled back: a difference of one deviation counts 1.
    let model = model(&numbers(series()));
    let off = Tensor::new(&[3.0f64, -0.25], &Device::Cpu).unwrap();
    let target = scaled.broadcast_add(&off).unwrap();
    let loss = model.loss(&scaled, &target, None, 0.0).unwrap().to_scalar::<f64>().unwrap();
    assert!((loss - 1.0).abs() < TOLERANCE, "{loss}");
}

#[test]
fn losses_of_steps_leave_the_filling_out() {
    let config = ModelConfig { each_step: true, ..classes(series()) };
    let (model, input) = (model(&config), random(&[3, 4, 2], 8));
    let told = model.run(&input, &given(&LENGTHS), Mode::Eval).unwrap().output;
    assert_eq!(told.dims(), [3, 4, 3]);
    let target = Tensor::new(&[[0u32, 1, 2, 0], [1, 9, 9, 9], [2, 2, 1, 9]], &Device::Cpu).unwrap();
    let loss = model.loss(&told, &target, Some(&LENGTHS), 0.1).unwrap();
    let rows = unpadded(&told, Some(&LENGTHS)).unwrap();
    let classes = Tensor::new(&[0u32, 1, 2, 0, 1, 2, 2, 1], &Device::Cpu).unwrap();
    assert_close(&loss, &fgn_nn::smoothed_cross_entropy(&rows, &classes, 0.1).unwrap());
    assert!(matches!(model.loss(&told, &target, None, 0.0), Err(Error::Target { .. })));
}

#[test]
fn gradients_of_series_and_symbols() {
    let input = random(&[3, 4, 2], 9);
    let number = random(&[3, 2], 10);
    let regression = model(&numbers(series()));
    check_gradients(regression.parameters(), || {
        let told = regression.run(&input, &given(&LENGTHS), train()).unwrap().output;
        regression.loss(&told, &number, None, 0.0).unwrap()
    });

    let embedding = InputConfig::Symbols { symbols: 5, size: 3 };
    let config = ModelConfig { each_step: true, ..classes(embedding) };
    let text = model(&config);
    let target = Tensor::new(&[[0u32, 1, 2, 0], [1, 0, 0, 0], [2, 2, 1, 0]], &Device::Cpu).unwrap();
    check_gradients(text.parameters(), || {
        let told = text.run(&symbols(), &given(&LENGTHS), train()).unwrap().output;
        text.loss(&told, &target, Some(&LENGTHS), 0.1).unwrap()
    });
}

/// Of models without dropout, where nothing is drawn from it.
fn train() -> Mode<'static> {
    use rand::SeedableRng;
    Mode::Train(Box::leak(Box::new(rand_chacha::ChaCha8Rng::seed_from_u64(1))))
}

#[test]
fn what_does_not_fit_is_told() {
    let told = |config: &ModelConfig, input: Tensor, expected: &str| {
        let message = model(config).forward(&input, Mode::Eval).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    };
    told(
        &classes(series()),
        random(&[3, 4, 3], 1),
        "sequences have shape [3, 4, 3], expected [B, T, 2]",
    );
    told(&classes(series()), random(&[3, 4], 1), "sequences have shape [3, 4]");
    told(&classes(series()), symbols(), "the model's inputs are U32, expected f64");
    let embedding = classes(InputConfig::Symbols { symbols: 4, size: 3 });
    told(&embedding, symbols(), "symbol 4 in the input, but the model knows 0 to 3");
    told(&embedding, random(&[3, 4, 2], 1), "the model's inputs are F64, expected u32");

    let wrong = |config: ModelConfig, expected: &str| {
        let message = config.validate().unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    };
    let scale = |mean: &[f64], deviation: &[f64]| {
        let scale = Scale { mean: mean.to_vec(), deviation: deviation.to_vec() };
        classes(InputConfig::Series { features: 2, scale: Some(scale) })
    };
    wrong(
        scale(&[0.0], &[1.0, 1.0]),
        "`input.scale` is 1 means and 2 deviations, expected 2 of each",
    );
    wrong(scale(&[0.0, f64::NAN], &[1.0, 1.0]), "`input.scale` is ");
    wrong(scale(&[0.0, 0.0], &[1.0, 0.0]), "`input.scale` is ");
    wrong(ModelConfig { numbers: 1, ..classes(series()) }, "`numbers` is 1, expected 0");
    wrong(ModelConfig { classes: 0, ..classes(series()) }, "`classes` is 0, expected 2 to");
    wrong(ModelConfig { names: vec!["a".into()], ..classes(series()) }, "`names` is 1, expected 3");
    let none = classes(InputConfig::Series { features: 0, scale: None });
    wrong(none, "`input.features` is 0");
}

#[test]
fn a_file_gives_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    let names = vec!["speed".into(), "height".into()];
    let saved = model(&ModelConfig { names, ..numbers(series()) });
    saved.save(&file).unwrap();
    let loaded = Model::load(&file, &Device::Cpu).unwrap();
    assert_eq!(loaded.config(), saved.config());
    let input = random(&[3, 4, 2], 3);
    let told = |model: &Model| flat(&model.forward(&input, Mode::Eval).unwrap());
    assert_eq!(told(&loaded), told(&saved));
}

#[test]
fn a_frozen_model_tells_the_same_and_learns_no_more() {
    let dense = Some(DenseConfig { size: 3, dropout: 0.2 });
    let embedding = InputConfig::Symbols { symbols: 5, size: 3 };
    for config in [ModelConfig { dense, ..numbers(series()) }, classes(embedding)] {
        let model = model(&config);
        let input = input(&config);
        let told = |model: &Model| {
            let told = model.run(&input, &given(&LENGTHS), Mode::Eval).unwrap();
            [flat(&told.output), flat(&told.state.tensors()[0])]
        };
        let frozen = model.frozen().unwrap();
        let before = told(&model);
        assert_eq!(told(&frozen), before);
        for (_, var) in model.parameters() {
            var.set(&(var.as_tensor() * 0.5).unwrap()).unwrap();
            assert_eq!(told(&frozen), before);
        }
        assert_ne!(told(&model), before);
    }
}

#[test]
fn a_trace_tells_what_a_run_tells() {
    let dense = Some(DenseConfig { size: 3, dropout: 0.2 });
    let embedding = InputConfig::Symbols { symbols: 5, size: 3 };
    for each_step in [false, true] {
        for config in [
            numbers(series()),
            ModelConfig { dense: dense.clone(), ..classes(series()) },
            classes(embedding.clone()),
        ] {
            let config = ModelConfig { each_step, ..config };
            let model = model(&config);
            let input = input(&config);
            let told = model.run(&input, &given(&LENGTHS), Mode::Eval).unwrap();
            let (output, traces) = model.trace(&input, &given(&LENGTHS), None).unwrap();
            assert_close(&output, &told.output);
            assert!(!output.track_op());
            assert_eq!(traces.len(), 1);
            assert_eq!(traces[0].trace.shape, [4, 3, 4]);
            assert_eq!(traces[0].trace.lengths, LENGTHS);

            // Cut short, it is the trace of shorter samples.
            let (cut, traces) = model.trace(&input, &given(&LENGTHS), Some(2)).unwrap();
            let short = input.narrow(1, 0, 2).unwrap().contiguous().unwrap();
            let (expected, same) = model.trace(&short, &given(&[2, 1, 2]), None).unwrap();
            assert_close(&cut, &expected);
            assert_eq!(traces, same);
        }
    }
    let model = model(&classes(series()));
    let input = random(&[3, 4, 2], 5);
    assert!(model.trace(&input, &Given::default(), Some(0)).is_err());
    let single = input.to_dtype(DType::F32).unwrap();
    assert!(matches!(model.trace(&single, &Given::default(), None), Err(Error::DType { .. })));
}
