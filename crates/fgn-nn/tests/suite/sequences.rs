//! Models of series and of tokens: lengths, classes and values, per sample or per step, gradients.

use candle_core::{DType, Device, Tensor};
use fgn_core::AnyCell;
use fgn_nn::fgn_schema::{InputSchema, Moments, Padded, Schema, TargetSchema};
use fgn_nn::{
    Classification, DenseConfig, Embedding, Error, Generator, HeadConfig, InitConfig, InputConfig,
    LossOptions, Mode, Model, ModelConfig, ModelInput, RecurrentConfig, Regression, Series,
    SeriesAugment,
};

use crate::common::{
    check_gradients, flat, loss, output, predicted, random, recurrent_config, scramble,
};

const LENGTHS: [usize; 3] = [4, 1, 3];
/// Of sums of some dozens of products of numbers about 1, in `f64`.
const TOLERANCE: f64 = 1e-12;

fn series() -> Series {
    let scale = Moments { mean: vec![0.3, -0.2], std: vec![0.5, 2.0] };
    Series { scale: Some(scale), ..Series::new(2) }
}

fn embedding() -> Embedding {
    Embedding::new(5, 3)
}

fn dense() -> Option<DenseConfig> {
    Some(DenseConfig { size: 3, dropout: 0.2 })
}

fn config(input: impl Into<InputConfig>, head: impl Into<HeadConfig>) -> ModelConfig {
    ModelConfig::new(input, recurrent_config(AnyCell::FGN, 4, InitConfig::default()), head)
}

fn classes(input: impl Into<InputConfig>) -> ModelConfig {
    config(input, Classification::new(3))
}

fn regression() -> Regression {
    let scale = Some(Moments { mean: vec![5.0, -1.0], std: vec![3.0, 0.25] });
    Regression { scale, ..Regression::new(2) }
}

fn values(input: impl Into<InputConfig>) -> ModelConfig {
    config(input, regression())
}

/// The same with a prediction for each step.
fn per_step(config: ModelConfig) -> ModelConfig {
    let head = match config.head {
        HeadConfig::Classification(head) => Classification { per_step: true, ..head }.into(),
        HeadConfig::Regression(head) => Regression { per_step: true, ..head }.into(),
        other => panic!("{other:?}"),
    };
    ModelConfig { head, ..config }
}

fn model(config: &ModelConfig) -> Model {
    let model = Model::new(config, 1, DType::F64, &Device::Cpu).unwrap();
    scramble(model.parameters());
    model
}

fn tokens() -> Tensor {
    Tensor::new(&[[1u32, 2, 0, 4], [3, 0, 0, 0], [4, 4, 1, 0]], &Device::Cpu).unwrap()
}

/// Three sequences for a model of series or tokens.
fn input(config: &ModelConfig) -> Tensor {
    match config.input {
        InputConfig::Embedding(_) => tokens(),
        _ => random(&[3, 4, 2], 5),
    }
}

fn padded(tensor: &Tensor) -> Padded {
    Padded::with_lengths(tensor.clone(), LENGTHS.to_vec()).unwrap()
}

fn assert_close(found: &Tensor, expected: &Tensor) {
    assert_eq!(found.dims(), expected.dims());
    for (found, expected) in flat(found).into_iter().zip(flat(expected)) {
        assert!((found - expected).abs() < TOLERANCE, "{found}, expected {expected}");
    }
}

#[test]
fn a_short_sequence_among_longer_ones_is_predicted_as_alone() {
    for steps in [false, true] {
        for config in [
            classes(series()),
            values(series()),
            ModelConfig { dense: dense(), ..classes(series()) },
            classes(embedding()),
        ] {
            let config = if steps { per_step(config) } else { config };
            let model = model(&config);
            let input = input(&config);
            let together = predicted(&model, &padded(&input));
            for (index, &length) in LENGTHS.iter().enumerate() {
                let alone = input.narrow(0, index, 1).unwrap().narrow(1, 0, length).unwrap();
                let alone = predicted(&model, &alone);
                let found = together.narrow(0, index, 1).unwrap();
                let found = if steps { found.narrow(1, 0, length).unwrap() } else { found };
                assert_close(&found, &alone);
            }
        }
    }
}

#[test]
fn a_state_continues_a_sequence() {
    let config = per_step(classes(series()));
    let (model, input) = (model(&config), random(&[3, 4, 2], 6));
    let whole = predicted(&model, &input);
    let first = model.forward(&input.narrow(1, 0, 2).unwrap(), Mode::Eval).unwrap();
    let rest = Padded::new(input.narrow(1, 2, 2).unwrap());
    let rest = predicted(&model, ModelInput::new(&rest).with_state(&first.state));
    assert_close(&Tensor::cat(&[output(&first.prediction), rest], 1).unwrap(), &whole);
}

