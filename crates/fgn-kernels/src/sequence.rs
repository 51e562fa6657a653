use std::any::Any;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use candle_core::{
    CpuStorage, CustomOp1, CustomOp3, DType, Layout as TensorLayout, Result, Shape as TensorShape,
    Storage, Tensor, bail,
};
use fgn_core::oracle::Shape;
use fgn_core::{AnyCell, Cell, CellVisitor, Layout};

use crate::cpu::Arguments;
use crate::cpu::backward::{Derivatives, Gradients, backward};
use crate::cpu::forward::{Forward, Saved, forward};
use crate::cpu::isa::Isa;
use crate::cpu::simd::Element;

/// Which steps' outputs a [`sequence`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    /// Every step's: `[T, B, H]`.
    All,
    /// The last step's alone: `[B, H]`. Saves the memory of all others, and the time for them in the
    /// backward pass.
    Last,
}

/// What [`sequence`] gives.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// The cell's output, `[T, B, H]` or `[B, H]`, see [`Emit`].
    pub output: Tensor,
    /// The states after the last step, `[S, B, H]`.
    pub states: Tensor,
}

/// Runs `cell` over whole sequences, as one node of the computation graph.
///
/// | argument | shape | |
/// |---|---|---|
/// | `x` | `[T, B, I]` | the input of each step |
/// | `weights` | `[n]` | the packed parameters, see [`fgn_core::Layout`] |
/// | `states` | `[S, B, H]` | the states before the first step |
///
/// All are `f32` or all `f64`, on the CPU. The result can be differentiated by all three.
///
/// The backward pass needs the pre-activations and states of every step: `T · B · H` times the number
/// of the cell's blocks and states (6 for an LSTM) numbers are kept while the graph lives, if any
/// argument is tracked; else nothing.
///
/// # Errors
/// If shapes, number types or devices do not fit, if a size is zero, or if the environment variable
/// `FGN_ISA` asks for an instruction set that the machine does not have.
pub fn sequence(
    cell: AnyCell,
    x: &Tensor,
    weights: &Tensor,
    states: &Tensor,
    emit: Emit,
) -> Result<Sequence> {
    let shape = checked_shape(cell, x, weights, states)?;
    let tracked = [x, weights, states].iter().any(|tensor| tensor.track_op());
    let finals = Arc::new(Finals::default());
    let op = SequenceOp {
        cell,
        shape,
        emit,
        isa: Isa::active()?,
        save: tracked,
        with_x: x.track_op(),
        saved: OnceLock::new(),
        finals: finals.clone(),
    };
    let [x, weights, states] = [x.contiguous()?, weights.contiguous()?, states.contiguous()?];
    let output = x.apply_op3(&weights, &states, op)?;
    let states = output.apply_op1(FinalStates { shape: states.shape().clone(), finals })?;
    Ok(Sequence { output, states })
}

impl Emit {
    /// How many steps' outputs are given.
    pub(crate) fn steps(self, steps: usize) -> usize {
        match self {
            Self::All => steps,
            Self::Last => 1,
        }
    }

    /// Where step `t`'s output stands among those given.
    #[inline(always)]
    pub(crate) fn place(self, t: usize, steps: usize) -> Option<usize> {
        match self {
            Self::All => Some(t),
            Self::Last => (t + 1 == steps).then_some(0),
        }
    }
}

fn checked_shape(cell: AnyCell, x: &Tensor, weights: &Tensor, states: &Tensor) -> Result<Shape> {
    let spec = cell.spec();
    let &[steps, batch, input] = x.dims() else {
        bail!("{cell}: expected an input of shape [T, B, I], got {:?}", x.dims());
    };
    let &[count, state_batch, hidden] = states.dims() else {
        bail!("{cell}: expected states of shape [S, B, H], got {:?}", states.dims());
    };
    if steps * batch * input * hidden == 0 {
        bail!(
            "{cell}: no size may be zero: input [T, B, I] is {:?}, hidden size {hidden}",
            x.dims()
        );
    }
    if (count, state_batch) != (spec.states.len(), batch) {
        let expected = [spec.states.len(), batch, hidden];
        bail!("{cell}: expected states of shape {expected:?}, got {:?}", states.dims());
    }
    let len = Layout::new(spec, input, hidden).len();
    if weights.dims() != [len] {
        bail!(
            "{cell} with input size {input} and hidden size {hidden}: expected packed weights of shape \
             [{len}], got {:?}",
            weights.dims()
        );
    }
    for (name, tensor) in [("input", x), ("weights", weights), ("states", states)] {
        if tensor.dtype() != x.dtype() || !matches!(x.dtype(), DType::F32 | DType::F64) {
            bail!(
                "{cell}: expected input, weights and states all of f32 or all of f64, got {name} of \
                 {:?} beside an input of {:?}",
                tensor.dtype(),
                x.dtype()
            );
        }
        if !tensor.device().is_cpu() {
            bail!(
                "{cell}: the {name} is on {:?}; this build runs on the CPU",
                tensor.device().location()
            );
        }
    }
    Ok(Shape { steps, batch, input, hidden })
}

