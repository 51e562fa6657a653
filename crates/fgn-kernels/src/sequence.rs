use std::any::Any;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp3, DType, Layout as TensorLayout, Result, Shape as TensorShape,
    Storage, Tensor, bail,
};
use fgn_core::oracle::Shape;
use fgn_core::{AnyCell, Role};

use crate::Options;
use crate::checked::checked;
use crate::cpu::Arguments;
use crate::cpu::backward::{Derivatives, Wanted, backward};
use crate::cpu::equations::Compiled;
use crate::cpu::forward::{Forward, Saved, forward};
use crate::cpu::isa::Isa;
use crate::cpu::packed::LaidOut;
use crate::cpu::plan::Plan;
use crate::cpu::simd::Element;
#[cfg(feature = "cuda")]
use crate::cuda::op as cuda;

/// What [`sequence`] gives.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// The outputs, `[T, B, H]`, `[B, H]` or `[T, B, 1 + S, H]`, see [`Emit`](crate::Emit); with a projection of size
    /// `P < H`, which makes the output `P` wide, the last `H − P` numbers of
    /// [`Emit::States`](crate::Emit::States) are zero in
    /// outputs and hidden states.
    pub output: Tensor,
    /// The states after each sequence's last step, `[S, B, H]`; of a projected hidden state the last
    /// `H − P` numbers are zero.
    pub states: Tensor,
    /// What the gates did, if asked for with [`Options::telemetry`]: those of the cell's blocks that are
    /// gates, in their order.
    pub gates: Vec<Gate>,
}

/// What a gate did over all steps of all sequences of a run, for each of its units, as far as its
/// pre-activations tell: what the per-unit vectors of the peephole LSTM and of SRU add to them is not
/// seen, and a binary gate is counted by its sigmoid. [`trace`](fn@crate::trace) gives the gates of single
/// steps as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Its name in the cell's equations.
    pub name: &'static str,
    /// What it is for.
    pub role: Role,
    /// Its mean, in `0 ..= 1`.
    pub mean: Vec<f64>,
    /// The share of steps at which it was below 0.05.
    pub shut: Vec<f64>,
    /// The share of steps at which it was above 0.95.
    pub open: Vec<f64>,
}

impl Gate {
    /// Of a forget gate, for how many steps each unit remembers: `1 / (1 − mean)`; of an update gate,
    /// which overwrites what it lets in, `1 / mean`.
    pub fn memory(&self) -> impl Iterator<Item = f64> {
        let overwrites = self.role == Role::Update;
        self.mean.iter().map(move |mean| 1.0 / if overwrites { *mean } else { 1.0 - mean })
    }
}

/// Runs `cell` over whole sequences, as one node of the computation graph.
///
/// | argument | shape | |
/// |---|---|---|
/// | `x` | `[T, B, I]` | the input of each step |
/// | `weights` | `[n]` | the packed parameters, see [`fgn_core::Layout`] |
/// | `states` | `[S, B, H]` | the states before the first step; of a projected hidden state the first `P` numbers count |
/// | `options` | | what to do beside the cell's equations |
///
/// All are `f32` or all `f64`, on one device: the CPU, or, with the feature `cuda`, a GPU. There input and
/// weights may be `bf16` beside states of `f32`; the outputs are `bf16` then, the final states `f32`. The
/// result can be differentiated by all three.
///
/// The backward pass needs the pre-activations, or what sigmoids and tangents made of them, and the states of
/// every step: `T · B · H` times the number
/// of the cell's blocks and states (6 for an LSTM) numbers are kept while the graph lives, if any
/// argument is tracked; else nothing. Dropout, projection and normalisation of the memory keep `T · B · H`
/// numbers more each. Masks are not kept.
///
/// # Errors
/// If shapes, number types or devices do not fit, if a size is zero, if an option is out of its range or
/// not possible for the cell, or if the environment variable
/// `FGN_ISA` asks for an instruction set that the machine does not have.
pub fn sequence(
    cell: AnyCell,
    x: &Tensor,
    weights: &Tensor,
    states: &Tensor,
    options: &Options,
) -> Result<Sequence> {
    let (shape, plan) = checked(cell, x, weights, states, options)?;
    run(cell, Isa::active()?, (shape, plan), [x, weights, states], None)
}

