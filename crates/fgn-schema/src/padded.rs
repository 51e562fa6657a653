//! Sequences of different lengths in one tensor.

use candle_core::{DType, Device, Tensor};

use crate::error::{Error, Result};

/// A tensor `[B, ..]` of samples, or `[B, T, ..]` of sequences that may be shorter than `T`: what lies past a
/// sequence's length is padding, and counts for nothing.
#[derive(Clone, Debug)]
pub struct Padded {
    tensor: Tensor,
    lengths: Option<Vec<usize>>,
}

impl Padded {
    /// A tensor without padding.
    pub fn new(tensor: Tensor) -> Padded {
        Padded { tensor, lengths: None }
    }

    /// A tensor `[B, T, ..]` of `B` sequences, with the length of each, from 1 to `T`.
    ///
    /// # Errors
    /// [`Error::Lengths`] if there are fewer than two dimensions, another number of lengths than `B`, or a
    /// length out of range.
    pub fn with_lengths(tensor: Tensor, lengths: Vec<usize>) -> Result<Padded> {
        let wrong = |found: String, expected: String| {
            Err(Error::Lengths { found, shape: tensor.dims().to_vec(), expected })
        };
        let [batch, steps, ..] = *tensor.dims() else {
            return wrong(format!("{lengths:?}"), "a tensor [B, T, ..]".into());
        };
        if lengths.len() != batch {
            return wrong(format!("of {} sequences", lengths.len()), format!("{batch}"));
        }
        match lengths.iter().find(|length| !(1..=steps).contains(*length)) {
            Some(length) => wrong(format!("with {length}"), format!("each from 1 to {steps}")),
            None => Ok(Padded { tensor, lengths: Some(lengths) }),
        }
    }

    /// The tensor, padding included.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The length of each sequence; `None` where all have the full length, or where there is no time axis.
    pub fn lengths(&self) -> Option<&[usize]> {
        self.lengths.as_deref()
    }

    /// `B`: how many samples there are.
    pub fn batch_size(&self) -> usize {
        self.tensor.dims().first().copied().unwrap_or(0)
    }

    /// Another tensor with the same lengths: a function of each step, say.
    ///
    /// # Errors
    /// [`Error::Lengths`] if they do not fit.
    pub fn with_tensor(&self, tensor: Tensor) -> Result<Padded> {
        match &self.lengths {
            Some(lengths) => Padded::with_lengths(tensor, lengths.clone()),
            None => Ok(Padded::new(tensor)),
        }
    }

    /// The same on another device.
    ///
    /// # Errors
    /// [`Error::Candle`] if the tensor cannot be copied there.
    pub fn to_device(&self, device: &Device) -> Result<Padded> {
        Ok(Padded { tensor: self.tensor.to_device(device)?, lengths: self.lengths.clone() })
    }

    /// The same numbers, outside the computation graph.
    pub fn detach(&self) -> Padded {
        Padded { tensor: self.tensor.detach(), lengths: self.lengths.clone() }
    }

    /// The steps of `[B, T, ..]` that are not padding, one row each, sequence by sequence: `[N, ..]`.
    ///
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use fgn_schema::Padded;
    ///
    /// let steps = Tensor::new(&[[1u32, 2, 3], [4, 0, 0]], &Device::Cpu)?;
    /// let steps = Padded::with_lengths(steps, vec![3, 1])?;
    /// assert_eq!(steps.steps()?.to_vec1::<u32>()?, [1, 2, 3, 4]);
    /// # Ok::<(), fgn_schema::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Lengths`] for fewer than two dimensions.
    pub fn steps(&self) -> Result<Tensor> {
        let [_, count, ..] = *self.tensor.dims() else {
            return Err(Error::Lengths {
                found: "none".into(),
                shape: self.tensor.dims().to_vec(),
                expected: "a tensor [B, T, ..]".into(),
            });
        };
        let rows = self.tensor.flatten(0, 1)?;
        let Some(lengths) = &self.lengths else {
            return Ok(rows);
        };
        let rows_of = |(at, &length): (usize, &usize)| at * count..at * count + length;
        let valid: Vec<u32> =
            lengths.iter().enumerate().flat_map(rows_of).map(|row| row as u32).collect();
        let valid = Tensor::from_vec(valid, lengths.iter().sum::<usize>(), rows.device())?;
        Ok(rows.index_select(&valid, 0)?)
    }

    /// Whether every number of it is finite; whole numbers are.
    ///
    /// # Errors
    /// [`Error::Candle`] if the tensor cannot be read.
    pub fn is_finite(&self) -> Result<bool> {
        if !self.tensor.dtype().is_float() || self.tensor.elem_count() == 0 {
            return Ok(true);
        }
        // A sum of zeros times the numbers is 0 only if all of them are finite.
        let sum = (self.tensor.detach() * 0.0)?.sum_all()?.to_dtype(DType::F64)?;
        Ok(sum.to_scalar::<f64>()? == 0.0)
    }
}

impl From<Tensor> for Padded {
    fn from(tensor: Tensor) -> Padded {
        Padded::new(tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let tensor = Tensor::zeros((2, 3, 1), DType::F32, &Device::Cpu).unwrap();
        for lengths in [vec![], vec![1], vec![1, 2, 3], vec![0, 1], vec![1, 4]] {
            let error = Padded::with_lengths(tensor.clone(), lengths.clone()).unwrap_err();
            assert!(matches!(error, Error::Lengths { .. }), "{lengths:?}: {error}");
        }
        let flat = Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap();
        assert!(Padded::with_lengths(flat, vec![1, 1]).is_err());
        let padded = Padded::with_lengths(tensor.clone(), vec![3, 1]).unwrap();
        assert!(padded.with_tensor(tensor.narrow(1, 0, 2).unwrap()).is_err());
        assert_eq!(padded.batch_size(), 2);
    }

    #[test]
    fn padding_is_left_out() {
        let steps = Tensor::arange(0u32, 24, &Device::Cpu).unwrap().reshape((2, 4, 3)).unwrap();
        let padded = Padded::with_lengths(steps.clone(), vec![1, 3]).unwrap();
        assert_eq!(
            padded.steps().unwrap().to_vec2::<u32>().unwrap(),
            [[0, 1, 2], [12, 13, 14], [15, 16, 17], [18, 19, 20]]
        );
        assert_eq!(Padded::new(steps).steps().unwrap().dims(), [8, 3]);
    }

    #[test]
    fn numbers_that_are_not_finite_are_found() {
        let padded = |values: &[f32]| Padded::new(Tensor::new(values, &Device::Cpu).unwrap());
        assert!(padded(&[0.0, -0.0, f32::MAX, f32::MIN]).is_finite().unwrap());
        assert!(!padded(&[0.0, f32::NAN]).is_finite().unwrap());
        assert!(!padded(&[f32::NEG_INFINITY, f32::INFINITY]).is_finite().unwrap());
        let whole = Tensor::zeros(3, DType::U32, &Device::Cpu).unwrap();
        assert!(Padded::new(whole).is_finite().unwrap());
    }
}
