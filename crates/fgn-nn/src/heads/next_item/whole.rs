//! The cross entropy over all items, as one operation of Candle's graph.
//!
//! The scores of some rows are in memory for a moment only: as soon as they are known, they become their gradients, and
//! these the gradients of outputs and vectors. So the scores of a whole batch, which may be many times as large as all
//! else, are never there.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use fgn_kernels::{SampledColumns, SampledLoss, sampled_losses};

use super::accumulate::{Gradients, Losses};

/// How many scores are in memory at once: about what a core's own cache and its share of the next one hold.
const SCORES: usize = 1 << 19;

/// The cross entropy of each of `outputs: [N, E]` against its target, `[N]`, where the scores of all items are products
/// with `vectors: [V, E]`.
///
/// Only the mean over all rows may be differentiated, or a multiple of it.
///
/// # Errors
/// Those of Candle, and tensors on other devices than the CPU.
pub(super) fn cross_entropy(outputs: &Tensor, vectors: &Tensor, targets: &[u32]) -> Result<Tensor> {
    let is_tracked = outputs.track_op() || vectors.track_op();
    let (rows, columns) = (outputs.detach(), vectors.detach().contiguous()?);
    // As in `sampled`: all that follows runs on rayon's threads.
    let found = rayon::scope(|_| compare(&rows, &columns, targets, is_tracked))?;
    outputs.contiguous()?.apply_op2(&vectors.contiguous()?, found)
}

fn compare(rows: &Tensor, columns: &Tensor, targets: &[u32], is_tracked: bool) -> Result<Whole> {
    let (count, items) = (rows.dim(0)?, columns.dim(0)?);
    let all: Vec<u32> = (0..items as u32).collect();
    let together = (SCORES / items).clamp(16, 1024);
    let mut losses = Vec::with_capacity(count);
    let (mut of_rows, mut of_columns) = (Vec::new(), Gradients::zeros(columns)?);
    for (nth, targets) in targets.chunks(together).enumerate() {
        let part = rows.narrow(0, nth * together, targets.len())?.contiguous()?;
        let scores = part.matmul(&columns.t()?)?;
        let of_part: Vec<_> = targets.iter().map(|&item| Some((item as usize, item))).collect();
        let compared = SampledColumns { targets: &of_part, items: &all, offsets: &[] };
        losses.extend(sampled_losses(&scores, &compared, SampledLoss::CrossEntropy)?);
        if is_tracked {
            of_rows.push(scores.matmul(columns)?);
            of_columns.add(&scores.t()?.matmul(&part)?)?;
        }
    }
    let gradients = match is_tracked {
        true => vec![Tensor::cat(&of_rows, 0)?, of_columns.sum()],
        false => Vec::new(),
    };
    let counts = vec![true; count];
    Ok(Whole(Losses { losses, counts, shape: count.into(), gradients }))
}

struct Whole(Losses);

impl CustomOp2 for Whole {
    fn name(&self) -> &'static str {
        "cross-entropy-of-items"
    }

    fn cpu_fwd(
        &self,
        outputs: &CpuStorage,
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
        upstream: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut gradients = self.0.backward(upstream)?.into_iter();
        Ok((gradients.next(), gradients.next()))
    }
}