/// Runs a sequence of checked arguments, with the weights as they are laid out already: a [`LaidOut`].
pub(crate) fn run(
    cell: AnyCell,
    isa: Isa,
    (shape, plan): (Shape, Plan),
    [x, weights, states]: [&Tensor; 3],
    laid_out: Option<Arc<dyn Any + Send + Sync>>,
) -> Result<Sequence> {
    let tracked = [x, weights, states].iter().any(|tensor| tensor.track_op());
    let finals = Arc::new(Finals::default());
    let op = SequenceOp {
        cell,
        shape,
        plan,
        isa,
        laid_out,
        save: tracked,
        wanted: Wanted { x: x.track_op(), states: states.track_op() },
        saved: OnceLock::new(),
        finals: finals.clone(),
    };
    let [x, weights, states] = [x.contiguous()?, weights.contiguous()?, states.contiguous()?];
    let output = x.apply_op3(&weights, &states, op)?;
    let states =
        output.apply_op1(FinalStates { shape: states.shape().clone(), finals: finals.clone() })?;
    let gates = std::mem::take(&mut *finals.gates.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Sequence { output, states, gates })
}

struct SequenceOp {
    cell: AnyCell,
    shape: Shape,
    plan: Plan,
    isa: Isa,
    laid_out: Option<Arc<dyn Any + Send + Sync>>,
    save: bool,
    wanted: Wanted,
    /// What the backend at hand saved, once the op ran.
    saved: OnceLock<Box<dyn Any + Send + Sync>>,
    finals: Arc<Finals>,
}

/// What passes between the two nodes of a run: an operation of Candle gives one tensor, and packing
/// the final states into that of the outputs would cost several passes over it in the backward pass.
#[derive(Default)]
struct Finals {
    /// From the run to [`FinalStates`], which stands right behind it.
    states: Mutex<Option<Storage>>,
    /// From the run to its caller.
    gates: Mutex<Vec<Gate>>,
    /// Back again, for each thread that is at a backward pass.
    d_states: Mutex<Vec<(ThreadId, Tensor)>>,
}

impl Finals {
    fn take_d_states(&self) -> Option<Tensor> {
        let mut all = self.d_states.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|(thread, _)| *thread == thread::current().id());
        place.map(|place| all.swap_remove(place).1)
    }
}

/// The final states of a run, as a node behind that of its outputs.
struct FinalStates {
    /// `[S, B, H]`.
    shape: TensorShape,
    finals: Arc<Finals>,
}

impl CustomOp1 for FinalStates {
    fn name(&self) -> &'static str {
        "fgn-final-states"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &TensorLayout) -> Result<(CpuStorage, TensorShape)> {
        let mut states = self.finals.states.lock().unwrap_or_else(PoisonError::into_inner);
        match states.take() {
            Some(Storage::Cpu(states)) => Ok((states, self.shape.clone())),
            _ => bail!("final states without a run"),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, _: &CudaStorage, _: &TensorLayout) -> Result<(CudaStorage, TensorShape)> {
        let mut states = self.finals.states.lock().unwrap_or_else(PoisonError::into_inner);
        match states.take() {
            Some(Storage::Cuda(states)) => Ok((states, self.shape.clone())),
            _ => bail!("final states without a run"),
        }
    }

    /// Leaves the derivatives to the run's own backward pass, which comes after this one on the same
    /// thread.
    fn bwd(&self, output: &Tensor, _: &Tensor, d_states: &Tensor) -> Result<Option<Tensor>> {
        self.finals.take_d_states();
        let mut all = self.finals.d_states.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((thread::current().id(), d_states.clone()));
        Ok(Some(output.zeros_like()?))
    }
}

impl CustomOp3 for SequenceOp {
    fn name(&self) -> &'static str {
        "fgn-sequence"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &TensorLayout,
        weights: &CpuStorage,
        weights_layout: &TensorLayout,
        states: &CpuStorage,
        states_layout: &TensorLayout,
    ) -> Result<(CpuStorage, TensorShape)> {
        let storages = [(x, x_layout), (weights, weights_layout), (states, states_layout)];
        match x {
            CpuStorage::F64(_) => self.forward::<f64>(storages),
            _ => self.forward::<f32>(storages),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &TensorLayout,
        weights: &CudaStorage,
        weights_layout: &TensorLayout,
        states: &CudaStorage,
        states_layout: &TensorLayout,
    ) -> Result<(CudaStorage, TensorShape)> {
        let arguments = [(x, x_layout), (weights, weights_layout), (states, states_layout)];
        let run = cuda::forward(self.cell, self.shape, &self.plan, arguments, self.save)?;
        if let Some(saved) = run.saved {
            self.saved.get_or_init(|| Box::new(saved));
        }
        *self.finals.states.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Storage::Cuda(run.states));
        *self.finals.gates.lock().unwrap_or_else(PoisonError::into_inner) = run.gates;
        let shape = TensorShape::from(self.plan.output_shape(self.cell.spec(), self.shape));
        Ok((run.output, shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weights: &Tensor,
        states: &Tensor,
        _output: &Tensor,
        d_output: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            let saved: &cuda::SavedRun = self.saved()?;
            let by = cuda::Derivatives {
                output: d_output.contiguous()?,
                states: self.finals.take_d_states().map(|d| d.contiguous()).transpose()?,
            };
            let arguments = [x, weights, states];
            let (cell, shape, plan) = (self.cell, self.shape, &self.plan);
            return cuda::backward(cell, shape, plan, arguments, saved, &by, self.wanted.x);
        }
        match x.dtype() {
            DType::F64 => self.backward::<f64>(x, weights, states, d_output),
            _ => self.backward::<f32>(x, weights, states, d_output),
        }
    }
}

