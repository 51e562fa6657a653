//! The losses of a batch against sampled items, as one operation of Candle's graph.
//!
//! All steps are compared with the same samples, and, if wanted, with the targets of the other sequences at the same
//! step. The scores of a step are in memory for a moment only: as soon as they are known, they become their gradients,
//! and these the gradients of outputs and vectors. So the backward pass has nothing left to do but to scale.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use fgn_kernels::{SampledColumns, SampledLoss, sampled_losses};

use super::accumulate::{Gradients, Losses};

/// What each step is compared with.
pub(super) struct Comparison<'a> {
    /// The target items, step by step, `[T][B]`; `None` for one that does not count.
    pub(super) targets: &'a [Option<u32>],
    /// The sampled items, `[M]`.
    pub(super) samples: &'a [u32],
    /// Whether the targets of other sequences at the same step are negatives too.
    pub(super) in_batch: bool,
    /// The logarithm of how often an item is expected among the negatives of a step with so many targets, where
    /// scores are to be corrected by it.
    pub(super) expected: Option<&'a (dyn Fn(u32, usize) -> f64 + Sync)>,
    pub(super) loss: SampledLoss,
}

/// The losses of all steps, `[T, B]`, and 0 where a target does not count. `outputs` are `[T, B, E]`, `vectors` those
/// of the targets, of the same shape (of any item where none counts), and `samples` are `[M, E]`.
///
/// Only the mean over all targets that count may be differentiated, or a multiple of it.
///
/// # Errors
/// Those of Candle, and tensors on other devices than the CPU.
pub(super) fn losses(
    outputs: &Tensor,
    vectors: &Tensor,
    samples: &Tensor,
    comparison: &Comparison<'_>,
) -> Result<Tensor> {
    let is_tracked = [outputs, vectors, samples].iter().any(|tensor| tensor.track_op());
    let [x, own, drawn] = [outputs, vectors, samples].map(Tensor::detach);
    // Products run on rayon's threads. So does all else then: Candle's own threads, once used, would watch for more work
    // on the cores that the next product needs.
    let found = rayon::scope(|_| Steps::new(comparison, &x, &own, &drawn, is_tracked)?.run())?;
    outputs.contiguous()?.apply_op3(&vectors.contiguous()?, &samples.contiguous()?, found)
}

/// The steps of a batch.
struct Steps<'a> {
    comparison: &'a Comparison<'a>,
    outputs: &'a Tensor,
    vectors: &'a Tensor,
    samples: &'a Tensor,
    is_tracked: bool,
    /// The vectors of all columns of a step, `[B + M, E]`: those of the step's targets come first.
    columns: Tensor,
    items: Vec<u32>,
    offsets: Vec<f64>,
}

impl<'a> Steps<'a> {
    fn new(
        comparison: &'a Comparison<'a>,
        outputs: &'a Tensor,
        vectors: &'a Tensor,
        samples: &'a Tensor,
        is_tracked: bool,
    ) -> Result<Steps<'a>> {
        let columns = Tensor::cat(&[&vectors.get(0)?, samples], 0)?;
        let batch = outputs.dim(1)?;
        let mut items = vec![SampledColumns::EXCLUDED; batch];
        items.extend_from_slice(comparison.samples);
        Ok(Steps {
            comparison,
            outputs,
            vectors,
            samples,
            is_tracked,
            columns,
            items,
            offsets: Vec::new(),
        })
    }

    fn run(mut self) -> Result<Found> {
        let (steps, batch, _) = self.outputs.dims3()?;
        let mut losses = Vec::with_capacity(steps * batch);
        let (mut of_outputs, mut of_vectors) = (Vec::new(), Vec::new());
        let mut of_samples = Gradients::zeros(self.samples)?;
        for (step, targets) in self.comparison.targets.chunks(batch).enumerate() {
            let output = self.outputs.get(step)?.contiguous()?;
            self.columns.slice_set(&self.vectors.get(step)?.contiguous()?, 0, 0)?;
            let scores = output.matmul(&self.columns.t()?)?;
            losses.extend(self.compare(&scores, targets)?);
            if self.is_tracked {
                of_outputs.push(scores.matmul(&self.columns)?);
                let of_columns = scores.t()?.matmul(&output)?;
                of_vectors.push(of_columns.narrow(0, 0, batch)?);
                let drawn = of_columns.narrow(0, batch, self.samples.dim(0)?)?;
                of_samples.add(&drawn)?;
            }
        }
        let gradients = match self.is_tracked {
            true => {
                let [of_outputs, of_vectors] =
                    [Tensor::stack(&of_outputs, 0)?, Tensor::stack(&of_vectors, 0)?];
                vec![of_outputs, of_vectors, of_samples.sum()]
            }
            false => Vec::new(),
        };
        let counts = self.comparison.targets.iter().map(Option::is_some).collect();
        Ok(Found(Losses { losses, counts, shape: (steps, batch).into(), gradients }))
    }

    /// The losses of a step, whose scores become their gradients.
    fn compare(&mut self, scores: &Tensor, targets: &[Option<u32>]) -> Result<Vec<f64>> {
        let Comparison { in_batch, expected, loss, .. } = *self.comparison;
        if in_batch {
            for (item, target) in self.items.iter_mut().zip(targets) {
                *item = target.unwrap_or(SampledColumns::EXCLUDED);
            }
        }
        if let Some(expected) = expected {
            let count = if in_batch { targets.iter().flatten().count() } else { 0 };
            self.offsets.clear();
            self.offsets.extend(self.items.iter().map(|&item| match item {
                SampledColumns::EXCLUDED => 0.0,
                item => expected(item, count),
            }));
        }
        let target = |(column, item): (usize, &Option<u32>)| item.map(|item| (column, item));
        let targets: Vec<_> = targets.iter().enumerate().map(target).collect();
        let columns =
            SampledColumns { targets: &targets, items: &self.items, offsets: &self.offsets };
        sampled_losses(scores, &columns, loss)
    }
}

struct Found(Losses);

impl CustomOp3 for Found {
    fn name(&self) -> &'static str {
        "sampled-losses"
    }

    fn cpu_fwd(
        &self,
        outputs: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(self.0.forward(outputs))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        upstream: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut gradients = self.0.backward(upstream)?.into_iter();
        Ok((gradients.next(), gradients.next(), gradients.next()))
    }
}
