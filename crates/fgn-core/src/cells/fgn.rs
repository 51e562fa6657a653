use super::gru::Gru;
use super::janet::Janet;
use super::lru::Lru;
use super::lstm::Lstm;
use super::min_gru::MinGru;
use super::ur_lstm::UrLstm;
use crate::cell::{Cell, MAX_BLOCKS, MAX_STATES, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The forgetting gate network: a memory unit whose output is weighed, step by step and unit by unit, by a
/// forgetting gate that sees the input alone.
///
/// ```text
/// φ = σ(x W_φ + b_φ)                    near 1 remember, near 0 forget
/// m                                     the unit's output, of an LSTM its h
/// o                                     the unit's output gate, 1 where it has none
/// y = φ ⊙ o ⊙ m + (1 − φ) ⊙ z           readout gated
/// y = φ ⊙ m + (1 − φ) ⊙ z               readout single
/// z = 0   or   m₋ W_z                   LINEAR_Z = false or true
/// ```
///
/// The article's memory unit is an LSTM. Its equations ask for no more than a memory vector and an output gate, so that
/// any cell whose output is its hidden state can stand in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fgn<U, const LINEAR_Z: bool> {
    /// The memory unit.
    pub unit: U,
    /// Whether the output gate stands twice.
    pub readout: Readout,
    /// Whether the forgetting gate is soft or binary.
    pub forgetting: Forgetting,
}

/// A cell that a forgetting gate may stand over. Its output is its first state.
pub trait MemoryUnit: Cell {
    /// The block of the gate on its output, a sigmoid, if it has one.
    const OUTPUT_GATE: Option<usize>;
}

/// The memory units that a configuration may choose.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Unit {
    /// [`Lstm`], the article's.
    #[default]
    Lstm,
    /// [`UrLstm`].
    UrLstm,
    /// [`Janet`].
    Janet,
    /// [`Gru`].
    Gru,
    /// [`MinGru`], whose gates read the input alone.
    MinGru,
    /// [`Lru`], a linear recurrence.
    Lru,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 6] =
        [Self::Lstm, Self::UrLstm, Self::Janet, Self::Gru, Self::MinGru, Self::Lru];

    /// Its name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::UrLstm => "ur-lstm",
            Self::Janet => "janet",
            Self::Gru => "gru",
            Self::MinGru => "min-gru",
            Self::Lru => "lru",
        }
    }
}

impl MemoryUnit for Lstm {
    const OUTPUT_GATE: Option<usize> = Some(3);
}

impl MemoryUnit for UrLstm {
    const OUTPUT_GATE: Option<usize> = Some(3);
}

impl MemoryUnit for Janet {
    const OUTPUT_GATE: Option<usize> = None;
}

impl MemoryUnit for Gru {
    const OUTPUT_GATE: Option<usize> = None;
}

impl MemoryUnit for MinGru {
    const OUTPUT_GATE: Option<usize> = None;
}

impl MemoryUnit for Lru {
    const OUTPUT_GATE: Option<usize> = None;
}

/// What fills the output where the forgetting gate closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Z {
    /// Nothing.
    #[default]
    Zero,
    /// A trained linear map of the previous hidden state.
    Linear,
}

/// How the hidden state is read out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Readout {
    /// `φ ⊙ o ⊙ m`: the output gate stands here and inside `m`.
    #[default]
    Gated,
    /// `φ ⊙ m`.
    Single,
}

/// What values the forgetting gate takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Forgetting {
    /// A sigmoid's.
    #[default]
    Soft,
    /// 0 or 1, where the sigmoid is below or above one half; its gradient is the sigmoid's (straight
    /// through).
    Binary,
}

/// The blocks of a unit with φ behind those that read the input, and z at the end.
const fn blocks(unit: &[Block], phi: usize, linear_z: bool) -> [Block; MAX_BLOCKS] {
    let mut blocks = [Block::new("phi", Feed::Input, Role::Forgetting); MAX_BLOCKS];
    let mut block = 0;
    while block < unit.len() {
        blocks[if block < phi { block } else { block + 1 }] = unit[block];
        block += 1;
    }
    if linear_z {
        // Some units have a gate of that name.
        let name = if has(unit, "z") { "z_m" } else { "z" };
        blocks[unit.len() + 1] = Block::new(name, Feed::Hidden, Role::Linear);
    }
    blocks
}

/// Whether a unit has a block of that name, of one letter.
const fn has(unit: &[Block], name: &str) -> bool {
    let mut block = 0;
    while block < unit.len() {
        let found = unit[block].name.as_bytes();
        if found.len() == 1 && found[0] == name.as_bytes()[0] {
            return true;
        }
        block += 1;
    }
    false
}

/// How many blocks of a unit read the input.
const fn fed(unit: &[Block]) -> usize {
    let mut block = 0;
    while block < unit.len() && unit[block].reads_input() {
        block += 1;
    }
    block
}

