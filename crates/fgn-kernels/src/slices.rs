//! A run over slices, for programs that keep their own tensors and their own computation graph.

use std::any::Any;

use candle_core::{CpuStorage, Result, WithDType, bail};
use fgn_core::{AnyCell, SequenceShape};

use crate::cpu::arguments::Arguments;
use crate::cpu::backward::gradients::{Derivatives, Wanted};
use crate::cpu::backward::pass::backward;
use crate::cpu::cell::equations::Compiled;
use crate::cpu::forward::output::{Forward, Saved};
use crate::cpu::forward::pass::forward;
use crate::run::checks;
use crate::run::options::SequenceOptions;
use crate::run::plan::Plan;
use crate::simd::isa::Isa;
use crate::simd::vector::Element;
use sealed::{Numbers, Sealed};

/// The numbers of a run over slices: `f32` or `f64`.
pub trait SliceElement: WithDType + Sealed {}

impl SliceElement for f32 {}
impl SliceElement for f64 {}

mod sealed {
    /// Numbers of a type that is known.
    #[derive(Clone, Copy)]
    pub enum Numbers<'a> {
        F32(&'a [f32]),
        F64(&'a [f64]),
    }

    impl<'a> Numbers<'a> {
        pub(super) fn f32s(self) -> Option<&'a [f32]> {
            match self {
                Numbers::F32(numbers) => Some(numbers),
                Numbers::F64(_) => None,
            }
        }

        pub(super) fn f64s(self) -> Option<&'a [f64]> {
            match self {
                Numbers::F64(numbers) => Some(numbers),
                Numbers::F32(_) => None,
            }
        }
    }

    /// What keeps other types out.
    pub trait Sealed: Sized {
        fn numbers(slice: &[Self]) -> Numbers<'_>;
    }

    impl Sealed for f32 {
        fn numbers(slice: &[f32]) -> Numbers<'_> {
            Numbers::F32(slice)
        }
    }

    impl Sealed for f64 {
        fn numbers(slice: &[f64]) -> Numbers<'_> {
            Numbers::F64(slice)
        }
    }
}

/// The arguments of [`sequence_slices`], row-major. All are `f32`, or all are `f64`.
#[derive(Clone, Copy, Debug)]
pub struct SliceArguments<'a, E> {
    /// `[T, B, I]`: the input of each step.
    pub x: &'a [E],
    /// The flat parameters, see [`fgn_core::Layout`].
    pub weights: &'a [E],
    /// `[S, B, H]`: the states before the first step.
    pub states: &'a [E],
}

/// The result of [`sequence_slices`].
#[derive(Debug)]
pub struct SliceRun<E> {
    /// The outputs, row-major.
    pub output: Vec<E>,
    /// Their shape: `[T, B, H]`, `[B, H]` or `[T, B, 1 + S, H]`, as of [`SequenceOutput`](crate::SequenceOutput).
    pub output_shape: Vec<usize>,
    /// `[S, B, H]`: the states after each sequence's last step.
    pub states: Vec<E>,
    /// What the backward pass needs, if it was asked for.
    pub saved: Option<SavedRun>,
}

/// What a run over slices saved for its backward pass.
pub struct SavedRun {
    cell: AnyCell,
    isa: Isa,
    shape: SequenceShape,
    plan: Plan,
    /// A [`Saved`] of the run's number type.
    saved: Box<dyn Any + Send + Sync>,
}

/// The gradients of the loss with respect to the results of a run, row-major.
#[derive(Clone, Copy, Debug)]
pub struct SliceDerivatives<'a, E> {
    /// With respect to the outputs.
    pub output: &'a [E],
    /// With respect to the final states `[S, B, H]`; `None` if the loss does not depend on them.
    pub states: Option<&'a [E]>,
}

/// The gradients of the loss with respect to the arguments of a run, row-major.
#[derive(Clone, Debug)]
pub struct SliceGradients<E> {
    /// With respect to `x`, if it was asked for.
    pub x: Option<Vec<E>>,
    /// With respect to the flat parameters.
    pub weights: Vec<E>,
    /// With respect to the initial states, if it was asked for.
    pub states: Option<Vec<E>>,
}

/// Runs `cell` over whole sequences on the CPU, as [`sequence`](crate::sequence) does, on slices: nothing is copied, and
/// the results belong to the caller. With `save`, the run keeps what [`SavedRun::backward`] needs.
///
/// ```
/// use fgn_core::{AnyCell, Layout, SequenceShape};
/// use fgn_kernels::{SequenceOptions, SliceArguments, SliceDerivatives, sequence_slices};
///
/// # fn main() -> candle_core::Result<()> {
/// let shape = SequenceShape { steps: 5, batch: 2, input: 3, hidden: 8 };
/// let x = vec![1.0_f32; 5 * 2 * 3];
/// let weights = vec![0.01; Layout::new(AnyCell::GRU.spec(), 3, 8).len()];
/// let states = vec![0.0; 2 * 8];
///
/// let arguments = SliceArguments { x: &x, weights: &weights, states: &states };
/// let run = sequence_slices(AnyCell::GRU, shape, arguments, &SequenceOptions::default(), true)?;
/// assert_eq!(run.output_shape, [5, 2, 8]);
///
/// let ones = vec![1.0; run.output.len()]; // of the sum of all outputs
/// let derivatives = SliceDerivatives { output: &ones, states: None };
/// let saved = run.saved.expect("it was asked for");
/// let gradients = saved.backward(arguments, derivatives, [true, false])?;
/// assert_eq!(gradients.weights.len(), weights.len());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`sequence`](crate::sequence): if a slice has another length than the shape says, if a size is zero, if an option is
/// out of its range or not possible for the cell, or if the environment variable
/// `FGN_ISA` names an instruction set that the machine does not have.
pub fn sequence_slices<E: SliceElement>(
    cell: AnyCell,
    shape: SequenceShape,
    arguments: SliceArguments<'_, E>,
    options: &SequenceOptions,
    save: bool,
) -> Result<SliceRun<E>> {
    let plan = checks::slices(cell, shape, E::DTYPE, options, arguments.lengths())?;
    let isa = Isa::active()?;
    let run = Run { cell, isa, shape, plan };
    match arguments.numbers() {
        [Numbers::F32(x), Numbers::F32(weights), Numbers::F32(states)] => {
            run.forward(SliceArguments { x, weights, states }, save)
        }
        [Numbers::F64(x), Numbers::F64(weights), Numbers::F64(states)] => {
            run.forward(SliceArguments { x, weights, states }, save)
        }
        _ => bail!("{cell}: expected numbers of one type"),
    }
}

