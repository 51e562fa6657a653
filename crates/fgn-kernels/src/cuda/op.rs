//! From Candle's tensors to the device and back.

use std::ops::Deref;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::CudaDType;
use candle_core::cuda_backend::cudarc::driver::CudaStream;
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, DType, Layout, Result, Storage, Tensor, bail};
use fgn_core::{AnyCell, SequenceShape};
use half::bf16;

use super::Number;
use super::backward::{Derivatives as DerivativesAt, backward as run_backward};
use super::device::{Device, address};
use super::forward::{Saved, forward as run_forward};
use super::gpu::Gpu;
use super::job::{Inputs, Job};
use super::strategy::Strategy;
use crate::run::gate_statistics::GateStatistics;
use crate::run::plan::Plan;

/// The result of a run on a GPU.
pub(crate) struct Forward {
    pub(crate) output: CudaStorage,
    pub(crate) states: CudaStorage,
    pub(crate) saved: Option<SavedRun>,
    pub(crate) gates: Vec<GateStatistics>,
}

/// What the backward pass needs, on the device.
pub(crate) struct SavedRun(Saved<<Device as Gpu>::Memory>);

/// A tensor's storage, and the offset of its elements in it.
type View<'a> = (&'a CudaStorage, &'a Layout);

pub(crate) fn forward(
    cell: AnyCell,
    shape: SequenceShape,
    plan: &Plan,
    [x, weights, states]: [View<'_>; 3],
    save: bool,
) -> Result<Forward> {
    let on = Place { cell, shape, plan, number: number(x.0.dtype())? };
    match on.number {
        Number::F32 => on.forward::<f32, f32>([x, weights], states, save),
        Number::F64 => on.forward::<f64, f64>([x, weights], states, save),
        Number::Bf16 => on.forward::<bf16, f32>([x, weights], states, save),
    }
}

/// The gradients with respect to a run's results, contiguous.
pub(crate) struct Derivatives {
    pub(crate) output: Tensor,
    /// With respect to the final states, if there are any.
    pub(crate) states: Option<Tensor>,
}

/// The gradients with respect to input (`with_x` alone), weights and states.
pub(crate) fn backward(
    cell: AnyCell,
    shape: SequenceShape,
    plan: &Plan,
    arguments: [&Tensor; 3],
    saved: &SavedRun,
    by: &Derivatives,
    with_x: bool,
) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
    let on = Place { cell, shape, plan, number: number(arguments[0].dtype())? };
    match on.number {
        Number::F32 => on.backward::<f32, f32>(arguments, saved, by, with_x),
        Number::F64 => on.backward::<f64, f64>(arguments, saved, by, with_x),
        Number::Bf16 => on.backward::<bf16, f32>(arguments, saved, by, with_x),
    }
}

fn number(dtype: DType) -> Result<Number> {
    match dtype {
        DType::F32 => Ok(Number::F32),
        DType::F64 => Ok(Number::F64),
        DType::BF16 => Ok(Number::Bf16),
        other => bail!("expected f32, f64 or bf16 on a GPU, got {other:?}"),
    }
}

struct Place<'a> {
    cell: AnyCell,
    shape: SequenceShape,
    plan: &'a Plan,
    number: Number,
}

impl Place<'_> {
    fn device(&self, of: &CudaStorage) -> Result<(Device, Job<'_>)> {
        let device = Device::new(of.device(), self.cell, self.number)?;
        let Self { cell, shape, plan, number } = *self;
        let strategy = Strategy::of(cell.spec(), shape, plan, number, device.limits()?);
        Ok((device, Job { cell, shape, plan, number, strategy }))
    }

    /// With weights of numbers `N` and states of numbers `W`.
    fn forward<N: CudaDType, W: CudaDType>(
        &self,
        [x, weights]: [View<'_>; 2],
        states: View<'_>,
        save: bool,
    ) -> Result<Forward> {
        let (device, job) = self.device(x.0)?;
        let stream = device.stream();
        let (x, _x) = address(x.0.as_cuda_slice::<N>()?, stream, x.1.start_offset());
        let (weights, _weights) =
            address(weights.0.as_cuda_slice::<N>()?, stream, weights.1.start_offset());
        let (states, _states) =
            address(states.0.as_cuda_slice::<W>()?, stream, states.1.start_offset());
        let run = run_forward(&device, &job, Inputs { x, weights, states }, save)?;
        Ok(Forward {
            output: device.storage::<N>(run.output),
            states: device.storage::<W>(run.states),
            saved: run.saved.map(SavedRun),
            gates: run.gates,
        })
    }

    fn backward<N: CudaDType, W: CudaDType>(
        &self,
        [x, weights, states]: [&Tensor; 3],
        SavedRun(saved): &SavedRun,
        by: &Derivatives,
        with_x: bool,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let tensors = [x, weights, states, &by.output].map(Tensor::storage_and_layout);
        let [x_data, weights_data, states_data, output_data] = &tensors;
        let last_data = by.states.as_ref().map(Tensor::storage_and_layout);
        let (device, job) = self.device(cuda(&x_data.0)?)?;
        let stream = device.stream();
        let (x_at, _x) = view::<N, _>(x_data, stream)?;
        let (weights_at, _weights) = view::<N, _>(weights_data, stream)?;
        let (states_at, _states) = view::<W, _>(states_data, stream)?;
        let (output, _output) = view::<N, _>(output_data, stream)?;
        let last = last_data.as_ref().map(|data| view::<W, _>(data, stream)).transpose()?;
        let d = DerivativesAt { output, states: last.as_ref().map(|(address, _)| *address) };
        let inputs = Inputs { x: x_at, weights: weights_at, states: states_at };
        let d = run_backward(&device, &job, inputs, saved, d, with_x)?;
        let tensor = |storage: CudaStorage, like: &Tensor| {
            Tensor::from_storage(Storage::Cuda(storage), like.shape(), BackpropOp::none(), false)
        };
        Ok((
            d.x.map(|d_x| tensor(device.storage::<N>(d_x), x)),
            Some(tensor(device.storage::<N>(d.weights), weights)),
            Some(tensor(device.storage::<W>(d.states), states)),
        ))
    }
}

/// The address of a contiguous tensor's elements, with the guard that must live as long as the address is used.
fn view<'a, T: CudaDType + 'a, S: Deref<Target = Storage>>(
    (storage, layout): &'a (S, &Layout),
    stream: &'a CudaStream,
) -> Result<(u64, impl Sized + use<'a, T, S>)> {
    Ok(address(cuda(storage)?.as_cuda_slice::<T>()?, stream, layout.start_offset()))
}

fn cuda(storage: &Storage) -> Result<&CudaStorage> {
    match storage {
        Storage::Cuda(storage) => Ok(storage),
        _ => bail!("expected a tensor on the GPU"),
    }
}
