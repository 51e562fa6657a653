//! Lion.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::optimizer::number::Number;
use crate::optimizer::rule::{Decay, Elements, Rule, Step};
use crate::ranges::decay;

/// Lion (Chen et al., 2023, algorithm 2): steps of one size in the direction of the gradients' sign. A third to a
/// tenth of Adam's learning rate is usual.
///
/// ```text
/// p = p₋ · (1 − learning_rate · weight_decay) − learning_rate · sign(beta1 · m₋ + (1 − beta1) · g)
/// m = beta2 · m₋ + (1 − beta2) · g
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lion {
    /// The step size, above 0; 1e-4.
    pub learning_rate: f64,
    /// Weight of the past in a step's direction, in `[0, 1)`; 0.9.
    pub beta1: f64,
    /// Decay of the moment, in `[0, 1)`; 0.99.
    pub beta2: f64,
    /// A step takes this times the learning rate off the weights, at least 0; 0.
    pub weight_decay: f64,
}

impl Default for Lion {
    fn default() -> Self {
        Lion { learning_rate: 1e-4, beta1: 0.9, beta2: 0.99, weight_decay: 0.0 }
    }
}

impl Rule for Lion {
    const DECAY: Decay = Decay::Decoupled;

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<()> {
        decay("optimizer.beta1", self.beta1)?;
        decay("optimizer.beta2", self.beta2)
    }

    fn update<N: Number, E: Elements<N>>(&self, step: &Step, elements: E) -> E::Output {
        let Lion { beta1, beta2, .. } = *self;
        let [rate, keep] = [step.rate, step.keep].map(N::from_f64);
        let [b1, a1, b2, a2] = [beta1, 1.0 - beta1, beta2, 1.0 - beta2].map(N::from_f64);
        elements.update(["exp_avg"], |p, g, [m]| {
            (p * keep - rate * (b1 * m + a1 * g).sign(), [b2 * m + a2 * g])
        })
    }
}
