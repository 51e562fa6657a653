use candle_core::{DType, Tensor};

use crate::{Error, Result};

/// The mean cross entropy of `logits: [B, C]` against the classes `target: [B]` (`U32`), a scalar.
/// Its gradient by the logits is `(softmax − one-hot) / B`.
///
/// # Errors
/// [`Error::Shape`] for other shapes, [`Error::DType`] for a target of another type,
/// [`Error::Target`] for a class that the logits do not have.
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    let (batch, classes) = match *logits.dims() {
        [batch, classes] if batch > 0 && classes > 0 => (batch, classes),
        _ => return Err(shape("logits", logits, "[B, C], neither zero".into())),
    };
    if target.dims() != [batch] {
        return Err(shape("targets", target, format!("[{batch}]")));
    }
    if target.dtype() != DType::U32 {
        return Err(Error::DType { what: "targets", found: target.dtype(), expected: "U32" });
    }
    // Candle's `gather` takes u32::MAX for "no index": look before.
    let found = target.to_vec1::<u32>()?;
    if let Some(index) = found.iter().position(|&class| class as usize >= classes) {
        return Err(Error::Target { index, found: found[index], last: classes - 1 });
    }
    Ok(candle_nn::loss::cross_entropy(logits, target)?)
}

fn shape(what: &'static str, found: &Tensor, expected: String) -> Error {
    Error::Shape { what, found: found.dims().to_vec(), expected }
}
