//! Adagrad.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::optimizer::number::Number;
use crate::optimizer::rule::{Decay, Elements, Rule, Step};
use crate::ranges::positive;

/// Adagrad (Duchi, Hazan & Singer, 2011); `torch.optim.Adagrad`. What is rarely seen, as the vector of a rare item,
/// makes larger steps. Without weight decay a gradient of zero changes nothing, so that sparse gradients give exactly
/// what dense ones do.
///
/// ```text
/// v = v₋ + g²
/// p = p₋ − learning_rate · g / (√v + epsilon)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adagrad {
    /// The step size, above 0; 0.01.
    pub learning_rate: f64,
    /// Added to the root of the sum of squares, above 0; 1e-10.
    pub epsilon: f64,
    /// The weights times this are added to their gradient, at least 0; 0.
    pub weight_decay: f64,
}

impl Default for Adagrad {
    fn default() -> Self {
        Adagrad { learning_rate: 0.01, epsilon: 1e-10, weight_decay: 0.0 }
    }
}

impl Rule for Adagrad {
    const DECAY: Decay = Decay::Coupled;

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<()> {
        positive("optimizer.epsilon", self.epsilon)
    }

    fn update<N: Number, E: Elements<N>>(&self, step: &Step, elements: E) -> E::Output {
        let [rate, epsilon] = [step.rate, self.epsilon].map(N::from_f64);
        elements.update(["sum"], |p, g, [v]| {
            let v = v + g * g;
            (p - rate * g / (v.sqrt() + epsilon), [v])
        })
    }
}
