use crate::{Lane, Spec, Squash};

/// The most pre-activation blocks a cell may have.
pub const MAX_BLOCKS: usize = 6;
/// The most states a cell may have.
pub const MAX_STATES: usize = 4;
/// The most per-unit vectors a cell may have.
pub const MAX_VECTORS: usize = 3;

/// A gated recurrent cell: plain data that says what one unit does at one step.
///
/// The equations are written once, over any [`Lane`]. They are element-wise: all that mixes units is
/// in the pre-activations, which whoever runs the cell computes from [`SPEC`](Self::SPEC).
pub trait Cell: Copy + Send + Sync + 'static {
    /// The blocks, states and vectors that the cell needs.
    const SPEC: Spec;

    /// One step of one unit (or of many at once).
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L>;

    /// The gradient of [`step`](Self::step): given the loss's derivatives by its results, the
    /// derivatives by its arguments.
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L>;

    /// The values of those blocks that are gates, `0 ..= 1`; the places of the others are zero.
    fn gates<L: Lane>(&self, at: &At<L>) -> [L; MAX_BLOCKS] {
        let mut gates = [L::zero(); MAX_BLOCKS];
        for (g, block) in Self::SPEC.blocks.iter().enumerate() {
            if block.is_gate() {
                gates[g] = match block.squash {
                    Some(Squash::Sigmoid) => at.sigmoid(g),
                    _ => at.pre[g].sigmoid(),
                };
            }
        }
        gates
    }

    /// What a unit carries over of its memory, the effective forget gate: the derivative of the memory
    /// after the step by the memory before it, at the same pre-activations.
    fn carried<L: Lane>(&self, at: &At<L>) -> L {
        let memory = Self::SPEC.memory.unwrap_or(0);
        let mut d = Step::new(L::zero(), &[]);
        d.next[memory] = L::one();
        self.grad(at, &d).prev[memory]
    }
}

/// The arguments of a step, or the derivatives by them. Places beyond the cell's [`Spec`] are zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct At<L> {
    /// The pre-activation of each block.
    pub pre: [L; MAX_BLOCKS],
    /// Whether blocks with a [`squash`](crate::Block::squash) function stand in `pre` with its value instead.
    pub squashed: bool,
    /// The states after the previous step.
    pub prev: [L; MAX_STATES],
    /// The learned per-unit vectors.
    pub vectors: [L; MAX_VECTORS],
    /// What is read of the memory in place of the memory itself: its normalised form.
    pub seen: Option<L>,
}

/// The results of a step, or the derivatives by them. Places beyond the cell's [`Spec`] are zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step<L> {
    /// What the cell puts out.
    pub output: L,
    /// The states after this step.
    pub next: [L; MAX_STATES],
}

impl<L: Lane> At<L> {
    /// Arguments with the given values; the other places are zero.
    ///
    /// # Panics
    /// If a slice is longer than its maximum ([`MAX_BLOCKS`], [`MAX_STATES`], [`MAX_VECTORS`]).
    pub fn new(pre: &[L], prev: &[L], vectors: &[L]) -> Self {
        let mut at = Self::zero();
        at.pre[..pre.len()].copy_from_slice(pre);
        at.prev[..prev.len()].copy_from_slice(prev);
        at.vectors[..vectors.len()].copy_from_slice(vectors);
        at
    }

    /// All zero.
    #[inline(always)]
    pub fn zero() -> Self {
        let zero = L::zero();
        Self {
            pre: [zero; MAX_BLOCKS],
            squashed: false,
            prev: [zero; MAX_STATES],
            vectors: [zero; MAX_VECTORS],
            seen: None,
        }
    }

    /// The same arguments, with the cell's squash functions applied ahead.
    #[inline(always)]
    pub fn squash<C: Cell>(mut self) -> Self {
        for block in 0..C::SPEC.blocks.len() {
            if let Some(squash) = C::SPEC.blocks[block].squash {
                self.pre[block] = squash.of(self.pre[block]);
            }
        }
        self.squashed = true;
        self
    }

    /// The sigmoid of a block that has it as its squash function.
    #[inline(always)]
    pub(crate) fn sigmoid(&self, block: usize) -> L {
        if self.squashed { self.pre[block] } else { self.pre[block].sigmoid() }
    }

    /// The hyperbolic tangent of a block that has it as its squash function.
    #[inline(always)]
    pub(crate) fn tanh(&self, block: usize) -> L {
        if self.squashed { self.pre[block] } else { self.pre[block].tanh() }
    }

    /// Notes the derivative by what was read of the memory; gives that by the memory itself, of which
    /// `d_next` is the part that goes to its next step. Where the memory was read in a normalised form
    /// `at` some place, the two stay apart.
    #[inline(always)]
    pub fn read(&mut self, at: &Self, d_seen: L, d_next: L) -> L {
        match at.seen {
            Some(_) => {
                self.seen = Some(d_seen);
                d_next
            }
            None => d_seen + d_next,
        }
    }
}

impl<L: Lane> Step<L> {
    /// Results with the given values; the other places are zero.
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
