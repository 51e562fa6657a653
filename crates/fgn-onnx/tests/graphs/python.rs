//! The same cases in ONNX Runtime, where a Python has it: `FGN_PYTHON`, or `python3`.

use std::path::Path;
use std::process::Command;

use fgn_nn::candle_core::{DType, Tensor};
use serde_json::{Map, Value, json};

use crate::case::Case;
use crate::guards::Refused;
use crate::{blocks, cells, guards, images, models, pools};

#[test]
fn onnx_runtime_computes_what_the_models_do() {
    let python = std::env::var("FGN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&python).args(["-c", "import numpy, onnx, onnxruntime"]).output();
    if !probe.is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: {python} has no onnx or onnxruntime; FGN_PYTHON names one that has");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut cases = models::cases();
    for more in [blocks::cases, images::cases, pools::cases, cells::options] {
        cases.extend(more());
    }
    cases.extend(cells::cases(3, 7));
    for (index, case) in cases.iter().enumerate() {
        write(&folder.path().join(format!("{index:04}")), case, None);
    }
    let refused = guards::cases();
    for (index, Refused { case, error }) in refused.iter().enumerate() {
        write(&folder.path().join(format!("refused-{index:02}")), case, Some(error));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/peers/python/onnx_check.py");
    let done = Command::new(&python).arg(script).arg(folder.path()).output().unwrap();
    let [out, err] = [&done.stdout, &done.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(done.status.success(), "{out}{err}");
    let count = cases.len() + refused.len();
    assert!(out.contains(&format!("{count} models")), "{out}");
}

/// Writes the model, and a file of what it is given and returns, or of the error that it ends with.
fn write(path: &Path, case: &Case, error: Option<&str>) {
    case.exported.save(&path.with_extension("onnx")).unwrap();
    let arrays = |named: &[(String, Tensor)]| -> Map<String, Value> {
        named.iter().map(|(name, tensor)| (name.clone(), array(tensor))).collect()
    };
    let described = json!({
        "name": case.name,
        "inputs": arrays(&case.inputs),
        "outputs": arrays(&case.outputs),
        "error": error,
    });
    std::fs::write(path.with_extension("json"), described.to_string()).unwrap();
}

fn array(tensor: &Tensor) -> Value {
    let flat = tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
    let dtype = match tensor.dtype() {
        DType::F64 => "float64",
        DType::I64 => "int64",
        _ => "float32",
    };
    json!({ "dtype": dtype, "shape": tensor.dims(), "data": flat.to_vec1::<f64>().unwrap() })
}
