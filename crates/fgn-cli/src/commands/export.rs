//! `fgn export`.

mod c_source;

use std::path::{Path, PathBuf};

use c_source::CArgs;
use candle_core::{Device, Var};
use clap::Args;
use fgn_onnx::{ExportOptions, OnnxModel, Port};
use fgn_train::{TrainedModel, TrainedRun};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::output::{new_file, print, print_json};

pub(crate) const HELP: &str = "\
Examples:
  fgn export runs/mnist-1 weights.safetensors
  python -c 'import safetensors.torch as st; print(st.load_file(\"weights.safetensors\").keys())'
  fgn export runs/mnist-rows-1 --c firmware --name digits --int8
  fgn export runs/mnist-1 model.onnx
  python -c 'import onnxruntime as ort; print(ort.InferenceSession(\"model.onnx\").get_inputs())'

The ending of the file chooses the format.

.safetensors: the tensors have PyTorch's names, shapes and gate order, wherever PyTorch has the layer. The
metadata has all that fgn needs to use the model: `fgn predict`, `fgn eval --data` and `fgn inspect` take the
file in place of a run folder.

.onnx: the graph of the model in inference, for ONNX Runtime and others. Its inputs and outputs are printed.
`lengths` and the states may be left out.

In place of a run, .onnx and --c take a file that `fgn export` or `fgn import` wrote.

With --c the model is C99 source for firmware, in place of a file: NAME.h, NAME.c and main.c, an example
program that runs the model over the rows of a CSV file. The source allocates nothing and needs nothing
but math.h, stdint.h and string.h. docs/c.md says how it is called and which models it can hold.

The results of --json:
  {\"file\":\"weights.safetensors\",\"tensors\":[{\"name\":\"head.bias\",\"shape\":[10],\"dtype\":\"f32\"},…]}
  {\"file\":\"model.onnx\",\"opset\":17,\"inputs\":[{\"name\":\"images\",\"dtype\":\"float32\",
   \"shape\":[\"batch\",28,28],\"optional\":false},…],\"outputs\":[…]}
  {\"files\":[\"firmware/gesture.h\",…],\"weight_bytes\":20776,\"state_bytes\":512,\"stack_bytes\":1544}";

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The run folder; for .onnx and --c also a model's .safetensors file
    run: PathBuf,
    /// The file to write; it ends in .safetensors or .onnx
    #[arg(conflicts_with = "c")]
    file: Option<PathBuf>,
    #[command(flatten)]
    c: CArgs,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    /// In an ONNX file: series and the values of a regression in float32, for runtimes that lack float64
    #[arg(long)]
    float32: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl ExportArgs {
    pub(crate) fn run(self) -> Result<()> {
        let Some(file) = &self.file else {
            return self.c.run(&self.run, self.force, self.json);
        };
        if file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx")) {
            return self.onnx(file);
        }
        let reason = "the ending chooses the format, and .onnx is the other one";
        new_file(file, "safetensors", reason, self.force)?;
        if self.float32 {
            let reason = "--float32 is an option of that format";
            return Err(Error::Ending { file: file.clone(), expected: "onnx", reason });
        }
        self.safetensors(file)
    }

    fn safetensors(&self, file: &Path) -> Result<()> {
        let folder = TrainedRun::folder(&self.run).unwrap_or_else(|| self.run.clone());
        let run = TrainedRun::open(&folder, &Device::Cpu)?;
        run.export(file)?;
        let tensors = run.model.parameters().iter();
        if self.json {
            let tensors = tensors.map(|(name, var)| {
                json!({ "name": name, "shape": var.dims(), "dtype": var.dtype().as_str() })
            });
            let tensors: Vec<_> = tensors.collect();
            return print_json(&json!({ "file": file.to_string_lossy(), "tensors": tensors }));
        }
        let line = |(name, var): &(String, Var)| format!("{name} {:?}\n", var.dims());
        print(&tensors.map(line).collect::<String>())
    }

    fn onnx(&self, file: &Path) -> Result<()> {
        new_file(file, "onnx", "", self.force)?;
        let model = TrainedModel::open(&self.run, &Device::Cpu)?.model;
        let options = ExportOptions::default().with_float32(self.float32);
        let model = fgn_onnx::export(&model, &options)?;
        model.save(file)?;
        match self.json {
            true => print_json(&described(&file.to_string_lossy(), &model)),
            false => print(&lines(&model)),
        }
    }
}

fn described(file: &str, model: &OnnxModel) -> Value {
    let size = |size: &String| size.parse::<usize>().map_or_else(|_| json!(size), Value::from);
    let ports = |ports: Vec<Port>, has_optional: bool| -> Vec<Value> {
        let port = |port: Port| {
            let shape: Vec<_> = port.shape.iter().map(size).collect();
            let mut described = json!({ "name": port.name, "dtype": port.dtype, "shape": shape });
            if has_optional {
                described["optional"] = port.is_optional.into();
            }
            described
        };
        ports.into_iter().map(port).collect()
    };
    json!({
        "file": file,
        "opset": model.opset(),
        "inputs": ports(model.inputs(), true),
        "outputs": ports(model.outputs(), false),
    })
}

fn lines(model: &OnnxModel) -> String {
    let of = |what: &'static str, ports: Vec<Port>| {
        ports.into_iter().map(move |port| format!("{what} {port}\n"))
    };
    let ports = of("input ", model.inputs()).chain(of("output", model.outputs()));
    let ports: String = ports.collect();
    format!("{ports}opset  {}\n", model.opset())
}
