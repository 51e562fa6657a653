//! What is proved of a built-in cell, proved of this one.

use fgn_nn::candle_core::{DType, Device, Tensor};
use fgn_nn::{AnyCell, Parameters, Recurrent, RecurrentConfig, serde_json};
use own_cell::{Cfn, cfn};

#[test]
fn it_passes_the_suite_of_the_built_in_cells() {
    fgn_kernels::testing::check_cell(cfn().unwrap(), Cfn);
}

#[test]
fn a_layer_of_it_is_saved_and_loaded() {
    let config = RecurrentConfig::new(cfn().unwrap(), 6);
    let mut parameters = Parameters::new(1, DType::F32, &Device::Cpu).unwrap();
    let layer = Recurrent::new(&mut parameters, "encoder", 3, &config).unwrap();
    let names: Vec<_> = parameters.list().iter().map(|(name, _)| name).collect();
    assert_eq!(names[..2], ["encoder.weight_ih_l0", "encoder.weight_hh_l0"], "{names:?}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("layer.safetensors");
    parameters.save(&file).unwrap();
    let mut parameters = Parameters::load(&file, DType::F32, &Device::Cpu).unwrap();
    let same = Recurrent::new(&mut parameters, "encoder", 3, &config).unwrap();
    let x = Tensor::ones((5, 2, 3), DType::F32, &Device::Cpu).unwrap();
    let run = |layer: &Recurrent| {
        let y = fgn_nn::candle_core::Module::forward(layer, &x).unwrap();
        y.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    assert_eq!(run(&layer), run(&same));
}

#[test]
fn configurations_name_it() {
    let cell = cfn().unwrap();
    let parse = |text| serde_json::from_str::<AnyCell>(text);
    assert_eq!(parse(r#"{"name":"cfn"}"#).unwrap(), cell);
    assert_eq!(serde_json::to_string(&cell).unwrap(), r#"{"name":"cfn"}"#);
    let error = parse(r#"{"name":"cfn","z":"linear"}"#).unwrap_err().to_string();
    assert!(error.contains("unknown field `z`: the cell cfn has no options"), "{error}");
    assert_eq!(parse(r#"{"name":"fgn","z":"linear"}"#).unwrap().to_string(), "fgn(z linear)");
    assert!(parse(r#"{"name":"cnf"}"#).unwrap_err().to_string().contains("unknown variant `cnf`"));
}
