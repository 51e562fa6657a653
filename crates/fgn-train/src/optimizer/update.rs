//! One parameter's step, in the computer's memory or another device's.

use std::cell::RefCell;
use std::ops::Range;

use candle_core::{CpuStorage, DType, Device, InplaceOp2, Layout, Storage, Tensor, Var, bail};

use super::number::Number;
use super::on_device;
use super::rule::Step;
use super::rules::OptimizerConfig;
use super::slices::{RowSlices, Slices};
use crate::error::{Error, Result};

/// Updates `var` by `steps[n].1` in the range `steps[n].0` of its elements: in the computer's memory in place, in
/// one pass over it.
///
/// # Errors
/// A gradient of another type or shape than the parameter's.
pub(super) fn update(
    config: &OptimizerConfig,
    var: &Var,
    gradient: &Tensor,
    moments: &mut Moments,
    steps: &[(Range<usize>, Step)],
) -> Result<()> {
    match moments {
        Moments::OnDevice(moments) => on_device::update(config, var, gradient, moments, steps)?,
        _ => {
            let moments = RefCell::new(moments);
            var.inplace_op2(gradient, &Update { config, steps, moments })?;
        }
    }
    Ok(())
}

/// As [`update`], of the rows of `var` at the indices `rows` alone, ascending and each once, whose gradients are
/// `gradient: [rows, ..]`. All other rows stay as they are, and so do their moments.
///
/// # Errors
/// As there, and for a row out of range.
pub(super) fn update_rows(
    config: &OptimizerConfig,
    var: &Var,
    (rows, gradient): (&[u32], &Tensor),
    moments: &mut Moments,
    steps: &[(Range<usize>, Step)],
) -> Result<()> {
    match moments {
        Moments::OnDevice(moments) => {
            on_device::update_rows(config, var, (rows, gradient), moments, steps)?;
        }
        _ => {
            let moments = RefCell::new(moments);
            var.inplace_op2(gradient, &UpdateRows { config, steps, rows, moments })?;
        }
    }
    Ok(())
}

/// The sum of squares, each number clamped to `limit` on both sides before, in a fixed order.
///
/// # Errors
/// A gradient that is neither f32 nor f64.
pub(super) fn square_sum(gradient: &Tensor, limit: f64) -> Result<f64> {
    if !gradient.device().is_cpu() {
        return Ok(on_device::square_sum(gradient, limit)?);
    }
    let (storage, layout) = gradient.storage_and_layout();
    let range = range(layout)?;
    match &*storage {
        Storage::Cpu(CpuStorage::F32(g)) => Ok(squares(&g[range], limit)),
        Storage::Cpu(CpuStorage::F64(g)) => Ok(squares(&g[range], limit)),
        _ => Err(Error::Optimizer(format!("a gradient of {:?}", gradient.dtype()))),
    }
}

/// The moments of one parameter, each a list of its type and length.
pub(super) enum Moments {
    F32(Vec<Vec<f32>>),
    F64(Vec<Vec<f64>>),
    /// Of a parameter in another device's memory; flat.
    OnDevice(Vec<Tensor>),
}

impl Moments {
    pub(super) fn zeros(count: usize, var: &Var) -> Result<Moments> {
        let len = var.elem_count();
        match var.dtype() {
            DType::F32 | DType::F64 if !var.device().is_cpu() => Moments::on_device(count, var),
            DType::F32 => Ok(Moments::F32(vec![vec![0.0; len]; count])),
            DType::F64 => Ok(Moments::F64(vec![vec![0.0; len]; count])),
            other => Err(Error::Optimizer(format!("a parameter of {other:?}"))),
        }
    }

    /// Zeros, as tensors beside the parameter.
    pub(super) fn on_device(count: usize, var: &Var) -> Result<Moments> {
        let flat = var.as_detached_tensor().flatten_all()?;
        // Each has memory of its own: rows are written in place.
        let zeros = (0..count).map(|_| flat.zeros_like());
        Ok(Moments::OnDevice(zeros.collect::<candle_core::Result<_>>()?))
    }

    /// The `nth` list as a tensor of the parameter's shape.
    pub(super) fn get(&self, nth: usize, var: &Var) -> Result<Tensor> {
        Ok(match self {
            Moments::F32(lists) => Tensor::from_slice(&lists[nth], var.shape(), &Device::Cpu)?,
            Moments::F64(lists) => Tensor::from_slice(&lists[nth], var.shape(), &Device::Cpu)?,
            Moments::OnDevice(lists) => lists[nth].reshape(var.shape())?,
        })
    }

