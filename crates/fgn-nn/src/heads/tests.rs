//! What holds for every kind of head.

use candle_core::{DType, Device, Tensor};
use fgn_kernels::Emit;
use fgn_schema::{Moments, Padded, Prediction, TargetSchema};
use serde_json::json;

use super::*;
use crate::dropout::Mode;
use crate::error::Error;
use crate::recurrent::State;

fn table(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// What a recipe has to say of a kind.
fn given(kind: &str) -> Map<String, Value> {
    table(match kind {
        "decoder" => json!({
            "kind": kind,
            "embedding_dim": 3,
            "recurrent": { "hidden_size": 4, "cell": { "name": "gru" } },
        }),
        _ => json!({ "kind": kind }),
    })
}

fn examples() -> Vec<HeadConfig> {
    let example = |kind: &Kind<TargetSchema>| {
        let given = given(kind.name);
        let targets = (kind.stand_in)();
        assert_eq!(HeadConfig::stand_in(&given), targets);
        let whole = HeadConfig::complete(&given, &targets, &Statistics::default()).unwrap();
        serde_json::from_value::<HeadConfig>(whole.into()).unwrap()
    };
    KINDS.iter().map(example).collect()
}

fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

fn built(config: &HeadConfig) -> (Box<dyn Head>, Parameters<'static>) {
    let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
    let head = config.build(&mut parameters, "head", 4).unwrap();
    (head, parameters)
}

#[test]
fn each_kind_is_completed_from_its_stand_in() {
    assert_eq!(HeadConfig::kinds().len(), KINDS.len());
    for (kind, config) in KINDS.iter().zip(examples()) {
        assert_eq!(config.kind(), kind.name);
        config.validate().unwrap();
        config.accepts(&(kind.stand_in)()).unwrap();
        assert_eq!(config.target(), (kind.stand_in)());
        let error = config.accepts(&TargetSchema::None).unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    }
}

#[test]
fn each_kind_is_written_with_its_name_and_read_back() {
    for config in examples() {
        let value = serde_json::to_value(&config).unwrap();
        assert_eq!(value["kind"], config.kind());
        assert_eq!(serde_json::from_value::<HeadConfig>(value.clone()).unwrap(), config);
        let mut more = table(value);
        more.insert("clases".into(), 3.into());
        let error = serde_json::from_value::<HeadConfig>(more.into()).unwrap_err().to_string();
        assert!(error.contains("unknown field `clases`"), "{error}");
    }
}

#[test]
fn without_a_kind_the_first_that_fits_is_taken() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let class = TargetSchema::Class { names: names(&["a", "b", "c"]), per_step: true };
    let value = TargetSchema::Value { names: names(&["x"]), per_step: false };
    let statistics = Statistics::new(None, Some(Moments { mean: vec![0.5], std: vec![2.0] }));
    for (targets, expected) in [
        (
            &class,
            json!({ "kind": "classification", "classes": 3, "names": ["a", "b", "c"], "per_step": true }),
        ),
        (
            &value,
            json!({ "kind": "regression", "values": 1, "names": ["x"], "scale": { "mean": [0.5], "std": [2.0] } }),
        ),
    ] {
        let whole = HeadConfig::complete(&Map::new(), targets, &statistics).unwrap();
        assert_eq!(Value::from(whole), expected);
    }
    assert_eq!(HeadConfig::stand_in(&Map::new()).to_string(), "2 classes");
    assert_eq!(HeadConfig::stand_in(&table(json!({ "values": 3 }))).to_string(), "1 value");
    let given = table(json!({ "kind": "regression" }));
    let error = HeadConfig::complete(&given, &class, &statistics).unwrap_err().to_string();
    let expected = "`head.kind` is regression, expected one for 3 classes per step: classification";
    assert_eq!(error, expected);
    let error = HeadConfig::complete(&Map::new(), &TargetSchema::None, &statistics).unwrap_err();
    let expected = "`head.kind` is left out, expected one for no target, but there is none";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn each_kind_predicts_for_samples_and_for_steps() {
    let lengths = [3, 1];
    // Those that can do either.
    for config in examples().into_iter().filter(|config| !config.target().names().is_empty()) {
        for per_step in [false, true] {
            let mut value = table(serde_json::to_value(&config).unwrap());
            value.insert("per_step".into(), per_step.into());
            let config: HeadConfig = serde_json::from_value(value.into()).unwrap();
            let (head, parameters) = built(&config);
            assert_eq!(head.emit(), if per_step { Emit::All } else { Emit::Last });
            assert_eq!(parameters.list()[0].0, "head.weight");
            assert!(!config.metrics().is_empty());
            let outputs = config.target().names().len();
            let state = State::new(Vec::new(), false);
            let (shape, expected) = match per_step {
                false => (vec![2, 4], vec![2, outputs]),
                true => (vec![3, 2, 4], vec![2, 3, outputs]),
            };
            let output = Tensor::ones(shape, DType::F64, &Device::Cpu).unwrap();
            let encoded = Encoded::new(&output, Some(&lengths), &state);
            let prediction = head.forward(&encoded, None, &mut Mode::Eval).unwrap();
            assert_eq!(prediction.output().tensor().dims(), expected);
            assert_eq!(prediction.output().lengths(), per_step.then_some(&lengths[..]));

            // One answer a sample; padding has none.
            let answers = head.decode(&prediction).unwrap();
            assert_eq!(answers.len(), 2);
            if per_step {
                let steps = |answer: &Answer| answer.json()["steps"].as_array().unwrap().len();
                assert_eq!([steps(&answers[0]), steps(&answers[1])], lengths);
                assert!(answers[0].text().starts_with("3 steps\n  0: "), "{}", answers[0]);
            }
        }
    }
}

/// Whether it predicts tokens of sequences that have their own lengths.
fn reads_sequences(config: &HeadConfig) -> bool {
    let target = config.target();
    target.names().is_empty() && !matches!(target, TargetSchema::Pixels { .. })
}

#[test]
fn heads_of_tokens_read_all_outputs() {
    let lengths = [3, 1];
    let output = Tensor::ones((3, 2, 4), DType::F64, &Device::Cpu).unwrap();
    let state = State::new(vec![Tensor::ones((1, 2, 4), DType::F64, &Device::Cpu).unwrap()], false);
    let target = Tensor::new(&[[0u32, 0, 1], [1, 0, 0]], &Device::Cpu).unwrap();
    let target = Padded::with_lengths(target, lengths.to_vec()).unwrap();
    let mut found = Vec::new();
    for config in examples().into_iter().filter(reads_sequences) {
        let (head, _) = built(&config);
        assert_eq!(head.emit(), Emit::All);
        assert!(!config.metrics().is_empty());
        let encoded = Encoded::new(&output, Some(&lengths), &state);
        let prediction = head.forward(&encoded, Some(&target), &mut Mode::Eval).unwrap();
        if let Prediction::Ranking(ranking) = &prediction {
            // Of each of the four steps, both items.
            assert_eq!(ranking.items().tensor().dims(), [4, 2]);
        } else {
            assert_eq!(prediction.output().tensor().dims(), [2, 3, 2]);
            assert_eq!(prediction.output().lengths(), Some(&lengths[..]));
        }
        let smoothed = LossOptions::default().with_label_smoothing(0.1);
        let has_smoothing = config.check_loss_options(&smoothed).is_ok();
        let options = if has_smoothing { smoothed } else { LossOptions::default() };
        assert_eq!(head.loss(&prediction, &target, &options).unwrap().targets, 4);
        let prediction = head.forward(&encoded, None, &mut Mode::Eval).unwrap();
        assert_eq!(head.decode(&prediction).unwrap().len(), 2);
        found.push(config.kind());
    }
    assert_eq!(found, ["next-token", "decoder", "ctc", "next-item"]);
}

#[test]
fn a_class_is_read_with_its_probabilities() {
    let names = vec!["cat".into(), "dog".into()];
    let config = Classification { names, ..Classification::new(2) };
    let (head, _) = built(&config.clone().into());
    let logits = tensor(&[0.0, 3f64.ln()], &[1, 2]);
    let answers = head.decode(&Prediction::Logits(logits.clone().into())).unwrap();
    assert_eq!(answers[0].text(), "dog\n  cat: 0.250  dog: 0.750");
    let expected = r#"{"class":1,"name":"dog","probabilities":{"cat":0.25,"dog":0.75}}"#;
    assert_eq!(serde_json::to_string(&answers[0]).unwrap(), expected);

    let (head, _) = built(&Classification { per_step: true, ..config }.into());
    let steps = Tensor::stack(&[&logits, &logits], 1).unwrap();
    let steps = Padded::with_lengths(steps, vec![1]).unwrap();
    let answers = head.decode(&Prediction::Logits(steps)).unwrap();
    assert_eq!(answers[0].text(), "1 step\n  0: dog 0.750");
    let expected = r#"{"steps":[{"class":1,"name":"dog","probability":0.75}]}"#;
    assert_eq!(serde_json::to_string(&answers[0]).unwrap(), expected);
    let error = head.decode(&Prediction::Values(logits.into())).unwrap_err().to_string();
    assert_eq!(error, "a prediction of values, expected logits");
}

#[test]
fn values_are_read_with_their_names() {
    let names = vec!["x".into(), "y".into()];
    let config = Regression { names, ..Regression::new(2) };
    let (head, _) = built(&config.clone().into());
    let values = tensor(&[1.0, 2.5], &[1, 2]);
    let answers = head.decode(&Prediction::Values(values.clone().into())).unwrap();
    assert_eq!(answers[0].text(), "x: 1.0000  y: 2.5000");
    let expected = r#"{"values":{"x":1.0,"y":2.5}}"#;
    assert_eq!(serde_json::to_string(&answers[0]).unwrap(), expected);
    let (unnamed, _) = built(&Regression::new(2).into());
    let answers = unnamed.decode(&Prediction::Values(values.clone().into())).unwrap();
    assert_eq!(answers[0].text(), "0: 1.0000  1: 2.5000");
    assert_eq!(serde_json::to_string(&answers[0]).unwrap(), r#"{"values":{"0":1.0,"1":2.5}}"#);

    let (head, _) = built(&Regression { per_step: true, ..config }.into());
    let steps = Tensor::stack(&[&values, &values], 1).unwrap();
    let answers = head.decode(&Prediction::Values(steps.into())).unwrap();
    let expected = "2 steps\n  0: x: 1.0000  y: 2.5000\n  1: x: 1.0000  y: 2.5000";
    assert_eq!(answers[0].text(), expected);
    let expected = r#"{"steps":[{"values":{"x":1.0,"y":2.5}},{"values":{"x":1.0,"y":2.5}}]}"#;
    assert_eq!(serde_json::to_string(&answers[0]).unwrap(), expected);
    let error = head.decode(&Prediction::Logits(values.into())).unwrap_err().to_string();
    assert_eq!(error, "a prediction of logits, expected values");
}

#[test]
fn only_classes_have_label_smoothing() {
    let smoothed = LossOptions::default().with_label_smoothing(0.1);
    let classes = HeadConfig::from(Classification::new(2));
    classes.check_loss_options(&smoothed).unwrap();
    let too_much = LossOptions::default().with_label_smoothing(1.0);
    assert!(matches!(classes.check_loss_options(&too_much), Err(Error::Config { .. })));
    let values = HeadConfig::from(Regression::new(1));
    values.check_loss_options(&LossOptions::default()).unwrap();
    let error = values.check_loss_options(&smoothed).unwrap_err().to_string();
    assert!(error.starts_with("`label_smoothing` is 0.1, expected 0: only"), "{error}");
    let (head, _) = built(&values);
    let predicted = Prediction::Values(tensor(&[1.0], &[1, 1]).into());
    let target = tensor(&[1.0], &[1, 1]).into();
    let error = head.loss(&predicted, &target, &smoothed).unwrap_err().to_string();
    assert!(error.starts_with("`label_smoothing` is 0.1"), "{error}");
}

#[test]
fn only_a_classification_has_weights_and_focus() {
    let weighted = LossOptions::default().with_class_weights(vec![1.0, 2.0]);
    let focal = LossOptions::default().with_focal_gamma(2.0);
    let classes = HeadConfig::from(Classification::new(2));
    for options in [&weighted, &focal] {
        classes.check_loss_options(options).unwrap();
        for other in [HeadConfig::from(Regression::new(1)), NextToken::new(3).into()] {
            let error = other.check_loss_options(options).unwrap_err().to_string();
            assert!(error.contains("only the head classification has"), "{error}");
        }
    }
    let three = HeadConfig::from(Classification::new(3));
    let error = three.check_loss_options(&weighted).unwrap_err().to_string();
    assert_eq!(error, "`class_weights` is 2 numbers, expected 3, one for each class");

    // Losses ln 2 of the first class, twice, and ln 4 − ln 3 of the second, of weight 2.
    let (head, _) = built(&classes);
    let logits = tensor(&[0.0, 0.0, 1.0, 1.0, 0.0, 3f64.ln()], &[3, 2]);
    let target = Tensor::new(&[0u32, 0, 1], &Device::Cpu).unwrap().into();
    let loss = head.loss(&Prediction::Logits(logits.into()), &target, &weighted).unwrap();
    let expected = (2.0 * 2f64.ln() + 2.0 * (4.0f64 / 3.0).ln()) / 4.0;
    assert!((loss.mean.to_scalar::<f64>().unwrap() - expected).abs() < 1e-12);
    assert_eq!((loss.targets, loss.weight), (3, 4.0));
}

#[test]
fn losses_count_their_targets_and_leave_padding_out() {
    let (head, _) = built(&Classification { per_step: true, ..Classification::new(2) }.into());
    let logits = tensor(&[0.0, 1.0, 5.0, -5.0, 2.0, 0.5, 0.0, 0.0], &[2, 2, 2]);
    let logits = Padded::with_lengths(logits, vec![1, 2]).unwrap();
    let classes = Tensor::new(&[[1u32, 9], [0, 1]], &Device::Cpu).unwrap();
    let target = Padded::with_lengths(classes.clone(), vec![1, 2]).unwrap();
    let prediction = Prediction::Logits(logits);
    let loss = head.loss(&prediction, &target, &LossOptions::default()).unwrap();
    assert_eq!(loss.targets, 3);
    let of = |a: f64, b: f64| (1.0 + (b - a).exp()).ln();
    let expected = (of(1.0, 0.0) + of(2.0, 0.5) + of(0.0, 0.0)) / 3.0;
    assert!((loss.mean.to_scalar::<f64>().unwrap() - expected).abs() < 1e-14);
    let whole = head.loss(&prediction, &classes.into(), &LossOptions::default());
    assert!(matches!(whole, Err(Error::Batch(_))), "{whole:?}");
    let values = Prediction::Values(tensor(&[1.0], &[1, 1]).into());
    let wrong = head.loss(&values, &target, &LossOptions::default());
    assert!(matches!(wrong, Err(Error::Prediction { .. })), "{wrong:?}");
}

/// A head of a model in `F32` whose layer gives 0, then 1: the targets' mean, and a standard deviation above it.
#[test]
fn values_with_an_offset_are_predicted_compared_and_shown_in_f64() {
    let scale = Some(Moments { mean: vec![1_700_000_029.5], std: vec![16.0] });
    let config = HeadConfig::from(Regression { scale, ..Regression::new(1) });
    let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu).unwrap();
    let head = config.build(&mut parameters, "head", 1).unwrap();
    for (_, var) in parameters.list() {
        let value = if var.rank() == 2 { var.ones_like() } else { var.zeros_like() };
        var.set(&value.unwrap()).unwrap();
    }
    let output = Tensor::new(&[[0f32], [1.0]], &Device::Cpu).unwrap();
    let state = State::new(Vec::new(), false);
    let prediction =
        head.forward(&Encoded::new(&output, None, &state), None, &mut Mode::Eval).unwrap();
    let values = prediction.output().tensor().to_vec2::<f64>().unwrap();
    assert_eq!(values, [[1_700_000_029.5], [1_700_000_045.5]]);
    let target = tensor(&[1_700_000_037.5, 1_700_000_045.5], &[2, 1]);
    let loss = head.loss(&prediction, &target.into(), &LossOptions::default()).unwrap();
    assert_eq!(loss.mean.to_scalar::<f64>().unwrap(), 0.125, "half a standard deviation, and none");
    let gradients = loss.mean.backward().unwrap();
    let bias = &parameters.list().iter().find(|(name, _)| name == "head.bias").unwrap().1;
    assert_eq!(gradients.get(bias).unwrap().to_vec1::<f32>().unwrap(), [-0.5]);

    let answers = head.decode(&prediction).unwrap();
    assert_eq!(answers[0].text(), "0: 1700000029.50");
    assert_eq!(serde_json::to_string(&answers[1]).unwrap(), r#"{"values":{"0":1700000045.5}}"#);
    let small = Prediction::Values(tensor(&[1e-7], &[1, 1]).into());
    let (head, _) = built(&Regression::new(1).into());
    assert_eq!(head.decode(&small).unwrap()[0].text(), "0: 1.000e-7");
}