#[test]
fn scales_are_removed_and_applied_again() {
    let input = random(&[3, 4, 2], 7);
    let scaled = model(&values(series())).forward(&input, Mode::Eval).unwrap().prediction;
    let by_hand = {
        let tensor = |numbers: [f64; 2]| Tensor::new(&numbers, &Device::Cpu).unwrap();
        let input = input.broadcast_sub(&tensor([0.3, -0.2])).unwrap();
        let input = input.broadcast_div(&tensor([0.5, 2.0])).unwrap();
        let plain = config(Series::new(2), Regression::new(2));
        let predicted = predicted(&model(&plain), &input);
        let predicted = predicted.broadcast_mul(&tensor([3.0, 0.25])).unwrap();
        predicted.broadcast_add(&tensor([5.0, -1.0])).unwrap()
    };
    assert_close(&output(&scaled), &by_hand);

    // The loss is that of standardised values: a difference of one standard deviation counts 1.
    let model = model(&values(series()));
    let off = Tensor::new(&[3.0f64, -0.25], &Device::Cpu).unwrap();
    let target = output(&scaled).broadcast_add(&off).unwrap().into();
    let loss = loss(&model, &scaled, &target).to_scalar::<f64>().unwrap();
    assert!((loss - 1.0).abs() < TOLERANCE, "{loss}");
}

#[test]
fn losses_of_steps_leave_the_padding_out() {
    let (model, input) = (model(&per_step(classes(series()))), random(&[3, 4, 2], 8));
    let found = model.forward(&padded(&input), Mode::Eval).unwrap().prediction;
    assert_eq!(found.output().tensor().dims(), [3, 4, 3]);
    let target = Tensor::new(&[[0u32, 1, 2, 0], [1, 9, 9, 9], [2, 2, 1, 9]], &Device::Cpu).unwrap();
    let options = LossOptions::default().with_label_smoothing(0.1);
    let loss = model.loss(&found, &padded(&target), &options).unwrap();
    assert_eq!(loss.targets, 8);
    let rows = found.output().steps().unwrap();
    let classes = Tensor::new(&[0u32, 1, 2, 0, 1, 2, 2, 1], &Device::Cpu).unwrap();
    assert_close(&loss.mean, &fgn_nn::smoothed_cross_entropy(&rows, &classes, 0.1).unwrap());
    // Without the lengths, the padding is read.
    let whole = model.forward(&input, Mode::Eval).unwrap().prediction;
    let error = model.loss(&whole, &target.into(), &LossOptions::default());
    assert!(matches!(error, Err(Error::Target { .. })), "{error:?}");
}

#[test]
fn gradients_of_series_and_tokens() {
    let input = padded(&random(&[3, 4, 2], 9));
    let target = random(&[3, 2], 10).into();
    let regression = model(&values(series()));
    check_gradients(regression.parameters(), || {
        let found = regression.forward(&input, train()).unwrap().prediction;
        loss(&regression, &found, &target)
    });

    let text = model(&per_step(classes(embedding())));
    let target = Tensor::new(&[[0u32, 1, 2, 0], [1, 0, 0, 0], [2, 2, 1, 0]], &Device::Cpu).unwrap();
    let target = padded(&target);
    let options = LossOptions::default().with_label_smoothing(0.1);
    check_gradients(text.parameters(), || {
        let found = text.forward(&padded(&tokens()), train()).unwrap().prediction;
        text.loss(&found, &target, &options).unwrap().mean
    });
}

/// For models without dropout, which draw nothing from it.
fn train() -> Mode<'static> {
    Mode::Train(Box::leak(Box::new(Generator::seed_from_u64(1))))
}

#[test]
fn samples_that_do_not_fit_are_refused() {
    let refused = |config: &ModelConfig, input: Tensor, expected: &str| {
        let message = model(config).forward(&input, Mode::Eval).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    };
    refused(
        &classes(series()),
        random(&[3, 4, 3], 1),
        "sequences have shape [3, 4, 3], expected [B, T, 2]",
    );
    refused(&classes(series()), random(&[3, 4], 1), "sequences have shape [3, 4]");
    refused(&classes(series()), tokens(), "the model's inputs are U32, expected f64");
    let small = classes(Embedding { num_embeddings: 4, ..embedding() });
    refused(&small, tokens(), "token 4 in the input, but the model's vocabulary is 0 to 3");
    refused(&small, random(&[3, 4, 2], 1), "the model's inputs are F64, expected u32");
    let state =
        model(&classes(series())).forward(&random(&[2, 4, 2], 1), Mode::Eval).unwrap().state;
    let three = Padded::new(random(&[3, 4, 2], 1));
    let model = model(&classes(series()));
    let error = model.forward(ModelInput::new(&three).with_state(&state), Mode::Eval).unwrap_err();
    assert!(error.to_string().starts_with("initial states have shape"), "{error}");
}

