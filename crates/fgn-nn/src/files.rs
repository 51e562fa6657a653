//! Safetensors files of plain tensors.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;

use crate::error::{Error, FileError, Result};

/// All tensors of a file.
pub(crate) fn read(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let bytes = bytes(path)?;
    let views = SafeTensors::deserialize(&bytes).map_err(|error| Error::File {
        path: path.to_owned(),
        reason: FileError::NotSafetensors(error),
    })?;
    let tensors = views.iter().map(|(name, view)| {
        // A data type that Candle lacks (booleans, for example) is not that of a parameter: the tensor is
        // refused only where a layer takes it, as one that is not floating-point.
        let placeholder = |_| Tensor::zeros(view.shape(), DType::U8, device);
        Ok((name.to_owned(), view.load(device).or_else(placeholder)?))
    });
    tensors.collect()
}

/// Writes the tensors to a file in the order of their types and names.
pub(crate) fn save(path: &Path, tensors: impl Iterator<Item = (String, Tensor)>) -> Result<()> {
    let encoded = safetensors::serialize(tensors, None);
    let bytes = encoded.map_err(|error| Error::Io {
        path: path.to_owned(),
        action: "encode the tensors",
        source: std::io::Error::other(error),
    })?;
    write(path, &bytes)
}

/// A floating-point tensor in another data type.
pub(crate) fn converted(tensor: Tensor, name: &str, dtype: DType) -> Result<Tensor, FileError> {
    let wrong = |expected: &str| FileError::TensorType {
        name: name.to_owned(),
        found: tensor.dtype().as_str().to_uppercase(),
        expected: expected.to_owned(),
    };
    match tensor.dtype() {
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => {
            tensor.to_dtype(dtype).map_err(|_| wrong(dtype.as_str()))
        }
        _ => Err(wrong("F16, BF16, F32 or F64")),
    }
}

/// The whole content of a file.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), action: "read", source })
}

/// Writes a temporary file and renames it: readers find the old file or the new one, never a part.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = partial(path);
    let written = write_through(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    written.map_err(|source| {
        // Best effort: the error to report is the first one.
        let _ = fs::remove_file(&partial);
        Error::Io { path: path.to_owned(), action: "write", source }
    })
}

fn write_through(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    name.into()
}
