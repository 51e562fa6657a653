//! The numbers of tensors, as slices.

use candle_core::Layout as TensorLayout;
use candle_core::{CpuStorage, Result, Storage, bail};

use crate::simd::vector::Element;

/// The numbers of a contiguous tensor on the CPU.
pub(crate) fn cpu_slice<'a, E: Element>(
    (storage, layout): &'a (impl std::ops::Deref<Target = Storage>, &TensorLayout),
) -> Result<&'a [E]> {
    match &**storage {
        Storage::Cpu(storage) => contiguous_slice(storage, layout),
        _ => bail!("expected a tensor on the CPU"),
    }
}

/// The numbers of a contiguous layout.
pub(crate) fn contiguous_slice<'a, E: Element>(
    storage: &'a CpuStorage,
    layout: &TensorLayout,
) -> Result<&'a [E]> {
    let numbers = storage.as_slice::<E>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&numbers[start..end]),
        None => bail!("expected a contiguous tensor, got strides {:?}", layout.stride()),
    }
}
