use std::any::Any;
use std::sync::OnceLock;

use candle_core::{
    CpuStorage, CustomOp3, DType, Layout as TensorLayout, Result, Shape as TensorShape, Storage,
    Tensor, bail,
};
use fgn_core::oracle::Shape;
use fgn_core::{AnyCell, Cell, CellVisitor, Layout};

use crate::cpu::Arguments;
use crate::cpu::backward::{Gradients, backward};
use crate::cpu::forward::{Saved, forward};
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
    let Shape { steps, batch, hidden, .. } = shape;
    let tracked = [x, weights, states].iter().any(|tensor| tensor.track_op());
    let op = SequenceOp {
        cell,
        shape,
        emit,
        isa: Isa::active()?,
        save: tracked,
        with_x: x.track_op(),
        saved: OnceLock::new(),
    };
    let [x, weights, states] = [x.contiguous()?, weights.contiguous()?, states.contiguous()?];
    let result = x.apply_op3(&weights, &states, op)?;
    let emitted = emit.steps(steps) * batch * hidden;
    let output = result.narrow(0, 0, emitted)?;
    let output = match emit {
        Emit::All => output.reshape((steps, batch, hidden))?,
        Emit::Last => output.reshape((batch, hidden))?,
    };
    let count = cell.spec().states.len();
    let states = result.narrow(0, emitted, count * batch * hidden)?;
    Ok(Sequence { output, states: states.reshape((count, batch, hidden))? })
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
        _result: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        match x.dtype() {
            DType::F64 => self.backward::<f64>(x, weights, states, d_result),
            _ => self.backward::<f32>(x, weights, states, d_result),
        }
    }
}

impl SequenceOp {
    fn forward<E: Element>(
        &self,
        [x, weights, states]: [(&CpuStorage, &TensorLayout); 3],
    ) -> Result<(CpuStorage, TensorShape)> {
        struct Forward<'a, E>(&'a SequenceOp, Arguments<'a, E>);
        impl<E: Element> CellVisitor for Forward<'_, E> {
            type Output = (Vec<E>, Option<Saved<E>>);
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
        let (result, saved) = self.cell.visit(Forward(self, arguments));
        if let Some(saved) = saved {
            self.saved.get_or_init(|| Box::new(saved));
        }
        let len = result.len();
        Ok((E::to_cpu_storage_owned(result), TensorShape::from(len)))
    }

    fn backward<E: Element>(
        &self,
        x: &Tensor,
        weights: &Tensor,
        states: &Tensor,
        d_result: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        struct Backward<'a, E>(&'a SequenceOp, Arguments<'a, E>, &'a Saved<E>, &'a [E]);
        impl<E: Element> CellVisitor for Backward<'_, E> {
            type Output = Gradients<E>;
            fn visit<C: Cell>(self, cell: C) -> Gradients<E> {
                let Self(op, arguments, saved, d_result) = self;
                backward(op.isa, cell, &arguments, op.emit, saved, d_result, op.with_x)
            }
        }
        let Some(saved) = self.saved.get().and_then(|saved| saved.downcast_ref::<Saved<E>>())
        else {
            bail!("{}: backward without a forward pass that saved for it", self.cell);
        };
        let d_result = d_result.contiguous()?;
        let tensors = [x, weights, states, &d_result].map(Tensor::storage_and_layout);
        let [x_data, weights_data, states_data, d_data] = &tensors;
        let arguments = Arguments {
            shape: self.shape,
            x: cpu(x_data)?,
            weights: cpu(weights_data)?,
            states: cpu(states_data)?,
        };
        let d = self.cell.visit(Backward(self, arguments, saved, cpu(d_data)?));
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
