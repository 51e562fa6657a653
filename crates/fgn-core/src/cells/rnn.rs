use crate::{At, Block, Cell, Feed, Lane, Role, Spec, Step};

/// The plain recurrent network (Elman 1990), PyTorch's `nn.RNN`.
///
/// ```text
/// h = a(x W + h₋ R + b)     a = tanh or max(0, ·)             y = h
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rnn {
    /// What is applied to the sum.
    pub activation: Activation,
}

/// The activation of an [`Rnn`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Activation {
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
    fn step<L: Lane>(&self, at: &At<L>) -> Step<L> {
        let h = match self.activation {
            Activation::Tanh => at.pre[0].tanh(),
            Activation::Relu => L::zero().max_or(at.pre[0]),
        };
        Step::new(h, &[h])
    }

    #[inline(always)]
    fn grad<L: Lane>(&self, at: &At<L>, d: &Step<L>) -> At<L> {
        let slope = match self.activation {
            Activation::Tanh => {
                let h = at.pre[0].tanh();
                L::one() - h * h
            }
            Activation::Relu => at.pre[0].binary(),
        };
        let mut by = At::zero();
        by.pre[0] = (d.output + d.next[0]) * slope;
        by
    }
}
