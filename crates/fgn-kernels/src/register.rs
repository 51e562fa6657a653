//! Cells of the user's own, with kernels.

use candle_core::{Error, Result};
use fgn_core::{AnyCell, Cell};

use crate::cpu::cell::equations::CompiledFor;
use crate::cpu::stream::step::StepFor;
use crate::run::backend::Backend;
use crate::trace::TraceFor;

/// Compiles the kernels for a cell of your own, and makes it known as `name` for as long as the program runs.
///
/// The result stands wherever a built-in cell does: in [`sequence`](crate::sequence) with every option, in streams and
/// traces, in the layers of `fgn-nn`, in configurations as `{ name = "…" }`, and in exports to ONNX and C. It runs at the
/// speed of a built-in cell, because both are compiled in the same way. On a GPU, its CUDA source is printed from the same
/// equations.
///
/// Register a cell once, at the start of the program, before a configuration or a model file with it is read. The
/// optimisation settings of your own crate decide how fast the kernels are: with `opt-level = 0` they are slow.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use fgn_core::{Block, Cell, Feed, Lane, Layout, Role, Spec, StepInput, StepOutput};
/// use fgn_kernels::{SequenceOptions, register, sequence};
///
/// /// A leaky integrator: `h = f ⊙ h₋ + (1 − f) ⊙ x W`, `f = σ(x W_f + h₋ R_f + b_f)`.
/// #[derive(Clone, Copy)]
/// struct Leaky;
///
/// impl Cell for Leaky {
///     const SPEC: Spec = Spec {
///         blocks: &[
///             Block::new("f", Feed::Both, Role::Forget).sigmoid(),
///             Block::new("u", Feed::Input, Role::Linear),
///         ],
///         states: &["h"],
///         vectors: &[],
///         memory: None,
///         output_is_state: true,
///         divisor: None,
///     };
///
///     #[inline(always)]
///     fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
///         let (f, u) = (input.sigmoid(0), input.pre[1]);
///         let h = f.mul_add(input.prev[0] - u, u);
///         StepOutput::new(h, &[h])
///     }
///
///     #[inline(always)]
///     fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
///         let (f, u) = (input.sigmoid(0), input.pre[1]);
///         let (one, dh) = (L::one(), d.output + d.next[0]);
///         let mut grad = StepInput::zero();
///         grad.pre[0] = dh * (input.prev[0] - u) * f * (one - f);
///         grad.pre[1] = dh * (one - f);
///         grad.prev[0] = dh * f;
///         grad
///     }
/// }
///
/// # fn main() -> candle_core::Result<()> {
/// let leaky = register("leaky", Leaky)?;
/// let parameters = Layout::new(leaky.spec(), 3, 8).len();
/// let weights = Tensor::full(0.1_f32, parameters, &Device::Cpu)?;
/// let x = Tensor::ones((50, 4, 3), DType::F32, &Device::Cpu)?;
/// let states = Tensor::zeros((1, 4, 8), DType::F32, &Device::Cpu)?;
/// let run = sequence(leaky, &x, &weights, &states, &SequenceOptions::default())?;
/// assert_eq!(run.output.dims(), [50, 4, 8]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`fgn_core::register`]: for a name that is taken, or a description that is none.
pub fn register<C: Cell>(name: &'static str, cell: C) -> Result<AnyCell> {
    let parts = vec![
        CompiledFor::<f32>::part(cell),
        CompiledFor::<f64>::part(cell),
        StepFor::part(cell),
        TraceFor::part(cell),
    ];
    fgn_core::register(name, cell, Box::new(Backend(parts))).map_err(Error::wrap)
}
