//! Model files: safetensors, with the configuration in the metadata.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::ModelConfig;
use crate::error::{Error, FileError, Result};
use crate::files;
use crate::parameters::Stored;

/// The only key in the metadata: with several, their order in the file would be random.
const KEY: &str = "fgn.model";
/// 1: the keys of the head were those of the model, and an embedding was of kind `symbols`.
/// 2: the head is a table of its own.
const FORMAT: u64 = 2;

/// The value of [`KEY`], as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u64,
    dtype: FloatType,
    config: ModelConfig,
    /// What the program that wrote the file adds: how samples are read, say. It means nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum FloatType {
    F32,
    F64,
}

/// The part of the header that every version has.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

/// A model file. The tensors' names and shapes are not checked yet.
pub(crate) struct ModelFile {
    pub(crate) config: ModelConfig,
    pub(crate) dtype: DType,
    pub(crate) usage: Option<Value>,
    pub(crate) stored: Stored,
}

pub(crate) fn save(
    path: &Path,
    config: &ModelConfig,
    dtype: DType,
    usage: Option<&Value>,
    parameters: &[(String, Var)],
) -> Result<()> {
    let float = match dtype {
        DType::F64 => FloatType::F64,
        _ => FloatType::F32,
    };
    let header =
        Header { format: FORMAT, dtype: float, config: config.clone(), usage: usage.cloned() };
    let bytes = encode(&header, parameters).map_err(|error| Error::Io {
        path: path.to_owned(),
        action: "encode the model",
        source: std::io::Error::other(error),
    })?;
    files::write(path, &bytes)
}

pub(crate) fn load(path: &Path, device: &Device) -> Result<ModelFile> {
    let bytes = files::bytes(path)?;
    let error = |reason| Error::File { path: path.to_owned(), reason };
    let Header { dtype, config, usage, .. } = header(&bytes).map_err(error)?;
    let views =
        SafeTensors::deserialize(&bytes).map_err(|e| error(FileError::NotSafetensors(e)))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in views.iter() {
        let expected = dtype.stored();
        if view.dtype() != expected {
            return Err(error(FileError::TensorType {
                name: name.to_owned(),
                found: view.dtype().to_string(),
                expected: expected.to_string(),
            }));
        }
        tensors.insert(name.to_owned(), dtype.decode(&view, device)?);
    }
    Ok(ModelFile {
        config,
        dtype: dtype.dtype(),
        usage,
        stored: Stored { path: path.to_owned(), tensors },
    })
}

fn encode(
    header: &Header,
    parameters: &[(String, Var)],
) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let float = header.dtype;
    let data =
        parameters.iter().map(|(_, var)| float.encode(var)).collect::<Result<Vec<_>, _>>()?;
    let views = parameters
        .iter()
        .zip(&data)
        .map(|((name, var), data)| {
            let view = TensorView::new(float.stored(), var.dims().to_vec(), data)?;
            Ok((name, view))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(header)?)]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

fn header(bytes: &[u8]) -> Result<Header, FileError> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(FileError::NotSafetensors)?;
    let text = metadata
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(KEY))
        .ok_or(FileError::NoConfig { key: KEY })?;
    let Version { format } = serde_json::from_str(text).map_err(FileError::BadConfig)?;
    match format.cmp(&FORMAT) {
        Ordering::Less => {
            return Err(FileError::OlderFormat { found: format, known: FORMAT });
        }
        Ordering::Greater => {
            return Err(FileError::NewerFormat { found: format, known: FORMAT });
        }
        Ordering::Equal => {}
    }
    let header: Header = serde_json::from_str(text).map_err(FileError::BadConfig)?;
    let valid = header.config.validate();
    valid.map_err(|error| FileError::InvalidConfig(Box::new(error)))?;
    Ok(header)
}

impl FloatType {
    fn stored(self) -> Dtype {
        self.dtype().into()
    }

    fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F64 => DType::F64,
        }
    }

    fn encode(self, tensor: &Tensor) -> candle_core::Result<Vec<u8>> {
        let flat = tensor.flatten_all()?;
        Ok(match self {
            Self::F32 => flat.to_vec1::<f32>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F64 => flat.to_vec1::<f64>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
        })
    }

    fn decode(self, view: &TensorView<'_>, device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_raw_buffer(view.data(), self.dtype(), view.shape(), device)
    }
}
