//! NumPy arrays, and the slices and tensors of their numbers.

use candle_core::{DType, Device, Tensor, WithDType};
use numpy::ndarray::{Dimension, IxDyn};
use numpy::{
    Element, PyArray1, PyArrayMethods as _, PyReadonlyArray, PyReadonlyArrayDyn,
    PyUntypedArrayMethods as _,
};
use pyo3::prelude::*;

use crate::errors::{Error, error, wrong};

/// The numbers of an array, which must be contiguous in C order and aligned.
pub(crate) fn slice<'a, E: Element, D: Dimension>(
    array: &'a PyReadonlyArray<'_, E, D>,
    name: &str,
) -> PyResult<&'a [E]> {
    let expected = "a contiguous, aligned array in C order";
    if array.data().addr() % align_of::<E>() != 0 {
        return Err(wrong(name, "unaligned memory", expected));
    }
    // A slice of an array in Fortran's order would be in another order of dimensions.
    let strides = || wrong(name, format!("strides {:?}", array.strides()), expected);
    if !array.is_c_contiguous() {
        return Err(strides());
    }
    array.as_slice().map_err(|_| strides())
}

/// An argument as an array of that type and number of dimensions.
pub(crate) fn array<'py, E: Element, D: Dimension>(
    argument: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<PyReadonlyArray<'py, E, D>> {
    argument.extract::<PyReadonlyArray<'py, E, D>>().map_err(|_| {
        let dtype = E::get_dtype(argument.py());
        let rank = D::NDIM.map_or("any number of".to_owned(), |rank| rank.to_string());
        wrong(name, described(argument), &format!("an array of {dtype} with {rank} dimensions"))
    })
}

/// The type and shape of an argument, or its type alone.
pub(crate) fn described(argument: &Bound<'_, PyAny>) -> String {
    let of = |name: &str| argument.getattr(name).and_then(|value| value.str()).ok();
    match (of("dtype"), of("shape")) {
        (Some(dtype), Some(shape)) => format!("{dtype} of shape {shape}"),
        _ => argument.get_type().to_string(),
    }
}

/// An array that owns these numbers: they are not copied.
pub(crate) fn owned<'py, E: Element>(
    py: Python<'py>,
    numbers: Vec<E>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    Ok(PyArray1::from_vec(py, numbers).reshape(IxDyn(shape))?.into_any())
}

/// A copy of an array as a tensor on the CPU: of `float32`, `float64`, `uint32` or `uint8`.
pub(crate) fn tensor(argument: &Bound<'_, PyAny>, name: &str) -> PyResult<Tensor> {
    fn copied<E: Element + WithDType>(
        argument: &Bound<'_, PyAny>,
        name: &str,
    ) -> PyResult<Option<Tensor>> {
        let Ok(array) = argument.extract::<PyReadonlyArrayDyn<'_, E>>() else { return Ok(None) };
        let numbers = slice(&array, name)?;
        Tensor::from_slice(numbers, array.shape(), &Device::Cpu).map(Some).map_err(error)
    }
    let copies = [copied::<f32>, copied::<f64>, copied::<u32>, copied::<u8>];
    for copy in copies {
        if let Some(tensor) = copy(argument, name)? {
            return Ok(tensor);
        }
    }
    Err(wrong(name, described(argument), "an array of float32, float64, uint32 or uint8"))
}

/// A copy of a tensor as an array.
pub(crate) fn of_tensor<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    fn copied<'py, E: Element + WithDType>(
        py: Python<'py>,
        tensor: &Tensor,
    ) -> PyResult<Bound<'py, PyAny>> {
        let numbers = tensor.flatten_all().and_then(|flat| flat.to_vec1::<E>()).map_err(error)?;
        owned(py, numbers, tensor.dims())
    }
    match tensor.dtype() {
        DType::F32 => copied::<f32>(py, tensor),
        DType::F64 => copied::<f64>(py, tensor),
        DType::U32 => copied::<u32>(py, tensor),
        DType::U8 => copied::<u8>(py, tensor),
        DType::I64 => copied::<i64>(py, tensor),
        other => Err(Error::new_err(format!("no NumPy array holds numbers of {other:?}"))),
    }
}