impl SequenceOp {
    /// What the forward pass kept, of the backend and number type at hand.
    fn saved<S: 'static>(&self) -> Result<&S> {
        match self.saved.get().and_then(|saved| saved.downcast_ref()) {
            Some(saved) => Ok(saved),
            None => bail!("{}: backward without a forward pass that saved for it", self.cell),
        }
    }

    /// The weights as they are laid out already, if that is for the number type at hand.
    fn laid_out<E: 'static>(&self) -> Option<&LaidOut<E>> {
        self.laid_out.as_ref().and_then(|laid_out| laid_out.downcast_ref())
    }

    fn forward<E: Element>(
        &self,
        [x, weights, states]: [(&CpuStorage, &TensorLayout); 3],
    ) -> Result<(CpuStorage, TensorShape)> {
        let arguments = Arguments {
            shape: self.shape,
            plan: &self.plan,
            x: contiguous(x.0, x.1)?,
            weights: contiguous(weights.0, weights.1)?,
            states: contiguous(states.0, states.1)?,
        };
        let equations = Compiled(self.isa).of(self.cell);
        let Forward { output, states, saved, counts } =
            forward(self.isa, &*equations, &arguments, self.laid_out(), self.save);
        if let Some(saved) = saved {
            self.saved.get_or_init(|| Box::new(saved));
        }
        *self.finals.states.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Storage::Cpu(E::to_cpu_storage_owned(states)));
        if let Some(counts) = counts {
            let steps = (0..self.shape.batch).map(|b| self.plan.schedule.len(b)).sum();
            let mut gates = self.finals.gates.lock().unwrap_or_else(PoisonError::into_inner);
            *gates = counts.finish(steps);
        }
        let shape = TensorShape::from(self.plan.output_shape(self.cell.spec(), self.shape));
        Ok((E::to_cpu_storage_owned(output), shape))
    }

    fn backward<E: Element>(
        &self,
        x: &Tensor,
        weights: &Tensor,
        states: &Tensor,
        d_output: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let saved: &Saved<E> = self.saved()?;
        let d_output = d_output.contiguous()?;
        let d_final = self.finals.take_d_states().map(|d| d.contiguous()).transpose()?;
        let tensors = [x, weights, states, &d_output].map(Tensor::storage_and_layout);
        let [x_data, weights_data, states_data, d_output] = &tensors;
        let d_final = d_final.as_ref().map(Tensor::storage_and_layout);
        let arguments = Arguments {
            shape: self.shape,
            plan: &self.plan,
            x: cpu(x_data)?,
            weights: cpu(weights_data)?,
            states: cpu(states_data)?,
        };
        let by =
            Derivatives { output: cpu(d_output)?, states: d_final.as_ref().map(cpu).transpose()? };
        let equations = Compiled(self.isa).of(self.cell);
        let d = backward(self.isa, &*equations, &arguments, saved, by, self.wanted);
        let tensor =
            |numbers, like: &Tensor| Tensor::from_vec(numbers, like.shape(), like.device());
        Ok((
            d.x.map(|d_x| tensor(d_x, x)).transpose()?,
            Some(tensor(d.weights, weights)?),
            d.states.map(|d_states| tensor(d_states, states)).transpose()?,
        ))
    }
}

/// The numbers of a contiguous tensor on the CPU.
pub(crate) fn cpu<'a, E: Element>(
    (storage, layout): &'a (impl std::ops::Deref<Target = Storage>, &TensorLayout),
) -> Result<&'a [E]> {
    match &**storage {
        Storage::Cpu(storage) => contiguous(storage, layout),
        _ => bail!("expected a tensor on the CPU"),
    }
}

/// The numbers of a contiguous layout.
pub(crate) fn contiguous<'a, E: Element>(
    storage: &'a CpuStorage,
    layout: &TensorLayout,
) -> Result<&'a [E]> {
    let numbers = storage.as_slice::<E>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&numbers[start..end]),
        None => bail!("expected a contiguous tensor, got strides {:?}", layout.stride()),
    }
}
