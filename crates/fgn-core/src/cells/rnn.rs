use crate::cell::{Cell, StepInput, StepOutput};
use crate::lane::Lane;
use crate::spec::{Block, Feed, Role, Spec};

/// The plain recurrent network (Elman 1990), PyTorch's `nn.RNN`.
///
/// ```text
/// h = a(x W + h₋ R + b)     a = tanh or max(0, ·)             y = h
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rnn {
    /// What is applied to the sum.
    pub nonlinearity: Nonlinearity,
}

/// The nonlinearity of an [`Rnn`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Nonlinearity {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// `max(0, ·)`.
    Relu,
}

impl Cell for Rnn {
    const SPEC: Spec = Spec {
        blocks: &[Block::new("h", Feed::Both, Role::Candidate)],
        states: &["h"],
        vectors: &[],
        memory: None,
        output_is_state: true,
        divisor: None,
    };

    #[inline(always)]
    fn step<L: Lane>(&self, input: &StepInput<L>) -> StepOutput<L> {
        let h = match self.nonlinearity {
            Nonlinearity::Tanh => input.pre[0].tanh(),
            Nonlinearity::Relu => L::zero().max_or(input.pre[0]),
        };
        StepOutput::new(h, &[h])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, input: &StepInput<L>, d: &StepOutput<L>) -> StepInput<L> {
        let slope = match self.nonlinearity {
            Nonlinearity::Tanh => {
                let h = input.pre[0].tanh();
                L::one() - h * h
            }
            Nonlinearity::Relu => input.pre[0].binary(),
        };
        let mut grad = StepInput::zero();
        grad.pre[0] = (d.output + d.next[0]) * slope;
        grad
    }
}
