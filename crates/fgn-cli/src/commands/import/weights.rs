//! The tensors of a file that another program wrote.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use candle_core::pickle::{PthTensors, TensorInfo};
use candle_core::safetensors::Load as _;
use candle_core::{DType, Device};
use safetensors::SafeTensors;
use zip::ZipArchive;

/// A tensor as the file has it.
pub(super) struct Tensor {
    /// Its name there.
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// The type of its numbers: `f32`.
    pub(super) dtype: String,
    /// None unless they are floating-point numbers.
    pub(super) numbers: Option<candle_core::Tensor>,
}

/// By the names of parameters.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// All tensors of a file of safetensors or PyTorch; of the latter those in its dictionary `key`, if there is one.
///
/// # Errors
/// What the file is instead, or why it cannot be read.
pub(super) fn read(file: &Path, key: Option<&str>) -> Result<Tensors, String> {
    let ending = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match (&*ending, key) {
        ("pt" | "pth", _) => pytorch(file, key),
        (_, Some(key)) => {
            Err(format!("--key {key} is for .pt and .pth files, found one that ends in .{ending}"))
        }
        ("safetensors", None) => safetensors(file),
        ("keras" | "h5" | "hdf5", None) => Err("HDF5, which is not read: in Python, \
             `safetensors.numpy.save_file({w.path: w.numpy() for w in model.weights}, \"weights.safetensors\")` writes \
             what --keras reads"
            .to_owned()),
        _ => Err("expected a name that ends in .safetensors, .pt or .pth".to_owned()),
    }
}

fn safetensors(file: &Path) -> Result<Tensors, String> {
    let bytes = fs::read(file).map_err(|error| format!("cannot be read: {error}"))?;
    let views = SafeTensors::deserialize(&bytes)
        .map_err(|error| format!("not a complete safetensors file: {error}"))?;
    let tensors = views.iter().map(|(name, view)| {
        let dtype = DType::try_from(view.dtype()).ok().filter(is_float);
        let numbers = dtype.map(|_| view.load(&Device::Cpu)).transpose();
        let tensor = Tensor {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
            dtype: view.dtype().to_string().to_lowercase(),
            numbers: numbers.map_err(|error| format!("tensor {name}: {error}"))?,
        };
        Ok((name.to_owned(), tensor))
    });
    tensors.collect()
}

fn pytorch(file: &Path, key: Option<&str>) -> Result<Tensors, String> {
    let size = fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?.len();
    let found = guarded(|| -> candle_core::Result<Tensors> {
        check_sums(file)?;
        let stored = PthTensors::new(file, key)?;
        let infos = stored.tensor_infos().values();
        infos.map(|info| Ok((info.name.clone(), tensor(&stored, info, size)?))).collect()
    });
    let tensors = found.ok_or("damaged, or not written by torch.save")?.map_err(|error| {
        format!("cannot be read as what torch.save of PyTorch 1.6 or newer writes: {error}")
    })?;
    match (tensors.is_empty(), key) {
        (false, _) => Ok(tensors),
        (true, None) => Err("no tensors by name, expected a state dict: \
             torch.save(model.state_dict(), FILE) writes one; --key KEY names the dictionary that holds it"
            .to_owned()),
        (true, Some(key)) => Err(format!("no tensors by name in {key:?}, expected a state dict")),
    }
}

/// Holds each part of a ZIP archive against its checksum.
fn check_sums(file: &Path) -> candle_core::Result<()> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(file)?))?;
    for index in 0..archive.len() {
        io::copy(&mut archive.by_index(index)?, &mut io::sink())?;
    }
    Ok(())
}

/// Reads a tensor, of which the file of `size` bytes says itself how large it is.
fn tensor(stored: &PthTensors, info: &TensorInfo, size: u64) -> candle_core::Result<Tensor> {
    let shape = info.layout.dims().to_vec();
    let bytes =
        shape.iter().try_fold(info.dtype.size_in_bytes(), |all, &size| all.checked_mul(size));
    if bytes.is_none_or(|bytes| bytes as u64 > size) {
        candle_core::bail!("tensor {} has shape {shape:?}, and the file {size} bytes", info.name)
    }
    let numbers = match is_float(&info.dtype) {
        true => stored.get(&info.name)?,
        false => None,
    };
    let dtype = info.dtype.as_str().to_owned();
    Ok(Tensor { name: info.name.clone(), shape, dtype, numbers })
}

/// What `read` returns; nothing if it panics. Candle's reader trusts the file: of a damaged one it takes what is not there.
fn guarded<T>(read: impl FnOnce() -> T) -> Option<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let found = panic::catch_unwind(AssertUnwindSafe(read));
    panic::set_hook(hook);
    found.ok()
}

fn is_float(dtype: &DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
}
