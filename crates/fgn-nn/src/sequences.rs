//! The sequences that an input layer makes of samples.

use candle_core::Tensor;

use crate::check::wrong_shape;
use crate::error::Result;

/// Features `[T, B, I]` of `B` sequences of up to `T` steps, and the length of each.
#[derive(Clone, Debug)]
pub struct Sequences {
    tensor: Tensor,
    lengths: Option<Vec<usize>>,
}

impl Sequences {
    /// The sequences of `tensor: [T, B, I]`, of those lengths, from 1 to `T`; without lengths, of `T` steps.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for another number of dimensions or lengths, and for a length
    /// out of range.
    pub fn new(tensor: Tensor, lengths: Option<Vec<usize>>) -> Result<Self> {
        let [steps, batch, _] = *tensor.dims() else {
            return Err(wrong_shape("sequences", &tensor, "[T, B, I]".into()));
        };
        if let Some(lengths) = &lengths {
            let fits = lengths.iter().all(|length| (1..=steps).contains(length));
            if lengths.len() != batch || !fits {
                let expected = format!("[T, B, I] with lengths {lengths:?}");
                return Err(wrong_shape("sequences", &tensor, expected));
            }
        }
        Ok(Self { tensor, lengths })
    }

    /// The features, `[T, B, I]`.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The length of each sequence; `None` where all have `T` steps.
    pub fn lengths(&self) -> Option<&[usize]> {
        self.lengths.as_deref()
    }

    /// Other features of the same steps, `[T, B, I]`: a function of each step.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_tensor(self, tensor: Tensor) -> Result<Self> {
        Self::new(tensor, self.lengths)
    }

    /// The first steps of each sequence, at most `steps`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for 0 steps.
    pub fn truncated(&self, steps: usize) -> Result<Self> {
        let kept = steps.min(self.tensor.dim(0)?);
        if kept == 0 {
            return Err(wrong_shape("sequences", &self.tensor, "1 step or more".into()));
        }
        let cut = |lengths: &Vec<usize>| lengths.iter().map(|&length| length.min(kept)).collect();
        Ok(Self {
            tensor: self.tensor.narrow(0, 0, kept)?,
            lengths: self.lengths.as_ref().map(cut),
        })
    }

    /// The same numbers, outside the computation graph.
    pub fn detach(&self) -> Self {
        Self { tensor: self.tensor.detach(), lengths: self.lengths.clone() }
    }
}
