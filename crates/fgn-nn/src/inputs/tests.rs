//! What holds for every kind of input layer.

use candle_core::{Device, Tensor};
use fgn_schema::Padded;
use serde_json::json;

use super::*;
use crate::dropout::Mode;
use crate::error::Error;

fn table(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// What a recipe has to say of a kind.
fn given(kind: &str) -> Map<String, Value> {
    table(match kind {
        "image-conv" => json!({ "kind": kind, "channels": [2, 3] }),
        "embedding" => json!({ "kind": kind, "embedding_dim": 3 }),
        _ => json!({ "kind": kind }),
    })
}

fn completed(given: &Map<String, Value>, samples: &InputSchema) -> Result<InputConfig> {
    let whole = InputConfig::complete(given, samples, &Statistics::default())?;
    Ok(serde_json::from_value(whole.into()).unwrap())
}

fn examples() -> Vec<InputConfig> {
    let example = |kind: &Kind<InputSchema>| completed(&given(kind.name), &(kind.stand_in)());
    KINDS.iter().map(|kind| example(kind).unwrap()).collect()
}

#[test]
fn each_kind_is_completed_from_its_stand_in() {
    assert_eq!(InputConfig::kinds().len(), KINDS.len());
    for (kind, config) in KINDS.iter().zip(examples()) {
        let samples = (kind.stand_in)();
        assert_eq!(InputConfig::stand_in(&given(kind.name)), samples);
        assert_eq!(config.kind(), kind.name);
        config.validate().unwrap();
        config.accepts(&samples).unwrap();
        assert_eq!(config.samples(), samples);
    }
}

#[test]
fn each_kind_is_written_with_its_name_and_read_back() {
    for config in examples() {
        let value = serde_json::to_value(&config).unwrap();
        assert_eq!(value["kind"], config.kind());
        assert_eq!(serde_json::from_value::<InputConfig>(value.clone()).unwrap(), config);
        let mut more = table(value.clone());
        more.insert("hight".into(), 3.into());
        let error = serde_json::from_value::<InputConfig>(more.into()).unwrap_err().to_string();
        assert!(error.contains("unknown field `hight`"), "{error}");
        let mut none = table(value);
        none.insert("kind".into(), "none".into());
        let error = serde_json::from_value::<InputConfig>(none.into()).unwrap_err().to_string();
        assert!(error.contains("unknown variant `none`, expected one of `image-rows`"), "{error}");
    }
}

#[test]
fn each_kind_accepts_its_samples_alone() {
    for config in examples() {
        for other in [
            InputSchema::Image { height: 8, width: 4, channels: 1 },
            InputSchema::Image { height: 4, width: 4, channels: 3 },
            InputSchema::Image { height: 1, width: 1, channels: 3 },
            InputSchema::Series { features: 9 },
            InputSchema::tokens(9),
        ] {
            let error = config.accepts(&other).unwrap_err();
            assert!(matches!(error, Error::Mismatch { .. }), "{error}");
            let (expected, error) = (config.samples(), error.to_string());
            let expected = format!("the data has {other}, expected {expected} (model.input)");
            assert_eq!(error, expected);
        }
    }
}

#[test]
fn each_kind_makes_the_features_that_it_says() {
    let colour = InputSchema::Image { height: 8, width: 4, channels: 3 };
    let images = ["image-rows", "image-conv", "image-pixels"];
    let in_colour = images.map(|kind| completed(&given(kind), &colour).unwrap());
    for config in examples().into_iter().chain(in_colour) {
        let batch = match config.samples() {
            InputSchema::Image { height, width, channels: 1 } => vec![2, height, width],
            InputSchema::Image { height, width, channels } => vec![2, height, width, channels],
            InputSchema::Series { features } => vec![2, 5, features],
            // Four hops of 10 ms after a frame of 512 samples.
            InputSchema::Audio { sample_rate: 16_000 } => vec![2, 512 + 4 * 160],
            _ => vec![2, 5],
        };
        let dtype = config.dtype(DType::F64);
        let samples = Padded::new(Tensor::zeros(batch, dtype, &Device::Cpu).unwrap());
        let mut parameters = Parameters::new(1, DType::F64, &Device::Cpu).unwrap();
        let layer = config.build(&mut parameters, "input").unwrap();
        assert!(parameters.list().iter().all(|(name, _)| name.starts_with("input.")));
        let x = layer.forward(&samples, &mut Mode::Eval).unwrap();
        let expected = [config.steps().unwrap_or(5), 2, config.features()];
        assert_eq!(x.tensor().dims(), expected, "{}", config.kind());
        assert!(x.tensor().is_contiguous() && x.lengths().is_none());

        // Lengths pass, or are refused where samples have none.
        let lengths = vec![1, samples.tensor().dims()[1]];
        let lengths = Padded::with_lengths(samples.tensor().clone(), lengths).unwrap();
        match (config.steps(), layer.forward(&lengths, &mut Mode::Eval)) {
            (None, found) => assert_eq!(found.unwrap().lengths(), Some(&[1, 5][..])),
            (Some(_), found) => assert!(matches!(found, Err(Error::Shape { .. })), "{found:?}"),
        }
        let wrong = Padded::new(Tensor::zeros((1, 1, 1, 2), dtype, &Device::Cpu).unwrap());
        assert!(matches!(layer.forward(&wrong, &mut Mode::Eval), Err(Error::Shape { .. })));
    }
}

#[test]
fn without_a_kind_the_first_that_fits_is_taken() {
    let image = InputSchema::Image { height: 8, width: 12, channels: 1 };
    for (keys, samples, expected) in [
        (json!({}), image.clone(), "image-rows"),
        (json!({ "channels": [2, 3] }), image.clone(), "image-conv"),
        (json!({ "permutation_seed": 3 }), image.clone(), "image-pixels"),
        (json!({}), InputSchema::Series { features: 3 }, "series"),
        (json!({ "embedding_dim": 3 }), InputSchema::tokens(3), "embedding"),
        (json!({}), InputSchema::Audio { sample_rate: 8000 }, "audio"),
    ] {
        let keys = table(keys);
        let config = completed(&keys, &samples).unwrap();
        assert_eq!(config.kind(), expected);
        assert_eq!(config.samples(), samples);
    }
    // What no kind reads is named when the first one for such samples is read.
    let keys = table(json!({ "hight": 3 }));
    let whole = InputConfig::complete(&keys, &image, &Statistics::default()).unwrap();
    let error = serde_json::from_value::<InputConfig>(whole.into()).unwrap_err().to_string();
    let expected = "unknown field `hight`, expected one of `height`, `width`, `in_channels`";
    assert!(error.contains(expected), "{error}");
    let series = InputSchema::Series { features: 1 };
    assert_eq!(InputConfig::stand_in(&table(json!({ "features": 2 }))), series);
}

#[test]
fn the_recipes_own_keys_win() {
    let image = InputSchema::Image { height: 8, width: 12, channels: 1 };
    let keys = table(json!({ "kind": "image-pixels", "height": 5 }));
    assert_eq!(completed(&keys, &image).unwrap(), ImagePixels::new(5, 12).into());
}

#[test]
fn a_kind_that_is_not_for_the_data_is_refused() {
    let refused = |keys: Value, samples: InputSchema| {
        let found = InputConfig::complete(&table(keys), &samples, &Statistics::default());
        found.unwrap_err().to_string()
    };
    let series = InputSchema::Series { features: 3 };
    assert_eq!(
        refused(json!({ "kind": "embedding" }), series.clone()),
        "`input.kind` is embedding, expected one for series of 3 features: series"
    );
    // Reading the table says which kinds there are.
    let unknown = table(json!({ "kind": "rows" }));
    let whole = InputConfig::complete(&unknown, &series, &Statistics::default()).unwrap();
    assert_eq!(whole, unknown);
}

#[test]
fn channels_follow_from_the_data_and_are_one_where_they_are_left_out() {
    let (grey, colour) = (
        InputSchema::Image { height: 8, width: 12, channels: 1 },
        InputSchema::Image { height: 8, width: 12, channels: 3 },
    );
    for kind in ["image-rows", "image-conv", "image-pixels"] {
        let config = completed(&given(kind), &colour).unwrap();
        assert_eq!(config.samples(), colour);
        assert_eq!(serde_json::to_value(&config).unwrap()["in_channels"], 3);
        assert!(config.accepts(&grey).is_err());

        // What is written of a grey model has no such key, as before there was one.
        let value = serde_json::to_value(completed(&given(kind), &grey).unwrap()).unwrap();
        assert!(value.get("in_channels").is_none(), "{value}");
        let config: InputConfig = serde_json::from_value(value).unwrap();
        assert_eq!(config.samples(), grey);

        let mut none = given(kind);
        none.insert("in_channels".into(), 0.into());
        let error = completed(&none, &grey).unwrap().validate().unwrap_err().to_string();
        assert!(error.starts_with("`input.in_channels` is 0"), "{error}");
    }
}
