//! The numbers of a tensor as bytes, for other processes.

use candle_core::{DType, Device, Tensor};
use half::bf16;

use crate::error::{Error, Result};
use crate::group::unreadable;

/// The numbers of a gradient or a parameter, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// How numbers travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As they are.
    Exact,
    /// Those in f32 rounded to bf16, of half the size.
    Half,
}

impl Values {
    /// # Errors
    /// A tensor that is neither f32 nor f64.
    pub(crate) fn of(tensor: &Tensor) -> Result<Values> {
        let flat = tensor.flatten_all()?;
        match tensor.dtype() {
            DType::F32 => Ok(Values::F32(flat.to_vec1()?)),
            DType::F64 => Ok(Values::F64(flat.to_vec1()?)),
            other => Err(Error::Optimizer(format!("a gradient of {other:?}"))),
        }
    }

    /// # Errors
    /// Another number of values than the shape has.
    pub(crate) fn tensor(self, dims: &[usize], device: &Device) -> Result<Tensor> {
        let tensor = match self {
            Values::F32(values) => Tensor::from_vec(values, dims, &Device::Cpu),
            Values::F64(values) => Tensor::from_vec(values, dims, &Device::Cpu),
        };
        Ok(tensor?.to_device(device)?)
    }

    /// Adds others, one to one.
    ///
    /// # Errors
    /// Values of another type or number.
    pub(crate) fn add(mut self, other: Values) -> Result<Values> {
        match (&mut self, &other) {
            (Values::F32(sum), Values::F32(more)) if sum.len() == more.len() => {
                sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
            (Values::F64(sum), Values::F64(more)) if sum.len() == more.len() => {
                sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
            _ => return Err(unreadable("gradients of other sizes")),
        }
        Ok(self)
    }

    /// The bytes of the values in a range.
    pub(crate) fn encode(&self, range: std::ops::Range<usize>, coding: Coding, into: &mut Vec<u8>) {
        match (self, coding) {
            (Values::F32(values), Coding::Exact) => {
                into.extend(values[range].iter().flat_map(|value| value.to_le_bytes()));
            }
            (Values::F32(values), Coding::Half) => {
                let half = |value: &f32| bf16::from_f32(*value).to_le_bytes();
                into.extend(values[range].iter().flat_map(half));
            }
            (Values::F64(values), _) => {
                into.extend(values[range].iter().flat_map(|value| value.to_le_bytes()));
            }
        }
    }

    /// The next `count` values, which are taken from the front of `bytes`.
    ///
    /// # Errors
    /// Fewer bytes than that, or values of another type.
    pub(crate) fn decode(
        bytes: &mut &[u8],
        count: usize,
        dtype: DType,
        coding: Coding,
    ) -> Result<Values> {
        let short = || unreadable("gradients that are cut off");
        match (dtype, coding) {
            (DType::F32, Coding::Exact) => {
                let values = take::<4>(bytes, count).ok_or_else(short)?;
                Ok(Values::F32(values.iter().map(|&value| f32::from_le_bytes(value)).collect()))
            }
            (DType::F32, Coding::Half) => {
                let values = take::<2>(bytes, count).ok_or_else(short)?;
                let whole = |&value: &[u8; 2]| bf16::from_le_bytes(value).to_f32();
                Ok(Values::F32(values.iter().map(whole).collect()))
            }
            (DType::F64, _) => {
                let values = take::<8>(bytes, count).ok_or_else(short)?;
                Ok(Values::F64(values.iter().map(|&value| f64::from_le_bytes(value)).collect()))
            }
            (other, _) => Err(Error::Optimizer(format!("a gradient of {other:?}"))),
        }
    }
}

fn take<'a, const SIZE: usize>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [[u8; SIZE]]> {
    let (front, rest) = bytes.split_at_checked(count.checked_mul(SIZE)?)?;
    *bytes = rest;
    Some(front.as_chunks::<SIZE>().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_bit_for_bit_or_rounded() {
        let values = Values::F32(vec![1.0, -0.0, f32::MIN_POSITIVE, 7.123_456_7]);
        let mut bytes = Vec::new();
        values.encode(1..4, Coding::Exact, &mut bytes);
        let mut rest = &bytes[..];
        let back = Values::decode(&mut rest, 3, DType::F32, Coding::Exact).unwrap();
        let Values::F32(back) = back else { panic!("of another type") };
        let bits: Vec<u32> = back.iter().map(|value| value.to_bits()).collect();
        assert_eq!(bits, [-0.0, f32::MIN_POSITIVE, 7.123_456_7].map(f32::to_bits));
        assert!(rest.is_empty());
        bytes.clear();
        values.encode(3..4, Coding::Half, &mut bytes);
        assert_eq!(bytes.len(), 2);
        let back = Values::decode(&mut &bytes[..], 1, DType::F32, Coding::Half).unwrap();
        assert_eq!(back, Values::F32(vec![7.125]));
        assert!(Values::decode(&mut &bytes[..], 2, DType::F32, Coding::Half).is_err());
        let double = Values::F64(vec![0.1, 0.2]);
        assert_eq!(double.clone().add(double.clone()).unwrap(), Values::F64(vec![0.2, 0.4]));
        assert!(double.add(values).is_err());
    }
}
