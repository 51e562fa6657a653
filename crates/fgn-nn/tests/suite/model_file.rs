//! Models saved and loaded, and every way in which a file can be wrong.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use fgn_nn::fgn_schema::InputSchema;
use fgn_nn::{Error, FileError, ForgetBias, Mode, Model};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;

use crate::common::{flat, model_config, predicted, random};

const KEY: &str = "fgn.model";

fn model(seed: u64, dtype: DType) -> Model {
    Model::new(&model_config(), seed, dtype, &Device::Cpu).unwrap()
}

fn saved(model: &Model) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.safetensors");
    model.save(&path).unwrap();
    fs::read(path).unwrap()
}

fn load(bytes: &[u8]) -> Result<Model, Error> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, bytes).unwrap();
    Model::load(&path, &Device::Cpu)
}

/// Why a file is refused; its message names the file.
fn refused(bytes: &[u8]) -> FileError {
    let error = load(bytes).unwrap_err();
    assert!(error.to_string().contains("model.safetensors: "), "{error}");
    match error {
        Error::File { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

/// A tensor by name, type, shape and bytes.
type Raw = (String, Dtype, Vec<usize>, Vec<u8>);

/// A saved model with its tensors or its metadata changed.
fn changed(
    tensors: impl FnOnce(&mut Vec<Raw>),
    metadata: impl FnOnce(&mut HashMap<String, String>),
) -> Vec<u8> {
    let bytes = saved(&model(1, DType::F32));
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut found_metadata = header.metadata().clone().unwrap();
    metadata(&mut found_metadata);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let raw = |(name, view): (&str, TensorView<'_>)| {
        (name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec())
    };
    let mut found: Vec<Raw> = file.iter().map(raw).collect();
    tensors(&mut found);
    let views = found.iter().map(|(name, dtype, shape, data)| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize(views, Some(found_metadata)).unwrap()
}

fn with_tensors(change: impl FnOnce(&mut Vec<Raw>)) -> FileError {
    refused(&changed(change, |_| {}))
}

fn with_config(there: &str, instead: &str) -> FileError {
    refused(&changed(
        |_| {},
        |metadata| {
            let text = metadata.get_mut(KEY).unwrap();
            assert!(text.contains(there), "{text}");
            *text = text.replace(there, instead);
        },
    ))
}

fn of<'a>(tensors: &'a mut [Raw], name: &str) -> &'a mut Raw {
    tensors.iter_mut().find(|raw| raw.0 == name).unwrap()
}

#[test]
fn a_loaded_model_gives_the_same_logits() {
    for dtype in [DType::F32, DType::F64] {
        let model = model(3, dtype);
        let loaded = load(&saved(&model)).unwrap();
        assert_eq!(loaded.config(), model.config());
        let images = random(&[2, 8, 12], 1).to_dtype(dtype).unwrap();
        let logits = |model: &Model| flat(&predicted(model, &images));
        assert_eq!(logits(&loaded), logits(&model));
        let names =
            |model: &Model| model.parameters().iter().map(|p| p.0.clone()).collect::<Vec<_>>();
        assert_eq!(names(&loaded), names(&model));
    }
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let bytes = saved(&model(3, DType::F32));
    assert_eq!(bytes, saved(&model(3, DType::F32)));
    assert_eq!(bytes, saved(&load(&bytes).unwrap()));
    assert_ne!(bytes, saved(&model(4, DType::F32)));
}

#[test]
fn a_configuration_comes_back_to_the_last_bit() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut config = model_config();
    for _ in 0..200 {
        config.recurrent.init.forget_bias = ForgetBias::Constant(rng.random::<f64>() * 1e-3);
        let model = Model::new(&config, 1, DType::F32, &Device::Cpu).unwrap();
        assert_eq!(*load(&saved(&model)).unwrap().config(), config);
    }
}

#[test]
fn saving_replaces_a_file_and_leaves_nothing_beside() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, "something older").unwrap();
    model(1, DType::F32).save(&path).unwrap();
    Model::load(&path, &Device::Cpu).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let nowhere = folder.path().join("none").join("model.safetensors");
    let error = model(1, DType::F32).save(&nowhere).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("none"), "{error}");
    // A folder stands where the file should: nothing is left beside it.
    let occupied = folder.path().join("occupied");
    fs::create_dir(&occupied).unwrap();
    fs::write(occupied.join("file"), "").unwrap();
    assert!(model(1, DType::F32).save(&occupied).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn files_that_are_no_model() {
    let error = Model::load(Path::new("nowhere.safetensors"), &Device::Cpu).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(matches!(refused(b"a text"), FileError::NotSafetensors(_)));
    let bytes = saved(&model(1, DType::F32));
    for length in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        assert!(matches!(refused(&bytes[..length]), FileError::NotSafetensors(_)), "{length}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(refused(&longer), FileError::NotSafetensors(_)));
    let without = changed(|_| {}, |metadata| metadata.clear());
    assert!(matches!(refused(&without), FileError::NoConfig { .. }));
}

#[test]
fn configurations_that_cannot_be_read() {
    let newer = with_config("\"format\":2", "\"format\":3,\"more\":{}");
    assert!(matches!(newer, FileError::NewerFormat { found: 3, known: 2 }), "{newer}");
    let older = with_config("\"format\":2", "\"format\":1,\"less\":{}");
    assert!(matches!(older, FileError::OlderFormat { found: 1, known: 2 }), "{older}");
    let expected = "written by an earlier version: format 1, which this version does not read";
    assert!(older.to_string().starts_with(expected), "{older}");
    for (there, instead) in [
        ("\"format\":2", "\"format\":\"two\""),
        ("\"classes\":3", "\"clases\":3"),
        ("\"fgn\"", "\"gru\""),
        ("\"f32\"", "\"f16\""),
        ("{", "["),
    ] {
        let error = with_config(there, instead);
        assert!(matches!(error, FileError::BadConfig(_)), "{error}");
    }
    let error = with_config("\"classes\":3", "\"classes\":1");
    assert!(matches!(error, FileError::InvalidConfig(_)), "{error}");
    assert!(error.to_string().contains("`head.classes` is 1"), "{error}");
}

#[test]
fn tensors_that_do_not_fit_the_configuration() {
    let error = with_tensors(|tensors| tensors.retain(|raw| raw.0 != "recurrent.bias_hh_l0"));
    let expected = "tensor `recurrent.bias_hh_l0` is missing, expected with shape [16]";
    assert_eq!(error.to_string(), expected);

    let error = with_tensors(|tensors| {
        let mut extra = tensors[0].clone();
        extra.0 = "recurrent.weight_ih_l1".into();
        tensors.push(extra);
    });
    assert!(
        matches!(&error, FileError::ExtraTensor { name, .. } if name.ends_with("_l1")),
        "{error}"
    );

    let error = with_tensors(|tensors| of(tensors, "head.weight").2 = vec![4, 3]);
    assert_eq!(error.to_string(), "tensor `head.weight` has shape [4, 3], expected [3, 4]");

    let error = with_tensors(|tensors| of(tensors, "dense.bias").1 = Dtype::I32);
    assert_eq!(error.to_string(), "tensor `dense.bias` holds I32, expected F32");

    // Another architecture altogether: the first difference is named.
    let error = with_config("\"hidden_size\":4", "\"hidden_size\":6");
    assert!(matches!(error, FileError::TensorShape { .. }), "{error}");
    let error = with_config("\"size\":5,", "");
    assert!(matches!(error, FileError::BadConfig(_)), "{error}");
}

#[test]
fn no_damage_panics() {
    let bytes = saved(&model(1, DType::F32));
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.safetensors");
    for _ in 0..300 {
        let mut damaged = bytes.clone();
        for _ in 0..rng.random_range(1..4) {
            let index = rng.random_range(0..header);
            damaged[index] = rng.random();
        }
        fs::write(&path, &damaged).unwrap();
        // Some damage is to the dropout or to a name that nobody reads: what loads must run.
        if let Ok(model) = Model::load(&path, &Device::Cpu) {
            let InputSchema::Image { height, width, .. } = model.config().input.samples() else {
                continue;
            };
            let images = Tensor::zeros((1, height, width), DType::F32, &Device::Cpu).unwrap();
            model.forward(&images, Mode::Eval).unwrap();
        }
    }
}
