//! Which parameters can be declared, and in which types.

use candle_core::{DType, Device};
use fgn_core::AnyCell;
use fgn_nn::{
    Dense, DenseConfig, Error, Linear, Parameters, Recurrent, RecurrentConfig, State, init,
};
use tempfile::TempDir;

use crate::common::parameters;

#[test]
fn a_name_can_be_declared_once() {
    let mut parameters = parameters(1);
    let config = RecurrentConfig::new(AnyCell::FGN, 4);
    Recurrent::new(&mut parameters, "layer", 3, &config).unwrap();
    let declared = parameters.list().len();
    let error = Recurrent::new(&mut parameters, "layer", 3, &config).map(drop).unwrap_err();
    let expected =
        "parameter `layer.weight_ih_l0` is declared twice: give each layer a name of its own";
    assert_eq!(error.to_string(), expected);
    Linear::new(&mut parameters, "head", 4, 2).unwrap();
    let error = Dense::new(&mut parameters, "head", 4, &DenseConfig { size: 2, dropout: 0.0 });
    assert!(
        error.unwrap_err().to_string().starts_with("parameter `head.weight` is declared twice")
    );

    // What was declared is saved, and read back under the same rule.
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.safetensors");
    parameters.save(&path).unwrap();
    let mut loaded = Parameters::load(&path, DType::F64, &Device::Cpu).unwrap();
    Recurrent::new(&mut loaded, "layer", 3, &config).unwrap();
    assert_eq!(loaded.list().len(), declared);
    let error = Recurrent::new(&mut loaded, "layer", 3, &config).map(drop).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_parameter_that_no_memory_holds_is_refused_before_it_is_drawn() {
    let mut parameters = parameters(1);
    let never = |_: &mut fgn_nn::Generator| unreachable!("nothing is drawn");
    for shape in [&[1 << 16, 1 << 16][..], &[usize::MAX, 2]] {
        let error = parameters.take("w".into(), shape, never).unwrap_err();
        assert!(matches!(error, Error::Parameter { .. }), "{error}");
        let expected =
            format!("parameter `w` has shape {shape:?}, expected at most 4294967295 values");
        assert_eq!(error.to_string(), expected);
    }
    let config = RecurrentConfig::new(AnyCell::LSTM, 1 << 24);
    let error = Recurrent::new(&mut parameters, "l", 1 << 28, &config).map(drop).unwrap_err();
    assert!(matches!(error, Error::Parameter { .. }), "{error}");
    // Another number of values than the shape has.
    let error = parameters.take("w".into(), &[3], |generator| init::uniform(generator, 2, 1.0));
    assert!(matches!(error, Err(Error::Candle(_))));
}

#[test]
fn types_that_nothing_computes_in_are_refused_first() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("states.safetensors");
    let mut parameters = parameters(1);
    let config = RecurrentConfig::new(AnyCell::GRU, 4);
    let layer = Recurrent::new(&mut parameters, "layer", 3, &config).unwrap();
    assert_eq!(layer.dtype(), DType::F64);
    layer.zero_state(2).unwrap().save(&path).unwrap();
    for dtype in [DType::F16, DType::BF16, DType::U32, DType::I64, DType::U8] {
        let device = &Device::Cpu;
        let parameters = [
            Parameters::new(1, dtype, device).map(drop),
            Parameters::load(&path, dtype, device).map(drop),
        ];
        for refused in parameters {
            let expected = format!("parameters are {dtype:?}, expected F32 or F64");
            assert!(refused.unwrap_err().to_string().starts_with(&expected));
        }
        let refused = State::load(&path, dtype, device).map(drop).unwrap_err().to_string();
        assert!(
            refused.starts_with(&format!("states are {dtype:?}, expected F32 or F64")),
            "{refused}"
        );
    }
}
