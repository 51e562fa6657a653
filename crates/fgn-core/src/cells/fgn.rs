use super::lstm::{GATES, Lstm, Memory};
use crate::cell::{Cell, MAX_BLOCKS, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The forgetting gate network: an LSTM whose output is weighed, step by step and unit by unit, by a
/// forgetting gate that sees the input alone.
///
/// ```text
/// φ = σ(x W_φ + b_φ)                    near 1 remember, near 0 forget
/// i, f, o, g, c, m                      an LSTM's, see Lstm, whose h is called m here
/// y = φ ⊙ o ⊙ m + (1 − φ) ⊙ z           readout gated
/// y = φ ⊙ m + (1 − φ) ⊙ z               readout single
/// z = 0   or   m₋ W_z                   LINEAR_Z = false or true
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fgn<const LINEAR_Z: bool> {
    /// Whether the output gate stands twice.
    pub readout: Readout,
    /// Whether the forgetting gate is soft or binary.
    pub forgetting: Forgetting,
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

const PHI: usize = 4;
const Z_BLOCK: usize = 5;
const BLOCKS: [Block; 6] = [
    GATES[0],
    GATES[1],
    GATES[2],
    GATES[3],
    Block::new("phi", Feed::Input, Role::Forgetting),
    Block::new("z", Feed::Hidden, Role::Linear),
];

impl<const LINEAR_Z: bool> Fgn<LINEAR_Z> {
    #[inline(always)]
    fn phi<L: Lane>(&self, pre: L) -> L {
        match self.forgetting {
            Forgetting::Soft => pre.sigmoid(),
            Forgetting::Binary => pre.binary(),
        }
    }
}

impl<const LINEAR_Z: bool> Cell for Fgn<LINEAR_Z> {
    const SPEC: Spec = Spec {
        blocks: if LINEAR_Z { &BLOCKS } else { BLOCKS.split_at(Z_BLOCK).0 },
        states: &["m", "c"],
        vectors: &[],
        memory: Some(1),
        output_is_state: false,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let unit = Memory::step(input);
        let phi = self.phi(input.pre[PHI]);
        let read = match self.readout {
            Readout::Gated => unit.o * unit.h,
            Readout::Single => unit.h,
        };
        let z = input.pre[Z_BLOCK];
        let output = if LINEAR_Z { phi.mul_add(read - z, z) } else { phi * read };
        StepOutput::new(output, &[unit.h, unit.c])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let unit = Memory::step(input);
        let phi = self.phi(input.pre[PHI]);
        let d_read = d.output * phi;
        let (read, d_m, d_o) = match self.readout {
            Readout::Gated => (unit.o * unit.h, d_read * unit.o, d_read * unit.h),
            Readout::Single => (unit.h, d_read, L::zero()),
        };
        let mut grad = unit.grad(input, d_m + d.next[0], d_o, d.next[1]);
        let z = if LINEAR_Z { input.pre[Z_BLOCK] } else { L::zero() };
        let slope = match self.forgetting {
            Forgetting::Soft => phi * (L::one() - phi),
            Forgetting::Binary => {
                let soft = input.pre[PHI].sigmoid();
                soft * (L::one() - soft)
            }
        };
        grad.pre[PHI] = d.output * (read - z) * slope;
        if LINEAR_Z {
            grad.pre[Z_BLOCK] = d.output * (L::one() - phi);
        }
        grad
    }

    fn has_threshold(&self, block: usize) -> bool {
        block == PHI && self.forgetting == Forgetting::Binary
    }

    fn gates<L: Lane>(&self, input: &StepInput<L>) -> [L; MAX_BLOCKS] {
        let mut gates = Lstm.gates(input);
        gates[PHI] = self.phi(input.pre[PHI]);
        gates
    }
}
