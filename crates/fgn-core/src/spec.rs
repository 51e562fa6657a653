use crate::Lane;

/// What a cell needs: its pre-activation blocks, its states and its per-unit vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The pre-activations, each a block of `H` numbers a step, in the order of the weights' rows.
    /// Those that the input feeds come first.
    pub blocks: &'static [Block],
    /// The names of the states carried from step to step. The first is the one that blocks fed by
    /// the hidden state see.
    pub states: &'static [&'static str],
    /// The names of the learned vectors `[H]` that a step sees beside its pre-activations.
    pub vectors: &'static [&'static str],
    /// The state that the output is read from, where that is not the hidden state itself. It can be
    /// normalised before it is read, see [`At::seen`](crate::At::seen).
    pub memory: Option<usize>,
    /// Whether the output is the first state.
    pub output_is_state: bool,
    /// The state that the output is divided by: positive after any step, and before it unless all states
    /// are zero.
    pub divisor: Option<usize>,
}

/// One pre-activation block of width `H`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The gate's name in the cell's equations.
    pub name: &'static str,
    /// What it is computed from.
    pub feed: Feed,
    /// What it does, which decides how it is initialised.
    pub role: Role,
    /// What the cell makes of the block before anything else, if it makes the same of every one.
    pub squash: Option<Squash>,
}

/// A function that a cell applies to a pre-activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Squash {
    /// The logistic sigmoid.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

impl Squash {
    /// The function's value.
    #[inline(always)]
    pub fn of<L: Lane>(self, pre: L) -> L {
        match self {
            Self::Sigmoid => pre.sigmoid(),
            Self::Tanh => pre.tanh(),
        }
    }
}

/// What a pre-activation block is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// From the input `x_t` alone: rows in `weight_ih`.
    Input,
    /// From the hidden state alone: rows in `weight_hh`.
    Hidden,
    /// From both, added.
    Both,
}

/// What a pre-activation block does in its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A gate on the memory carried over from the previous step.
    Forget,
    /// The gate on the output of the forgetting gate network.
    Forgetting,
    /// A gate on what is written into the memory.
    Input,
    /// A gate on what the memory puts out.
    Output,
    /// What is written into the memory.
    Candidate,
    /// What a forgotten memory falls back to.
    Level,
    /// The opposite of a forget gate: near 1, the memory carried over is overwritten.
    Update,
    /// The logarithm of what is written's weight, which may exceed 1.
    Exponential,
    /// A gate that moves a forget gate towards 0 or 1.
    Refine,
    /// A plain linear map, without a bias.
    Linear,
}

impl Block {
    pub(crate) const fn new(name: &'static str, feed: Feed, role: Role) -> Self {
        Self { name, feed, role, squash: None }
    }

    /// The same block, of which the cell takes the sigmoid.
    pub(crate) const fn sigmoid(self) -> Self {
        Self { squash: Some(Squash::Sigmoid), ..self }
    }

    /// The same block, of which the cell takes the hyperbolic tangent.
    pub(crate) const fn tanh(self) -> Self {
        Self { squash: Some(Squash::Tanh), ..self }
    }

    /// Whether the block has rows in `weight_ih`.
    pub const fn reads_input(&self) -> bool {
        matches!(self.feed, Feed::Input | Feed::Both)
    }

    /// Whether the block has rows in `weight_hh`.
    pub const fn reads_hidden(&self) -> bool {
        matches!(self.feed, Feed::Hidden | Feed::Both)
    }

    /// Whether the block is a gate.
    pub const fn is_gate(&self) -> bool {
        matches!(
            self.role,
            Role::Forget
                | Role::Forgetting
                | Role::Input
                | Role::Output
                | Role::Update
                | Role::Refine
        )
    }

    /// Whether layer normalisation of the pre-activations is for this block.
    pub const fn is_normalised(&self) -> bool {
        !matches!(self.role, Role::Linear)
    }

    /// Whether the block has rows in `bias_ih`.
    pub const fn has_input_bias(&self) -> bool {
        self.reads_input() && !matches!(self.role, Role::Linear)
    }

    /// Whether the block has rows in `bias_hh`.
    pub const fn has_hidden_bias(&self) -> bool {
        self.reads_hidden() && !matches!(self.role, Role::Linear)
    }
}

impl Spec {
    /// Whether any block sees the hidden state. Without one, a cell needs no matrix product inside
    /// its time loop.
    pub const fn is_recurrent(&self) -> bool {
        let mut g = 0;
        while g < self.blocks.len() {
            if self.blocks[g].reads_hidden() {
                return true;
            }
            g += 1;
        }
        false
    }

    /// Whether a gate decides what the memory carries over from step to step.
    pub fn has_gated_memory(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block.role, Role::Forget | Role::Update))
    }

    /// Those of `states: [S, …]` that are a [`divisor`](Self::divisor); none if the cell has none.
    pub fn divisors<'a, T>(&self, states: &'a mut [T]) -> &'a mut [T] {
        let size = states.len() / self.states.len();
        self.divisor.map_or(&mut [], |s| &mut states[s * size..][..size])
    }

    /// The blocks for which `has` holds, as places in [`blocks`](Self::blocks).
    pub fn places(&self, has: impl Fn(&Block) -> bool) -> Vec<usize> {
        (0..self.blocks.len()).filter(|&g| has(&self.blocks[g])).collect()
    }
}