    /// Sets the `nth` list to a tensor of the parameter's shape and type.
    pub(super) fn set(&mut self, nth: usize, values: &Tensor) -> Result<()> {
        let values = values.flatten_all()?;
        match self {
            Moments::F32(lists) => lists[nth] = values.to_vec1()?,
            Moments::F64(lists) => lists[nth] = values.to_vec1()?,
            Moments::OnDevice(lists) => lists[nth] = values.copy()?,
        }
        Ok(())
    }
}

/// One step of one parameter, as an operation of Candle's that writes in place.
struct Update<'a> {
    config: &'a OptimizerConfig,
    steps: &'a [(Range<usize>, Step)],
    moments: RefCell<&'a mut Moments>,
}

impl Update<'_> {
    fn run<T: Number>(&self, parameter: &mut [T], gradient: &[T], moments: &mut [Vec<T>]) {
        for (range, step) in self.steps {
            let elements = Slices {
                parameter: &mut parameter[range.clone()],
                gradient: &gradient[range.clone()],
                moments,
                range: range.clone(),
                step,
            };
            self.config.update(step, elements);
        }
    }
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "optimizer"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        parameter_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        if parameter_layout.shape() != gradient_layout.shape() {
            bail!(
                "a parameter of shape {:?} with a gradient of shape {:?}",
                parameter_layout.shape(),
                gradient_layout.shape()
            )
        }
        let (at, from) = (range(parameter_layout)?, range(gradient_layout)?);
        match (parameter, gradient, &mut **self.moments.borrow_mut()) {
            (CpuStorage::F32(p), CpuStorage::F32(g), Moments::F32(moments)) => {
                self.run(&mut p[at], &g[from], moments);
            }
            (CpuStorage::F64(p), CpuStorage::F64(g), Moments::F64(moments)) => {
                self.run(&mut p[at], &g[from], moments);
            }
            _ => bail!("a parameter and its gradient differ in type"),
        }
        Ok(())
    }
}

/// As [`Update`], of some rows.
struct UpdateRows<'a> {
    config: &'a OptimizerConfig,
    steps: &'a [(Range<usize>, Step)],
    rows: &'a [u32],
    moments: RefCell<&'a mut Moments>,
}

impl UpdateRows<'_> {
    fn run<T: Number>(&self, parameter: &mut [T], gradient: &[T], moments: &mut [Vec<T>]) {
        let (rows, width) = (self.rows, gradient.len() / self.rows.len().max(1));
        for (range, step) in self.steps {
            let (parameter, range) = (&mut *parameter, range.clone());
            let elements = RowSlices { parameter, gradient, moments, rows, width, range, step };
            self.config.update(step, elements);
        }
    }
}

impl InplaceOp2 for UpdateRows<'_> {
    fn name(&self) -> &'static str {
        "optimizer of rows"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        parameter_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (whole, rows) = (parameter_layout.dims(), gradient_layout.dims());
        let fits = whole.get(1..) == rows.get(1..) && rows.first() == Some(&self.rows.len());
        if !fits || self.rows.last().is_some_and(|&row| row as usize >= whole[0]) {
            bail!(
                "a parameter of shape {whole:?} with a gradient of shape {rows:?} for {} rows",
                self.rows.len()
            )
        }
        let (at, from) = (range(parameter_layout)?, range(gradient_layout)?);
        match (parameter, gradient, &mut **self.moments.borrow_mut()) {
            (CpuStorage::F32(p), CpuStorage::F32(g), Moments::F32(moments)) => {
                self.run(&mut p[at], &g[from], moments);
            }
            (CpuStorage::F64(p), CpuStorage::F64(g), Moments::F64(moments)) => {
                self.run(&mut p[at], &g[from], moments);
            }
            _ => bail!("a parameter and its gradient differ in type"),
        }
        Ok(())
    }
}

/// Where a contiguous tensor lies in its storage.
pub(super) fn range(layout: &Layout) -> candle_core::Result<Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("the optimizer needs contiguous tensors"),
    }
}

/// In f64, over eight sums side by side, which the compiler turns into vectors.
fn squares<T: Copy + Into<f64>>(values: &[T], limit: f64) -> f64 {
    let mut sums = [0.0; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks.iter().map(<[T; 8]>::as_slice).chain([rest]) {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            let value: f64 = value.into().clamp(-limit, limit);
            *sum += value * value;
        }
    }
    sums.iter().sum()
}
