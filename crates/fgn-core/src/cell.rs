use crate::lane::Lane;
use crate::spec::{Activation, Spec};

/// The most pre-activation blocks a cell may have.
pub const MAX_BLOCKS: usize = 6;
/// The most states a cell may have.
pub const MAX_STATES: usize = 4;
/// The most per-unit vectors a cell may have.
pub const MAX_VECTORS: usize = 3;

/// A gated recurrent cell: plain data, and two pure functions for one unit at one step.
///
/// The equations are written once, over any [`Lane`]. They are element-wise: units interact only through the
/// pre-activations, which the caller computes from the weights as [`SPEC`](Self::SPEC) says.
///
/// Kernels compile both functions for SIMD vectors, so an implementation marks them `#[inline(always)]` and does
/// not call a [`Lane`] operation inside a closure.
///
/// ```
/// use fgn_core::{Block, Cell, Feed, Lane, Role, Spec, StepInput, StepOutput};
///
/// /// A leaky integrator: `h = f ⊙ h₋ + (1 − f) ⊙ tanh(x W + b)`, `f = σ(x W_f + h₋ R_f + b_f)`.
/// #[derive(Clone, Copy)]
/// struct Leaky;
///
/// const F: usize = 0;
/// const G: usize = 1;
///
/// impl Cell for Leaky {
///     const SPEC: Spec = Spec {
///         blocks: &[
///             Block::new("f", Feed::Both, Role::Forget).sigmoid(),
///             Block::new("g", Feed::Input, Role::Candidate).tanh(),
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
///         let (f, g) = (input.sigmoid(F), input.tanh(G));
///         let h = f.mul_add(input.prev[0] - g, g);
///         StepOutput::new(h, &[h])
///     }
///
///     #[inline(always)]
///     fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
///         let one = L::one();
///         let (f, g) = (input.sigmoid(F), input.tanh(G));
///         let dh = d.output + d.next[0];
///         let mut grad = StepInput::zero();
///         grad.pre[F] = dh * (input.prev[0] - g) * f * (one - f);
///         grad.pre[G] = dh * (one - f) * (one - g * g);
///         grad.prev[0] = dh * f;
///         grad
///     }
/// }
///
/// let open = StepInput::new(&[30.0, 0.0], &[0.5], &[]);
/// assert!((Leaky.step(&open).output - 0.5_f64).abs() < 1e-9);
/// assert!((Leaky.retained(&open) - 1.0_f64).abs() < 1e-9);
/// ```
pub trait Cell: Copy + Send + Sync + 'static {
    /// The blocks, states and vectors of the cell.
    const SPEC: Spec;

    /// Computes one step of one unit, or of several units at once if the lane is a vector.
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L>;

    /// The gradient of [`step`](Self::step): takes the gradient of the loss with respect to the step's output,
    /// returns it with respect to the step's input.
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L>;

    /// Whether the step compares the pre-activation of block `block` with a threshold. A rounding error can then
    /// change the output by its whole range, so a stream holds the weights of such a block in full precision.
    fn has_threshold(&self, _block: usize) -> bool {
        false
    }

    /// The values of the blocks that are gates, in `0 ..= 1`. The other entries are zero.
    fn gates<L: Lane>(&self, input: &StepInput<L>) -> [L; MAX_BLOCKS] {
        let mut gates = [L::zero(); MAX_BLOCKS];
        for (g, block) in Self::SPEC.blocks.iter().enumerate() {
            if block.is_gate() {
                gates[g] = match block.activation {
                    Some(Activation::Sigmoid) => input.sigmoid(g),
                    _ => input.pre[g].sigmoid(),
                };
            }
        }
        gates
    }

    /// The effective forget gate: the share of a unit's memory that the step retains. It is the derivative of the
    /// memory after the step with respect to the memory before it, with the pre-activations held constant.
    fn retained<L: Lane>(&self, input: &StepInput<L>) -> L {
        let memory = Self::SPEC.memory.unwrap_or(0);
        let mut d = StepOutput::new(L::zero(), &[]);
        d.next[memory] = L::one();
        self.grad(input, &d).prev[memory]
    }
}