impl<'a, E: SliceElement> SliceArguments<'a, E> {
    fn lengths(&self) -> [usize; 3] {
        [self.x.len(), self.weights.len(), self.states.len()]
    }

    fn numbers(&self) -> [Numbers<'a>; 3] {
        [self.x, self.weights, self.states].map(E::numbers)
    }
}

/// A run whose sizes and options are checked.
struct Run {
    cell: AnyCell,
    isa: Isa,
    shape: SequenceShape,
    plan: Plan,
}

impl Run {
    /// Runs forward in numbers of type `F`, which is `E` by another name.
    fn forward<F: Element, E: SliceElement>(
        self,
        SliceArguments { x, weights, states }: SliceArguments<'_, F>,
        save: bool,
    ) -> Result<SliceRun<E>> {
        let Run { cell, isa, shape, plan } = self;
        let arguments = Arguments { shape, plan: &plan, x, weights, states };
        let equations = Compiled(isa).of(cell)?;
        let Forward { output, states, saved, .. } =
            forward(isa, &*equations, &arguments, None, save);
        let output_shape = plan.output_shape(cell.spec(), shape);
        let saved = saved.map(|saved| SavedRun { cell, isa, shape, plan, saved: Box::new(saved) });
        Ok(SliceRun { output: same(output)?, output_shape, states: same(states)?, saved })
    }
}

impl SavedRun {
    /// The gradients with respect to the arguments of the run, which are given again; those with respect to the input and to
    /// the initial states only if `wanted`, in this order. It can be called again.
    ///
    /// # Errors
    /// If a slice has another length than in the forward pass, or another type.
    pub fn backward<E: SliceElement>(
        &self,
        arguments: SliceArguments<'_, E>,
        derivatives: SliceDerivatives<'_, E>,
        wanted: [bool; 2],
    ) -> Result<SliceGradients<E>> {
        let SavedRun { cell, shape, plan, .. } = self;
        checks::slice_lengths(*cell, *shape, plan.layer, arguments.lengths())?;
        let outputs = plan.output_shape(cell.spec(), *shape).iter().product();
        let states = derivatives.states.unwrap_or(arguments.states).len();
        for (name, found, expected) in [
            ("output gradients", derivatives.output.len(), outputs),
            ("state gradients", states, arguments.states.len()),
        ] {
            if found != expected {
                bail!("{cell}: expected {expected} {name}, got {found}");
            }
        }
        let d_states = derivatives.states.map(E::numbers);
        match (arguments.numbers(), E::numbers(derivatives.output), d_states) {
            (
                [Numbers::F32(x), Numbers::F32(weights), Numbers::F32(states)],
                Numbers::F32(output),
                d_states @ (None | Some(Numbers::F32(_))),
            ) => {
                let by = Derivatives { output, states: d_states.and_then(Numbers::f32s) };
                self.backward_as(SliceArguments { x, weights, states }, by, wanted)
            }
            (
                [Numbers::F64(x), Numbers::F64(weights), Numbers::F64(states)],
                Numbers::F64(output),
                d_states @ (None | Some(Numbers::F64(_))),
            ) => {
                let by = Derivatives { output, states: d_states.and_then(Numbers::f64s) };
                self.backward_as(SliceArguments { x, weights, states }, by, wanted)
            }
            _ => bail!("{cell}: expected numbers of one type"),
        }
    }

    fn backward_as<F: Element, E: SliceElement>(
        &self,
        SliceArguments { x, weights, states }: SliceArguments<'_, F>,
        by: Derivatives<'_, F>,
        [wants_x, wants_states]: [bool; 2],
    ) -> Result<SliceGradients<E>> {
        let SavedRun { cell, isa, shape, plan, saved } = self;
        let Some(saved) = saved.downcast_ref::<Saved<F>>() else {
            bail!("{cell}: expected numbers of the type of the forward pass, got {:?}", F::DTYPE);
        };
        let arguments = Arguments { shape: *shape, plan, x, weights, states };
        let equations = Compiled(*isa).of(*cell)?;
        let wanted = Wanted { x: wants_x, states: wants_states };
        let d = backward(*isa, &*equations, &arguments, saved, by, wanted);
        Ok(SliceGradients {
            x: d.x.map(same).transpose()?,
            weights: same(d.weights)?,
            states: d.states.map(same).transpose()?,
        })
    }
}

impl std::fmt::Debug for SavedRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SavedRun { cell, shape, .. } = self;
        f.debug_struct("SavedRun").field("cell", cell).field("shape", shape).finish_non_exhaustive()
    }
}

/// The same numbers, whose type has two names. Nothing is copied.
fn same<F: Element, E: SliceElement>(numbers: Vec<F>) -> Result<Vec<E>> {
    let storage: CpuStorage = F::to_cpu_storage_owned(numbers);
    E::cpu_storage_data(storage)
}
