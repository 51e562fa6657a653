//! The Candle operation: one node for a sequence of any length.

use std::any::Any;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::thread::ThreadId;

use candle_core::CpuStorage;
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::Layout as TensorLayout;
use candle_core::Shape as TensorShape;
use candle_core::{CustomOp1, CustomOp3, DType, Result, Storage, Tensor, bail};
use fgn_core::{AnyCell, SequenceShape};

use crate::cpu::arguments::Arguments;
use crate::cpu::backward::gradients::{Derivatives, Wanted};
use crate::cpu::backward::pass::backward;
use crate::cpu::cell::equations::Compiled;
use crate::cpu::forward::output::{Forward, Saved};
use crate::cpu::forward::pass::forward;
use crate::cpu::gemm::packing::PackCache;
use crate::run::checks;
use crate::run::gate_statistics::GateStatistics;
use crate::run::options::SequenceOptions;
use crate::run::plan::Plan;
use crate::run::precision::Precision;
use crate::simd::isa::Isa;
use crate::simd::vector::Element;
use crate::storage::{contiguous_slice, cpu_slice};

/// The result of [`sequence`].
#[derive(Clone, Debug)]
pub struct SequenceOutput {
    /// The outputs: `[T, B, H]`, `[B, H]` or `[T, B, 1 + S, H]`, depending on [`Emit`](crate::Emit). With a projection
    /// of size `P < H`, outputs are `P` wide; [`Emit::States`](crate::Emit::States) keeps the width `H`, and the last
    /// `H − P` numbers of outputs and hidden states are zero.
    pub output: Tensor,
    /// The states after each sequence's last step, `[S, B, H]`; of a projected hidden state the last
    /// `H − P` numbers are zero.
    pub states: Tensor,
    /// Statistics of the cell's gates, in the order of its blocks, if [`SequenceOptions::telemetry`] is on.
    pub gates: Vec<GateStatistics>,
}

/// Runs `cell` over whole sequences, as one node of the computation graph.
///
/// | argument | shape | |
/// |---|---|---|
/// | `x` | `[T, B, I]` | the input of each step |
/// | `weights` | `[n]` | the flat parameters, see [`fgn_core::Layout`] |
/// | `states` | `[S, B, H]` | the states before the first step; of a projected hidden state the first `P` numbers count |
/// | `options` | | everything besides the cell's equations |
///
/// All are `f32`, or all are `f64`, on one device: the CPU or, with the feature `cuda`, a GPU. `x` and `weights` may be
/// `bf16` and `states` `f32`; the outputs are then `bf16` and the final states `f32`. The result has gradients with
/// respect to all three.
///
/// # Mixed precision
/// With [`SequenceOptions::precision`] of [`Precision::Bf16`], or with tensors in `bf16`, the operands of products are
/// rounded to bf16, to the nearest and of two to the even one:
///
/// | product | rounded operands |
/// |---|---|
/// | pre-activations | `x`, the hidden state, `weight_ih`, `weight_hh` |
/// | projection | the hidden state before it, `weight_hr` |
/// | gradients with respect to `x` and to the hidden state | the derivatives of pre-activations, and the weights |
/// | gradients of weight matrices | the derivatives of pre-activations, `x` and the hidden state |
///
/// Everything else is `f32`: sums, biases, per-unit vectors, the states themselves, the cell's equations, normalisation,
/// and all gradients. Rounding has the derivative 1. What is saved for the backward pass is `f32`, too.
///
/// What multiplies depends on the machine, see [`Bf16Engine`](crate::Bf16Engine). Where it has no instructions for bf16,
/// products are those of `f32` and no faster. On a GPU, `f32` tensors are cast to `bf16`, and the outputs to `f32`.
///
/// # Memory
/// The backward pass needs the gates (or the pre-activations) and the states of every step. If an argument is tracked,
/// `T · B · H` numbers for each of the cell's blocks and states (6 for an LSTM) are saved as long as the graph lives;
/// otherwise none are. Hidden dropout, projection and normalisation of the memory save `T · B · H` numbers more each.
/// Masks are computed again, not saved.
///
/// On a CPU, `H` is rounded up to whole vectors: to a multiple of 16 numbers in `f32` with AVX-512, 8 with AVX2 and 4
/// with NEON; in `f64`, of 4 on x86-64 and 2 elsewhere. With AVX-512, a layer of 4 units saves four times as many
/// numbers as its size says, one of 17 units almost twice as many. Where a row of all blocks, or of all states, would
/// be a multiple of 32 vectors long, it has one vector more.
///
/// # Errors
/// If shapes, number types or devices do not fit, if a size is zero, if an option is out of its range or not possible
/// for the cell, or if the environment variable `FGN_ISA` names an instruction set that the machine does not have.
pub fn sequence(
    cell: AnyCell,
    x: &Tensor,
    weights: &Tensor,
    states: &Tensor,
    options: &SequenceOptions,
) -> Result<SequenceOutput> {
    with_casts([x, weights], options, |[x, weights], options| {
        let (shape, plan) = checks::sequence(cell, x, weights, states, options)?;
        run(cell, Isa::active()?, (shape, plan), [x, weights, states], None)
    })
}