/// The input of a step, or the gradient with respect to it. Entries that the cell's [`Spec`] does not have are zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepInput<L> {
    /// The pre-activation of each block.
    pub pre: [L; MAX_BLOCKS],
    /// Whether [`activate`](Self::activate) has been applied: `pre` then holds the activation's value for each block
    /// that has a [`Block::activation`](crate::Block::activation).
    pub activated: bool,
    /// The states after the previous step.
    pub prev: [L; MAX_STATES],
    /// The trained per-unit vectors.
    pub vectors: [L; MAX_VECTORS],
    /// With a normalised memory: its value, from which the output is computed in place of the memory itself.
    pub normalized_memory: Option<L>,
}

/// The output of a step, or the gradient with respect to it. Entries that the cell's [`Spec`] does not have are zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutput<L> {
    /// The cell's output.
    pub output: L,
    /// The states after this step.
    pub next: [L; MAX_STATES],
}

impl<L: Lane> StepInput<L> {
    /// An input with the given values. All other entries are zero.
    ///
    /// # Panics
    /// If a slice is longer than its maximum ([`MAX_BLOCKS`], [`MAX_STATES`], [`MAX_VECTORS`]).
    pub fn new(pre: &[L], prev: &[L], vectors: &[L]) -> Self {
        let mut input = Self::zero();
        input.pre[..pre.len()].copy_from_slice(pre);
        input.prev[..prev.len()].copy_from_slice(prev);
        input.vectors[..vectors.len()].copy_from_slice(vectors);
        input
    }

    /// An input of zeros.
    #[inline(always)]
    pub fn zero() -> Self {
        let zero = L::zero();
        Self {
            pre: [zero; MAX_BLOCKS],
            activated: false,
            prev: [zero; MAX_STATES],
            vectors: [zero; MAX_VECTORS],
            normalized_memory: None,
        }
    }

    /// Replaces the pre-activation of each block of cell `C` that has an activation by the activation's value.
    /// A step and its gradient are the same for the result; the gradient needs no `tanh` or `sigmoid` of those
    /// blocks again.
    #[inline(always)]
    pub fn activate<C: Cell>(mut self) -> Self {
        for block in 0..C::SPEC.blocks.len() {
            if let Some(activation) = C::SPEC.blocks[block].activation {
                self.pre[block] = activation.of(self.pre[block]);
            }
        }
        self.activated = true;
        self
    }

    /// The sigmoid of block `block`, which was declared with [`Block::sigmoid`](crate::Block::sigmoid): its stored
    /// value if the input is [`activated`](Self::activated).
    #[inline(always)]
    pub fn sigmoid(&self, block: usize) -> L {
        if self.activated { self.pre[block] } else { self.pre[block].sigmoid() }
    }

    /// The hyperbolic tangent of block `block`, which was declared with [`Block::tanh`](crate::Block::tanh): its
    /// stored value if the input is [`activated`](Self::activated).
    #[inline(always)]
    pub fn tanh(&self, block: usize) -> L {
        if self.activated { self.pre[block] } else { self.pre[block].tanh() }
    }

    /// For a gradient (`self`) at `input`: returns the gradient with respect to the memory after the step, from
    /// its two parts. `d_read` comes from the output, which is computed from the memory, `d_next` from the next
    /// step.
    ///
    /// If the output was computed from the [`normalized_memory`](Self::normalized_memory), the two must not be
    /// added: `d_read` is stored as the gradient with respect to that value, and `d_next` is returned.
    #[inline(always)]
    pub fn split_memory_gradient(&mut self, input: &Self, d_read: L, d_next: L) -> L {
        match input.normalized_memory {
            Some(_) => {
                self.normalized_memory = Some(d_read);
                d_next
            }
            None => d_read + d_next,
        }
    }
}

impl<L: Lane> StepOutput<L> {
    /// An output with the given values. All other states are zero.
    ///
    /// # Panics
    /// If there are more than [`MAX_STATES`] states.
    #[inline(always)]
    pub fn new(output: L, next: &[L]) -> Self {
        let mut step = Self { output, next: [L::zero(); MAX_STATES] };
        step.next[..next.len()].copy_from_slice(next);
        step
    }
}