impl<U: MemoryUnit, const LINEAR_Z: bool> Fgn<U, LINEAR_Z> {
    const UNIT_BLOCKS: usize = U::SPEC.blocks.len();
    const PHI: usize = fed(U::SPEC.blocks);
    const Z: usize = Self::UNIT_BLOCKS + 1;
    const BLOCKS: [Block; MAX_BLOCKS] = blocks(U::SPEC.blocks, Self::PHI, LINEAR_Z);
    const STATES: [&'static str; MAX_STATES] = {
        let mut states = ["m"; MAX_STATES];
        let mut state = 1;
        while state < U::SPEC.states.len() {
            states[state] = U::SPEC.states[state];
            state += 1;
        }
        states
    };

    /// Where a block of the unit stands among all.
    #[inline(always)]
    const fn place(block: usize) -> usize {
        if block < Self::PHI { block } else { block + 1 }
    }

    #[inline(always)]
    fn phi<L: Lane>(&self, pre: L) -> L {
        match self.forgetting {
            Forgetting::Soft => pre.sigmoid(),
            Forgetting::Binary => pre.binary(),
        }
    }

    /// What the unit sees of an input.
    #[inline(always)]
    fn of_unit<L: Lane>(input: &StepInput<L>) -> StepInput<L> {
        let mut unit = *input;
        unit.pre = [L::zero(); MAX_BLOCKS];
        let mut block = 0;
        while block < Self::UNIT_BLOCKS {
            unit.pre[block] = input.pre[Self::place(block)];
            block += 1;
        }
        unit
    }

    /// The output gate, where it stands once more outside the unit.
    #[inline(always)]
    fn output_gate<L: Lane>(&self, unit: &StepInput<L>) -> Option<L> {
        match (self.readout, U::OUTPUT_GATE) {
            (Readout::Gated, Some(gate)) => Some(unit.sigmoid(gate)),
            _ => None,
        }
    }
}

impl<U: MemoryUnit, const LINEAR_Z: bool> Cell for Fgn<U, LINEAR_Z> {
    const SPEC: Spec = Spec {
        blocks: {
            let blocks: &'static [Block; MAX_BLOCKS] = &Self::BLOCKS;
            blocks.split_at(Self::UNIT_BLOCKS + 1 + LINEAR_Z as usize).0
        },
        states: {
            let states: &'static [&'static str; MAX_STATES] = &Self::STATES;
            states.split_at(U::SPEC.states.len()).0
        },
        output_is_state: false,
        ..U::SPEC
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let unit = Self::of_unit(input);
        let mut step = self.unit.step(&unit);
        let read = match self.output_gate(&unit) {
            Some(o) => o * step.output,
            None => step.output,
        };
        let phi = self.phi(input.pre[Self::PHI]);
        step.output = if LINEAR_Z {
            let z = input.pre[Self::Z];
            phi.mul_add(read - z, z)
        } else {
            phi * read
        };
        step
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let one = L::one();
        let unit = Self::of_unit(input);
        let m = self.unit.step(&unit).output;
        let gate = self.output_gate(&unit);
        let phi = self.phi(input.pre[Self::PHI]);
        let d_read = d.output * phi;
        let (read, d_m) = match gate {
            Some(o) => (o * m, d_read * o),
            None => (m, d_read),
        };
        let mut inside = self.unit.grad(&unit, &StepOutput { output: d_m, next: d.next });
        if let (Some(o), Some(gate)) = (gate, U::OUTPUT_GATE) {
            inside.pre[gate] = (d_read * m).mul_add(o * (one - o), inside.pre[gate]);
        }

        let mut grad = inside;
        grad.pre = [L::zero(); MAX_BLOCKS];
        let mut block = 0;
        while block < Self::UNIT_BLOCKS {
            grad.pre[Self::place(block)] = inside.pre[block];
            block += 1;
        }
        let z = if LINEAR_Z { input.pre[Self::Z] } else { L::zero() };
        let slope = match self.forgetting {
            Forgetting::Soft => phi * (one - phi),
            Forgetting::Binary => {
                let soft = input.pre[Self::PHI].sigmoid();
                soft * (one - soft)
            }
        };
        grad.pre[Self::PHI] = d.output * (read - z) * slope;
        if LINEAR_Z {
            grad.pre[Self::Z] = d.output * (one - phi);
        }
        grad
    }

    fn has_threshold(&self, block: usize) -> bool {
        block == Self::PHI && self.forgetting == Forgetting::Binary
    }

    fn gates<L: Lane>(&self, input: &StepInput<L>) -> [L; MAX_BLOCKS] {
        let inside = self.unit.gates(&Self::of_unit(input));
        let mut gates = [L::zero(); MAX_BLOCKS];
        for block in 0..Self::UNIT_BLOCKS {
            gates[Self::place(block)] = inside[block];
        }
        gates[Self::PHI] = self.phi(input.pre[Self::PHI]);
        gates
    }

    #[inline(always)]
    fn retained<L: Lane>(&self, input: &StepInput<L>) -> L {
        self.unit.retained(&Self::of_unit(input))
    }
}
