//! The loss of a batch, as one operation of Candle's graph.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};
use rayon::current_num_threads;
use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::alignment::{Number, Sample, Workspace};

/// The sizes of the logits.
#[derive(Clone, Copy)]
pub(super) struct Axes {
    pub(super) steps: usize,
    pub(super) batch: usize,
    pub(super) classes: usize,
}

/// The target of a sample.
pub(super) struct Target {
    pub(super) labels: Vec<u32>,
    /// The length of the sample.
    pub(super) steps: usize,
    /// Whether any alignment exists.
    pub(super) is_feasible: bool,
}

/// What the operation is to do with the results.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) blank: usize,
    pub(super) zero_infinity: bool,
    pub(super) batch_first: bool,
    /// Whether there will be a backward pass.
    pub(super) is_tracked: bool,
}

/// Losses `[B]` of logits `[T, B, V]` or `[B, T, V]`, the numbers of a step side by side.
pub(super) struct CtcOp {
    axes: Axes,
    plan: Plan,
    targets: Vec<Target>,
    /// The gradient of each sample's loss, `[B, T, V]`, once the operation has run.
    gradient: OnceLock<CpuStorage>,
}

impl CtcOp {
    pub(super) fn new(axes: Axes, plan: Plan, targets: Vec<Target>) -> CtcOp {
        CtcOp { axes, plan, targets, gradient: OnceLock::new() }
    }

    fn forward<T: Number>(&self, storage: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
        let Axes { steps, batch, classes } = self.axes;
        let logits = T::cpu_storage_as_slice(storage)?;
        let zero = T::narrow(0.0);
        let mut losses = vec![zero; batch];
        // A few pieces for each thread: samples take different times.
        let piece = batch.div_ceil(4 * current_num_threads());
        if !self.plan.is_tracked {
            let one = |workspace: &mut Workspace, (index, loss): (usize, &mut T)| {
                *loss = self.sample(workspace, (logits, layout), index, None);
            };
            let losses_of = losses.par_iter_mut().enumerate().with_min_len(piece);
            losses_of.for_each_init(Workspace::default, one);
            return Ok(T::to_cpu_storage_owned(losses));
        }
        let mut gradient = vec![zero; batch * steps * classes];
        let rows = losses.par_iter_mut().zip(gradient.par_chunks_mut(steps * classes));
        rows.enumerate().with_min_len(piece).for_each_init(
            Workspace::default,
            |workspace, (index, (loss, gradient))| {
                *loss = self.sample(workspace, (logits, layout), index, Some(gradient));
            },
        );
        self.gradient.get_or_init(|| T::to_cpu_storage_owned(gradient));
        Ok(T::to_cpu_storage_owned(losses))
    }

    /// The loss of a sample, and its gradient.
    fn sample<T: Number>(
        &self,
        workspace: &mut Workspace,
        (logits, layout): (&[T], &Layout),
        index: usize,
        mut gradient: Option<&mut [T]>,
    ) -> T {
        let Target { ref labels, steps, is_feasible } = self.targets[index];
        if !is_feasible {
            return T::narrow(0.0);
        }
        let (sample_axis, step_axis) = if self.plan.batch_first { (0, 1) } else { (1, 0) };
        let begin = layout.start_offset() + index * layout.stride()[sample_axis];
        let sample = Sample {
            logits: &logits[begin..],
            stride: layout.stride()[step_axis],
            classes: self.axes.classes,
            steps,
            labels,
            blank: self.plan.blank,
        };
        let loss = workspace.run(&sample, gradient.as_deref_mut());
        if loss.is_infinite() && self.plan.zero_infinity {
            return T::narrow(0.0);
        }
        if let Some(gradient) = gradient.filter(|_| !loss.is_finite()) {
            gradient[..steps * self.axes.classes].fill(T::narrow(f64::NAN));
        }
        T::narrow(loss)
    }

    /// The saved gradient times that of each sample's loss, in the order of the logits.
    fn backward<T: Number>(&self, d_losses: &Tensor) -> Result<Vec<T>> {
        let Axes { steps, batch, classes } = self.axes;
        let Some(saved) = self.gradient.get() else {
            bail!("{}: backward without a forward pass that saved for it", self.name());
        };
        let (saved, d_losses) = (T::cpu_storage_as_slice(saved)?, d_losses.to_vec1::<T>()?);
        let mut d_logits = vec![T::narrow(0.0); saved.len()];
        let rows = d_logits.par_chunks_mut(classes).with_min_len(1024).enumerate();
        rows.for_each(|(row, d_logits)| {
            let (sample, step) = match self.plan.batch_first {
                true => (row / steps, row % steps),
                false => (row % batch, row / batch),
            };
            let saved = &saved[(sample * steps + step) * classes..][..classes];
            for (d_logit, &saved) in d_logits.iter_mut().zip(saved) {
                *d_logit = saved * d_losses[sample];
            }
        });
        Ok(d_logits)
    }
}

impl CustomOp1 for CtcOp {
    fn name(&self) -> &'static str {
        "ctc-loss"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let losses = match logits {
            CpuStorage::F64(_) => self.forward::<f64>(logits, layout)?,
            _ => self.forward::<f32>(logits, layout)?,
        };
        Ok((losses, Shape::from(self.axes.batch)))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, d_losses: &Tensor) -> Result<Option<Tensor>> {
        let (shape, device) = (logits.shape(), logits.device());
        let d_logits = match logits.dtype() {
            DType::F64 => Tensor::from_vec(self.backward::<f64>(d_losses)?, shape, device)?,
            _ => Tensor::from_vec(self.backward::<f32>(d_losses)?, shape, device)?,
        };
        Ok(Some(d_logits))
    }
}