#[test]
fn data_that_does_not_fit_is_refused() {
    let config = classes(series());
    let names: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
    let classes = TargetSchema::Class { names: names.clone(), per_step: false };
    let series = |features| InputSchema::Series { features };
    config.accepts(&Schema::new(series(2), classes.clone())).unwrap();
    let values = TargetSchema::Value { names, per_step: false };
    for (data, expected) in [
        (
            Schema::new(series(3), classes),
            "the data has series of 3 features, expected series of 2",
        ),
        (Schema::new(series(2), values), "the data has 3 values, expected at most 3 classes"),
    ] {
        let error = config.accepts(&data).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_file_gives_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    let names = vec!["speed".into(), "height".into()];
    let saved = model(&config(series(), Regression { names, ..regression() }));
    saved.save(&file).unwrap();
    let loaded = Model::load(&file, &Device::Cpu).unwrap();
    assert_eq!(loaded.config(), saved.config());
    let input = random(&[3, 4, 2], 3);
    assert_eq!(flat(&predicted(&loaded, &input)), flat(&predicted(&saved, &input)));
}

#[test]
fn a_frozen_model_predicts_the_same_and_is_not_trained() {
    for config in [ModelConfig { dense: dense(), ..values(series()) }, classes(embedding())] {
        let model = model(&config);
        let input = padded(&input(&config));
        let found = |model: &Model| {
            let found = model.forward(&input, Mode::Eval).unwrap();
            [flat(&output(&found.prediction)), flat(&found.state.tensors()[0])]
        };
        let frozen = model.frozen().unwrap();
        let before = found(&model);
        assert_eq!(found(&frozen), before);
        for (_, var) in model.parameters() {
            var.set(&(var.as_tensor() * 0.5).unwrap()).unwrap();
            assert_eq!(found(&frozen), before);
        }
        assert_ne!(found(&model), before);
    }
}

#[test]
fn a_trace_belongs_to_what_is_predicted() {
    for steps in [false, true] {
        for config in [
            values(series()),
            ModelConfig { dense: dense(), ..classes(series()) },
            classes(embedding()),
        ] {
            let config = if steps { per_step(config) } else { config };
            let model = model(&config);
            let input = input(&config);
            let expected = predicted(&model, &padded(&input));
            let (found, traces) = model.trace(&padded(&input), None).unwrap();
            assert_eq!(flat(&output(&found)), flat(&expected));
            assert!(!output(&found).track_op());
            assert_eq!(traces.len(), 1);
            assert_eq!(traces[0].trace.shape, [4, 3, 4]);
            assert_eq!(traces[0].trace.lengths, LENGTHS);

            // With fewer steps, it is the trace of shorter samples.
            let (cut, traces) = model.trace(&padded(&input), Some(2)).unwrap();
            let short = input.narrow(1, 0, 2).unwrap().contiguous().unwrap();
            let short = Padded::with_lengths(short, vec![2, 1, 2]).unwrap();
            let (expected, same) = model.trace(&short, None).unwrap();
            assert_close(&output(&cut), &output(&expected));
            assert_eq!(traces, same);
        }
    }
    let model = model(&classes(series()));
    let input = random(&[3, 4, 2], 5);
    assert!(matches!(model.trace(&input, Some(0)), Err(Error::Shape { .. })));
    let bytes = input.to_dtype(DType::U8).unwrap();
    assert!(matches!(model.trace(&bytes, None), Err(Error::DType { .. })));
}

/// A series that is cut in training has other steps than its targets.
#[test]
fn targets_of_steps_are_not_cut_off() {
    let augment = SeriesAugment { crop: 0.2, ..SeriesAugment::default() };
    let input = Series { augment, ..Series::new(2) };
    let recurrent = RecurrentConfig::new(AnyCell::GRU, 3);
    let whole = ModelConfig::new(input.clone(), recurrent.clone(), Classification::new(2));
    whole.validate().unwrap();
    let head = Classification { per_step: true, ..Classification::new(2) };
    let error = ModelConfig::new(input, recurrent, head).validate().unwrap_err().to_string();
    assert_eq!(error, "`input.augment.crop` is above 0, expected 0 where each step has a target");

    // In training a sample may be shorter than it was; in inference it is not.
    let model = Model::new(&whole, 1, DType::F32, &Device::Cpu).unwrap();
    let x = Tensor::ones((3, 10, 2), DType::F64, &Device::Cpu).unwrap();
    let output = |mode: Mode<'_>| {
        let found = model.forward(&x, mode).unwrap();
        found.prediction.output().tensor().to_vec2::<f32>().unwrap()
    };
    let mut generator = Generator::seed_from_u64(1);
    let trained = output(Mode::Train(&mut generator));
    assert_eq!(output(Mode::Eval), output(Mode::Eval));
    assert_ne!(trained, output(Mode::Eval), "nothing was cut off");
}
