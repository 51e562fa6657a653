//! Adam.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::optimizer::number::Number;
use crate::optimizer::rule::{Decay, Elements, Rule, Step};
use crate::ranges::{decay, positive};

/// Adam (Kingma & Ba, 2015); `torch.optim.Adam`.
///
/// ```text
/// m = beta1 · m₋ + (1 − beta1) · g
/// v = beta2 · v₋ + (1 − beta2) · g²
/// p = p₋ − learning_rate · m̂ / (√v̂ + epsilon)      with m̂ = m / (1 − beta1ᵗ), v̂ = v / (1 − beta2ᵗ)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// The step size, above 0; 0.001.
    pub learning_rate: f64,
    /// Decay of the first moment, in `[0, 1)`; 0.9.
    pub beta1: f64,
    /// Decay of the second moment, in `[0, 1)`; 0.999.
    pub beta2: f64,
    /// Added to the root of the second moment, above 0; 1e-8.
    pub epsilon: f64,
    /// The weights times this are added to their gradient, at least 0; 0.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        let (beta1, beta2, epsilon) = (0.9, 0.999, 1e-8);
        Adam { learning_rate: 1e-3, beta1, beta2, epsilon, weight_decay: 0.0 }
    }
}

impl Rule for Adam {
    const DECAY: Decay = Decay::Coupled;

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<()> {
        decay("optimizer.beta1", self.beta1)?;
        decay("optimizer.beta2", self.beta2)?;
        positive("optimizer.epsilon", self.epsilon)
    }

    fn update<N: Number, E: Elements<N>>(&self, step: &Step, elements: E) -> E::Output {
        let Adam { beta1, beta2, epsilon, .. } = *self;
        // The bias corrections, once a step instead of once an element.
        let rate = step.rate / (1.0 - beta1.powi(step.number));
        let root = (1.0 - beta2.powi(step.number)).sqrt().recip();
        let [keep, rate, root, epsilon] = [step.keep, rate, root, epsilon].map(N::from_f64);
        let [b1, a1, b2, a2] = [beta1, 1.0 - beta1, beta2, 1.0 - beta2].map(N::from_f64);
        elements.update(["exp_avg", "exp_avg_sq"], |p, g, [m, v]| {
            let m = b1 * m + a1 * g;
            let v = b2 * v + a2 * g * g;
            (p * keep - rate * m / (v.sqrt() * root + epsilon), [m, v])
        })
    }
}
