use crate::lane::Lane;

/// The description of a cell: its pre-activation blocks, its states and its per-unit vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The pre-activation blocks, each of `H` numbers per step, in the order of the weights' rows. Blocks that
    /// read the input come first.
    pub blocks: &'static [Block],
    /// The names of the states that pass from step to step. The first is the hidden state, which the recurrent
    /// weights multiply.
    pub states: &'static [&'static str],
    /// The names of the trained vectors `[H]` that a step reads beside its pre-activations.
    pub vectors: &'static [&'static str],
    /// The index of the state that the output is computed from, if that is not the hidden state itself. It can be
    /// normalised first, see [`StepInput::normalized_memory`](crate::StepInput::normalized_memory).
    pub memory: Option<usize>,
    /// Whether the output is the first state.
    pub output_is_state: bool,
    /// The index of the state that the output is divided by. It is positive after any step, and before a step
    /// unless all states are zero.
    pub divisor: Option<usize>,
}

/// One pre-activation block of width `H`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The block's name in the cell's equations.
    pub name: &'static str,
    /// What the block is computed from.
    pub feed: Feed,
    /// What the block does, which decides its initialisation.
    pub role: Role,
    /// The function that the cell applies to the block, if it uses the block in no other way. The forward pass then
    /// stores the function's value for the backward pass.
    pub activation: Option<Activation>,
}

/// A function that a cell applies to a pre-activation block.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The logistic sigmoid.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
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
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A gate on the memory of the previous step.
    Forget,
    /// The gate on the output of the forgetting gate network.
    Forgetting,
    /// A gate on what is written into the memory.
    Input,
    /// A gate on what is output of the memory.
    Output,
    /// What is written into the memory.
    Candidate,
    /// The level to which a forgotten memory returns.
    Level,
    /// The opposite of a forget gate: near 1, the memory is overwritten.
    Update,
    /// The logarithm of an exponential input gate, which may exceed 1.
    Exponential,
    /// A gate that moves a forget gate towards 0 or 1.
    Refine,
    /// A plain linear map, without a bias.
    Linear,
}

impl Block {
    /// A block without an [`activation`](Self::activation).
    pub const fn new(name: &'static str, feed: Feed, role: Role) -> Self {
        Self { name, feed, role, activation: None }
    }

    /// The same block with the sigmoid as its activation: the cell reads it by
    /// [`StepInput::sigmoid`](crate::StepInput::sigmoid) alone.
    pub const fn sigmoid(self) -> Self {
        Self { activation: Some(Activation::Sigmoid), ..self }
    }

    /// The same block with the hyperbolic tangent as its activation: the cell reads it by
    /// [`StepInput::tanh`](crate::StepInput::tanh) alone.
    pub const fn tanh(self) -> Self {
        Self { activation: Some(Activation::Tanh), ..self }
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

    /// Whether layer normalisation of the pre-activations applies to this block.
    pub const fn is_normalized(&self) -> bool {
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
    /// Whether any block reads the hidden state. A cell without such a block needs no matrix product inside its
    /// time loop.
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

    /// Whether a gate decides how much of the memory a step retains.
    pub fn has_gated_memory(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block.role, Role::Forget | Role::Update))
    }

    /// The part of `states: [S, …]` that holds the [`divisor`](Self::divisor); empty if the cell has none.
    pub fn divisors<'a, T>(&self, states: &'a mut [T]) -> &'a mut [T] {
        let size = states.len() / self.states.len();
        self.divisor.map_or(&mut [], |s| &mut states[s * size..][..size])
    }

    /// The indices in [`blocks`](Self::blocks) of the blocks for which `has` holds.
    pub fn indices(&self, has: impl Fn(&Block) -> bool) -> Vec<usize> {
        (0..self.blocks.len()).filter(|&g| has(&self.blocks[g])).collect()
    }
}
