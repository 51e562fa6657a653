//! The number of parameters of a model file.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// The longest header that is read, in bytes; safetensors allows no longer one.
const LONGEST: u64 = 100_000_000;

/// How many numbers the safetensors file `path` says that its tensors have.
pub(super) fn parameters(path: &Path) -> Result<u64> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    count(file).with_context(|| format!("{}: no header of safetensors", path.display()))
}

fn count(mut file: impl Read) -> Result<u64> {
    #[derive(Deserialize)]
    struct Tensor {
        shape: Option<Vec<u64>>,
    }
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    ensure!(length <= LONGEST, "its length is {length} bytes");
    let mut header = Vec::new();
    let read = file.take(length).read_to_end(&mut header)?;
    ensure!(read as u64 == length, "expected {length} bytes, found {read}");
    let tensors: HashMap<String, Tensor> = serde_json::from_slice(&header)?;
    let shapes = tensors.values().filter_map(|tensor| tensor.shape.as_ref());
    Ok(shapes.map(|shape| shape.iter().product::<u64>()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_from_the_header() {
        let header = br#"{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header);
        assert_eq!(count(&file[..]).unwrap(), 12);
        assert!(count(&file[..20]).unwrap_err().to_string().contains("found 12"));
        assert!(count(&[255; 16][..]).is_err());
    }
}
