//! What the losses of items have in common: gradients that are known together with the losses.

use std::ops::AddAssign;

use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Result, Shape, Tensor, bail};

/// Losses and, where there will be a backward pass, the gradients of their sum.
pub(super) struct Losses {
    pub(super) losses: Vec<f64>,
    /// Whether each counts.
    pub(super) counts: Vec<bool>,
    pub(super) shape: Shape,
    /// Of each argument; none where there will be no backward pass.
    pub(super) gradients: Vec<Tensor>,
}

impl Losses {
    /// The losses, in the data type of `like`.
    pub(super) fn forward(&self, like: &CpuStorage) -> (CpuStorage, Shape) {
        let losses = match like {
            CpuStorage::F64(_) => CpuStorage::F64(self.losses.clone()),
            _ => CpuStorage::F32(self.losses.iter().map(|&loss| loss as f32).collect()),
        };
        (losses, self.shape.clone())
    }

    /// The gradients of each argument, for the weight that all losses that count have in common.
    ///
    /// # Errors
    /// Different weights: the gradients of single losses are not known.
    pub(super) fn backward(&self, upstream: &Tensor) -> Result<Vec<Tensor>> {
        if self.gradients.is_empty() {
            bail!("losses of items: nothing was kept for a backward pass")
        }
        let weights = upstream.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        let mut counted = weights.iter().zip(&self.counts).filter(|it| *it.1).map(|it| *it.0);
        let weight = counted.next().unwrap_or(0.0);
        if counted.any(|other| other.to_bits() != weight.to_bits()) {
            bail!("losses of items: expected the same weight for all, as that of a mean");
        }
        self.gradients.iter().map(|gradient| gradient * weight).collect()
    }
}

/// A sum of gradients, added up in place.
pub(super) struct Gradients(Tensor);

impl Gradients {
    /// Zeros of the shape of `like`.
    pub(super) fn zeros(like: &Tensor) -> Result<Gradients> {
        Ok(Gradients(like.zeros_like()?))
    }

    pub(super) fn add(&mut self, terms: &Tensor) -> Result<()> {
        self.0.inplace_op2(terms, &Add)
    }

    pub(super) fn sum(self) -> Tensor {
        self.0
    }
}

/// Adds a tensor to another one, in place.
struct Add;

impl InplaceOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        sum: &mut CpuStorage,
        to: &Layout,
        terms: &CpuStorage,
        from: &Layout,
    ) -> Result<()> {
        let (Some(to), Some(from)) = (to.contiguous_offsets(), from.contiguous_offsets()) else {
            bail!("losses of items: expected contiguous gradients")
        };
        match (sum, terms) {
            (CpuStorage::F32(sum), CpuStorage::F32(terms)) => {
                add(&mut sum[to.0..to.1], &terms[from.0..from.1]);
            }
            (CpuStorage::F64(sum), CpuStorage::F64(terms)) => {
                add(&mut sum[to.0..to.1], &terms[from.0..from.1]);
            }
            _ => bail!("losses of items: expected gradients in f32 or in f64"),
        }
        Ok(())
    }
}

fn add<T: AddAssign + Copy>(sum: &mut [T], terms: &[T]) {
    sum.iter_mut().zip(terms).for_each(|(sum, &term)| *sum += term);
}