struct SequenceOp {
    cell: AnyCell,
    shape: Shape,
    emit: Emit,
    isa: Isa,
    save: bool,
    with_x: bool,
    /// A `Saved<E>` of the number type at hand, once the op ran.
    saved: OnceLock<Box<dyn Any + Send + Sync>>,
    finals: Arc<Finals>,
}

/// What passes between the two nodes of a run: an operation of Candle gives one tensor, and packing
/// the final states into that of the outputs would cost several passes over it in the backward pass.
#[derive(Default)]
struct Finals {
    /// From the run to [`FinalStates`], which stands right behind it.
    states: Mutex<Option<CpuStorage>>,
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
            Some(states) => Ok((states, self.shape.clone())),
            None => bail!("final states without a run"),
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

    fn bwd(
        &self,
        x: &Tensor,
        weights: &Tensor,
        states: &Tensor,
        _output: &Tensor,
        d_output: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        match x.dtype() {
            DType::F64 => self.backward::<f64>(x, weights, states, d_output),
            _ => self.backward::<f32>(x, weights, states, d_output),
        }
    }
}

impl SequenceOp {
    fn forward<E: Element>(
        &self,
        [x, weights, states]: [(&CpuStorage, &TensorLayout); 3],
    ) -> Result<(CpuStorage, TensorShape)> {
        struct Visit<'a, E>(&'a SequenceOp, Arguments<'a, E>);
        impl<E: Element> CellVisitor for Visit<'_, E> {
            type Output = Forward<E>;
            fn visit<C: Cell>(self, cell: C) -> Self::Output {
                let Self(op, arguments) = self;
                forward(op.isa, cell, &arguments, op.emit, op.save)
            }
        }
        let arguments = Arguments {
            shape: self.shape,
            x: contiguous(x.0, x.1)?,
            weights: contiguous(weights.0, weights.1)?,
            states: contiguous(states.0, states.1)?,
        };
        let Forward { output, states, saved } = self.cell.visit(Visit(self, arguments));
        if let Some(saved) = saved {
            self.saved.get_or_init(|| Box::new(saved));
        }
        *self.finals.states.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(E::to_cpu_storage_owned(states));
        let Shape { steps, batch, hidden, .. } = self.shape;
        let shape = match self.emit {
            Emit::All => TensorShape::from((steps, batch, hidden)),
            Emit::Last => TensorShape::from((batch, hidden)),
        };
        Ok((E::to_cpu_storage_owned(output), shape))
    }

    fn backward<E: Element>(
        &self,
        x: &Tensor,
        weights: &Tensor,
        states: &Tensor,
        d_output: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        struct Visit<'a, E> {
            op: &'a SequenceOp,
            arguments: Arguments<'a, E>,
            saved: &'a Saved<E>,
            by: Derivatives<'a, E>,
        }
        impl<E: Element> CellVisitor for Visit<'_, E> {
            type Output = Gradients<E>;
            fn visit<C: Cell>(self, cell: C) -> Gradients<E> {
                let Self { op, arguments, saved, by } = self;
                backward(op.isa, cell, &arguments, op.emit, saved, by, op.with_x)
            }
        }
        let Some(saved) = self.saved.get().and_then(|saved| saved.downcast_ref::<Saved<E>>())
        else {
            bail!("{}: backward without a forward pass that saved for it", self.cell);
        };
        let d_output = d_output.contiguous()?;
        let d_final = self.finals.take_d_states().map(|d| d.contiguous()).transpose()?;
        let tensors = [x, weights, states, &d_output].map(Tensor::storage_and_layout);
        let [x_data, weights_data, states_data, d_output] = &tensors;
        let d_final = d_final.as_ref().map(Tensor::storage_and_layout);
        let arguments = Arguments {
            shape: self.shape,
            x: cpu(x_data)?,
            weights: cpu(weights_data)?,
            states: cpu(states_data)?,
        };
        let d = self.cell.visit(Visit {
            op: self,
            arguments,
            saved,
            by: Derivatives {
                output: cpu(d_output)?,
                states: d_final.as_ref().map(cpu).transpose()?,
            },
        });
        let tensor =
            |numbers, like: &Tensor| Tensor::from_vec(numbers, like.shape(), like.device());
        Ok((
            d.x.map(|d_x| tensor(d_x, x)).transpose()?,
            Some(tensor(d.weights, weights)?),
            Some(tensor(d.states, states)?),
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
