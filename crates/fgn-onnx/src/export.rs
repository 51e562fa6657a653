//! A whole model as a graph.

use std::io::Write as _;
use std::path::Path;

use fgn_nn::{HeadConfig, Model, ModelConfig};
use prost::Message as _;
use tempfile::NamedTempFile;

use crate::context::Context;
use crate::decoder::decoder;
use crate::error::{Error, MAX_BYTES, Result};
use crate::graph::Graph;
use crate::heads::head;
use crate::inputs::{dense, input_layer};
use crate::port::Port;
use crate::proto::{DataType, ModelProto, OperatorSetIdProto, StringStringEntryProto};
use crate::recurrent::stack;
use crate::weights::Weights;

/// The version of ONNX's set of operators.
const OPSET: i64 = 17;
/// The first version of the format that has those operators.
const IR_VERSION: i64 = 8;
/// The key of the model's configuration in the metadata.
const CONFIG: &str = "fgn.config";

/// How a model becomes a graph.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ExportOptions {
    /// Whether a series before it is scaled, the values of a regression, spectra of sounds and the logarithms of
    /// probabilities of answers are `float32` rather than `float64`: for runtimes that lack `float64`. Numbers with a
    /// large offset, as time stamps have, lose digits so, and quiet bands of spectra accuracy.
    pub float32: bool,
    /// Texts by name, beside the configuration in the metadata.
    pub metadata: Vec<(String, String)>,
}

impl ExportOptions {
    /// With numbers in their own units in `float32`, see [`float32`](Self::float32).
    #[must_use]
    pub fn with_float32(self, float32: bool) -> Self {
        Self { float32, ..self }
    }

    /// With one more text in the metadata.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }
}

/// A model as ONNX.
#[derive(Clone, Debug, PartialEq)]
pub struct OnnxModel {
    proto: ModelProto,
}

/// The graph of a model in inference.
///
/// ```
/// use fgn_core::AnyCell;
/// use fgn_nn::candle_core::{DType, Device};
/// use fgn_nn::{Classification, ImageRows, Model, ModelConfig, RecurrentConfig};
/// use fgn_onnx::{ExportOptions, export};
///
/// let rows = ImageRows::new(28, 28);
/// let config = ModelConfig::new(rows, RecurrentConfig::new(AnyCell::FGN, 16), Classification::new(10));
/// let model = Model::new(&config, 1, DType::F32, &Device::Cpu)?;
/// let exported = export(&model, &ExportOptions::default())?;
/// assert_eq!(exported.inputs()[0].to_string(), "images float32[batch, 28, 28]");
/// assert_eq!(exported.outputs()[0].to_string(), "logits float32[batch, 10]");
/// let bytes = exported.to_bytes()?;
/// # assert!(bytes.len() > 1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Unsupported`] for a part of the model that has no graph here, with its name and the reason;
/// [`Error::MissingParameter`] or [`Error::ParameterShape`] for a model whose parameters do not fit its configuration.
pub fn export(model: &Model, options: &ExportOptions) -> Result<OnnxModel> {
    let config = model.config();
    let ModelConfig { input, dense: dense_config, recurrent, head: head_config } = config;
    let mut context = Context {
        graph: Graph::new(""),
        weights: Weights::new(model.parameters()),
        unscaled: if options.float32 { DataType::Float } else { DataType::Double },
    };
    let mut features = input_layer(&mut context, input)?;
    if let Some(config) = dense_config {
        features = dense(&mut context, config, features)?;
    }
    let of_input = context.graph.outputs().len();
    let outputs = stack(&mut context, recurrent, features)?;
    let states = context.graph.outputs().split_off(of_input);
    match head_config {
        HeadConfig::Decoder(config) => {
            decoder(&mut context, config, &outputs, &states, recurrent.bidirectional)?;
        }
        config => head(&mut context, config, &outputs, recurrent)?,
    }
    context.weights.check_all_taken()?;

    let mut graph = context.graph.finish("fgn");
    // The prediction comes first, then what the input layer returns, then the states.
    let of_head = graph.output.len() - of_input - states.len();
    graph.output.rotate_right(of_head);
    let text = |(key, value): (&str, &str)| StringStringEntryProto {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let configuration = serde_json::to_string(config)?;
    let mut metadata_props = vec![text((CONFIG, &configuration))];
    metadata_props.extend(options.metadata.iter().map(|(key, value)| text((key, value))));
    Ok(OnnxModel {
        proto: ModelProto {
            ir_version: IR_VERSION,
            producer_name: "fgn".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            metadata_props,
        },
    })
}

impl OnnxModel {
    /// The whole message, to be looked at or changed.
    pub fn proto(&self) -> &ModelProto {
        &self.proto
    }

    /// What is given to the graph, the samples first. Inputs that are optional have a default.
    pub fn inputs(&self) -> Vec<Port> {
        let Some(graph) = &self.proto.graph else { return Vec::new() };
        let is_optional = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
        graph.input.iter().map(|info| Port::new(info, is_optional(&info.name))).collect()
    }

    /// What the graph returns, the prediction first.
    pub fn outputs(&self) -> Vec<Port> {
        let outputs = self.proto.graph.iter().flat_map(|graph| &graph.output);
        outputs.map(|info| Port::new(info, false)).collect()
    }

    /// The version of ONNX's set of operators that the graph uses.
    pub fn opset(&self) -> i64 {
        OPSET
    }

    /// The file, as bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] from 2 GiB on.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let bytes = self.proto.encoded_len();
        match bytes <= MAX_BYTES {
            true => Ok(self.proto.encode_to_vec()),
            false => Err(Error::TooLarge { bytes }),
        }
    }

    /// Writes the file. One that is there is replaced in one step once the new one is complete.
    ///
    /// # Errors
    /// As [`to_bytes`](Self::to_bytes), and [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes()?;
        let error = |source| Error::Io { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(error)?;
        file.write_all(&bytes).map_err(error)?;
        file.as_file().sync_all().map_err(error)?;
        file.persist(path).map_err(|failed| error(failed.error))?;
        Ok(())
    }
}