/// Runs with the input, weights and options that a backend takes: on a CPU `bf16` numbers are read as `f32`, and products
/// round them; on a GPU their own type says that they are rounded.
pub(crate) fn with_casts(
    [x, weights]: [&Tensor; 2],
    options: &SequenceOptions,
    run: impl FnOnce([&Tensor; 2], &SequenceOptions) -> Result<SequenceOutput>,
) -> Result<SequenceOutput> {
    let gpu = x.device().is_cuda();
    let (to, back) = match (x.dtype(), options.precision) {
        _ if x.dtype() != weights.dtype() => return run([x, weights], options),
        (DType::BF16, Precision::F32 | Precision::Bf16) if !gpu => (DType::F32, DType::BF16),
        (DType::F32, Precision::Bf16) if gpu => (DType::BF16, DType::F32),
        _ => return run([x, weights], options),
    };
    let options = SequenceOptions { precision: Precision::Bf16, ..options.clone() };
    let SequenceOutput { output, states, gates } =
        run([&x.to_dtype(to)?, &weights.to_dtype(to)?], &options)?;
    Ok(SequenceOutput { output: output.to_dtype(back)?, states, gates })
}

/// Runs a sequence whose arguments are checked, with weights that are already packed in a [`PackCache`].
pub(crate) fn run(
    cell: AnyCell,
    isa: Isa,
    (shape, plan): (SequenceShape, Plan),
    [x, weights, states]: [&Tensor; 3],
    cache: Option<Arc<dyn Any + Send + Sync>>,
) -> Result<SequenceOutput> {
    let tracked = [x, weights, states].iter().any(|tensor| tensor.track_op());
    let finals = Arc::new(Finals::default());
    let op = SequenceOp {
        cell,
        shape,
        plan,
        isa,
        cache,
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
    Ok(SequenceOutput { output, states, gates })
}

struct SequenceOp {
    cell: AnyCell,
    shape: SequenceShape,
    plan: Plan,
    isa: Isa,
    cache: Option<Arc<dyn Any + Send + Sync>>,
    save: bool,
    wanted: Wanted,
    /// What the backend saved for the backward pass, once the operation has run.
    saved: OnceLock<Box<dyn Any + Send + Sync>>,
    finals: Arc<Finals>,
}

/// What the two nodes of a run pass to each other. A Candle operation returns one tensor, and packing the final states
/// into the tensor of the outputs would cost several passes over it in the backward pass.
#[derive(Default)]
struct Finals {
    /// From the run to [`FinalStates`], the next node.
    states: Mutex<Option<Storage>>,
    /// From the run to its caller.
    gates: Mutex<Vec<GateStatistics>>,
    /// From [`FinalStates`] back to the run, for each thread that runs a backward pass.
    d_states: Mutex<Vec<(ThreadId, Tensor)>>,
}

impl Finals {
    fn take_d_states(&self) -> Option<Tensor> {
        let mut all = self.d_states.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|(thread, _)| *thread == thread::current().id());
        place.map(|place| all.swap_remove(place).1)
    }
}

/// The final states of a run, as a node after that of its outputs.
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

    /// Passes the gradient on to the run's own backward pass, which follows on the same thread.
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
    /// What the forward pass saved, for this backend and number type.
    fn saved<S: 'static>(&self) -> Result<&S> {
        match self.saved.get().and_then(|saved| saved.downcast_ref()) {
            Some(saved) => Ok(saved),
            None => bail!("{}: backward without a forward pass that saved for it", self.cell),
        }
    }

    /// The packed weights, if they are of this number type.
    fn packed_weights<E: 'static>(&self) -> Option<&PackCache<E>> {
        self.cache.as_ref().and_then(|cache| cache.downcast_ref())
    }

    fn forward<E: Element>(
        &self,
        [x, weights, states]: [(&CpuStorage, &TensorLayout); 3],
    ) -> Result<(CpuStorage, TensorShape)> {
        let arguments = Arguments {
            shape: self.shape,
            plan: &self.plan,
            x: contiguous_slice(x.0, x.1)?,
            weights: contiguous_slice(weights.0, weights.1)?,
            states: contiguous_slice(states.0, states.1)?,
        };
        let equations = Compiled(self.isa).of(self.cell)?;
        let Forward { output, states, saved, counts } =
            forward(self.isa, &*equations, &arguments, self.packed_weights(), self.save);
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
            x: cpu_slice(x_data)?,
            weights: cpu_slice(weights_data)?,
            states: cpu_slice(states_data)?,
        };
        let by = Derivatives {
            output: cpu_slice(d_output)?,
            states: d_final.as_ref().map(cpu_slice).transpose()?,
        };
        let equations = Compiled(self.isa).of(self.cell)?;
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
